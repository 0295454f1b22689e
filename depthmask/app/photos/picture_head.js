// What a file tells before it is decoded: pictures of which decoding would take gigabytes are told by
// their heads, and folders by having none.

export const MAX_PIXELS = 8192 * 6144; // as in depthmask/pictures/decode.py
const HEAD_BYTES = 2 ** 20; // a JPEG may have previews and profiles before its size
const NO_SIZE = new Set([0xc4, 0xc8, 0xcc]); // markers of JPEG among those of frames

// What to do about a file that is no use as a picture; "" if it may be one.
export async function troubleOf(file) {
    const name = file.name || "This picture";
    let head;
    try {
        head = await readHead(file);
    } catch {
        return `${name} cannot be read: it is a folder, or was moved; drop the picture itself.`;
    }
    if (!file.size) return `${name} is empty; copy or download it again.`;
    const { width, height } = head || {};
    return width * height > MAX_PIXELS ? `${name} has ${width} × ${height} pixels, and at most `
        + `${Math.floor(MAX_PIXELS / 1e6)} megapixels are read; make it smaller.` : "";
}

// The head of a file: { kind, width, height }, not turned upright; without the sizes where it does not
// tell them, null where it is of no kind that a browser reads. Throws if the file cannot be read.
export async function readHead(file) {
    const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
    const view = new DataView(bytes.buffer);
    const kind = KINDS.find(({ marks }) => marks.some(([place, mark]) => textAt(bytes, place, mark.length) === mark));
    if (!kind) return null;
    try {
        const [width, height] = kind.size(view, bytes) || [];
        return { kind: kind.name, width, height };
    } catch (error) {
        if (error instanceof RangeError) return { kind: kind.name }; // it is cut short
        throw error;
    }
}

const textAt = (bytes, place, length) => String.fromCharCode(...bytes.subarray(place, place + length));

const KINDS = [
    {
        name: "PNG", marks: [[0, "\x89PNG\r\n\x1a\n"]],
        size: (view) => [view.getUint32(16), view.getUint32(20)],
    },
    { name: "JPEG", marks: [[0, "\xff\xd8\xff"]], size: sizeOfJpeg },
    {
        name: "GIF", marks: [[0, "GIF8"]],
        size: (view) => [view.getUint16(6, true), view.getUint16(8, true)],
    },
    { name: "BMP", marks: [[0, "BM"]], size: sizeOfBmp },
    { name: "WebP", marks: [[8, "WEBP"]], size: sizeOfWebp },
    { name: "AVIF", marks: ["avif", "avis", "mif1", "hei"].map((brand) => [4, `ftyp${brand}`]), size: sizeOfAvif },
];

function sizeOfJpeg(view) {
    for (let at = 2; ;) {
        const marker = view.getUint8(at + 1);
        if (marker === 0xff) at += 1; // filling
        else if (marker >= 0xc0 && marker <= 0xcf && !NO_SIZE.has(marker)) {
            return [view.getUint16(at + 7), view.getUint16(at + 5)];
        } else at += 2 + view.getUint16(at + 2);
    }
}

function sizeOfBmp(view) {
    if (view.getUint32(14, true) === 12) return [view.getUint16(18, true), view.getUint16(20, true)];
    return [view.getInt32(18, true), view.getInt32(22, true)].map(Math.abs); // rows may go downwards
}

function sizeOfWebp(view, bytes) {
    const kind = textAt(bytes, 12, 4);
    if (kind === "VP8 ") return [26, 28].map((place) => view.getUint16(place, true) & 0x3fff);
    const bits = view.getUint32(kind === "VP8L" ? 21 : 24, true);
    if (kind === "VP8L") return [1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff)];
    return [1 + (bits & 0xffffff), 1 + (view.getUint32(26, true) >>> 8)];
}

// The largest of the pictures that it holds.
function sizeOfAvif(view, bytes) {
    let [found, most] = [null, 0];
    for (let at = bytes.indexOf(0x69); at >= 0; at = bytes.indexOf(0x69, at + 1)) {
        if (textAt(bytes, at, 4) !== "ispe") continue;
        const size = [view.getUint32(at + 8), view.getUint32(at + 12)];
        if (size[0] * size[1] > most) [found, most] = [size, size[0] * size[1]];
    }
    return found;
}
