// What two photos of one scene tell by their colours and sharpness; see depthmask/inference/colours.py.
// All functions take small pictures, about 256 x 256 pixels.

import { array, clamp, count, mapped, quantile, toGrey } from "../pictures/arrays.js";
import { across, dilate, down, gaussian } from "../pictures/filters.js";

const [DARK_LEVEL, BRIGHT_LEVEL] = [12, 250];
const COLOUR_LEVELS = 12; // between a pixel's channels; less may be a grey thing
const NOISE_LEVELS = 16; // added to a channel, so that dark pixels have no strong hue
const MAX_HUE_STOPS = 1.5; // from the median; a single strong colour must not decide
const [FINE, COARSE] = [[0, 1], [2, 4]]; // pixels, bands whose structure is compared
const NOISE_DEVIATION = 0.3; // levels, added to structure
const MIN_FREE_PIXELS = 500; // outside of the mask, to tell the sharpness
const DIRECTIONS = [[0, -1, 0, 1], [-1, 0, 1, 0], [-1, -1, 1, 1], [-1, 1, 1, -1]]; // from, to: row, column

// Describes a photo's colours; `free` is a mask of where nothing is foreground.
export function describe(photo, free) {
    const { height, width, data } = photo;
    let [number, dark, bright, all, open, openColoured] = [0, 0, 0, 0, 0, 0];
    for (let y = 0; y < height; y += 2) {
        for (let x = 0; x < width; x += 2) {
            const i = y * width + x;
            const [r, g, b] = data.subarray(3 * i, 3 * i + 3);
            const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
            number += 1;
            dark += most <= DARK_LEVEL;
            bright += least >= BRIGHT_LEVEL;
            all += most - least > COLOUR_LEVELS;
            if (!free.data[i]) continue;
            open += 1;
            openColoured += most - least > COLOUR_LEVELS;
        }
    }
    const coloured = open > MIN_FREE_PIXELS ? openColoured / open : all / number;
    return {
        hueSpread: deviation(hue(photo)), coloured, dark: dark / number, bright: bright / number,
        sharpness: sharpness(photo, free),
    };
}

// log2(red / blue) of some pixels, in stops from the median of all.
function hue({ height, width, data }) {
    const found = [];
    for (let y = 0; y < height; y += 2) {
        for (let x = 0; x < width; x += 2) {
            const i = 3 * (y * width + x);
            found.push(Math.log2((data[i] + NOISE_LEVELS) / (data[i + 2] + NOISE_LEVELS)));
        }
    }
    const middle = quantile(found, 0.5);
    return found.map((value) => clamp(value - middle, -MAX_HUE_STOPS, MAX_HUE_STOPS));
}

// Correlation of the hues of two photos, in [-1, 1]; 0 where one has no colours.
export function hueAgreement(background, image) {
    const [first, second] = [background, image].map((photo) => {
        const found = hue(photo);
        const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
        return found.map((value) => value - mean);
    });
    const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
    const energy = Math.sqrt(dot(first, first) * dot(second, second));
    return energy > 1e-3 * first.length ? dot(first, second) / energy : 0;
}

// Where nothing is foreground, and nothing near is.
export function freeArea(mask) {
    const inside = mapped(mask, (value) => (value > 0.3 ? 1 : 0), Uint8Array);
    const near = dilate(dilate(inside, across(9)), down(9));
    return mapped(near, (value) => (value ? 0 : 1), Uint8Array);
}

// By direction, as a camera that moved blurs along its way alone.
function sharpness(photo, free) {
    if (count(free) < MIN_FREE_PIXELS) return [0, 0, 0, 0];
    const grey = mapped(toGrey(photo), (value) => value);
    const [fine, coarse] = [FINE, COARSE].map((band) => structure(grey, ...band));
    const usual = strength(coarse, free) + NOISE_DEVIATION;
    return DIRECTIONS.map((direction) => Math.log2(
        (strength(slope(fine, direction), free) + NOISE_DEVIATION) / usual));
}

function structure(grey, narrow, wide) {
    const [fine, coarse] = [narrow ? gaussian(grey, narrow) : grey, gaussian(grey, wide)];
    return mapped(fine, (value, i) => value - coarse.data[i]);
}

// The difference of the pixels before and behind each; the edge is mirrored.
function slope({ height, width, data }, [fromRow, fromColumn, toRow, toColumn]) {
    const inside = (place, length) => (place < 0 ? -place : place >= length ? 2 * length - 2 - place : place);
    const result = new Float32Array(data.length);
    for (let y = 0, i = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1, i += 1) {
            result[i] = data[inside(y + toRow, height) * width + inside(x + toColumn, width)]
                - data[inside(y + fromRow, height) * width + inside(x + fromColumn, width)];
        }
    }
    return array(height, width, 1, result);
}

// Root of the mean square where a mask is set.
function strength({ data }, where) {
    let [sum, number] = [0, 0];
    for (let i = 0; i < data.length; i += 1) {
        if (!where.data[i]) continue;
        sum += data[i] * data[i];
        number += 1;
    }
    return Math.sqrt(sum / number);
}

function deviation(values) {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
