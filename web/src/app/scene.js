// A prediction as the arrays from which the stage draws every view; see depthmask/app/photos/scene.py.
// Here they are made by the worker, and come without files.

import { DEPTH_STEPS, readPalette } from "../../../depthmask/app/photos/stage_scene.js";
import { clamp, mapped } from "../pictures/arrays.js";
import { fitSize, nearest, shrink } from "../pictures/resize.js";
import { unmix } from "../inference/refinement.js";
import { reliefLayers } from "./relief.js";
import shared from "./shared.json" with { type: "json" };

export const SIDE = shared.preview_side; // longest side, in pixels
const MIN_UNKNOWN_SHARE = 0.01; // of the picture; less is not hatched

export const atMost = (from, side = SIDE) => shrink(from, ...fitSize(from, side));
const levels = (map) => mapped(map, (value) => Math.round(255 * clamp(value, 0, 1)), Uint8Array).data;
const steps = (map) => mapped(map, (value) => Math.round(DEPTH_STEPS * clamp(value, 0, 1)), Uint16Array).data;

// What `createStage(...).show` takes, of an analysis.
export function describe({ pair, mask, depth }, name) {
    const { found, image } = pair;
    const small = atMost(image);
    const unknown = found.unknown && mapped(found.unknown, (value) => value);
    const hidden = unknown && unknown.data.reduce((sum, value) => sum + value, 0) / unknown.data.length;
    return {
        name,
        size: [image.width, image.height],
        pixels: [small.width, small.height],
        truth: { mask: Boolean(mask), depth: Boolean(depth?.error) },
        figures: {
            iou: { value: mask ? mask.iou : null, words: mask?.words || "" },
            rmse: { value: depth ? depth.rmse : null, words: depth?.words || "" },
        },
        arrays: {
            image: packed(small),
            alpha: levels(atMost(found.mask)),
            depth: steps(atMost(found.depth)),
            unknown: hidden >= MIN_UNKNOWN_SHARE ? levels(atMost(unknown)) : null,
            truth: mask ? nearest(mask.truth, small.height, small.width).data : null,
            error: depth?.error ? errorSteps(nearest(depth.error, small.height, small.width).data) : null,
        },
    };
}

// What other views need: the arrays of `loadRest` and `loadRelief`.
export function describeRest({ found, image }) {
    const [small, background, mask, depth] = [image, found.background, found.mask, found.depth].map((each) => atMost(each));
    const layers = reliefLayers(depth, mask, shared.relief_side);
    return {
        background: packed(background),
        foreground: packed(unmix(small, background, mask)),
        shadow: null, // it is not looked for here
        relief: { columns: layers[0].width, rows: layers[0].height, near: steps(layers[0]), far: steps(layers[1]) },
    };
}

// Reads for the stage what the two functions above describe.
export const scenes = {
    loadScene: async (description) => ({
        description, ...description.arrays,
        width: description.pixels[0], height: description.pixels[1],
        background: null, shadow: null, foreground: description.arrays.image, preview: false,
        palette: readPalette(shared.palette),
    }),
    loadRest: async (scene, { background, foreground, shadow }) => ({ background, foreground, shadow }),
    loadRelief: async ({ relief }) => relief,
};

// RGB as little-endian RGBA.
export function packed({ data }) {
    const pixels = new Int32Array(data.length / 3);
    for (let i = 0, at = 0; i < pixels.length; i += 1, at += 3) {
        pixels[i] = 0xff000000 | (data[at + 2] << 16) | (data[at + 1] << 8) | data[at];
    }
    return pixels;
}

// Errors from -1 to 1 as steps from 1; 0 is an unknown error.
const errorSteps = (errors) => Uint16Array.from(errors, (error) => (
    Number.isNaN(error) ? 0 : Math.max(1, Math.round(DEPTH_STEPS * clamp((error + 1) / 2, 0, 1)))));
