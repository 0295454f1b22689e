// Filters on maps, as OpenCV has them: means, blurs, slopes, widened masks, connected parts.
//
// Beyond the edge, a picture is mirrored without its last pixel, as OpenCV does it by default.

import { array } from "./arrays.js";

const mirrored = (place, length) => {
    if (length === 1) return 0;
    let at = Math.abs(place) % (2 * (length - 1));
    if (at >= length) at = 2 * (length - 1) - at;
    return at;
};
const nearest = (place, length) => Math.max(0, Math.min(length - 1, place));

// Means over squares of `side` pixels, an odd number: floats, or `whole` levels of 8 bits.
export function blur(map, side, { replicate = false, whole = false } = {}) {
    const beyond = replicate ? nearest : mirrored;
    return blurDown(blurAcross(map, side, beyond), side, beyond, whole);
}

function blurAcross({ height, width, channels, data }, side, beyond) {
    const reach = side >> 1;
    const result = new Float32Array(data.length);
    const places = Int32Array.from({ length: width + 2 * reach + 1 }, (_, k) => beyond(k - reach, width) * channels);
    for (let y = 0; y < height; y += 1) {
        for (let c = 0; c < channels; c += 1) {
            const first = y * width * channels + c;
            let sum = 0;
            for (let k = 0; k < side; k += 1) sum += data[first + places[k]];
            for (let x = 0, at = first; x < width; x += 1, at += channels) {
                result[at] = sum / side;
                sum += data[first + places[x + side]] - data[first + places[x]];
            }
        }
    }
    return array(height, width, channels, result);
}

function blurDown({ height, width, channels, data }, side, beyond, whole) {
    const reach = side >> 1;
    const length = width * channels;
    const [result, rounding] = whole ? [new Uint8Array(data.length), 0.5] : [new Float32Array(data.length), 0];
    const sum = new Float64Array(length);
    const add = (row, sign) => {
        for (let k = 0, at = beyond(row, height) * length; k < length; k += 1, at += 1) sum[k] += sign * data[at];
    };
    for (let row = -reach; row <= reach; row += 1) add(row, 1);
    for (let y = 0; y < height; y += 1) {
        for (let k = 0, at = y * length; k < length; k += 1, at += 1) result[at] = sum[k] / side + rounding;
        add(y + reach + 1, 1);
        add(y - reach, -1);
    }
    return array(height, width, channels, result);
}

// A Gaussian blur by a standard deviation in pixels; floats.
export function gaussian(map, deviation) {
    const reach = Math.round(deviation * 4 * 2 + 1) >> 1;
    const weights = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-0.5 * ((k - reach) / deviation) ** 2));
    const total = weights.reduce((sum, weight) => sum + weight);
    const even = weights.map((weight) => weight / total);
    return convolvedDown(convolvedAcross(map, even), even);
}

// Derivatives to the right and downwards by Sobel's filter, times a scale.
export function slopes(map, scale = 1) {
    const [smooth, slope] = [[1, 2, 1], [-scale, 0, scale]];
    return [
        convolvedDown(convolvedAcross(map, slope), smooth),
        convolvedDown(convolvedAcross(map, smooth), slope),
    ];
}

function convolvedAcross({ height, width, channels, data }, weights) {
    const reach = weights.length >> 1;
    const length = width * channels;
    const result = new Float32Array(data.length);
    for (let y = 0; y < height; y += 1) {
        const row = y * length;
        for (let j = 0; j < weights.length; j += 1) {
            const weight = weights[j];
            if (!weight) continue;
            const left = Math.min(width, Math.max(0, reach - j));
            const right = Math.max(left, Math.min(width, width + reach - j)); // `left` in narrow pictures
            const shift = (j - reach) * channels;
            for (let at = row + left * channels; at < row + right * channels; at += 1) result[at] += weight * data[at + shift];
            for (let x = 0; x < width; x += 1) {
                if (x === left) x = right; // what lies beyond the edge
                for (let c = 0; x < width && c < channels; c += 1) {
                    result[row + x * channels + c] += weight * data[row + mirrored(x + j - reach, width) * channels + c];
                }
            }
        }
    }
    return array(height, width, channels, result);
}

function convolvedDown({ height, width, channels, data }, weights) {
    const reach = weights.length >> 1;
    const length = width * channels;
    const result = new Float32Array(data.length);
    for (let y = 0; y < height; y += 1) {
        const row = y * length;
        for (let j = 0; j < weights.length; j += 1) {
            const weight = weights[j];
            if (!weight) continue;
            const from = mirrored(y + j - reach, height) * length;
            for (let k = 0; k < length; k += 1) result[row + k] += weight * data[from + k];
        }
    }
    return array(height, width, channels, result);
}

// Offsets of the pixels in a shape around one.
export const square = (side) => across(side).flatMap(([, y]) => across(side).map(([, x]) => [y, x]));
export const across = (side) => Array.from({ length: side }, (_, k) => [0, k - (side >> 1)]);
export const down = (side) => across(side).map(([y, x]) => [x, y]);
export const DISC = square(5).filter(([y, x]) => Math.abs(y) < 2 || x === 0); // OpenCV's ellipse of 5 x 5

// The largest, or the smallest, value within a shape around each pixel; what lies outside is left out.
export const dilate = (map, shape) => extreme(map, shape, 1);
export const erode = (map, shape) => extreme(map, shape, -1);

function extreme({ height, width, data }, shape, sign) {
    const result = data.slice();
    for (const [dy, dx] of shape) {
        const [top, bottom] = [Math.max(0, -dy), Math.min(height, height - dy)];
        const [left, right] = [Math.max(0, -dx), Math.min(width, width - dx)];
        for (let y = top; y < bottom; y += 1) {
            for (let i = y * width + left, j = i + dy * width + dx, end = y * width + right; i < end; i += 1, j += 1) {
                if (sign * data[j] > sign * result[i]) result[i] = data[j];
            }
        }
    }
    return array(height, width, 1, result);
}

// The parts of a mask whose pixels touch, corners included: { labels, count }; label 0 is outside.
export function connectedParts({ height, width, data }) {
    const labels = new Int32Array(data.length);
    const open = new Int32Array(data.length);
    let number = 1;
    for (let start = 0; start < data.length; start += 1) {
        if (!data[start] || labels[start]) continue;
        let size = 1;
        open[0] = start;
        labels[start] = number;
        while (size) {
            size -= 1;
            const at = open[size];
            const [y, x] = [Math.floor(at / width), at % width];
            for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v += 1) {
                for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u += 1) {
                    const near = v * width + u;
                    if (data[near] && !labels[near]) {
                        labels[near] = number;
                        open[size] = near;
                        size += 1;
                    }
                }
            }
        }
        number += 1;
    }
    return { labels: array(height, width, 1, labels), count: number };
}
