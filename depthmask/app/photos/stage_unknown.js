// The unknown area: hatching over what the background does not show, so that nothing could be compared.

import { make } from "./stage_dom.js";

const PERIOD_PIXELS = 9; // of the screen, from stripe to stripe
const TYPICAL_WIDTH = 480; // of a picture on the screen, in its pixels
const DARK = [20, 20, 25, 130];
const LIGHT = [255, 255, 255, 130];
const HATCH_CSS = "repeating-linear-gradient(135deg, #4b4b50 0 3px, #d0d0d2 3px 6px)";

// A layer over a picture; it is no part of what is drawn there, and so of what is saved.
export function hatchLayer() {
    return make("canvas", { class: "stage-unknown", "aria-hidden": "true", hidden: "" });
}

// Draws the stripes of a scene, whose `unknown` is above 127 where they belong.
export function hatch(layer, { unknown, width, height }) {
    [layer.width, layer.height] = [width, height];
    const pencil = layer.getContext("2d");
    const pixels = pencil.createImageData(width, height);
    const period = Math.max(4, 2 * Math.round(PERIOD_PIXELS * width / TYPICAL_WIDTH / 2));
    for (let y = 0, i = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1, i += 1) {
            if (unknown[i] > 127) pixels.data.set((x + y) % period < period / 2 ? DARK : LIGHT, 4 * i);
        }
    }
    pencil.putImageData(pixels, 0, 0);
}

// What the stripes mean, for a legend.
export function hatchLegend({ unknown }) {
    let count = 0;
    for (let i = 0; i < unknown.length; i += 1) count += unknown[i] > 127;
    const share = Math.round(100 * count / unknown.length);
    return make("span", { class: "stage-hatched" },
        make("span", { class: "stage-bar", style: `background: ${HATCH_CSS}` }),
        make("span", {}, `${share}% of the picture is not shown by the background`));
}
