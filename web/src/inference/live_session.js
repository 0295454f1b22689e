// A live session as a value: the background is learned once, then each frame is a step; see
// depthmask/inference/live_session.py. Here, depth comes with every mask.

import { TEXTS } from "../texts.js";
import { mapped, mean, toGrey } from "../pictures/arrays.js";
import { blur } from "../pictures/filters.js";
import { resize, resizeByHalves } from "../pictures/resize.js";
import { assemble, closest } from "./background.js";
import { agreement, isOfSize, MIN_BACKGROUND_SHARE, tinyCopy, unmasked } from "./capture.js";
import { followDrift, withDrift } from "./drift.js";
import { applyLight, matchLight, MAX_LEVEL, MIN_LEVEL, MIN_PIXELS, MIN_STOPS } from "./light.js";
import { MIN_SWAP_EVIDENCE, swapEvidence } from "./outlines.js";
import { MAX_SHIFT_SHARE, register, warp } from "./registration.js";
import { fineStructure } from "./registration_views.js";
import { mix, motion } from "./smoothing.js";
import { chain, inverse, scaling } from "./transforms.js";

const MAX_GAIN_STOPS = 2.5; // beyond, a photo has lost its shadows or its highlights
const MIN_STILL_AGREEMENT = 0.2; // on a still scene; with less, a bump cannot be told from noise
const MIN_AGREEMENT_RATIO = 0.7; // to that of a still scene; below, the camera may have moved
const FIRST_ATTEMPT_FRAME = 3; // doubtful frame in a row on which registration is worth its time
const RETRY_FRAMES = 10; // doubtful frames between further attempts
const MAX_ATTEMPTS = 3; // in vain, and the user is told
const SWAP_CHECK_FRAMES = 15; // between checks which of background and frame has the object
const MIN_SWAP_CHECKS = 3; // in a row that find it in the background
const SMOOTHING = 0.65; // share of the last frame's value that is kept where nothing moves
const DRIFT_FRAMES = 20; // predicted, from one look at how the light has drifted to the next
const MAX_DRIFT_STOPS = 0.15; // up or down: a gain above it comes from the camera
const CALM = 5; // pixels of a small copy that are averaged before two frames are compared
const SAME_LEVELS = 3; // by which a pixel of a small, blurred copy differs between two frames of a scene
const STILL_FRAMES = 3; // in a row are predicted, and so smoothed; like ones after them are not

const LEVEL_STOPS = Float32Array.from({ length: 256 }, (_, level) => 2.2 * Math.log2(Math.max(level, 1) / 255));

// A session that begins with what `learn` in capture.js returned.
export const begin = (learned) => ({
    learned, background: learned.picture, candidates: learned.candidates,
    empty: null, choices: [], drift: null, // copies of these, in the light since the capture
    mask: null, depth: null, small: null, // smoothed over time, and the frame that they belong to
    calm: null, still: 0, last: null, count: 0,
    health: "good", suspicious: 0, attempts: 0, swaps: 0,
});

// Predicts one frame: the session for the next, and { mask, depth, background, gain, health, unchanged }.
// `see(background, image)` runs the network on two pictures of `size`. An Error says what is wrong.
export async function step(before, frame, see, size) {
    if (!isOfSize(frame, before.learned.picture)) throw new Error(TEXTS.live.other_size);
    const seen = copiesOf(frame, size);
    const calm = blur(seen.tiny, CALM, { whole: true });
    const rested = before.still > STILL_FRAMES;
    let session = { ...before, still: isSame(before.calm, calm) ? before.still + 1 : 0 };
    if (mayRest(session, size)) return [session, { ...session.last, unchanged: true }];
    seen.free = unmasked(session.mask, seen.tiny);
    session = withCopies(follow(withCopies(session, size), seen), size);
    const { light, health } = match(session, seen);
    const choices = session.choices.length ? session.choices : [session.empty.small];
    const shown = assemble(choices, closest(choices, seen.small, light));
    const lit = applyLight(shown, light);
    const maps = await see(lit, seen.small);
    session = watchSwap(smooth(session, seen.small, maps), lit, seen.small, maps.mask);
    if (rested || session.count % DRIFT_FRAMES === DRIFT_FRAMES - 1) session = followLight(session, light, shown, seen.small);
    const { mask, depth, background } = session;
    const last = { mask, depth, background, gain: light.gain, health: worst(session, health), unchanged: false };
    return [{ ...session, count: session.count + 1, calm, last }, last];
}

// A picture in the sizes that a step needs.
function copiesOf(picture, size) {
    const tiny = tinyCopy(picture);
    return { picture, small: resizeByHalves(picture, ...size), tiny, fine: fineStructure(toGrey(tiny)) };
}

const isSame = (before, now) => before !== null && before.data.every((level, i) => Math.abs(level - now.data[i]) <= SAME_LEVELS);

// Whether the last prediction does for another frame of the same scene. It does not while a check needs
// further frames: whether the camera was bumped, or an object was captured with the background.
function mayRest({ still, mask, suspicious, swaps }, [height, width]) {
    if (still <= STILL_FRAMES || mask?.height !== height || mask.width !== width) return false;
    return !suspicious && !(swaps > 0 && swaps < MIN_SWAP_CHECKS);
}

// Makes copies of the background, if they are not those of the last frame.
function withCopies(session, size) {
    const { empty, background, drift } = session;
    const moved = empty?.picture !== background;
    if (!moved && empty.small.height === size[0] && empty.small.width === size[1]) return session;
    return drifted(session, size, moved ? null : drift);
}

// Makes copies of the background, as the light has drifted.
function drifted(session, size, drift) {
    let empty = copiesOf(session.background, size);
    if (drift) {
        const [tiny, small] = [empty.tiny, empty.small].map((copy) => withDrift(copy, drift));
        empty = { picture: empty.picture, small, tiny, fine: fineStructure(toGrey(tiny)) };
    }
    return { ...session, empty, drift, choices: session.candidates.map((each) => withDrift(resize(each, ...size), drift)) };
}

// Lets the background follow the light, unless it may be the wrong one.
function followLight(session, light, shown, image) {
    if (session.suspicious || session.swaps || session.health === "bumped") return session;
    const jumped = Math.max(...light.gain.map((gain) => Math.abs(Math.log2(gain)))) > MAX_DRIFT_STOPS;
    const alike = jumped ? applyLight(image, { ...light, gain: light.gain.map((gain) => 1 / gain) }) : image;
    return drifted(session, [image.height, image.width], followDrift(session.drift, shown, alike, session.mask));
}

// Checks whether the camera was bumped, and moves the background along if it was.
function follow(session, seen) {
    const { learned } = session;
    const limit = MIN_AGREEMENT_RATIO * learned.agreement;
    const score = agreement(session.empty.fine, seen.fine, seen.free);
    if (learned.agreement < MIN_STILL_AGREEMENT || !isDoubtful(session, seen, score, limit)) {
        return { ...session, suspicious: 0, attempts: 0, health: session.health === "bumped" ? "good" : session.health };
    }
    const suspicious = session.suspicious + 1;
    if (suspicious !== FIRST_ATTEMPT_FRAME && suspicious % RETRY_FRAMES) return { ...session, suspicious };
    const frame = seen.picture;
    const found = register(learned.picture, frame);
    if (found.accepted && found.shift < MAX_SHIFT_SHARE * Math.hypot(frame.height, frame.width)) {
        return {
            ...session, suspicious: 0, attempts: 0, health: "moved",
            background: warp(learned.picture, found.homography, frame.height, frame.width),
            candidates: learned.candidates.map((each) => moved(each, found.homography, frame)),
        };
    }
    if (!found.reason && session.background !== learned.picture) { // back where it was
        const { picture: background, candidates } = learned;
        return { ...session, background, candidates, suspicious: 0, attempts: 0, health: "good" };
    }
    // the camera is at rest, or enough of the scene is visible to see that it has not moved
    if (!found.reason || (score !== null && score >= limit)) return { ...session, suspicious };
    const attempts = session.attempts + 1;
    return { ...session, suspicious, attempts, health: attempts >= MAX_ATTEMPTS ? "bumped" : session.health };
}

// Moves a candidate, which is smaller, as a homography moves the background.
function moved(candidate, homography, frame) {
    const { height, width } = candidate;
    const smaller = scaling(width / frame.width, height / frame.height);
    return warp(candidate, chain(smaller, homography, inverse(smaller)), height, width);
}

// Whether the background does not fit the visible part of it in the frame. A mask of more than half of
// the picture may come from the bump itself; then all pixels count.
function isDoubtful({ mask, empty }, seen, score, limit) {
    if (score === null || score < limit) return true;
    if (!mask || mean(mapped(mask, (value) => (value > 0.5 ? 1 : 0))) < 0.5) return false;
    const whole = agreement(empty.fine, seen.fine, unmasked(null, seen.tiny));
    return whole !== null && whole < limit;
}

// Finds the gains that give the background the frame's light: { light, health }; faster where a mask is
// known that does not cover nearly everything.
function match({ empty, mask }, seen) {
    const counts = seen.free;
    if (!mask || mean(counts) < MIN_BACKGROUND_SHARE) {
        const light = matchLight(empty.tiny, seen.tiny);
        return { light, health: light.reason ? "dark" : "good" };
    }
    const ratios = ratiosOf(empty.tiny.data, seen.tiny.data, counts);
    if (ratios[0].length < MIN_PIXELS) return { light: matchLight(empty.tiny, seen.tiny), health: "good" };
    const stops = ratios.map((values) => Float32Array.from(values).sort()[values.length >> 1]);
    const most = Math.max(...stops.map(Math.abs));
    const light = { gain: [1, 1, 1], stops: 0, tint: 0, accepted: false, reason: "" };
    if (most > MAX_GAIN_STOPS) return { light, health: "dark" };
    if (most > MIN_STOPS) Object.assign(light, { gain: stops.map((stop) => 2 ** stop), accepted: true });
    return { light, health: "good" };
}

// log2(image / background) by channel, of every fourth pixel: enough for the median.
function ratiosOf(background, image, { height, width, data: counts }) {
    const ratios = [[], [], []];
    for (let y = 0; y < height; y += 2) {
        for (let x = 0; x < width; x += 2) {
            const at = 3 * (y * width + x);
            let usable = counts[at / 3] > 0;
            for (let c = at; usable && c < at + 3; c += 1) {
                usable = Math.min(background[c], image[c]) > MIN_LEVEL && Math.max(background[c], image[c]) < MAX_LEVEL;
            }
            if (!usable) continue;
            for (let c = 0; c < 3; c += 1) ratios[c].push(LEVEL_STOPS[image[at + c]] - LEVEL_STOPS[background[at + c]]);
        }
    }
    return ratios;
}

// Smooths mask and depth over time where the picture does not change, so that moving objects leave no
// trail and are not late.
function smooth(session, small, { mask, depth }) {
    if (!session.small || !isOfSize(session.small, small)) return { ...session, mask, depth, small };
    const fresh = motion(session.small, small);
    const mixed = (before, now) => mix(before, now, fresh, SMOOTHING);
    return { ...session, small, mask: mixed(session.mask, mask), depth: mixed(session.depth, depth) };
}

// Checks every few frames whether the background has the object.
function watchSwap(session, background, frame, mask) {
    if (session.count % SWAP_CHECK_FRAMES) return session;
    const found = swapEvidence(background, frame, mask) > MIN_SWAP_EVIDENCE;
    return { ...session, swaps: found ? session.swaps + 1 : 0 };
}

function worst({ health, suspicious, swaps }, light) {
    if (health === "bumped") return health;
    if (light !== "good" && !suspicious) return light; // no gain can be expected for another view
    return swaps >= MIN_SWAP_CHECKS ? "swapped" : health;
}
