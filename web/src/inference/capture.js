// The capture of a live session: the background is learned from frames of the empty scene; see
// depthmask/inference/capture.py.

import { fill, TEXTS } from "../texts.js";
import { array, mapped, mean, quantile, toGrey } from "../pictures/arrays.js";
import { across, connectedParts, dilate, down } from "../pictures/filters.js";
import { enlarge, fitSize, resize, resizeByHalves } from "../pictures/resize.js";
import { assemble, closest, framed, largestDifference, MAX_FRAMES, spreadEvenly, vote } from "./background.js";
import { LIGHT_SIDE } from "./light.js";
import { fineStructure } from "./registration_views.js";

const TEXT = TEXTS.live;
export const CAPTURE_FRAMES = 15; // the background is their median
export const MOVING_FRAMES = 30; // of a scene that moves, over several seconds
const CANDIDATE_SIDE = 320; // pixels at most, longest side of the frames that are kept of such a scene
const CHECKED_FRAMES = 3; // of them, on which the network must find nothing
const MAX_STILL_LEVELS = 18; // by which a pixel of a small copy changes without motion
const MAX_MOTION_SHARE = 0.004; // of the picture: the area of a moving blob that is taken for noise
const MAX_DRIFT_STOPS = 0.15; // up or down between the frames of a capture
const MAX_FALSE_SHARE = 0.02; // of the empty scene may be taken for foreground
export const MIN_BACKGROUND_SHARE = 0.1; // of the picture must be background to compare with

export const tinyCopy = (picture) => resizeByHalves(picture, ...fitSize(picture, LIGHT_SIDE));

// Learns the background: { picture, candidates, selfCheck, agreement }. With MOVING_FRAMES or more,
// parts of the scene may move. `see(background, image)` runs the network on two pictures of `size`. An
// Error says in a sentence what is wrong.
export async function learn(frames, see, size) {
    if (frames.length < 3 || frames.some((frame) => !isOfSize(frame, frames[0]))) throw new Error(TEXT.too_few_frames);
    checkLight(frames);
    const moves = isMoving(frames);
    if (moves && frames.length < MOVING_FRAMES) throw new Error(TEXT.motion);
    const { picture, candidates } = moves ? plateOfMoving(frames) : { picture: median(frames), candidates: [] };
    const share = await falseShare(moves ? candidates : [picture], frames, see, size);
    if (share > MAX_FALSE_SHARE) throw new Error(moves ? TEXT.motion : fill(TEXT.not_empty, { share }));
    const [first, last] = [picture, frames.at(-1)].map((each) => fineStructure(toGrey(tinyCopy(each))));
    return { picture, candidates, selfCheck: share, agreement: agreement(first, last, unmasked(null, first)) || 0 };
}

export const isOfSize = (picture, other) => picture.height === other.height && picture.width === other.width;

// Whether a part of the scene moves.
export function isMoving(frames) {
    const small = frames.map(tinyCopy);
    const still = median(small);
    const moved = array(still.height, still.width, 1, new Uint8Array(still.data.length / 3));
    for (const copy of small) {
        const { data } = largestDifference(copy, still);
        // a change of light of the whole frame is not motion; it is checked apart
        const limit = quantile(data, 0.5) + MAX_STILL_LEVELS;
        for (let i = 0; i < data.length; i += 1) if (data[i] > limit) moved.data[i] = 1;
    }
    const { labels, count } = connectedParts(moved);
    const areas = new Int32Array(count);
    for (const label of labels.data) if (label) areas[label] += 1;
    return Math.max(...areas) / moved.data.length > MAX_MOTION_SHARE;
}

// The background of a scene that moves, and smaller frames of it, cleaned of what passed.
function plateOfMoving(frames) {
    const learned = vote([framed(frames[0], null), ...frames.slice(1).map((each) => framed(each, frames[0], { align: false }))]);
    const { height, width } = frames[0];
    const small = fitSize(frames[0], CANDIDATE_SIDE);
    return {
        picture: resize(learned.plate, height, width),
        candidates: learned.candidates.map((each) => resizeByHalves(each, ...small)),
    };
}

// Share of some of the frames in which the network finds foreground. A frame of a scene that moves is
// compared with other candidates than itself and its neighbours.
async function falseShare(candidates, frames, see, size) {
    const known = candidates.map((candidate) => resizeByHalves(candidate, ...size));
    const kept = known.length > 1 ? spreadEvenly(frames, MAX_FRAMES) : frames;
    let sum = 0;
    const places = spreadEvenly(kept.map((_, place) => place), CHECKED_FRAMES);
    for (const place of places) {
        const frame = resizeByHalves(kept[place], ...size);
        const others = known.length > 1 ? known.filter((_, k) => k === 0 || k < place || k > place + 2) : known;
        const { mask } = await see(assemble(others, closest(others, frame)), frame);
        sum += mean(mapped(mask, (value) => (value > 0.5 ? 1 : 0), Uint8Array));
    }
    return sum / places.length;
}

// The median of each value over frames of one size.
export function median(frames) {
    const count = frames.length;
    const sorted = new Uint8Array(count);
    return mapped(frames[0], (_, i) => {
        for (let n = 0; n < count; n += 1) {
            const value = frames[n].data[i];
            let at = n;
            for (; at && sorted[at - 1] > value; at -= 1) sorted[at] = sorted[at - 1];
            sorted[at] = value;
        }
        return (sorted[(count - 1) >> 1] + sorted[count >> 1]) >> 1;
    }, Uint8Array);
}

// Correlation of two pictures' fine structure where the background is visible, as `unmasked` tells; null
// where too little of it is, or it has no structure.
export function agreement({ data: first }, { data: second }, { data: free }) {
    let [number, both, one, other] = [0, 0, 0, 0];
    for (let i = 0; i < free.length; i += 1) {
        if (!free[i]) continue;
        number += 1;
        both += first[i] * second[i];
        one += first[i] * first[i];
        other += second[i] * second[i];
    }
    const energy = Math.sqrt(one * other);
    return number >= MIN_BACKGROUND_SHARE * free.length && energy > number ? both / energy : null;
}

// Where the background is visible, in the size of another array.
export function unmasked(mask, { height, width }) {
    if (!mask) return array(height, width, 1, new Uint8Array(height * width).fill(1));
    // widened: shadows and soft edges are not background
    const wide = dilate(dilate(enlarge(mask, height, width), across(5)), down(5));
    const free = new Uint8Array(height * width);
    for (let i = 0; i < free.length; i += 1) free[i] = wide.data[i] < 0.2 ? 1 : 0;
    return array(height, width, 1, free);
}

// Throws if exposure or white balance drift from frame to frame.
function checkLight(frames) {
    const means = frames.map(({ height, width, data }) => {
        const sum = [0, 0, 0];
        let number = 0;
        for (let y = 0; y < height; y += 4) {
            for (let x = 0; x < width; x += 4) {
                number += 1;
                for (let c = 0; c < 3; c += 1) sum[c] += data[3 * (y * width + x) + c];
            }
        }
        return sum.map((value) => value / number);
    });
    for (let c = 0; c < 3; c += 1) {
        const levels = means.map((mean) => mean[c] + 1);
        if (Math.log2(Math.max(...levels) / Math.min(...levels)) > 2 * MAX_DRIFT_STOPS) throw new Error(TEXT.light_changes);
    }
}
