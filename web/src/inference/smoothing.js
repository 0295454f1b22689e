// Maps smoothed over time where the picture does not change; see depthmask/inference/smoothing.py.

import { clamp } from "../pictures/arrays.js";
import { across, blur, dilate, down } from "../pictures/filters.js";
import { largestDifference } from "./background.js";

const MOTION_LEVELS = [6, 24]; // change between frames: below the first nothing moves, above all does

// A map, of which a share of an earlier one is kept where nothing has changed; `fresh` is of `motion`.
export function mix(before, now, fresh, keep) {
    const data = new Float32Array(now.data.length);
    for (let i = 0; i < data.length; i += 1) {
        const old = before.data[i];
        data[i] = old + (now.data[i] - old) * (1 - keep * (1 - fresh[i]));
    }
    return { ...now, data };
}

// How much each pixel has changed between two frames, in [0, 1]; wider than what moves, as the borders
// of the network's mask are.
export function motion(before, now) {
    const [low, high] = MOTION_LEVELS;
    const change = blur(largestDifference(before, now), 3, { whole: true });
    const wide = blur(dilate(dilate(change, across(5)), down(5)), 3, { whole: true });
    const fresh = new Float32Array(wide.data.length);
    for (let i = 0; i < fresh.length; i += 1) fresh[i] = clamp((wide.data[i] - low) / (high - low), 0, 1);
    return fresh;
}
