// Predicts a mask and a depth map of the image's own size from two photos; see
// depthmask/inference/predictor.py.

import { clamp, mapped, mean, round } from "../pictures/arrays.js";
import { resizeByHalves, shrink } from "../pictures/resize.js";
import { applyLight, hidden, lightCopy, matchLight } from "./light.js";
import { judge } from "./pair_quality.js";
import { isSame, leaveOut, measure } from "./pair_signs.js";
import { refineDepth, refineMask } from "./refinement.js";
import { register } from "./registration.js";
import { frameBackground, keepJoined } from "./unknown_area.js";

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

// `run(background, image)` is the network: small pictures to { mask, depth }, small maps.
// Returns { mask, depth, background, unknown, registration, light, quality, covered, networkMs }.
export async function predict(background, image, { run, resolution }) {
    const { height, width } = image;
    const registration = register(background, image);
    const framed = frameBackground(background, image, registration);
    const size = networkSize(height, width, resolution);
    const [small, smallImage] = [framed.picture, image].map((picture) => resizeByHalves(picture, ...size));
    const { unknown } = framed;
    const smallUnknown = unknown && mapped(shrink(mapped(unknown, (value) => value), ...size),
        (value) => (value > 0 ? 1 : 0), Uint8Array);
    const { maps, light, networkMs } = await see(small, smallImage, smallUnknown, run);
    const covered = unknown ? 1 - mean(unknown) : 1;
    const signs = measure(small, smallImage, maps.mask, registration, light, {
        moved: registration.shift / Math.hypot(height, width), covered, unknown: smallUnknown,
        same: isSame(background, image),
    });
    const lowMask = leaveOut(maps.mask, signs.gone);
    const mask = refineMask(lowMask, height, width);
    const depth = mapped(refineDepth(maps.depth, lowMask, mask), (value) => clamp(value, MIN_DEPTH, 1));
    return {
        mask, depth, unknown, registration, light, covered, networkMs,
        background: applyLight(framed.picture, light),
        quality: judge(signs),
    };
}

// Runs the network on two small pictures in the same light. That is first fitted without a mask; where
// a second fit, to what the mask leaves, differs, the network runs once more.
async function see(background, image, unknown, run) {
    let networkMs = 0;
    const look = async (light) => {
        const start = performance.now();
        const maps = await run(applyLight(background, light), image);
        networkMs += performance.now() - start;
        if (unknown) maps.mask = keepJoined(maps.mask, unknown);
        return { maps, light };
    };
    const copies = [background, image].map(lightCopy);
    const first = matchLight(...copies, hidden(unknown));
    const result = await look(first);
    const second = matchLight(...copies, hidden(unknown, result.maps.mask));
    const change = Math.max(...second.gain.map((gain, c) => Math.abs(Math.log2(gain / first.gain[c]))));
    const better = !second.reason && change >= MAX_GAIN_CHANGE_STOPS;
    return { ...(better ? await look(second) : result), networkMs };
}
