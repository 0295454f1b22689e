// Predicts a mask and a depth map of the image's own size from two photos; see
// depthmask/inference/predictor.py.

import { clamp, mapped, mean, round } from "../pictures/arrays.js";
import { resize, resizeByHalves, shrink } from "../pictures/resize.js";
import { assemble, closest, frame } from "./background.js";
import { applyLight, hidden, lightCopy, matchLight } from "./light.js";
import { judge } from "./pair_quality.js";
import { isSame, leaveOut, measure } from "./pair_signs.js";
import { refineDepth, refineMask } from "./refinement.js";
import { keepJoined } from "./unknown_area.js";

const STRIDE = 32; // the network halves five times
const MAX_GAIN_CHANGE_STOPS = 0.15; // of a channel; the network predicts the same with less
const MIN_DEPTH = 1e-6; // depth is above 0, so that 1 / depth is finite

// Height and width at which the network sees a picture: multiples of 32, about resolution² pixels.
export function networkSize(height, width, resolution) {
    const longest = resolution ** 2 / STRIDE;
    const aspect = Math.sqrt(height / width);
    return [resolution * aspect, resolution / aspect].map(
        (ideal) => Math.max(STRIDE, round(Math.min(ideal, longest) / STRIDE) * STRIDE));
}

// `background` is one photo, or a learned one; `run(background, image)` is the network: small pictures to
// { mask, depth }, small maps.
// Returns { mask, depth, background, unknown, registration, light, quality, covered, networkMs }.
export async function predict(background, image, { run, resolution }) {
    const { height, width } = image;
    const { pictures, unknown, registration } = frame(background, image);
    const size = networkSize(height, width, resolution);
    const [smallImage, ...copies] = [image, ...pictures].map((picture) => resizeByHalves(picture, ...size));
    const smallUnknown = unknown && mapped(shrink(mapped(unknown, (value) => value), ...size),
        (value) => (value > 0 ? 1 : 0), Uint8Array);
    const { maps, light, choice, networkMs } = await see(copies, smallImage, smallUnknown, run);
    const covered = unknown ? 1 - mean(unknown) : 1;
    const signs = measure(assemble(copies, choice), smallImage, maps.mask, registration, light, {
        moved: registration.shift / Math.hypot(height, width), covered, unknown: smallUnknown,
        same: !background.candidates && isSame(background, image),
    });
    const lowMask = leaveOut(maps.mask, signs.gone);
    const mask = refineMask(lowMask, height, width);
    const depth = mapped(refineDepth(maps.depth, lowMask, mask), (value) => clamp(value, MIN_DEPTH, 1));
    return {
        mask, depth, unknown, registration, light, covered, networkMs,
        background: resize(applyLight(assemble(pictures, choice), light), height, width),
        quality: judge(signs),
    };
}

// Runs the network on two small pictures in the same light. That is first fitted without a mask; where
// a second fit, to what the mask leaves, differs, the network runs once more.
async function see(candidates, image, unknown, run) {
    let networkMs = 0;
    const look = async (light) => {
        const choice = closest(candidates, image, light);
        const lit = applyLight(assemble(candidates, choice), light);
        const start = performance.now();
        const maps = await run(lit, image);
        networkMs += performance.now() - start;
        if (unknown) maps.mask = keepJoined(maps.mask, unknown);
        return { maps, light, choice };
    };
    const copies = [assemble(candidates, closest(candidates, image)), image].map(lightCopy);
    const first = matchLight(...copies, hidden(unknown));
    const result = await look(first);
    const second = matchLight(...copies, hidden(unknown, result.maps.mask));
    const change = Math.max(...second.gain.map((gain, c) => Math.abs(Math.log2(gain / first.gain[c]))));
    const better = !second.reason && change >= MAX_GAIN_CHANGE_STOPS;
    return { ...(better ? await look(second) : result), networkMs };
}
