// Finds how a camera moved between two photos, as a homography.
//
// Python follows corners; here fine structure is correlated, by shifts of several zooms, and what fits
// best is refined by Lucas and Kanade's method, from coarse to fine.

import { TEXTS } from "../texts.js";
import { mapped, quantile } from "../pictures/arrays.js";
import { gaussian, slopes } from "../pictures/filters.js";
import { resize } from "../pictures/resize.js";
import { Equations, fineStructure } from "./registration_views.js";
import { apply, chain, inverse, normalised, scaling, translation, warped } from "./transforms.js";

const CORRELATED_SIDE = 128; // pixels, of squares whose shift is sought; a power of 2
const ZOOMS = [1, 0.94, 1.06, 0.88, 1.13];
const COSINES = Float64Array.from({ length: CORRELATED_SIDE }, (_, k) => Math.cos(2 * Math.PI * k / CORRELATED_SIDE));
const STARTS = 2; // shifts and zooms that are refined
// shrunk by, degrees of freedom, and steps
const COARSE = [[4, 6, 12], [2, 8, 8]];
const FINE = [[1, 8, 3]];
const MIN_SURE_SCORE = 0.8; // with more, no other start is tried
const MAX_LEVELS_OFF = 2.5; // medians; what differs by more is foreground
const MIN_STRUCTURE = 2; // levels, deviation of fine structure; with less there is nothing to align by
const MAX_STRETCH = 2; // of a side, either way
const MAX_UNEVEN_STRETCH = 1.5; // between sides

// The homography from background to image that fits best, or a sentence why there is none.
export function findMovement(views, still) {
    const { data } = views.fine;
    const structure = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
    if (structure < MIN_STRUCTURE) return TEXTS.registration.too_plain;
    let best = { transform: null, score: -1 };
    const consider = (transform) => {
        if (!transform || !isPlausible(transform, views)) return;
        const score = views.score(views.lay(transform), still);
        if (score > best.score) best = { transform, score };
    };
    for (const start of startsOf(views)) {
        consider(refined(views, start, COARSE));
        if (best.score >= MIN_SURE_SCORE) break;
    }
    if (best.transform) consider(refined(views, best.transform, FINE));
    return best.transform || TEXTS.registration.no_match;
}

// Transforms from background to image: the camera at rest, then shifts and zooms, the best correlated
// first.
function* startsOf(views) {
    yield views.still;
    const half = views.half();
    const toHalf = chain(half.toImage, inverse(views.toImage));
    const fromBackground = chain(views.toBackground, inverse(half.toBackground));
    for (const transform of correlatedStarts(half)) yield chain(inverse(toHalf), transform, inverse(fromBackground));
}

function correlatedStarts(views) {
    const side = CORRELATED_SIDE;
    const { height, width } = views.image;
    const toSquare = scaling(side / width, side / height);
    const image = spectrum(resize(views.fine, side, side));
    const found = ZOOMS.map((zoom) => {
        const about = chain(translation((width - 1) / 2, (height - 1) / 2), [zoom, 0, 0, 0, zoom, 0, 0, 0, 1],
            translation((1 - width) / 2, (1 - height) / 2), views.still);
        const laid = fineStructure(warped(views.background, about, height, width));
        const { x, y, peak } = correlated(spectrum(resize(laid, side, side)), image);
        return { peak, transform: chain(inverse(toSquare), translation(x, y), toSquare, about) };
    });
    found.sort((a, b) => b.peak - a.peak);
    return found.slice(0, STARTS).map(({ transform }) => transform);
}

// Phase correlation: by how much the first picture must be shifted to lie on the second.
function correlated(first, second) {
    const side = CORRELATED_SIDE;
    const [re, im] = [new Float64Array(side * side), new Float64Array(side * side)];
    for (let i = 0; i < re.length; i += 1) {
        const real = second.re[i] * first.re[i] + second.im[i] * first.im[i];
        const imaginary = second.im[i] * first.re[i] - second.re[i] * first.im[i];
        const length = Math.hypot(real, imaginary) || 1;
        [re[i], im[i]] = [real / length, -imaginary / length]; // conjugate: the transform back
    }
    fourier(re, im);
    const sharp = gaussian({ height: side, width: side, channels: 1, data: Float32Array.from(re) }, 1).data;
    let best = 0;
    for (let i = 0; i < sharp.length; i += 1) if (sharp[i] > sharp[best]) best = i;
    const signed = (place) => (place < side / 2 ? place : place - side);
    return { x: signed(best % side), y: signed(Math.floor(best / side)), peak: sharp[best] };
}

// The Fourier transform of a square map that fades towards its edges.
function spectrum({ data }) {
    const side = CORRELATED_SIDE;
    const fade = Float64Array.from({ length: side }, (_, k) => Math.sin(Math.PI * (k + 0.5) / side));
    const re = Float64Array.from(data, (value, i) => value * fade[i % side] * fade[Math.floor(i / side)]);
    const im = new Float64Array(re.length);
    fourier(re, im);
    return { re, im };
}

// In place, along rows and columns.
function fourier(re, im) {
    const side = CORRELATED_SIDE;
    for (const [step, stride] of [[1, side], [side, 1]]) {
        for (let line = 0; line < side; line += 1) fourierLine(re, im, line * stride, step);
    }
}

function fourierLine(re, im, start, step) {
    const side = CORRELATED_SIDE;
    const swap = (values, a, b) => { [values[a], values[b]] = [values[b], values[a]]; };
    for (let k = 1, j = 0; k < side; k += 1) {
        let bit = side >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (k < j) for (const values of [re, im]) swap(values, start + k * step, start + j * step);
    }
    for (let size = 2; size <= side; size *= 2) {
        for (let first = 0; first < side; first += size) {
            for (let k = 0; k < size / 2; k += 1) {
                const turn = k * side / size;
                const [cos, sin] = [COSINES[turn], -COSINES[(turn + side * 3 / 4) % side]];
                const [a, b] = [start + (first + k) * step, start + (first + k + size / 2) * step];
                const [real, imaginary] = [re[b] * cos - im[b] * sin, re[b] * sin + im[b] * cos];
                [re[b], im[b]] = [re[a] - real, im[a] - imaginary];
                [re[a], im[a]] = [re[a] + real, im[a] + imaginary];
            }
        }
    }
}

// Lucas and Kanade: fits the fine structure of what has not changed, in rounds from coarse to fine.
function refined(views, start, rounds) {
    let transform = start; // background -> image, both as the views have them
    for (const [divisor, freedom, steps] of rounds) {
        const level = levelOf(views, divisor);
        const [toImage, toBackground] = [level.image, level.background].map(({ plane, from }) => scaling(
            plane.width / from.width, plane.height / from.height));
        let here = chain(toImage, transform, inverse(toBackground));
        for (let step = 0; step < steps; step += 1) {
            const change = stepOf(level, here, freedom);
            if (!change) return null;
            here = chain(change.transform, here);
            if (change.length < 0.01) break;
        }
        transform = normalised(chain(inverse(toImage), here, toBackground));
    }
    return transform.every(Number.isFinite) ? transform : null;
}

function levelOf(views, divisor) {
    const shrunk = (from) => ({ from, plane: resize(from, Math.ceil(from.height / divisor), Math.ceil(from.width / divisor)) });
    const [background, image] = [views.background, views.image].map(shrunk);
    return { background, image, fine: fineStructure(image.plane) };
}

// One step of the laid background towards the image: a transform in the image's frame.
function stepOf({ background, fine }, here, freedom) {
    const { height, width } = fine;
    const laid = fineStructure(warped(background.plane, here, height, width));
    const [right, down] = slopes(laid, 1 / 8);
    const rest = mapped(laid, (value, i) => fine.data[i] - value);
    const usual = Math.max(1, quantile(rest.data.filter((_, i) => i % 7 === 0).map(Math.abs), 0.5));
    const equations = new Equations(freedom);
    const slope = new Float64Array(8);
    const [middleX, middleY, reach] = [(width - 1) / 2, (height - 1) / 2, Math.max(height, width) / 2];
    const [rows, columns] = [background.plane.height - 1, background.plane.width - 1];
    const back = inverse(here);
    for (let y = 0, i = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1, i += 1) {
            const off = Math.abs(rest.data[i]);
            if (off > 2 * MAX_LEVELS_OFF * usual) continue;
            const [u, v] = apply(back, x, y);
            if (u < 0 || v < 0 || u > columns || v > rows) continue;
            const weight = off < MAX_LEVELS_OFF * usual ? 1 : 0.25;
            const [a, b, p, q] = [(x - middleX) / reach, (y - middleY) / reach, right.data[i], down.data[i]];
            [slope[0], slope[1], slope[2], slope[3], slope[4], slope[5]] = [p * a, p * b, p, q * a, q * b, q];
            [slope[6], slope[7]] = [-(p * a + q * b) * a, -(p * a + q * b) * b];
            equations.add(slope, weight, weight * rest.data[i]);
        }
    }
    const found = equations.solve();
    if (!found) return null;
    // the laid background is to be read further on by this, so it moves the other way
    const [a, b, c, d, e, f, g = 0, h = 0] = found;
    const change = [1 + a / reach, b / reach, c / reach, d / reach, 1 + e / reach, f / reach, g / reach, h / reach, 1];
    const toUnit = chain([1 / reach, 0, 0, 0, 1 / reach, 0, 0, 0, 1], translation(-middleX, -middleY));
    return {
        transform: chain(inverse(toUnit), inverse(change), toUnit),
        length: Math.hypot(c, f) + Math.hypot(a, b, d, e),
    };
}

// Whether a camera can move so: no mirror image, and no side stretched too much.
function isPlausible(transform, { image: { height, width }, still }) {
    const moved = chain(transform, inverse(still));
    const corners = [[0, 0], [width, 0], [width, height], [0, height]];
    const sidesOf = (points) => points.map(([x, y], k) => {
        const [u, v] = points[(k + 1) % 4];
        return [u - x, v - y];
    });
    const [sides, others] = [sidesOf(corners), sidesOf(corners.map(([x, y]) => apply(moved, x, y)))];
    const stretch = others.map(([x, y], k) => Math.hypot(x, y) / Math.hypot(...sides[k]));
    const turns = others.every(([x, y], k) => {
        const [u, v] = others[(k + 1) % 4];
        return x * v - y * u > 0;
    });
    const [most, least] = [Math.max(...stretch), Math.min(...stretch)];
    return turns && least > 1 / MAX_STRETCH && most < Math.min(MAX_STRETCH, MAX_UNEVEN_STRETCH * least);
}
