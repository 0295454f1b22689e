// From the network's small maps to the image's own size: mask, depth, and colours of a cut-out; see
// depthmask/inference/refinement.py.

import { array, boundingBox, clamp, mapped, round } from "../pictures/arrays.js";
import { blur } from "../pictures/filters.js";
import { crop, enlarge, fitSize, shrink } from "../pictures/resize.js";

const EDGE_CONTRAST = 1.4; // undoes the blur of network and interpolation
const COLOURS_SIDE = 512; // pixels, of the image's longest side where the colours are gathered
const COLOURS_WINDOWS = [32, 8, 2]; // pixels, radii
const MIN_KNOWN_SHARE = 0.02; // of a window must be foreground before it outweighs the larger one
const MIN_SQUARED_ALPHA = 0.01; // where alpha² is less, a colour is taken from nearby

const scaledTo = (map, height, width) => enlarge(shrink(map, height, width), height, width);

// Enlarges a mask and undoes the blur of its edge.
export function refineMask(mask, height, width) {
    const large = scaledTo(mask, height, width);
    return mapped(large, (value) => clamp((value - 0.5) * EDGE_CONTRAST + 0.5, 0, 1));
}

// Enlarges depth so that its step lies on the mask's border. `lowMask` is the network's.
export function refineDepth(depth, lowMask, mask) {
    const { height, width } = mask;
    const [near, far] = [(value) => value > 0.9, (value) => value < 0.1].map((known) => scaledTo(
        continued(depth, mapped(lowMask, (value) => (known(value) ? 1 : 0), Uint8Array)), height, width));
    return mapped(mask, (value, i) => (value > 0.5 ? near : far).data[i]);
}

// Fills what is not known from the known around it, nearest first.
function continued(values, known) {
    const weight = mapped(known, (value) => value);
    let open = known.data.length - weight.data.reduce((sum, value) => sum + value, 0);
    if (open === known.data.length) return values;
    const filled = mapped(values, (value, i) => value * weight.data[i]);
    const [result, done] = [filled.data.slice(), known.data.slice()];
    for (let radius = 1; open && radius < 2 * Math.max(values.height, values.width); radius *= 2) {
        const side = 2 * radius + 1;
        const [share, mean] = [weight, filled].map((map) => blur(map, side, { replicate: true }).data);
        for (let i = 0; i < result.length; i += 1) {
            if (done[i] || share[i] <= 0.5 / side ** 2) continue;
            result[i] = mean[i] / share[i];
            done[i] = 1;
            open -= 1;
        }
    }
    return { ...values, data: result };
}

// Takes the background out of the colours where foreground covers a part of a pixel: RGB, of the
// image's size. The smaller the mask's value, the closer the colour is kept to that nearby.
export function unmix(image, background, mask) {
    const result = { ...image, data: image.data.slice() };
    const box = boundingBox(mask);
    if (!box || !background) return result;
    const part = (from) => crop(from, box.top, box.left, box.height, box.width);
    const side = Math.ceil(COLOURS_SIDE * Math.max(box.height, box.width) / Math.max(mask.height, mask.width));
    const nearby = nearbyColours(part(image), part(mask), side);
    const [rows, columns] = [nearby.height / box.height, nearby.width / box.width];
    for (let y = 0; y < box.height; y += 1) {
        for (let x = 0; x < box.width; x += 1) {
            const i = (y + box.top) * mask.width + x + box.left;
            const alpha = mask.data[i];
            if (alpha <= 0 || alpha >= 1) continue;
            const guess = sample(nearby, (y + 0.5) * rows - 0.5, (x + 0.5) * columns - 0.5);
            for (let c = 0; c < 3; c += 1) {
                const at = 3 * i + c;
                const error = image.data[at] - alpha * guess[c] - (1 - alpha) * background.data[at];
                const colour = guess[c] + error * (alpha / (alpha * alpha + MIN_SQUARED_ALPHA));
                result.data[at] = round(clamp(colour, 0, 255));
            }
        }
    }
    return result;
}

// The mean colour of the sure foreground around each pixel, on a small copy.
function nearbyColours(image, mask, side) {
    const size = fitSize(mask, side);
    const [alpha, small] = [shrink(mask, ...size), shrink(image, ...size)];
    const known = array(...size, 4, new Float32Array(4 * alpha.data.length)); // premultiplied, and alpha
    const total = [0, 0, 0, 0];
    for (let i = 0; i < alpha.data.length; i += 1) {
        const sure = clamp((alpha.data[i] - 0.95) / 0.05, 0, 1) + 1e-6;
        for (let c = 0; c < 4; c += 1) {
            known.data[4 * i + c] = c < 3 ? Math.floor(small.data[3 * i + c]) * sure : sure;
            total[c] += known.data[4 * i + c];
        }
    }
    let mean = mapped(known, (_, i) => total[i % 4] / total[3]);
    for (const radius of COLOURS_WINDOWS) {
        const around = blur(known, 2 * radius + 1, { replicate: true });
        for (let i = 0; i < mean.data.length; i += 4) {
            const weight = around.data[i + 3] + MIN_KNOWN_SHARE * mean.data[i + 3];
            for (let c = 0; c < 3; c += 1) {
                mean.data[i + c] = (around.data[i + c] + MIN_KNOWN_SHARE * mean.data[i + c]) / weight;
            }
            mean.data[i + 3] = 1;
        }
    }
    return mapped(mean, (value) => value + 0.5, Uint8Array);
}

// The colour of a picture between its pixels.
function sample({ height, width, channels, data }, row, column) {
    const [y, x] = [clamp(row, 0, height - 1), clamp(column, 0, width - 1)];
    const [top, left] = [Math.floor(y), Math.floor(x)];
    const [below, right] = [Math.min(top + 1, height - 1), Math.min(left + 1, width - 1)];
    const [down, across] = [y - top, x - left];
    return [0, 1, 2].map((c) => {
        const at = (v, u) => data[(v * width + u) * channels + c];
        return (1 - down) * ((1 - across) * at(top, left) + across * at(top, right))
            + down * ((1 - across) * at(below, left) + across * at(below, right));
    });
}
