// Reads files: photos, true masks and true depth maps. An Error says in a sentence what is wrong.

import { MAX_PIXELS, readHead } from "../../../depthmask/app/photos/picture_head.js";
import { array } from "./arrays.js";
import { readGreyPng } from "./png.js";

const KNOWN = ["PNG", "JPEG", "GIF", "BMP", "WebP"]; // every browser reads these
const MAX_MILLIMETRES = 20000; // above it, 16 bits are relative depth
const FEW = 0.02; // share of pixels that may be above, for cameras write noise
const COLOUR_SPREAD = 24; // levels between the channels of a pixel
const MAX_COLOURED = 0.01; // share of the pixels of a grey picture

// A photo, upright as its EXIF says: (H, W, 3) of 8 bits, sRGB.
export async function readPhoto(blob) {
    const { height, width, data } = await readPixels(blob);
    const colours = new Uint8Array(3 * height * width);
    for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
        [colours[to], colours[to + 1], colours[to + 2]] = [data[from], data[from + 1], data[from + 2]];
    }
    return array(height, width, 3, colours);
}

// A true mask as levels: 255 is foreground, 0 background.
export async function readTrueMask(blob) {
    const grey = await readGrey(blob);
    if (grey.data instanceof Uint8Array) return grey;
    return { ...grey, data: Uint8Array.from(grey.data, (value) => value >> 8) };
}

// A true depth map: { map, inMetres }; 0 is unknown. 16 bits are millimetres if nearly all are small.
export async function readTrueDepth(blob) {
    const grey = await readGrey(blob);
    if (grey.data instanceof Uint8Array) return { map: scaled(grey, 255), inMetres: false };
    let [known, far] = [0, 0];
    for (const value of grey.data) {
        if (!value || value === 65535) continue;
        known += 1;
        far += value > MAX_MILLIMETRES;
    }
    const inMetres = known > 0 && far <= FEW * known;
    if (inMetres) grey.data = grey.data.map((value) => (value === 65535 ? 0 : value));
    return { map: scaled(grey, inMetres ? 1000 : 65535), inMetres };
}

const scaled = (from, full) => ({ ...from, data: Float32Array.from(from.data, (value) => value / full) });

// Grey levels of 8 or 16 bits; the alpha channel where there is one.
async function readGrey(blob) {
    const exact = await readGreyPng(blob);
    if (exact) return exact;
    const { height, width, data } = await readPixels(blob);
    const [levels, alpha] = [0, 0].map(() => new Uint8Array(height * width));
    let coloured = 0;
    for (let i = 0; i < levels.length; i += 1) {
        const [r, g, b, a] = data.subarray(4 * i, 4 * i + 4);
        coloured += Math.max(r, g, b) - Math.min(r, g, b) > COLOUR_SPREAD;
        [levels[i], alpha[i]] = [Math.round(0.299 * r + 0.587 * g + 0.114 * b), a];
    }
    if (alpha.some((value) => value < 255)) return array(height, width, 1, alpha);
    if (coloured > MAX_COLOURED * levels.length) {
        throw new Error(`${blob.name || "This file"} is a picture in colour; save it in grey.`);
    }
    return array(height, width, 1, levels);
}

async function readPixels(blob) {
    let bitmap;
    try {
        bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none" });
    } catch {
        const { kind } = await readHead(blob).catch(() => null) || {};
        throw new Error(`${blob.name || "This file"} ${KNOWN.includes(kind)
            ? "is damaged or cut short; save or download it again."
            : "is no picture that this browser can read; save it as JPEG or PNG."}`);
    }
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) {
        bitmap.close();
        throw new Error(`${blob.name || "This picture"} has ${Math.round(width * height / 1e6)} megapixels; `
            + `here it may have ${Math.floor(MAX_PIXELS / 1e6)}: save a smaller copy.`);
    }
    const pencil = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    pencil.drawImage(bitmap, 0, 0);
    bitmap.close();
    return { width, height, data: pencil.getImageData(0, 0, width, height).data };
}
