// Exposure and white balance: a gain for each channel that makes the background as bright as the image
// where nothing has changed; see depthmask/inference/light.py.

import { TEXTS } from "../texts.js";
import { array, quantile } from "../pictures/arrays.js";
import { fitSize, resize, shrink } from "../pictures/resize.js";

const TEXT = TEXTS.light;
export const LIGHT_SIDE = 160; // pixels, longest side of the copies that are compared
export const [MIN_LEVEL, MAX_LEVEL] = [16, 242]; // outside, noise and clipping hide the gain
export const MIN_PIXELS = 50;
const MAX_FITTED_PIXELS = 4000;
const MAX_SOUGHT_PIXELS = 500;
const [WIDE, NARROW] = [[0.8, 0.4, 0.2, 0.2], [0.1, 0.1, 0.1]]; // stops, widths of kernels
const AGREEING_WIDTH = 0.2; // stops
const MAX_STOPS = 3;
const MAX_TINT_STOPS = 2.2;
export const MIN_STOPS = 0.02; // less cannot be seen
const USUAL_TINT_STOPS = 0.75; // more needs surer evidence
const [MIN_AGREEING_SHARE, SURE_SHARE] = [0.15, 0.4];

const LEVELS = Float64Array.from({ length: 256 }, (_, level) => toLinear(level / 255));
const STOPS = LEVELS.map((_, level) => Math.log2(LEVELS[Math.max(level, 1)])); // black has none

const unchanged = (reason, stops = 0, tint = 0) => ({ gain: [1, 1, 1], stops, tint, accepted: false, reason });
export const NOT_MATCHED = unchanged(TEXT.not_asked);

// The copy that `matchLight` looks at.
export const lightCopy = (picture) => shrink(picture, ...fitSize(picture, LIGHT_SIDE));

// Finds the gains on which most pixels agree: { gain, stops, tint, accepted, reason }.
// `foreground` is a map in [0, 1]; pixels above 0.5 do not count.
export function matchLight(background, image, foreground = null) {
    const ratios = logRatios(lightCopy(background), lightCopy(image), foreground);
    if (ratios.length < MIN_PIXELS) return unchanged(TEXT.too_few);
    const [mode, agreement] = findMode(ratios);
    const stops = (mode[0] + mode[1] + mode[2]) / 3;
    const tint = Math.max(...mode) - Math.min(...mode);
    if (agreement < (tint <= USUAL_TINT_STOPS ? MIN_AGREEING_SHARE : SURE_SHARE)) return unchanged(TEXT.no_gain);
    if (Math.abs(stops) > MAX_STOPS) return unchanged(TEXT.too_bright_or_dark, stops, tint);
    if (tint > MAX_TINT_STOPS) return unchanged(TEXT.too_tinted, stops, tint);
    if (Math.max(...mode.map(Math.abs)) < MIN_STOPS) return unchanged("", stops, tint);
    return { gain: mode.map((stop) => 2 ** stop), stops, tint, accepted: true, reason: "" };
}

// Gives the background the light of the image.
export function applyLight(background, { accepted, gain }) {
    if (!accepted) return background;
    const tables = gain.map((factor) => Uint8Array.from(LEVELS, (light) => Math.round(255 * toSrgb(light * factor))));
    const data = new Uint8Array(background.data.length);
    for (let i = 0; i < data.length; i += 3) {
        for (let c = 0; c < 3; c += 1) data[i + c] = tables[c][background.data[i + c]];
    }
    return { ...background, data };
}

// log2(image / background) in linear light, of some pixels neither black nor white.
function logRatios(background, image, foreground) {
    const { height, width } = image;
    const hidden = foreground && resize(foreground, height, width).data;
    const places = [];
    for (let i = 0; i < height * width; i += 1) {
        let usable = !hidden || hidden[i] < 0.5;
        for (let c = 3 * i; usable && c < 3 * i + 3; c += 1) {
            const [before, now] = [background.data[c], image.data[c]];
            usable = Math.min(before, now) >= MIN_LEVEL && Math.max(before, now) <= MAX_LEVEL;
        }
        if (usable) places.push(i);
    }
    return everyNth(places, MAX_FITTED_PIXELS).map((i) => [0, 1, 2].map(
        (c) => STOPS[image.data[3 * i + c]] - STOPS[background.data[3 * i + c]]));
}

function everyNth(values, most) {
    const step = Math.max(1, Math.floor(values.length / most));
    return step === 1 ? values : values.filter((_, k) => k % step === 0);
}

// Where points are densest, by mean shift with a shrinking kernel from several starts.
function findMode(ratios) {
    const some = everyNth(ratios, MAX_SOUGHT_PIXELS);
    const of = (c) => some.map((ratio) => ratio[c]);
    const starts = [[0, 0, 0], ...[0.5, 0.25, 0.75].map((share) => [0, 1, 2].map((c) => quantile(of(c), share)))];
    let best = null;
    for (const start of starts) {
        const mode = shift(some, start, [...WIDE, ...NARROW]);
        const agreement = agreementOf(some, mode);
        if (!best || agreement > best.agreement) best = { mode, agreement };
    }
    const mode = shift(ratios, best.mode, NARROW);
    return [mode, agreementOf(ratios, mode)];
}

// Moves a mode to the weighted mean of the points around it, once for each kernel's width.
function shift(ratios, start, widths) {
    let mode = start;
    for (const width of widths) {
        const sum = [0, 0, 0];
        let total = 0;
        for (const ratio of ratios) {
            const weight = weightOf(ratio, mode, width);
            for (let c = 0; c < 3; c += 1) sum[c] += weight * ratio[c];
            total += weight;
        }
        if (total > 0) mode = sum.map((value) => value / total);
    }
    return mode;
}

const agreementOf = (ratios, mode) => ratios.reduce(
    (sum, ratio) => sum + weightOf(ratio, mode, AGREEING_WIDTH), 0) / ratios.length;

function weightOf(ratio, mode, width) {
    let distance = 0;
    for (let c = 0; c < 3; c += 1) distance += (ratio[c] - mode[c]) ** 2;
    return Math.exp(-0.5 / width ** 2 * distance);
}

function toLinear(value) {
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function toSrgb(value) {
    const light = Math.max(0, Math.min(1, value));
    return light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055;
}

// A map of what cannot be compared: the unknown area, a mask, and the foreground.
export function hidden(unknown, mask = null) {
    if (!unknown) return mask;
    const data = Float32Array.from(unknown.data, (value, i) => Math.max(value, mask ? mask.data[i] : 0));
    return array(unknown.height, unknown.width, 1, data);
}
