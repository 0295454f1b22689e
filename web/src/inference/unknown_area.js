// The unknown area: what the background does not show of the image; see
// depthmask/inference/unknown_area.py. Nothing can be compared there.

import { mapped } from "../pictures/arrays.js";
import { connectedParts } from "../pictures/filters.js";
import { cropToAspect, resize } from "../pictures/resize.js";
import { warp } from "./registration.js";
import { covered } from "./transforms.js";

const PIXEL_REACH = 0.4; // around its centre

// Lays a background on the image: { picture, unknown }; `unknown` is a mask, or null.
export function frameBackground(background, { height, width }, { accepted, homography }) {
    if (!accepted) return { picture: resize(cropToAspect(background, height, width), height, width), unknown: null };
    const shown = covered(background, homography, height, width, PIXEL_REACH);
    return {
        picture: warp(background, homography, height, width),
        unknown: shown.data.includes(0) ? mapped(shown, (value) => (value ? 0 : 1), Uint8Array) : null,
    };
}

// Takes foreground out of the unknown area, unless it goes on from foreground that is known.
export function keepJoined(mask, unknown) {
    const { labels, count } = connectedParts(mapped(mask, (value) => (value > 0.5 ? 1 : 0), Uint8Array));
    const known = new Uint8Array(count);
    labels.data.forEach((label, i) => { if (label && !unknown.data[i]) known[label] = 1; });
    return mapped(mask, (value, i) => (unknown.data[i] && !known[labels.data[i]] ? 0 : value));
}
