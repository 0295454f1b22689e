// Fetches the files of a scene, which scene.py wrote, and unpacks them to arrays.

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
    bitmap.close();
    const pixels = pencil.getImageData(0, 0, width, height);
    return { width, height, pixels: new Int32Array(pixels.data.buffer) };
}

// The pixels of one of the scene's pictures, without any change of colours.
async function readPicture(url) {
    const bitmap = await createImageBitmap(await download(url), {
        colorSpaceConversion: "none", premultiplyAlpha: "none",
    });
    return readBitmap(bitmap, bitmap.width, bitmap.height).pixels;
}

// The pixels of a photo, a File or the address of one, shrunk as scene.py would shrink it.
export async function readPhoto(photo, longest) {
    const bitmap = await createImageBitmap(typeof photo === "string" ? await download(photo) : photo);
    const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    return readBitmap(bitmap, width, height);
}

// The planes that pack_planes of scene.py packed; `kinds` has the bytes of a value of each.
async function readPlanes(url, kinds, width, height) {
    const stream = (await download(url)).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const size = width * height;
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

function readPalette(hex) {
    const palette = new Int32Array(256);
    for (let i = 0; i < 256; i += 1) {
        const [r, g, b] = [0, 2, 4].map((k) => parseInt(hex.slice(6 * i + k, 6 * i + k + 2), 16));
        palette[i] = 0xff000000 | (b << 16) | (g << 8) | r;
    }
    return palette;
}

// `description` is what write_first returned. `url(path)` is the address of a file of the server,
// `rest()` returns what write_rest returned, and `photo()` the pixels of the page's own image.
// All pictures are Int32Array of little-endian RGBA, `width` x `height`. Until loadRest has come, the
// scene has no `background` and no `shadow`, and its `foreground` is the image.
export async function loadScene(description, { url, rest, photo }) {
    const { files, folder, planes, pixels: [width, height] } = description;
    const [image, values] = await Promise.all([
        files.image ? readPicture(url(`${folder}/${files.image}`)) : ownImage(description, { url, rest, photo }),
        readPlanes(url(`${folder}/${files.maps}`), planes.map((name) => (WIDE.includes(name) ? 2 : 1)), width, height),
    ]);
    const of = Object.fromEntries(planes.map((name, k) => [name, values[k]]));
    return {
        description, width, height, image,
        alpha: of.alpha, depth: of.depth, truth: of.truth || null, error: of.error || null,
        unknown: of.unknown || null,
        background: null, shadow: null, foreground: image,
        palette: readPalette(description.palette),
    };
}

// The page's own photo, which the server need not send; but browsers may read one in another way.
async function ownImage({ pixels: [width, height] }, { url, rest, photo }) {
    const own = await photo().catch(() => null);
    if (own && own.width === width && own.height === height) return own.pixels;
    const { folder, files } = await rest();
    return readPicture(url(`${folder}/${files.image}`));
}

// What a scene lacks at first: { background, foreground, shadow }, of which all but the foreground may
// be null.
export async function loadRest({ image, alpha, width, height }, { folder, files }, url) {
    const read = (stem) => (files[stem] ? readPicture(url(`${folder}/${files[stem]}`)) : null);
    const [background, foreground, planes] = await Promise.all([
        read("background"), read("foreground"),
        files.shadow ? readPlanes(url(`${folder}/${files.shadow}`), [1], width, height) : [null],
    ]);
    const shadow = planes[0];
    return {
        background, foreground: fillColours(foreground, image, alpha),
        shadow: shadow && reaches(shadow, MIN_SHADOW) ? shadow : null,
    };
}

// Grids of depth for the 3D view.
export async function loadRelief({ folder, files, grid: [columns, rows] }, url) {
    const [near, far] = await readPlanes(url(`${folder}/${files.relief}`), [2, 2], columns, rows);
    return { columns, rows, near, far };
}
