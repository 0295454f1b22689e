// What the page does with the dropped files: read, predict, compare; see
// depthmask/app/photos/analysis.py and tab.py, which answer the same requests.

import { fill, TEXTS } from "../texts.js";
import { count, mapped } from "../pictures/arrays.js";
import { readPhoto, readTrueDepth, readTrueMask } from "../pictures/read.js";
import { framed, vote } from "../inference/background.js";
import { predict } from "../inference/predictor.js";
import { UNKNOWN } from "../../../depthmask/app/photos/stage_scene.js";
import { measureDepth, measureMask } from "./truth.js";

const TEXT = TEXTS.photos;
const READERS = { background: readPhoto, image: readPhoto, true_mask: readTrueMask, true_depth: readTrueDepth };
const MIN_NEW_SHARE = 0.001; // of the picture; a smaller mask counts as empty
const MIN_SHAPE_DIFFERENCE = 0.03; // of the logarithms of the ratios of the sides
const MAX_DOUBTFUL_SCORE = 0.2; // quality of a pair; up to here, it is probably a mistake

let latest = { key: "", pair: null }; // the last pair that was predicted
let latestScene = { key: "" }; // and the last background

// Reads the files of a request, predicts, and compares. `files` has a Blob for each path, `network`
// runs the network. What a visitor did wrong is told in the message.
export async function analyse(request, files, network) {
    const [complaints, notes, unreadable] = [[], [], []];
    const read = async (zone, path) => {
        if (!path) return null;
        try {
            return await READERS[zone](await files(path));
        } catch (error) {
            unreadable.push(zone);
            complaints.push(fill(TEXT.unusable, { photo: TEXT[zone], reason: error.message }));
            return null;
        }
    };
    const pair = await predictedPair(request, read, network);
    const [labels, trueDepth] = [await read("true_mask", request.true_mask), await read("true_depth", request.true_depth)];
    if (!pair) return nothing(complaints, unreadable, request);
    const { found } = pair;
    const fits = (zone, { width, height }) => {
        if (width === found.mask.width && height === found.mask.height) return true;
        complaints.push(`The ${TEXT[zone]} has ${width} × ${height} pixels, and the image has `
            + `${found.mask.width} × ${found.mask.height}: both must have the same size.`);
        return false;
    };
    let [mask, depth] = [null, null];
    if (labels && fits("true_mask", labels)) {
        mask = measureMask(found.mask, labels, found.unknown, UNKNOWN);
        complaints.push(...mask.doubts);
        notes.push(...mask.notes);
    }
    if (trueDepth && fits("true_depth", trueDepth.map)) {
        depth = measureDepth(found.depth, trueDepth, { nearIsBright: request.near_is_bright, align: request.align });
        complaints.push(...depth.doubts);
    }
    const doubtful = isTurned(pair) || found.quality.score <= MAX_DOUBTFUL_SCORE;
    return {
        message: [...complaints, ...verdict(pair), ...notes].join(" "),
        tone: complaints.length ? "failed" : doubtful ? "doubtful" : "calm",
        verdict: found.quality.verdict,
        unreadable, pair, mask, depth, doubtful,
    };
}

export function latestPair(request) {
    return latest.pair && latest.key.startsWith(keyOf(request)) ? latest.pair : null;
}

const keyOf = ({ image, background, more_backgrounds: more = [] }) => JSON.stringify([image, background, ...more]);

async function predictedPair(request, read, network) {
    const key = keyOf(request) + network.name;
    if (latest.key === key) return { ...latest.pair, seconds: null };
    const start = performance.now();
    const [scene, image] = [await emptyScene(request, read), await read("image", request.image)];
    if (!scene || !image) return null;
    const found = await predict(scene.background, image, network);
    const pair = { background: scene.size, image, found };
    latest = { key, pair };
    return { ...pair, seconds: (performance.now() - start) / 1000 };
}

// Reads the background, or learns it from several photos; null if one cannot be read.
async function emptyScene(request, read) {
    const { background: first, more_backgrounds: more = [] } = request;
    const key = keyOf({ ...request, image: null });
    if (latestScene.key === key) return latestScene;
    const photo = await read("background", first);
    if (!photo) return null;
    const { height, width } = photo;
    let background = photo;
    if (more.length) {
        const frames = [framed(photo, null)];
        for (const path of more) {
            const another = await read("background", path);
            if (!another) return null;
            frames.push(framed(another, frames[0]));
        }
        background = vote(frames);
    }
    latestScene = { key, background, size: { height, width } };
    return latestScene;
}

function nothing(complaints, unreadable, { background, image }) {
    const next = TEXT[background ? "drop_image" : image ? "drop_background" : "drop_both"];
    return {
        message: complaints.join(" ") || next, tone: complaints.length ? "failed" : "calm",
        verdict: "", unreadable, pair: null, mask: null, depth: null, doubtful: false,
    };
}

// Says in sentences how the pair fits, and what was found.
function verdict(pair) {
    const { found: { mask, quality }, background, image } = pair;
    const share = count(mapped(mask, (value) => (value > 0.5 ? 1 : 0), Uint8Array)) / mask.data.length;
    const covered = share >= 0.01 ? fill("{share:.0%}", { share }) : "less than 1%";
    const told = share < MIN_NEW_SHARE ? TEXT.nothing_new : fill(TEXT.found, { covered });
    if (isTurned(pair)) return [TEXT.turned, told];
    const alike = background.width === image.width && background.height === image.height;
    const fitted = TEXT[hasOtherShape(pair) ? "other_shape" : "other_size"];
    return [...quality.sentences, told, ...(alike ? [] : [fitted])];
}

const ratio = ({ width, height }) => width / height;

const hasOtherShape = ({ background, image }) => (
    Math.abs(Math.log(ratio(background) / ratio(image))) > MIN_SHAPE_DIFFERENCE);

// Whether one photo is upright and the other lies across; a square is neither.
const isTurned = (pair) => hasOtherShape(pair) && (ratio(pair.background) - 1) * (ratio(pair.image) - 1) < 0;
