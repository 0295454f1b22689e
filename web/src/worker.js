// The worker: holds the files and the network, and answers the page's calls one after the other.

import { fill, TEXTS } from "./texts.js";
import { readPhoto } from "./pictures/read.js";
import { analyse, latestPair } from "./app/analysis.js";
import { write } from "./app/downloads.js";
import { LiveServer } from "./app/live.js";
import { describe, describeRest } from "./app/scene.js";
import { mirrorImage } from "./inference/pair_signs.js";
import { open } from "./runtime.js";

const TEXT = TEXTS.photos;
const live = new LiveServer();
let network = null; // a promise

const calls = {
    // Loads a network, and tells what runs it.
    async open({ name, wanted }) {
        network = open(name, wanted);
        return (await network).how;
    },

    // Takes the graphics card, if it is quicker; tells what runs the network then, and how fast, if it was tried.
    async tryCard() {
        const ready = await network;
        const ms = await ready.tryCard();
        return { how: ready.how, ms };
    },

    // Answers a request of photos.js, as tab.py does; see analysis.js.
    async answer({ request, files, name }) {
        const ready = await network;
        const at = (path) => fileAt(files, path);
        let [asked, exchanged] = [request, false];
        let found = await analyse(asked, at, ready);
        if (request.unordered && found.verdict === "swapped") {
            exchanged = true;
            asked = { ...request, background: request.image, image: request.background };
            found = await analyse(asked, at, ready);
            found.message = `${TEXT.put_in_order} ${found.message}`;
        }
        if (request.replaces && found.pair) {
            if (found.doubtful) found = { ...found, pair: null, message: TEXT.drop_next_image, tone: "calm" };
            else found.message = `${TEXT.with_earlier_image} ${found.message}`;
        }
        const { pair } = found;
        const seconds = exchanged ? null : pair?.seconds;
        const scene = pair && describe(found, name);
        if (scene) scene.pair = { background: asked.background, image: asked.image, more_backgrounds: asked.more_backgrounds };
        return {
            message: { text: found.message, tone: found.tone },
            scene, exchanged,
            swapped: Boolean(pair) && found.verdict === "swapped",
            mirrored: Boolean(pair) && found.verdict === "mirrored" && !asked.more_backgrounds?.length,
            took: seconds ? fill(TEXT.took, { seconds, width: pair.image.width, height: pair.image.height }) : "",
            networkMs: seconds ? pair.found.networkMs : null,
            zones: Object.fromEntries(found.unreadable.map((zone) => [zone, null])),
        };
    },

    // Answers a message of the live tab.
    async live(message) {
        return live.answer(message, await network);
    },

    rest(pair) {
        return describeRest(pairOf(pair));
    },

    save({ request, name, repaired }) {
        return write(name, pairOf(request), repaired);
    },

    async mirror({ file }) {
        const { height, width, data } = mirrorImage(await readPhoto(file));
        const canvas = new OffscreenCanvas(width, height);
        const pixels = new ImageData(width, height);
        for (let i = 0, at = 0; at < data.length; i += 4, at += 3) {
            pixels.data.set([data[at], data[at + 1], data[at + 2], 255], i);
        }
        canvas.getContext("2d").putImageData(pixels, 0, 0);
        return canvas.convertToBlob({ type: "image/png" });
    },
};

async function fileAt(files, path) {
    if (files[path]) return files[path];
    const answer = await fetch(path).catch(() => null);
    if (!answer?.ok) throw new Error("it could not be loaded: connect to the internet once, and open it again.");
    return answer.blob();
}

function pairOf(request) {
    const pair = latestPair(request);
    if (!pair) throw new Error("The photos have changed; wait for the new result.");
    return pair;
}

let last = Promise.resolve();
self.addEventListener("message", ({ data: { id, name, given } }) => {
    last = last.then(async () => {
        try {
            self.postMessage({ id, result: await calls[name](given) });
        } catch (error) {
            console.debug("depthmask:", error);
            self.postMessage({ id, failed: error.message || String(error) });
        }
    });
});
