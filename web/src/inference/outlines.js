// In which photo a mask's parts have their outlines: whether something came, or was there before; see
// depthmask/inference/outlines.py.

import { array, channel, mapped, mean } from "../pictures/arrays.js";
import { blur, connectedParts, dilate, DISC, erode, gaussian, slopes } from "../pictures/filters.js";

const SOBEL_NOISE_LEVELS = 4;
const MIN_MASK_SHARE = 0.002; // of the picture; the border of a smaller mask tells nothing
export const MIN_SWAP_EVIDENCE = 0; // pairs in the right order had at most 0.1
export const MIN_GONE_EVIDENCE = 0.35; // of what came, it was at most 0.1
const [MIN_SWAPPED_EVIDENCE, MAX_SWAPPED_CAME] = [0.2, 0.1];
const [MIN_STIRRED_EVIDENCE, MAX_STIRRED_GONE] = [-0.15, 0.16];
const MIN_STIRRED_SHARE = 0.25; // of the mask
const MIN_STIRRED_PICTURE = 0.005; // of the picture
const [MIN_SCREEN_EVIDENCE, MIN_SCREEN_FILL] = [-0.45, 0.8];
const [MIN_UNSURE_SHARE, MIN_UNSURE_LENGTH] = [0.4, 4];
const LOCAL_EVIDENCE = 0.5; // of a piece of the border
const NEAR_PIXELS = 15;

// What the border of a mask tells: { share, parts, evidence, unsure, length }. A part has { where, box,
// share, evidence, gone }: log(step in the background / step in the image), and the share of its border
// that is an outline in the background rather than the image.
export function findOutlines(background, image, mask) {
    const foreground = mapped(mask, (value) => (value > 0.5 ? 1 : 0), Uint8Array);
    const share = mean(foreground);
    const border = borderOf(foreground);
    const pixels = pixelsOf(border);
    if (!pixels.length) return { share, parts: [], evidence: 0, unsure: 0, length: 0 };
    const { labels, count } = connectedParts(foreground);
    const owners = dilate(labels, DISC).data; // of each pixel of the border, the part it belongs to
    const steps = stepsOf(background, image, mask, pixels);
    const [behind, before] = steps.map((step) => smoothed(step, border, pixels));
    const nearby = behind.map((value, n) => evidenceOf(value, before[n]));
    const sums = Array.from({ length: count }, () => ({ pixels: 0, behind: 0, before: 0, gone: 0 }));
    pixels.forEach((i, n) => {
        const sum = sums[owners[i]];
        sum.pixels += 1;
        sum.behind += steps[0][n];
        sum.before += steps[1][n];
        sum.gone += nearby[n] > LOCAL_EVIDENCE;
    });
    return {
        share,
        parts: partsOf(labels, count, sums),
        evidence: evidenceOf(...steps.map(average)),
        unsure: nearby.filter((value) => Math.abs(value) <= LOCAL_EVIDENCE).length / nearby.length,
        length: pixels.length / 4 / Math.sqrt(mask.data.length), // the border is about four pixels wide
    };
}

// Tells in which photo the mask's border is an outline: log(step in the background / step in the image);
// 0 where the mask is too small to tell, or covers everything.
export function swapEvidence(background, image, mask) {
    const foreground = mapped(mask, (value) => (value > 0.5 ? 1 : 0), Uint8Array);
    const share = mean(foreground);
    if (share <= MIN_MASK_SHARE || share === 1) return 0;
    return evidenceOf(...stepsOf(background, image, mask, pixelsOf(borderOf(foreground))).map(average));
}

// Whether nearly all that differs is in the background.
export function isSwapped({ parts, evidence, share }) {
    const came = total(parts.filter((part) => part.evidence < 0));
    return evidence > MIN_SWAPPED_EVIDENCE && came < MAX_SWAPPED_CAME * share;
}

// Whether what differs has outlines in neither photo, or alike in both, as leaves do.
export function isStirring({ parts, share, unsure, length }) {
    const large = parts.filter((part) => part.share > MIN_STIRRED_PICTURE && part.evidence < MIN_GONE_EVIDENCE);
    const alike = large.filter((part) => part.evidence > MIN_STIRRED_EVIDENCE && part.gone < MAX_STIRRED_GONE);
    const screens = large.some((part) => part.evidence > MIN_SCREEN_EVIDENCE && fillOf(part) > MIN_SCREEN_FILL);
    return alike.length > 1 || total(alike) > MIN_STIRRED_SHARE * share || screens
        || (unsure > MIN_UNSURE_SHARE && length > MIN_UNSURE_LENGTH);
}

const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

const total = (parts) => parts.reduce((sum, part) => sum + part.share, 0);

// Share of its box that a part fills; 1 is a rectangle.
const fillOf = ({ share, box: [left, top, right, bottom] }) => share / ((right - left) * (bottom - top));

const evidenceOf = (behind, before) => Math.log((behind + SOBEL_NOISE_LEVELS) / (before + SOBEL_NOISE_LEVELS));

function partsOf(labels, count, sums) {
    const { height, width, data } = labels;
    const about = sums.map(() => ({ area: 0, left: width, top: height, right: 0, bottom: 0 }));
    for (let y = 0, i = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1, i += 1) {
            const part = about[data[i]];
            part.area += 1;
            part.left = Math.min(part.left, x);
            part.right = Math.max(part.right, x + 1);
            part.top = Math.min(part.top, y);
            part.bottom = Math.max(part.bottom, y + 1);
        }
    }
    const parts = [];
    for (let number = 1; number < count; number += 1) {
        const { area, left, top, right, bottom } = about[number];
        if (area < MIN_MASK_SHARE * data.length) continue;
        const sum = sums[number];
        const pixels = Math.max(sum.pixels, 1);
        parts.push({
            where: mapped(labels, (label) => (label === number ? 1 : 0), Uint8Array),
            box: [left / width, top / height, right / width, bottom / height],
            share: area / data.length,
            evidence: evidenceOf(sum.behind / pixels, sum.before / pixels),
            gone: sum.gone / pixels,
        });
    }
    return parts;
}

// Changes of colour across a border, for its pixels, in the background and the image.
function stepsOf(background, image, mask, pixels) {
    const normals = slopes(gaussian(mask, 2));
    return [background, image].map((picture) => {
        const found = new Float64Array(pixels.length);
        for (let c = 0; c < 3; c += 1) {
            const [right, down] = slopes(gaussian(channel(picture, c), 1));
            pixels.forEach((i, n) => {
                const [x, y] = normals.map((normal) => normal.data[i]);
                const step = Math.abs(right.data[i] * x + down.data[i] * y) / (Math.hypot(x, y) + 1e-6);
                found[n] = Math.max(found[n], step);
            });
        }
        return found;
    });
}

// Means over the pixels of a border that are near each.
function smoothed(values, border, pixels) {
    const { height, width } = border;
    const [plane, number] = [0, 0].map(() => array(height, width, 1, new Float32Array(border.data.length)));
    pixels.forEach((i, n) => { [plane.data[i], number.data[i]] = [values[n], 1]; });
    const [sums, numbers] = [plane, number].map((each) => blur(each, NEAR_PIXELS).data);
    return Float64Array.from(pixels, (i) => sums[i] / numbers[i]);
}

function pixelsOf(border) {
    const pixels = [];
    border.data.forEach((on, i) => { if (on) pixels.push(i); });
    return pixels;
}

// The pixels within two of a mask's border; where the picture ends is no border.
function borderOf(foreground) {
    const inside = erode(foreground, DISC).data;
    return mapped(dilate(foreground, DISC), (value, i) => (value > inside[i] ? 1 : 0), Uint8Array);
}
