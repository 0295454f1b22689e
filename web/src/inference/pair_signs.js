// What can be measured of a pair of photos, from which its fitness is judged; see
// depthmask/inference/pair_signs.py. Parts that are partly gone are not cut here, as that needs GrabCut.

import { array, mapped, mean } from "../pictures/arrays.js";
import { dilate, square } from "../pictures/filters.js";
import { describe, freeArea, hueAgreement } from "./colours.js";
import { applyLight, NOT_MATCHED } from "./light.js";
import { findOutlines, isStirring, isSwapped, MIN_GONE_EVIDENCE } from "./outlines.js";
import { MIN_SCORE, NOT_REGISTERED, register } from "./registration.js";

const MAX_COMPARABLE_STOPS = 2; // of exposure; after more, outlines are weak in one photo
const MIN_MIRRORED_AGREEMENT = 0.6; // of fine structure, with the background's mirror image
const MIN_MIRRORED_GAIN = 0.15; // so much more than with the background itself
const MAX_SAME_LEVELS = 3; // saving a photo again changes hardly a pixel by more
const MAX_CHANGED_SHARE = 1e-4; // of the pixels differ by more than that

// Measures a pair in small copies; `moved` is a share of the diagonal, `unknown` a mask or null.
export function measure(background, image, networkMask, registration, light, { moved, covered, unknown, same }) {
    const mask = unknown ? mapped(networkMask, (value, i) => (unknown.data[i] ? 0 : value)) : networkMask;
    const lit = applyLight(background, light);
    const free = mapped(freeArea(mask), (value, i) => (unknown?.data[i] ? 0 : value), Uint8Array);
    const outlines = findOutlines(lit, image, mask);
    const refused = !["", NOT_MATCHED.reason].includes(light.reason);
    const comparable = !refused && Math.abs(light.stops) <= MAX_COMPARABLE_STOPS;
    const [swapped, stirring] = [comparable && isSwapped(outlines), isStirring(outlines)];
    const judged = comparable && !swapped && !stirring;
    return {
        registration, light, moved, covered, same, swapped, stirring,
        changed: mean(mapped(mask, (value) => (value > 0.5 ? 1 : 0), Uint8Array)),
        mirrored: isMirrored(background, image, registration),
        gone: judged ? outlines.parts.filter((part) => part.evidence > MIN_GONE_EVIDENCE) : [],
        mixed: comparable ? Math.max(0, ...outlines.parts.map((part) => part.gone)) : 0,
        hue: hueAgreement(background, image),
        background: describe(background, free),
        image: describe(image, free),
    };
}

// Whether two pictures are one, perhaps saved twice.
export function isSame(background, image) {
    const { height, width, data } = image;
    if (background.height !== height || background.width !== width) return false;
    const most = MAX_CHANGED_SHARE * height * width;
    let changed = 0;
    for (let i = 0; i < data.length && changed < most; i += 3) {
        for (let c = i; c < i + 3; c += 1) {
            if (Math.abs(background.data[c] - data[c]) <= MAX_SAME_LEVELS) continue;
            changed += 1;
            break;
        }
    }
    return changed < most;
}

// Takes parts out of a mask, with their soft edges.
export function leaveOut(mask, parts) {
    if (!parts.length) return mask;
    const gone = mapped(mask, (_, i) => (parts.some((part) => part.where.data[i]) ? 1 : 0), Uint8Array);
    const edges = dilate(gone, square(7)).data;
    return mapped(mask, (value, i) => (edges[i] && (gone.data[i] || value <= 0.5) ? 0 : value));
}

// A picture, seen in a mirror.
export function mirrorImage({ height, width, data }) {
    const turned = new Uint8Array(data.length);
    for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
            const [from, to] = [3 * (y * width + x), 3 * (y * width + width - 1 - x)];
            for (let c = 0; c < 3; c += 1) turned[to + c] = data[from + c];
        }
    }
    return array(height, width, 3, turned);
}

// Whether the mirror image of the background fits, where nothing else does.
function isMirrored(background, image, registration) {
    const { reason, after } = registration;
    if (["", NOT_REGISTERED.reason].includes(reason) && after >= MIN_SCORE) return false;
    const found = register(mirrorImage(background), image);
    return found.reason === "" && found.after >= Math.max(MIN_MIRRORED_AGREEMENT, after + MIN_MIRRORED_GAIN);
}
