// A background that is learned from several photos of one scene, parts of which may move; see
// depthmask/inference/background.py. A learned one is { plate, frames, candidates, unseen }: what each
// place looks like most often, photos cleaned of what passed, all of these, and a mask of places of
// which no look came back.

import { array, boundingBox, channel, mapped, quantile, round } from "../pictures/arrays.js";
import { across, blur, dilate, down, erode, gaussian, square } from "../pictures/filters.js";
import { crop, cropToAspect, enlarge, fitSize, nearest, resize, resizeByHalves, shrink } from "../pictures/resize.js";
import { applyLight, NOT_MATCHED } from "./light.js";
import { register, warp } from "./registration.js";
import { frameBackground } from "./unknown_area.js";

export const MAX_FRAMES = 24; // are kept, evenly spread over what was given
const FRAME_SIDE = 1280; // pixels at most, longest side of the frames that are kept
const VOTING_SIDE = 320; // pixels at most, of the copies on which places are compared
const VOTING_WINDOW = 9; // pixels of a copy, side of the square around a place that is compared
const SAME_LEVELS = 10; // by which a place differs, in the mean of its window, between looks of one kind
const SWAY = 7; // pixels of a copy, side of the square from which what moves at a place may come
const SWAY_LEVELS = 14; // beyond the range of colours within that square is another kind
const MIN_MOVE_SHARE = 0.03; // of the diagonal: photos of a camera that moved by more are moved back
const MAX_NEEDED_RETURNS = 2; // other photos, not neighbours in time, in which a look comes back
const PHOTOS_A_RETURN = 4; // with fewer, what moves at a place cannot be told from what passed there
const EDGE = 7; // pixels of a copy, side of the square by which what passed is widened
const NEAREST_SIDE = 48; // pixels, of the squares on which the photo nearest to an image is found
const CLOSE_LEVELS = 4; // by which the plate differs from an image by noise alone
const CLOSEST_WINDOW = 5; // pixels of what the network sees, side of the square that is compared

// Lays a background, one photo or a learned one, on an image: { pictures, unknown, registration }. The
// pictures of a learned one have FRAME_SIDE pixels at most.
export function frame(background, image) {
    if (!background.candidates) {
        const registration = register(background, image);
        const { picture, unknown } = frameBackground(background, image, registration);
        return { pictures: [picture], unknown, registration };
    }
    const view = shrink(image, ...fitSize(image, FRAME_SIDE));
    const registration = register(nearestOf(background.candidates, view), view);
    const laid = background.candidates.map((each) => frameBackground(each, view, registration));
    const unseen = frameBackground(background.unseen, view, registration).picture.data;
    const unknown = mapped(array(view.height, view.width, 1, unseen),
        (value, i) => (value || laid[0].unknown?.data[i] ? 1 : 0), Uint8Array);
    const large = unknown.data.includes(1) ? resize(unknown, image.height, image.width) : null;
    return {
        pictures: laid.map(({ picture }) => picture),
        unknown: large && mapped(large, (value) => (value ? 1 : 0), Uint8Array),
        registration: { ...registration, shift: registration.shift * image.width / view.width },
    };
}

// A photo as it is kept: in the frame of the first, which is null for the first itself. A camera that
// shakes leaves photos beside each other; only where it moved far, a photo is moved back.
export function framed(photo, first, { align = true } = {}) {
    if (!first) return resizeByHalves(photo, ...fitSize(photo, FRAME_SIDE));
    const { height, width } = first;
    const { accepted, shift, homography } = align ? register(photo, first) : {};
    if (accepted && shift > MIN_MOVE_SHARE * Math.hypot(height, width)) return warp(photo, homography, height, width);
    return resize(cropToAspect(photo, height, width), height, width);
}

// Learns the empty scene from frames of one size, in the order in which they were taken.
export function vote(all) {
    const frames = spreadEvenly(all, MAX_FRAMES);
    const { height, width } = frames[0];
    const copies = frames.map((each) => gaussianOf(resize(each, ...fitSize(each, VOTING_SIDE))));
    const voters = votersOf(copies);
    const plate = plateOf(frames, voters);
    const kept = returning(copies);
    const cleaned = frames.map((each, k) => {
        const back = nearest(kept[k], height, width).data;
        const data = plate.data.slice();
        for (let i = 0; i < back.length; i += 1) {
            if (back[i]) for (let c = 3 * i; c < 3 * i + 3; c += 1) data[c] = each.data[c];
        }
        return { ...plate, data };
    });
    const few = needed(frames.length);
    const unseen = mapped(voters, (bits, i) => (
        bitsOf(bits) <= few && kept.every(({ data }) => !data[i]) ? 1 : 0), Uint8Array);
    return { plate, frames: cleaned, candidates: [plate, ...cleaned], unseen: nearest(unseen, height, width) };
}

// At most so many of a list, from the first to the last.
export function spreadEvenly(items, count) {
    if (items.length <= count) return items;
    return Array.from({ length: count }, (_, k) => items[round(k * (items.length - 1) / (count - 1))]);
}

// Tells, for each pixel, which candidate differs least from an image in a square around it; the first
// is taken where it differs by noise alone, whatever the others do.
export function closest(candidates, image, light = NOT_MATCHED) {
    const { height, width } = image;
    const choice = array(height, width, 1, new Uint8Array(height * width));
    if (candidates.length === 1) return choice;
    // one picture is changed instead of all candidates
    const alike = applyLight(image, { ...light, gain: light.gain.map((gain) => 1 / gain) });
    const first = distance(candidates[0], alike, CLOSEST_WINDOW);
    for (let i = 0; i < first.data.length; i += 1) if (first.data[i] < CLOSE_LEVELS) first.data[i] = 0;
    const box = boundingBox(first);
    if (!box) return choice;
    const cut = (from) => crop(from, box.top, box.left, box.height, box.width);
    const [least, part] = [cut(first).data, cut(alike)];
    candidates.slice(1).forEach((candidate, k) => {
        const found = distance(cut(candidate), part, CLOSEST_WINDOW).data;
        for (let i = 0; i < found.length; i += 1) {
            if (found[i] >= least[i]) continue;
            least[i] = found[i];
            choice.data[(box.top + Math.floor(i / box.width)) * width + box.left + i % box.width] = k + 1;
        }
    });
    return choice;
}

// Puts one picture together from candidates, by a choice of any size.
export function assemble(candidates, choice) {
    const [first] = candidates;
    if (candidates.length === 1 || choice.data.every((index) => !index)) return first;
    const data = first.data.slice();
    const indices = nearest(choice, first.height, first.width).data;
    for (let i = 0; i < indices.length; i += 1) {
        if (!indices[i]) continue;
        const other = candidates[indices[i]].data;
        for (let c = 3 * i; c < 3 * i + 3; c += 1) data[c] = other[c];
    }
    return { ...first, data };
}

// The candidate that differs least from an image in most places.
function nearestOf(candidates, image) {
    const tiny = resize(image, NEAREST_SIDE, NEAREST_SIDE).data;
    const off = candidates.map((each) => {
        const { data } = resizeByHalves(cropToAspect(each, image.height, image.width), NEAREST_SIDE, NEAREST_SIDE);
        return quantile(data.map((value, i) => Math.abs(value - tiny[i])), 0.5);
    });
    return candidates[off.indexOf(Math.min(...off))];
}

// For each place, the copies that agree with the one with which most agree: a bit for each.
function votersOf(copies) {
    const [{ height, width }] = copies;
    const agreeing = copies.map((_, k) => new Int32Array(height * width).fill(1 << k));
    copies.forEach((copy, a) => copies.slice(0, a).forEach((other, b) => {
        const { data } = distance(copy, other, VOTING_WINDOW);
        const [mine, theirs] = [agreeing[a], agreeing[b]];
        for (let i = 0; i < data.length; i += 1) {
            if (data[i] >= SAME_LEVELS) continue;
            mine[i] |= 1 << b;
            theirs[i] |= 1 << a;
        }
    }));
    const voters = agreeing[0].map((bits, i) => {
        let [best, most] = [bits, bitsOf(bits)];
        for (const { [i]: others } of agreeing) {
            const number = bitsOf(others);
            if (number > most) [best, most] = [others, number];
        }
        return best;
    });
    return array(height, width, 1, voters);
}

function bitsOf(bits) {
    let number = 0;
    for (let rest = bits; rest; rest &= rest - 1) number += 1;
    return number;
}

// The mean of the frames that vote for a place.
function plateOf(frames, voters) {
    const [{ height, width }] = frames;
    const total = new Float32Array(3 * height * width);
    const weight = new Float32Array(height * width);
    frames.forEach(({ data }, k) => {
        const share = enlarge(mapped(voters, (bits) => (bits >> k) & 1), height, width).data;
        for (let i = 0, at = 0; i < share.length; i += 1, at += 3) {
            weight[i] += share[i];
            for (let c = at; c < at + 3; c += 1) total[c] += data[c] * share[i];
        }
    });
    return mapped(frames[0], (_, i) => round(total[i] / Math.max(weight[Math.floor(i / 3)], 1e-6)), Uint8Array);
}

// Masks of where the look of a copy comes back in others that are not its neighbours in time: its
// colour is within the range that the other copy has around the place.
function returning(copies) {
    const few = needed(copies.length);
    const ranges = copies.map((copy) => [erode, dilate].map(
        (widen) => [0, 1, 2].map((c) => widen(widen(channel(copy, c), across(SWAY)), down(SWAY)).data)));
    return copies.map((copy, index) => {
        const counts = new Uint8Array(copy.data.length / 3);
        ranges.forEach((range, other) => {
            if (Math.abs(index - other) <= 1) return;
            const off = blur(beyond(copy, range), 3, { whole: true }).data;
            for (let i = 0; i < off.length; i += 1) if (off[i] < SWAY_LEVELS) counts[i] += 1;
        });
        const passed = array(copy.height, copy.width, 1, counts.map((number) => (number < few ? 1 : 0)));
        // specks are noise; an object's soft edge is the object's
        const opened = dilate(erode(passed, square(3)), square(3));
        return mapped(dilate(opened, square(EDGE)), (value) => (value ? 0 : 1), Uint8Array);
    });
}

// By how much each pixel lies outside of a range of colours.
function beyond({ height, width, data }, [low, high]) {
    const result = new Uint8Array(height * width);
    for (let c = 0; c < 3; c += 1) {
        const [least, most] = [low[c], high[c]];
        for (let i = 0, at = c; i < result.length; i += 1, at += 3) {
            const off = Math.max(least[i] - data[at], data[at] - most[i]);
            if (off > result[i]) result[i] = off;
        }
    }
    return array(height, width, 1, result);
}

// In how many others of so many photos a look has to come back.
const needed = (photos) => Math.min(MAX_NEEDED_RETURNS, Math.floor(photos / PHOTOS_A_RETURN));

// Mean over a square of the largest difference among the channels, in whole levels.
function distance(first, second, window) {
    return blur(largestDifference(first, second), window, { whole: true });
}

// The largest difference among the channels of each pixel.
export function largestDifference({ height, width, data: first }, { data: second }) {
    const change = new Uint8Array(height * width);
    for (let i = 0, at = 0; i < change.length; i += 1, at += 3) {
        change[i] = Math.max(Math.abs(first[at] - second[at]), Math.abs(first[at + 1] - second[at + 1]),
            Math.abs(first[at + 2] - second[at + 2]));
    }
    return array(height, width, 1, change);
}

const gaussianOf = (picture) => mapped(gaussian(picture, 1), (value) => value + 0.5, Uint8Array);
