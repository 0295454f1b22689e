// Registration: moves the background to where the camera stood when the image was taken; see
// depthmask/inference/registration.py. Black bars and parallax are not looked for here.

import { TEXTS } from "../texts.js";
import { mean } from "../pictures/arrays.js";
import { resize } from "../pictures/resize.js";
import { findMovement } from "./movement.js";
import { Views } from "./registration_views.js";
import { apply, chain, contain, fit, inverse, scaling, warped } from "./transforms.js";

const TEXT = TEXTS.registration;
const MIN_SIDE = 32; // pixels, of each side of a copy
const MIN_REST_SCORE = 0.8; // of photos that agree so well that half the size is enough
const MIN_SCORE_GAIN = 0.01; // less is within what noise does
export const MIN_SCORE = 0.4; // below, it is chance
const MIN_SHIFT_PIXELS = 1 / 3; // of the image; to move by less would only blur
export const MAX_SHIFT_SHARE = 0.2; // of the image's diagonal
const MIN_OVERLAP = 0.25;
const MIN_FRAMING_SHARE = 0.01; // of the longest side: framings that differ by less are one

const unmoved = (reason, shift, score) => ({
    accepted: false, reason, shift, overlap: 1, before: score, after: score, homography: null,
});
export const NOT_REGISTERED = unmoved(TEXT.not_asked, 0, 0);

// Finds the movement of the camera: { accepted, reason, shift, overlap, before, after, homography }.
export function register(background, image) {
    const starts = framings(background, image);
    const views = Views.make(background, image, starts[0]);
    const sides = [views.background, views.image].flatMap(({ height, width }) => [height, width]);
    if (Math.min(...sides) < MIN_SIDE) return notFound(views, TEXT.too_small);
    const half = views.half();
    let [closest, best] = [views, -1];
    for (const start of starts) {
        const still = half.started(start).still;
        const laid = half.lay(still);
        const [agreement, drift] = [half.score(laid, laid), half.drift(laid)];
        if (agreement >= MIN_REST_SCORE && drift < MIN_SHIFT_PIXELS) {
            if (start === starts[0]) return unmoved("", drift, agreement);
            return judge(views, views.started(start).still);
        }
        if (agreement > best + MIN_SCORE_GAIN) [closest, best] = [views.started(start), agreement];
    }
    const found = findMovement(closest, closest.lay(closest.still));
    if (typeof found !== "string") return judge(views, found);
    return closest.start === starts[0] ? notFound(views, found) : judge(views, closest.still);
}

// Accepts a movement if it is likely, and does more than what the camera at rest does.
function judge(views, transform) {
    const [still, moved] = [views.lay(views.still), views.lay(transform)];
    const [shift, distance] = [views.movement(transform), views.distance(transform)];
    const [before, after] = [views.score(still, moved), views.score(moved, still)];
    const overlap = mean({ data: moved.covered });
    const atRest = unmoved("", shift, before);
    const { height, width } = views.image;
    const tooFar = shift * views.toImage[0] > MAX_SHIFT_SHARE * Math.hypot(height, width);
    if (tooFar || overlap < MIN_OVERLAP) return { ...atRest, reason: TEXT.too_far };
    if (distance < MIN_SHIFT_PIXELS) return atRest;
    if (after < Math.max(before + MIN_SCORE_GAIN, MIN_SCORE)) return { ...atRest, shift: 0, reason: TEXT.no_better };
    return { accepted: true, reason: "", shift, overlap, before, after, homography: views.atFullSize(transform) };
}

function notFound(views, reason) {
    const still = views.lay(views.still);
    return unmoved(reason, 0, views.score(still, still));
}

// Where a camera at rest may put the background in the image: it may have been cropped.
function framings(background, image) {
    const ends = [[0, 0], [background.width, background.height]];
    const tolerance = MIN_FRAMING_SHARE * Math.max(image.height, image.width);
    const found = [fit(background, image)];
    const other = contain(background, image);
    const off = ends.flatMap(([x, y]) => {
        const [[a, b], [c, d]] = [apply(found[0], x, y), apply(other, x, y)];
        return [Math.abs(a - c), Math.abs(b - d)];
    });
    if (Math.max(...off) > tolerance) found.push(other);
    return found;
}

// Moves the background into the image's frame, by a homography.
export function warp(background, homography, height, width) {
    // shrunk first, by averaging: interpolation alone would alias
    const scale = Math.min(1, fit(background, { height, width })[0]);
    const [rows, columns] = [background.height, background.width].map((side) => Math.max(1, Math.round(side * scale)));
    const small = resize(background, rows, columns);
    const toSmall = scaling(columns / background.width, rows / background.height);
    return warped(small, chain(homography, inverse(toSmall)), height, width);
}
