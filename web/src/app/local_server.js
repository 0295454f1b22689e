// Stands in for the server: keeps the files that photos.js takes, and lets the worker answer.
//
// A path is a name for a file that was dropped, or the address of a file of this page.

import { TEXTS } from "../texts.js";
import shared from "./shared.json" with { type: "json" };

const MAX_BYTES = 400e6; // of a file: as many pixels as are read have no more, whatever they are saved as
const TELL_MS = 5000; // between two signs of life while a pair is predicted
export const NOT_FETCHED = "This page fetches nothing from other sites: save the picture, and drop the file.";

// Calls functions of a worker by their names.
export function connect(worker) {
    const waiting = new Map();
    let number = 0;
    const fail = (text) => {
        for (const { reject } of waiting.values()) reject(new Error(text));
        waiting.clear();
    };
    worker.addEventListener("message", ({ data: { id, result, failed } }) => {
        const { resolve, reject } = waiting.get(id) || {};
        waiting.delete(id);
        if (failed) reject?.(new Error(failed));
        else resolve?.(result);
    });
    worker.addEventListener("error", () => fail("The page could not be loaded whole: reload it."));
    return (name, given, transfer = []) => new Promise((resolve, reject) => {
        number += 1;
        waiting.set(number, { resolve, reject });
        worker.postMessage({ id: number, name, given }, transfer);
    });
}

export class LocalServer {
    // `call` is of `connect`; `examples` has the paths of each example's files by zone; `timed(ms)` is
    // told how long the network took.
    constructor(call, examples, timed) {
        Object.assign(this, { call, examples, timed });
        this.files = new Map(); // of each path, the file
        this.addresses = new Map(); // and where the page can show it
        this.props = { value: null, downloads: shared.downloads, sides: [], keep_s: 1e6, solved: "{}" };
        this.heard = () => {};
        this.newest = -1;
    }

    // What photos.js wants of Gradio.
    get ways() {
        return {
            props: this.props,
            watch: (_, heard) => { this.heard = heard; },
            trigger: (_, { request }) => this.answer(JSON.parse(request)),
            server: {
                keep_files: () => {},
                mirror: (path) => this.mirror(path),
                rest: (pair) => this.call("rest", pair).catch((error) => ({ failed: error.message })),
                save: (wanted) => this.save(wanted),
            },
        };
    }

    addressOf(path) {
        return this.addresses.get(path) || path;
    }

    // Takes a file that was dropped; an Error says in a sentence why not.
    take(file) {
        if (file.size > MAX_BYTES) {
            const [size, most] = [file.size, MAX_BYTES].map((bytes) => Math.ceil(bytes / 1e6));
            throw new Error(`${file.name} has ${size} MB; a picture may have at most ${most} MB.`);
        }
        return this.keep(file, file.name);
    }

    keep(file, name) {
        const path = `${this.files.size + 1}/${name}`;
        this.files.set(path, file);
        this.addresses.set(path, URL.createObjectURL(file));
        return path;
    }

    tell(answer) {
        this.props.value = answer;
        this.heard();
    }

    // Answers a request as tab.py does.
    async answer(request) {
        const { serial } = request;
        this.newest = serial;
        const sign = () => this.tell({ serial, waiting: TEXTS.photos.working });
        sign();
        const beat = setInterval(sign, TELL_MS);
        try {
            const example = this.examples[request.example];
            if (request.example && !example) throw new Error(`There is no example called ${request.example}.`);
            const paths = example ? { more_backgrounds: [], ...example } : request;
            const { background, image, true_mask: mask, true_depth: depth, more_backgrounds: more } = paths;
            const files = Object.fromEntries([background, image, mask, depth, ...more].map(
                (path) => [path, this.files.get(path)]));
            const answer = await this.call("answer", {
                request: { ...request, ...paths }, files, name: this.nameOf(paths.image),
            });
            if (this.newest !== serial) return;
            if (answer.networkMs) this.timed(answer.networkMs);
            this.tell({ serial, ...answer, ...(example ? this.opened(request.example) : {}) });
        } catch (error) {
            if (this.newest === serial) this.tell({ serial, message: { text: error.message, tone: "failed" } });
        } finally {
            clearInterval(beat);
        }
    }

    opened(name) {
        const zones = Object.fromEntries(Object.entries(this.examples[name]).map(
            ([zone, path]) => [zone, { path, name: `${name}-${zone}`, shown: path }]));
        return { example: name, title: shared.examples[name], zones };
    }

    async mirror(path) {
        try {
            const file = this.files.get(path) || await (await fetch(path)).blob();
            const name = `${this.nameOf(path)}, mirrored`;
            return { path: this.keep(await this.call("mirror", { file }), name), name };
        } catch (error) {
            return { failed: error.message };
        }
    }

    async save({ request, name, mask }) {
        try {
            const file = await this.call("save", { request, name, repaired: this.files.get(mask) || null });
            const full = `${this.nameOf(request.image)}-${name}.png`;
            return { path: this.keep(file, full), name: full };
        } catch (error) {
            return { failed: error.message };
        }
    }

    // What the names of saved files begin with: that of the example, or of the photo.
    nameOf(path) {
        const example = Object.keys(this.examples).find((name) => this.examples[name].image === path);
        return example || (path || "photo").split("/").pop().replace(/\.[^.]*$/, "");
    }
}
