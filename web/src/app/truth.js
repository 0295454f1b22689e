// Compares a prediction with ground truth; see depthmask/evaluation/truth.py and
// depthmask/app/photos/verdicts.py.

import { fill, TEXTS } from "../texts.js";
import { mapped } from "../pictures/arrays.js";

const [TEXT, WORDS] = [TEXTS.truth, TEXTS.words];
const IGNORED_LABELS = [85, 170];
const MIN_UNKNOWN_SHARE = 0.01; // of a picture; less needs no word
const MIN_SHARE = 0.001; // of a picture: a smaller mask counts as empty
const INVERTED_GAIN = 0.3; // of IoU, with a truth that is inverted
const MAX_UNRELATED = 0.05; // correlation of two masks that have nothing in common
const OPPOSITE = -0.4; // correlation of two depth maps of which one has near bright
const IOU_WORDS = [[0.95, "excellent"], [0.85, "good"], [0.7, "fair"], [0, "poor"]];
const RMSE_WORDS = [[0.08, "excellent"], [0.15, "good"], [0.25, "fair"], [Infinity, "poor"]];
const MIN_ERROR = 0.01; // of the true foreground; less is not worth a word
const PREVAILS = 2; // times the other kind of error
const BIASED = 0.5; // of the RMSE is the mean error

// Labels (H, W) to { iou, truth, words, notes, doubts }; `truth` has 255, 0 and `unknownLevel`.
export function measureMask(mask, labels, unknown, unknownLevel) {
    const truth = mapped(labels, (label, i) => {
        if (IGNORED_LABELS.includes(label) || unknown?.data[i]) return unknownLevel;
        return label > 127 ? 255 : 0;
    }, Uint8Array);
    const counts = { both: 0, missed: 0, wrong: 0, neither: 0 };
    truth.data.forEach((level, i) => {
        if (level === unknownLevel) return;
        const found = mask.data[i] > 0.5;
        counts[level ? (found ? "both" : "missed") : (found ? "wrong" : "neither")] += 1;
    });
    const { both, missed, wrong } = counts;
    const union = both + missed + wrong;
    const iou = union ? both / union : 1;
    const hidden = unknown ? unknown.data.reduce((sum, value) => sum + value, 0) / mask.data.length : 0;
    return {
        iou, truth,
        words: [wordOf(IOU_WORDS, (least) => iou >= least), errorWords(counts)].filter(Boolean).join(": "),
        notes: hidden >= MIN_UNKNOWN_SHARE ? [TEXT.left_out] : [],
        doubts: maskDoubts(counts, iou),
    };
}

const wordOf = (words, holds) => WORDS[words.find(([limit]) => holds(limit))[1]];

function errorWords({ both, missed: lost, wrong }) {
    const size = both + lost;
    if (!size) return wrong ? WORDS.empty_but_found : WORDS.empty;
    const [taken, missed] = [wrong / size, lost / size];
    if (Math.max(taken, missed) < MIN_ERROR) return "";
    if (missed > PREVAILS * taken) return fill(WORDS.misses, { missed });
    if (taken > PREVAILS * missed) return fill(WORDS.takes, { taken });
    return fill(WORDS.both, { missed, taken });
}

function maskDoubts({ both, missed, wrong, neither }, iou) {
    const all = both + missed + wrong + neither;
    if (!all) return [];
    const [given, found] = [(both + missed) / all, (both + wrong) / all];
    if (given < MIN_SHARE) return found >= MIN_SHARE ? [TEXT.empty] : [];
    if (given > 1 - MIN_SHARE) return [TEXT.full];
    if (wrong / (all - missed) > iou + INVERTED_GAIN) return [TEXT.inverted];
    const spread = Math.sqrt(given * (1 - given) * found * (1 - found));
    const related = spread ? (both / all - given * found) / spread : 0;
    return found >= MIN_SHARE && related < MAX_UNRELATED ? [TEXT.unrelated] : [];
}

// A true depth map to { rmse, error, words, doubts }; the error is above 0 where the prediction is too
// far, and NaN where the truth is not known. `convention` is { nearIsBright, align }.
export function measureDepth(depth, { map, inMetres }, convention) {
    const known = mapped(map, (value) => (value > 0 ? 1 : 0), Uint8Array).data;
    if (!known.includes(1)) return { rmse: null, error: null, words: "", doubts: [TEXT.unknown_depth] };
    const usual = !convention.nearIsBright && !convention.align;
    const error = errorOf(depth, inMetres ? relative(map, depth, known) : map, known, inMetres ? {} : convention);
    let [sum, squares, number] = [0, 0, 0];
    error.data = error.data.map((value, i) => {
        if (!known[i]) return NaN;
        sum += value;
        squares += value * value;
        number += 1;
        return value;
    });
    const [rmse, mean] = [Math.sqrt(squares / number), sum / number];
    const biased = rmse >= RMSE_WORDS[0][0] && Math.abs(mean) >= BIASED * rmse;
    const words = [wordOf(RMSE_WORDS, (most) => rmse <= most), biased && WORDS[mean > 0 ? "too_far" : "too_near"]];
    const opposite = usual && correlation(depth.data, map.data, known) < OPPOSITE;
    return {
        rmse, error, words: words.filter(Boolean).join(": "),
        doubts: opposite ? [TEXT[inMetres ? "unrelated_depth" : "opposite_depth"]] : [],
    };
}

function errorOf(depth, truth, known, { nearIsBright = false, align = false }) {
    if (!align) return mapped(depth, (value, i) => value - (nearIsBright ? 1 - truth.data[i] : truth.data[i]));
    const values = nearIsBright ? mapped(depth, (value) => 1 / Math.max(value, 1e-6)) : depth;
    const fitted = aligned(values.data, truth.data, known);
    return mapped(depth, (_, i) => (nearIsBright ? -1 : 1) * (fitted(i) - truth.data[i]));
}

// Metres on the scale of a prediction: inverse depth, fitted by a scale and a shift.
function relative(metres, depth, known) {
    const inverse = metres.data.map((value, i) => 1 / (known[i] ? value : 1));
    const fitted = aligned(inverse, depth.data.map((value) => 1 / value - 1), known);
    return mapped(metres, (_, i) => (known[i] ? 1 / (1 + Math.max(fitted(i), 0)) : 0));
}

// The scale and shift by least squares of values to others, as a function of the pixel.
function aligned(values, wanted, known) {
    const { x, y, xx, xy } = moments(values, wanted, known);
    const scale = xx > 0 ? xy / xx : 0;
    return (i) => scale * (values[i] - x) + y;
}

function correlation(one, other, known) {
    const { xx, yy, xy } = moments(one, other, known);
    return xx * yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

// Means, variances and covariance of the known values.
function moments(one, other, known) {
    const over = (value) => {
        let [sum, number] = [0, 0];
        for (let i = 0; i < known.length; i += 1) {
            if (!known[i]) continue;
            sum += value(i);
            number += 1;
        }
        return sum / number;
    };
    const [x, y] = [over((i) => one[i]), over((i) => other[i])];
    return {
        x, y,
        xx: over((i) => (one[i] - x) ** 2),
        yy: over((i) => (other[i] - y) ** 2),
        xy: over((i) => (one[i] - x) * (other[i] - y)),
    };
}
