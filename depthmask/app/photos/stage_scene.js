// Unpacks a scene, which scene.py packed, to arrays: what came with it, and the files fetched later.

export const DEPTH_STEPS = 4095;
export const UNKNOWN = 128;
const MIN_SHADOW = 25; // of 255; a scene whose shadow is weaker has none
const WIDE = ["depth", "error"]; // planes of 16 bits

async function download(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    return answer.blob();
}

function readBitmap(bitmap, width, height) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const pencil = canvas.getContext("2d", { willReadFrequently: true });
    pencil.imageSmoothingQuality = "high";
    pencil.drawImage(bitmap, 0, 0, width, height);
    return new Int32Array(pencil.getImageData(0, 0, width, height).data.buffer);
}

// The pixels of one of the scene's pictures, without any change of colours.
export async function readPicture(content, width, height) {
    const bitmap = await createImageBitmap(content, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const pixels = readBitmap(bitmap, width, height);
    bitmap.close();
    return pixels;
}

// A photo, a File or the address of one, as { bitmaps, width, height }: a bitmap for each of the longest
// sides that are wanted, no larger than the photo, whose width and height are told.
export async function readPhoto(photo, sides) {
    const whole = await createImageBitmap(typeof photo === "string" ? await download(photo) : photo);
    const { width, height } = whole;
    const bitmaps = await Promise.all(sides.map((longest) => {
        const scale = Math.min(1, longest / Math.max(width, height));
        const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
        return createImageBitmap(whole, { resizeWidth, resizeHeight, resizeQuality: "high" });
    }));
    whole.close();
    return { bitmaps, width, height };
}

// The planes that pack_planes of scene.py, or share_link.js, packed; `kinds` has the bytes of a value of each.
export async function readPlanes(content, kinds, width, height) {
    const size = width * height;
    const bytes = await inflate(content, size * kinds.reduce((sum, kind) => sum + kind));
    let start = 0;
    return kinds.map((kind) => {
        const plane = kind === 2 ? new Uint16Array(size) : new Uint8Array(size);
        const part = bytes.subarray(start, start += kind * size);
        if (kind === 2) unfold(part, plane);
        else plane.set(part);
        addUp(plane, width);
        return plane;
    });
}

// Unpacks so many bytes, and no more: what is packed in a link may be a thousand times as large.
async function inflate(content, length) {
    const reader = content.stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    const bytes = new Uint8Array(length);
    let at = 0;
    for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (at + value.length > length) {
            await reader.cancel();
            throw new Error("more than these planes");
        }
        bytes.set(value, at);
        at += value.length;
    }
    if (at !== length) throw new Error("fewer than these planes");
    return bytes;
}

// High and low bytes to changes: 0, 1, 2, 3 ... mean 0, -1, 1, -2 ...
function unfold(bytes, plane) {
    const size = plane.length;
    for (let i = 0; i < size; i += 1) {
        const folded = (bytes[i] << 8) | bytes[i + size];
        plane[i] = (folded >>> 1) ^ -(folded & 1);
    }
}

// Changes to values, in place: each is added to left + upper - upper left.
function addUp(plane, width) {
    for (let i = 1; i < width; i += 1) plane[i] += plane[i - 1];
    for (let row = width; row < plane.length; row += width) {
        for (let i = row, sum = 0; i < row + width; i += 1) {
            sum = (sum + plane[i]) | 0;
            plane[i] = plane[i - width] + sum;
        }
    }
}

// Whether a value is at least at a level; a loop is many times as fast as `some`.
export function reaches(plane, level) {
    for (let i = 0; i < plane.length; i += 1) if (plane[i] >= level) return true;
    return false;
}

// Where the mask found nothing, the colours of the foreground are the image's: a brush may add it.
function fillColours(foreground, image, alpha) {
    for (let i = 0; i < alpha.length; i += 1) if (!alpha[i]) foreground[i] = image[i];
    return foreground;
}

export function readPalette(hex) {
    const palette = new Int32Array(256);
    for (let i = 0; i < 256; i += 1) {
        const [r, g, b] = [0, 2, 4].map((k) => parseInt(hex.slice(6 * i + k, 6 * i + k + 2), 16));
        palette[i] = 0xff000000 | (b << 16) | (g << 8) | r;
    }
    return palette;
}

// Loads what can be shown at once of what first_scene or write_scene returned.
//
// `url(path)` is the address of a file of the server, `rest()` returns what write_rest returned, and
// `photo()` what readPhoto made of the page's own image. All pictures are Int32Array of little-endian
// RGBA, `width` x `height`. Until loadRest has come, the scene has no `background` and no `shadow`, and
// its `foreground` is the image. A `preview` is smaller than what loadWhole loads later.
export async function loadScene(description, sources) {
    const { first } = description;
    if (!first) return loadWhole(description, description, sources);
    const image = first.image ? blobOf(first.image) : null;
    return { ...await unpack(description, first.pixels, blobOf(first.maps), image, sources), preview: true };
}

// The same in the size in which the server has `files` of it.
export async function loadWhole(description, { folder, files }, sources) {
    const get = (stem) => download(sources.url(`${folder}/${files[stem]}`));
    const hasOwn = description.first && !description.first.image;
    return unpack(description, description.pixels, get("maps"), hasOwn ? null : get("image"), sources);
}

function blobOf(text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = letters.charCodeAt(i);
    return new Blob([bytes]);
}

async function unpack(description, [width, height], maps, picture, sources) {
    const { planes } = description;
    const [image, values] = await Promise.all([
        picture ? readPicture(await picture, width, height) : ownImage(description, width, height, sources),
        readPlanes(await maps, planes.map((name) => (WIDE.includes(name) ? 2 : 1)), width, height),
    ]);
    const of = Object.fromEntries(planes.map((name, k) => [name, values[k]]));
    return {
        description, width, height, image,
        alpha: of.alpha, depth: of.depth, truth: of.truth || null, error: of.error || null,
        unknown: of.unknown || null,
        background: null, shadow: null, foreground: image, preview: false,
        palette: readPalette(description.palette),
    };
}

// The page's own photo, which the server need not send; but browsers may read one in another way.
async function ownImage({ size }, width, height, { url, rest, photo }) {
    const own = await photo().catch(() => null);
    if (own && own.width === size[0] && own.height === size[1]) {
        const bitmap = own.bitmaps.find((each) => each.width >= width) || own.bitmaps[0];
        return readBitmap(bitmap, width, height);
    }
    const { folder, files } = await rest();
    return readPicture(await download(url(`${folder}/${files.image}`)), width, height);
}

// What a scene lacks at first: { background, foreground, shadow }, of which all but the foreground may
// be null.
export async function loadRest({ image, alpha, width, height }, { folder, files }, url) {
    const get = (stem) => download(url(`${folder}/${files[stem]}`));
    const read = async (stem) => (files[stem] ? readPicture(await get(stem), width, height) : null);
    const [background, foreground, planes] = await Promise.all([
        read("background"), read("foreground"),
        files.shadow ? readPlanes(await get("shadow"), [1], width, height) : [null],
    ]);
    const shadow = planes[0];
    return {
        background, foreground: fillColours(foreground, image, alpha),
        shadow: shadow && reaches(shadow, MIN_SHADOW) ? shadow : null,
    };
}

// Grids of depth for the 3D view.
export async function loadRelief({ folder, files, grid: [columns, rows] }, url) {
    const content = await download(url(`${folder}/${files.relief}`));
    const [near, far] = await readPlanes(content, [2, 2], columns, rows);
    return { columns, rows, near, far };
}
