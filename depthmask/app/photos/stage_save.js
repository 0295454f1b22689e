// Pictures as PNG files, written here where a canvas would lose colours, and their download.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GREY = 0;
const RGBA = 6;

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
    let value = i;
    for (let k = 0; k < 8; k += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
});

function checksum(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
    return ~value >>> 0;
}

function chunk(type, content) {
    const bytes = new Uint8Array(12 + content.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, content.length);
    bytes.set(new TextEncoder().encode(type), 4);
    bytes.set(content, 8);
    view.setUint32(8 + content.length, checksum(bytes.subarray(4, 8 + content.length)));
    return bytes;
}

async function png(bytes, width, height, kind, size, bits = 8) {
    const rows = new Uint8Array(height * (1 + width * size)); // each begins with 0: it is not filtered
    for (let y = 0; y < height; y += 1) {
        rows.set(bytes.subarray(y * width * size, (y + 1) * width * size), y * (1 + width * size) + 1);
    }
    const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
    const packed = new Uint8Array(await new Response(stream).arrayBuffer());
    const head = new DataView(new ArrayBuffer(13));
    head.setUint32(0, width);
    head.setUint32(4, height);
    head.setUint8(8, bits);
    head.setUint8(9, kind);
    const parts = [chunk("IHDR", new Uint8Array(head.buffer)), chunk("IDAT", packed), chunk("IEND", [])];
    return new Blob([new Uint8Array(SIGNATURE), ...parts], { type: "image/png" });
}

// Grey levels, one byte a pixel.
export const greyPng = (levels, width, height) => png(levels, width, height, GREY, 1);

// Grey levels of 16 bits: two bytes a pixel, the high one first.
export const deepPng = (bytes, width, height) => png(bytes, width, height, GREY, 2, 16);

// The foreground with alpha, and its shadow as soft black if that is kept; alpha is not multiplied in.
export function cutoutPng({ scene, alpha, shadow }) {
    const { foreground, width, height } = scene;
    const pixels = new Uint32Array(foreground.length);
    for (let i = 0; i < pixels.length; i += 1) {
        const above = alpha[i];
        const under = shadow ? (255 - above) * shadow[i] / 255 : 0;
        const all = Math.round(above + under);
        if (!all) continue;
        let colour = foreground[i] & 0xffffff;
        if (under) {
            const part = above / (above + under);
            colour = [0, 8, 16].reduce(
                (sum, bits) => sum | (Math.round(((foreground[i] >>> bits) & 255) * part) << bits), 0);
        }
        pixels[i] = (((all << 24) | colour) >>> 0);
    }
    return png(new Uint8Array(pixels.buffer), width, height, RGBA, 4);
}

export const canvasPng = (canvas) => new Promise((done) => { canvas.toBlob(done, "image/png"); });

// Offers a file for download: a Blob, or the address of a file.
export function offer(content, name) {
    const url = content instanceof Blob ? URL.createObjectURL(content) : content;
    const link = document.createElement("a");
    [link.href, link.download] = [url, name];
    document.body.append(link);
    link.click();
    link.remove();
    if (content instanceof Blob) setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
