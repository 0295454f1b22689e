// Answers the messages of depthmask/app/live/live.js in the worker, as server.py there does.

import { TEXTS } from "../texts.js";
import { array, mapped, mean } from "../pictures/arrays.js";
import { enlarge } from "../pictures/resize.js";
import { CAPTURE_FRAMES, isMoving, learn, MOVING_FRAMES } from "../inference/capture.js";
import { begin, step } from "../inference/live_session.js";
import { networkSize } from "../inference/predictor.js";
import { UNKNOWN } from "../../../depthmask/app/photos/stage_scene.js";
import { Quality } from "./quality.js";
import { packed } from "./scene.js";
import { measureMask } from "./truth.js";

const TEXT = TEXTS.live;
const MOVING_PAUSE_MS = 150; // between two frames of an empty scene that moves
const MAX_PERIOD_MS = 2000; // between two frames; who takes longer has paused
const LABEL_NOISE = 25; // levels by which a video may change a label of a true mask
const LABELS = [85, 170]; // what does not count
const MIN_SHOWN_SHARE = 0.002; // of the picture; with less, nothing has entered the scene

export class LiveServer {
    constructor() {
        Object.assign(this, { session: null, captured: [], enough: CAPTURE_FRAMES, quality: null, began: 0 });
        this.shown = { depth: null, background: null }; // what the page has
        this.pencil = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    }

    // `network` is of runtime.js. Whatever goes wrong is a sentence.
    answer(message, network) {
        return message.do === "capture" ? this.capture(message, network) : this.frame(message, network);
    }

    // Takes one frame of the empty scene; after the last, learns the background. A scene that moves is
    // watched for longer.
    async capture({ first, frame, quality }, network) {
        if (first) Object.assign(this, { captured: [], enough: CAPTURE_FRAMES });
        this.captured.push(this.read(frame));
        const { captured } = this;
        if (captured.length === CAPTURE_FRAMES && isMoving(captured)) this.enough = MOVING_FRAMES;
        const { enough } = this;
        if (captured.length < enough) {
            const more = { enough, pause: MOVING_PAUSE_MS, sentence: TEXT.hold_on };
            return { missing: enough - captured.length, ...(enough > CAPTURE_FRAMES ? more : {}) };
        }
        this.captured = [];
        this.quality = new Quality(network.resolution);
        this.quality.choose(quality);
        const see = async (...pair) => {
            const start = performance.now();
            const maps = await network.run(...pair);
            this.quality.note(performance.now() - start, 0); // so that the first frame is quick
            return maps;
        };
        const learned = await learn(captured, see, this.size(captured[0]));
        this.session = begin(learned);
        this.shown = { depth: null, background: learned.picture };
        return {
            captured: true, selfCheck: learned.selfCheck, qualities: this.quality.choices,
            background: await bitmapOf(learned.picture),
        };
    }

    // Predicts one frame.
    async frame(message, network) {
        if (!this.session) throw new Error(TEXT.no_background);
        const start = performance.now();
        const period = start - this.began;
        this.began = start;
        this.quality.choose(message.quality);
        const frame = this.read(message.frame);
        let networkMs = null;
        const see = async (...pair) => {
            const from = performance.now();
            const maps = await network.run(...pair);
            networkMs = performance.now() - from;
            return maps;
        };
        const [session, sight] = await step(this.session, frame, see, this.size(frame));
        this.session = session;
        if (message.fresh) this.shown = { depth: null, background: null };
        const answer = { at: message.at, networkMs, ...await this.pictures(sight), ...this.tell(sight) };
        if (message.truth) answer.iou = iouOf(sight.mask, this.read(message.truth));
        this.note(networkMs, performance.now() - start, period - Math.min(message.waited, MAX_PERIOD_MS));
        return answer;
    }

    // The maps, and the background if it has moved; null for what the page has already.
    async pictures({ mask, depth, background, gain, unchanged }) {
        const before = this.shown;
        this.shown = { depth, background };
        return {
            mask: unchanged && before.depth ? null : levels(mask),
            depth: depth === before.depth ? null : levels(depth),
            background: background === before.background ? null : await bitmapOf(background),
            gain,
        };
    }

    tell({ mask, health }) {
        const empty = mean(mapped(mask, (value) => (value > 0.5 ? 1 : 0))) <= MIN_SHOWN_SHARE;
        const sentence = health === "good" ? "" : TEXT[health];
        return { sentence: sentence || (empty ? TEXT.step_in : ""), health, empty, quality: this.quality.sentence };
    }

    note(networkMs, ownMs, period) {
        if (networkMs === null) return; // nothing was predicted
        const others = ownMs - networkMs;
        this.quality.note(networkMs, period < MAX_PERIOD_MS + networkMs ? Math.max(others, period - networkMs) : others);
    }

    size({ height, width }) {
        return networkSize(height, width, this.quality.resolution);
    }

    // The pixels of a bitmap, RGB.
    read(bitmap) {
        const { width, height } = bitmap;
        const { canvas } = this.pencil;
        if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
        this.pencil.drawImage(bitmap, 0, 0);
        bitmap.close();
        const { data } = this.pencil.getImageData(0, 0, width, height);
        const colours = new Uint8Array(3 * width * height);
        for (let from = 0, to = 0; to < colours.length; from += 4, to += 3) {
            colours[to] = data[from];
            colours[to + 1] = data[from + 1];
            colours[to + 2] = data[from + 2];
        }
        return array(height, width, 3, colours);
    }
}

const levels = (map) => mapped(map, (value) => 255 * value + 0.5, Uint8Array);

const bitmapOf = (picture) => createImageBitmap(
    new ImageData(new Uint8ClampedArray(packed(picture).buffer), picture.width, picture.height));

// IoU with a true mask whose white is foreground, and whose grey does not count.
function iouOf(mask, truth) {
    const labels = array(truth.height, truth.width, 1, new Uint8Array(truth.data.length / 3));
    for (let i = 0; i < labels.data.length; i += 1) {
        const level = truth.data[3 * i + 1]; // green, which videos keep best
        labels.data[i] = LABELS.find((label) => Math.abs(level - label) < LABEL_NOISE) ?? level;
    }
    return measureMask(enlarge(mask, truth.height, truth.width), labels, null, UNKNOWN).iou;
}
