// Judges whether a pair of photos is fit for the task: what is wrong with it, and what to do; see
// depthmask/inference/pair_quality.py, which says the same in the same words.

import { fill, TEXTS } from "../texts.js";
import { clamp } from "../pictures/arrays.js";

const TEXT = TEXTS.pair;
const [TOO_SMALL, TOO_FAR, TOO_PLAIN] = ["too_small", "too_far", "too_plain"].map((name) => TEXTS.registration[name]);
const NOT_ASKED = TEXTS.registration.not_asked;
const MIN_SHIFT_SHARE = 0.01; // of the image's diagonal; the user is told of more
const MIN_EXPOSURE_STOPS = 1;
const MIN_TINT_STOPS = 0.5;
const MIN_ALIGNED = 0.3; // agreement of photos that no movement brought together
const MIN_COVERED = 0.97;
const MIN_RELATED_AGREEMENT = 0.25;
const MAX_FOREGROUND_SHARE = 0.8;
const [BLANK_SHARE, MORE_SHARE, NOTHING_SHARE] = [0.8, 0.25, 0.97];
const MAX_OPPOSED_HUE = -0.45;
const MIN_HUE_SPREAD = 0.1;
const [MAX_GREY_COLOURED, MIN_COLOURED] = [0.01, 0.3];
const MAX_BLUR_OCTAVES = 1.5;
const MIN_MIXED = 0.28;

const trouble = (kind, score, fields = {}, text = kind) => ({ kind, score, sentence: fill(TEXT[text], fields) });

// { score, verdict, sentences, troubles } of a pair's signs, worst trouble first.
export function judge(signs) {
    const [found] = EXPLAIN_ALL.flatMap((check) => check(signs).slice(0, 1));
    const troubles = found ? [found] : OTHERS.flatMap((check) => check(signs));
    troubles.sort((a, b) => a.score - b.score);
    const fine = clamp(1 - 4 * signs.moved - 0.15 * Math.abs(signs.light.stops), 0, 1);
    if (!troubles.length) return { score: fine, verdict: "good", sentences: [TEXT.good], troubles };
    const [worst, ...rest] = troubles;
    const told = rest.map(({ sentence }) => lowered(sentence.split(":")[0].replace(/\.+$/, ""))).join("; ");
    const also = told ? [fill(TEXT.also, { troubles: told })] : [];
    return { score: Math.min(worst.score, fine), verdict: worst.kind, sentences: [worst.sentence, ...also], troubles };
}

const lowered = (text) => text[0].toLowerCase() + text.slice(1);

const same = (signs) => (signs.same ? [trouble("same", 0)] : []);

function blank(signs) {
    return named(signs).flatMap(([photo, , one, other]) => {
        const isBlank = (kind) => one[kind] > Math.min(NOTHING_SHARE, Math.max(BLANK_SHARE, other[kind] + MORE_SHARE));
        return [
            ...(isBlank("dark") ? [trouble("black", 0.1, { photo })] : []),
            ...(isBlank("bright") ? [trouble("white", 0.1, { photo })] : []),
        ];
    });
}

const mirrored = (signs) => (signs.mirrored ? [trouble("mirrored", 0.1)] : []);

// No movement brings the photos together, nor does a gain.
function changed({ registration: { reason, after }, light, changed: share }) {
    if (["", NOT_ASKED, TOO_SMALL].includes(reason) || after >= MIN_RELATED_AGREEMENT) return [];
    return light.reason || share > MAX_FOREGROUND_SHARE ? [trouble("changed", 0)] : [];
}

const swapped = (signs) => (signs.swapped ? [trouble("swapped", 0.1)] : []);

function exchanged({ background, image, hue }) {
    const spread = Math.min(background.hueSpread, image.hueSpread);
    return hue < MAX_OPPOSED_HUE && spread > MIN_HUE_SPREAD ? [trouble("exchanged", 0.2)] : [];
}

function grey(signs) {
    return named(signs).filter(([, , one, rest]) => one.coloured < MAX_GREY_COLOURED && rest.coloured > MIN_COLOURED)
        .map(([photo, other]) => trouble("grey", 0.3, { photo, other }));
}

function unaligned({ registration: { reason, after }, moved: share }) {
    if (reason === NOT_ASKED) return [];
    if (reason === TOO_SMALL) return [trouble("small", 0.4)];
    if (reason === TOO_FAR && share >= MIN_SHIFT_SHARE) return [trouble("moved", 0.2, { share }, "moved_too_far")];
    if (reason === TOO_PLAIN) return [trouble("plain", 0.7)];
    if (reason && after < MIN_ALIGNED) return [trouble("unaligned", 0.3)];
    return share >= MIN_SHIFT_SHARE ? [trouble("moved", 1 - 4 * share, { share })] : [];
}

const covered = ({ covered: share }) => (
    share < MIN_COVERED ? [trouble("covered", Math.min(0.9, share), { share })] : []);

const most = ({ changed: share }) => (share > MAX_FOREGROUND_SHARE ? [trouble("most", 0.3, { share })] : []);

// Photos that could not be matched differ everywhere, without outlines.
function stirring(signs) {
    const { reason, after } = signs.registration;
    if (withoutColour(signs).length || unmatched(signs).length || signs.swapped) return [];
    return signs.stirring && (!reason || after >= MIN_ALIGNED) ? [trouble("stirring", 0.4)] : [];
}

function gone(signs) {
    const left = signs.gone.length > 0;
    if (!left && (signs.mixed < MIN_MIXED || signs.swapped || signs.stirring)) return [];
    return [trouble("gone", 0.5, { outcome: TEXT[left ? "gone_left_out" : "gone_kept"] })];
}

function unmatched(signs) {
    const { reason } = signs.light;
    if (!reason || reason === TEXTS.light.not_asked || withoutColour(signs).length) return [];
    return [trouble("light", 0.3, { reason })];
}

function exposure(signs) {
    const { reason, tint } = signs.light;
    const stops = Math.abs(signs.light.stops);
    if (reason || withoutColour(signs).length) return [];
    return [
        ...(stops >= MIN_EXPOSURE_STOPS ? [trouble("exposure", 1 - 0.15 * stops, { stops })] : []),
        ...(tint >= MIN_TINT_STOPS ? [trouble("balance", 1 - 0.15 * tint, { stops: tint })] : []),
    ];
}

function blurred({ background, image }) {
    const octaves = background.sharpness.map((value, k) => value - image.sharpness[k]);
    const worst = octaves.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
    if (Math.abs(worst) <= MAX_BLUR_OCTAVES) return [];
    const [photo, other] = worst > 0 ? ["image", "background"] : ["background", "image"];
    return [trouble("blurred", 0.6, { photo, other })];
}

// Troubles of colour that explain why the light was not matched.
const withoutColour = (signs) => [...exchanged(signs), ...grey(signs)];

// Both photos: the name of one, of the other, and their colours.
const named = ({ background, image }) => [
    ["background", "image", background, image], ["image", "background", image, background],
];

const EXPLAIN_ALL = [same, blank, mirrored, changed];
const OTHERS = [swapped, exchanged, grey, unaligned, covered, most, stirring, gone, unmatched, exposure, blurred];
