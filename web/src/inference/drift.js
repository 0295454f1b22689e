// Light that drifts slowly and not everywhere alike, as the sun moves: the background follows it where
// nothing stands; see depthmask/inference/drift.py.

import { clamp, mapped, mean, quantile, round } from "../pictures/arrays.js";
import { across, dilate, down, gaussian } from "../pictures/filters.js";
import { enlarge } from "../pictures/resize.js";

const RATE = 0.5; // share of a difference that is taken over at a time
const MAX_LEVELS = 12; // by which a place may differ, blurred
const MIN_FREE_SHARE = 0.05; // of the picture; with less, nothing is taken over
const MEDIAN_STEP = 7; // pixels from one that counts in the median to the next
const MARGIN = 7; // pixels, by which foreground and what differs are widened

// Takes over a part of how an image differs from the background where nothing stands; elsewhere a part
// of the median of that. `drift` is what was added so far, in levels, or null.
export function followDrift(drift, background, image, mask) {
    const { height, width } = image;
    const rest = mapped(image, (value, i) => value - background.data[i]);
    // not a box: it turns the sign of fine patterns, which would grow from time to time
    const { data } = gaussian(rest, 1);
    const taken = mapped(mask, (value, i) => (
        value > 0.2 || [0, 1, 2].some((c) => Math.abs(data[3 * i + c]) > MAX_LEVELS) ? 1 : 0), Uint8Array);
    const wide = dilate(dilate(taken, across(2 * MARGIN + 1)), down(2 * MARGIN + 1));
    const free = mapped(wide, (value) => (value ? 0 : 1), Uint8Array);
    if (mean(free) < MIN_FREE_SHARE) return drift || mapped(rest, () => 0);
    const places = [];
    free.data.forEach((is, i) => { if (is) places.push(i); });
    const some = places.filter((_, k) => k % MEDIAN_STEP === 0);
    const medians = [0, 1, 2].map((c) => quantile(some.map((i) => data[3 * i + c]), 0.5));
    const before = drift && enlarge(drift, height, width).data;
    return mapped(rest, (_, at) => (before ? before[at] : 0)
        + RATE * (free.data[Math.floor(at / 3)] ? data[at] : medians[at % 3]));
}

// Adds a drift, of any size, to a picture.
export function withDrift(picture, drift) {
    if (!drift) return picture;
    const added = enlarge(drift, picture.height, picture.width).data;
    return mapped(picture, (value, i) => round(clamp(value + added[i], 0, 255)), Uint8Array);
}
