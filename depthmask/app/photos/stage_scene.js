// Fetches the files of a scene, which scene.py wrote, and unpacks them to arrays.

export const DEPTH_STEPS = 4095;
export const UNKNOWN = 128;
const MIN_SHADOW = 25; // of 255; a scene whose shadow is weaker has none

// The pixels of a picture as RGBA, without any change of colours; [its width, its height, bytes].
async function readPixels(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    const bitmap = await createImageBitmap(await answer.blob(), {
        colorSpaceConversion: "none", premultiplyAlpha: "none",
    });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    const pencil = canvas.getContext("2d", { willReadFrequently: true });
    pencil.drawImage(bitmap, 0, 0);
    bitmap.close();
    return pencil.getImageData(0, 0, canvas.width, canvas.height);
}

// The planes of a grey picture, which lie one below the other.
function splitPlanes({ data, width, height }, count) {
    const size = width * height / count;
    const planes = Array.from({ length: count }, () => new Uint8Array(size));
    for (let plane = 0, i = 0; plane < count; plane += 1) {
        for (let k = 0; k < size; k += 1, i += 4) planes[plane][k] = data[i];
    }
    return planes;
}

function joinBytes(high, low) {
    const steps = new Uint16Array(high.length);
    for (let i = 0; i < steps.length; i += 1) steps[i] = 256 * high[i] + low[i];
    return steps;
}

const words32 = (pixels) => new Int32Array(pixels.data.buffer);

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

// `description` is what write_scene returned, `url(path)` the address of a file of the server.
// All pictures are Int32Array of little-endian RGBA, `width` x `height`; `background`, `truth`,
// `shadow` and `error` may be null. `readRelief()` fetches [near, far] grids of depth, for the 3D view.
export async function loadScene(description, url) {
    const { files, folder, truth } = description;
    const address = (stem) => url(`${folder}/${files[stem]}`);
    const read = (stem) => (files[stem] ? readPixels(address(stem)) : null);
    const [image, background, foreground, maps, depth, error] = await Promise.all(
        ["image", "background", "foreground", "maps", "depth", "error"].map(read));
    const { width, height } = image;
    const [alpha, labels, shadow] = splitPlanes(maps, 3);
    return {
        description, width, height, alpha,
        image: words32(image),
        background: background && words32(background),
        foreground: fillColours(words32(foreground), words32(image), alpha),
        truth: truth.mask ? labels : null,
        shadow: shadow.some((level) => level >= MIN_SHADOW) ? shadow : null,
        depth: joinBytes(...splitPlanes(depth, 2)),
        error: error && joinBytes(...splitPlanes(error, 2)),
        palette: readPalette(description.palette),
        async readRelief() {
            const pixels = await readPixels(address("relief"));
            const [nearHigh, nearLow, farHigh, farLow] = splitPlanes(pixels, 4);
            return {
                columns: pixels.width, rows: pixels.height / 4,
                near: joinBytes(nearHigh, nearLow), far: joinBytes(farHigh, farLow),
            };
        },
    };
}
