// Records what a canvas shows. Where the browser can, what is transparent stays so (VP9 in WebM).

const KINDS = ["video/webm;codecs=vp9", "video/webm", "video/mp4"];
const BITS_A_SECOND = 6e6;
export const MAX_S = 600;
const INFO = [0x15, 0x49, 0xa9, 0x66]; // ids of WebM's elements
const DURATION = [0x44, 0x89];

export function createRecorder(canvas) {
    let recorder = null;
    let ended = null; // settles when the recorder has, which a browser may also decide
    let began = 0;
    let chunks = [];
    return {
        get isOn() { return recorder !== null; },
        // Whether the browser has ended it; what there is waits for `stop`.
        get hasEnded() { return recorder !== null && recorder.state === "inactive"; },
        get seconds() { return recorder ? (performance.now() - began) / 1000 : 0; },
        // Returns whether the browser can record.
        start() {
            const kind = window.MediaRecorder && canvas.captureStream
                && KINDS.find((each) => MediaRecorder.isTypeSupported(each));
            if (!kind) return false;
            try {
                const made = new MediaRecorder(canvas.captureStream(), {
                    mimeType: kind, videoBitsPerSecond: BITS_A_SECOND,
                });
                chunks = [];
                made.addEventListener("dataavailable", ({ data }) => chunks.push(data));
                ended = new Promise((done) => made.addEventListener("stop", done));
                made.start(1000);
                recorder = made;
            } catch (error) {
                console.debug("depthmask: no recording", error);
                return false;
            }
            began = performance.now();
            return true;
        },
        // Returns { blob, end: of the file's name }; the blob is null if nothing was drawn.
        async stop() {
            const lasted = performance.now() - began;
            if (recorder.state !== "inactive") recorder.stop();
            await ended;
            const kind = recorder.mimeType.split(";")[0];
            recorder = null;
            const whole = new Blob(chunks, { type: kind });
            chunks = [];
            const blob = kind === "video/webm" ? await withDuration(whole, lasted) : whole;
            return { blob: whole.size ? blob : null, end: kind.split("/")[1] };
        },
    };
}

// Browsers leave the duration out, and players show none then. It becomes the last element of the
// file's "Info", if that tells its size in one byte or eight.
async function withDuration(blob, milliseconds) {
    const head = new Uint8Array(await blob.slice(0, 512).arrayBuffer());
    const at = head.findIndex((_, place) => INFO.every((byte, next) => head[place + next] === byte));
    const [first] = at < 0 ? [0] : head.slice(at + 4);
    const long = first === 0x01;
    if (at < 0 || !(long || first & 0x80)) return blob;
    const bytes = long ? 8 : 1;
    const body = at + 4 + bytes;
    const size = long ? new DataView(head.buffer).getUint32(body - 4) : first & 0x7f;
    const element = new DataView(new ArrayBuffer(11));
    [...DURATION, 0x88].forEach((byte, place) => element.setUint8(place, byte));
    element.setFloat64(3, milliseconds);
    const length = new DataView(new ArrayBuffer(8));
    length.setUint32(0, 0x01000000);
    length.setUint32(4, size + element.byteLength);
    return new Blob([head.slice(0, at + 4), length.buffer, head.slice(body, body + size),
        element.buffer, blob.slice(body + size)], { type: blob.type });
}
