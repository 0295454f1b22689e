// The batch tab: which files are chosen, how they are sent, and what became of each.
//
// The files are sent when the batch begins. From then on the page asks the server for news, again and
// again; each answer waits until there are some, so that nothing here depends on a timer, which
// browsers slow down in a tab that is not seen.

import { watchDrops } from "../photos/drops.js";
import { SILENT, addressOf, leave, newToken, pause } from "../photos/server.js";
import { createGallery } from "./gallery.js";
import { sendAll } from "./upload.js";
import { FileZone, isClip } from "./zones.js";

const TRIES = 5; // to ask a server that does not answer
const PAUSE_MS = 3000; // between two of them
const DROP_BOTH = "Drop a photo of the empty scene, and the images.";
const DROP_ALL = "Drop a photo of the empty scene and the images; a clip needs no background.";
const DROP_IMAGES = "Now drop the images, taken from the same spot.";
const DROP_BACKGROUND = "Now drop the background: the same view, empty.";
const LEARNS = "Ready. The background is learned from the clip; a photo of the empty scene is better.";
const CHOOSE = "Choose at least one of the files to save.";
const MIXED = "Drop images or one clip, not both.";
const FILES_ONLY = "Drop files here, not addresses.";

export default function batch({ element, props, server }) {
    new Batch(element, server).start(props.keep_s);
}

class Batch {
    constructor(element, server) {
        Object.assign(this, { element, server });
        this.root = element.querySelector(".batch");
        this.limits = Object.fromEntries(Object.entries(this.root.dataset)
            .map(([name, value]) => [name, Number(value)]));
        this.gallery = createGallery(this.part("gallery"), addressOf);
        const zone = (key) => new FileZone(this.root.querySelector(`[data-zone="${key}"]`), {
            take: (files) => this.take(files, key),
            remove: () => this.put(key, []),
            measured: (seconds) => this.measure(seconds),
        });
        this.zones = { "batch-background": zone("batch-background"), "batch-images": zone("batch-images") };
        this.token = ""; // of the batch that runs, or ran last
        this.working = null; // an AbortController while files are sent or the batch runs
    }

    part(name) {
        return this.root.querySelector(`[data-batch="${name}"]`);
    }

    get background() { return this.zones["batch-background"].files; }

    get images() { return this.zones["batch-images"].files; }

    get clip() { return this.images.find(isClip) || null; }

    get outputs() {
        return [...this.part("outputs").querySelectorAll(":checked")].map(({ value }) => value);
    }

    start(keepS) {
        watchDrops({
            take: (sources, target) => this.take(sources, target?.closest?.(".zone")?.dataset.zone),
            dragged: (isOver, target) => this.showDragged(isOver, target),
            leaves: () => !this.element.offsetParent, // another tab is open
        });
        this.part("start").addEventListener("click", () => this.begin());
        this.part("stop").addEventListener("click", () => this.stop());
        this.part("outputs").addEventListener("change", () => this.refresh());
        window.addEventListener("beforeunload", (event) => {
            if (this.working) event.preventDefault(); // the browser asks
        });
        window.addEventListener("pagehide", () => {
            if (this.working && this.token) leave("batch", this.token);
        });
        setInterval(() => { // the server keeps the files of a page that is open
            if (this.token && !this.working) this.ask({ do: "look" });
        }, 1000 * keepS);
        this.refresh();
        this.root.dataset.ready = ""; // for tests
    }

    // Puts files where they belong; `target` is the zone they were dropped on, if any.
    take(sources, target) {
        if (this.working) return;
        const files = sources.filter((source) => typeof source !== "string");
        const clips = files.filter((file) => this.limits.maxClipBytes && isClip(file));
        const isFree = files.length === 1 && !clips.length && !this.background.length;
        const key = clips.length ? "batch-images" : target || (isFree ? "batch-background" : "batch-images");
        const most = key === "batch-images" ? this.limits.maxImages : this.limits.maxBackgrounds;
        let complaint = "";
        if (!files.length) complaint = FILES_ONLY;
        else if (clips.length && files.length > 1) complaint = MIXED;
        else if (files.length > most) complaint = `There may be ${most} photos; these are ${files.length}.`;
        if (complaint) this.tell(complaint, "failed");
        else this.put(key, files);
    }

    put(key, files) {
        if (this.working) return;
        this.zones[key].put(files);
        this.refresh();
    }

    measure(seconds) {
        if (!(seconds > this.limits.maxClipS)) return;
        this.put("batch-images", []);
        const [has, most] = [seconds, this.limits.maxClipS].map((each) => (each / 60).toFixed(1));
        this.tell(`The clip has ${has} minutes; at most ${most} are taken.`, "failed");
    }

    // What can be done now, and what is missing.
    refresh() {
        const { clip, background, images } = this;
        this.part("outputs").hidden = Boolean(clip);
        this.part("looks").hidden = !clip;
        const works = Boolean(this.working);
        let missing = "";
        if (!images.length && !background.length) missing = this.limits.maxClipBytes ? DROP_ALL : DROP_BOTH;
        else if (!images.length) missing = DROP_IMAGES;
        else if (!clip && !background.length) missing = DROP_BACKGROUND;
        else if (!clip && !this.outputs.length) missing = CHOOSE;
        this.part("start").disabled = works || Boolean(missing);
        this.part("start").hidden = works;
        this.part("stop").hidden = !works;
        this.part("stop").disabled = false;
        this.part("running").hidden = !works;
        for (const control of this.root.querySelectorAll(".zone button, .input :is(fieldset, select)")) {
            control.disabled = works;
        }
        if (!works) this.tell(missing || (clip && !background.length ? LEARNS : "Ready."));
    }

    async begin() {
        const working = new AbortController();
        this.working = working;
        this.known = 0;
        this.token = "";
        this.gallery.clear();
        for (const name of ["file", "notes", "what"]) this.part(name).hidden = true;
        this.root.classList.add("solved");
        this.refresh();
        this.part("stop").focus();
        this.tell("");
        let [text, tone] = ["Stopped.", "calm"];
        try {
            const message = await this.send(working.signal);
            if (!working.signal.aborted && message) [text, tone] = await this.follow(message);
        } catch (error) {
            [text, tone] = [error.message, "failed"];
        }
        this.working = null;
        this.refresh();
        this.tell(text, tone);
        if (this.part("stop").hidden && document.activeElement === document.body) this.part("start").focus();
    }

    // Sends the files, and returns the message that begins the batch.
    async send(signal) {
        const { clip, background, images, limits } = this;
        const paths = new Map();
        const files = clip ? background : [...background, ...images];
        const tell = (what) => (share) => this.progress(`Sending ${what}: ${Math.floor(100 * share)} %.`, share);
        const sent = (file, path) => paths.set(file, path);
        let broken = null; // the first error that ends the batch
        const failed = (file, error) => {
            if (images.includes(file) && file !== clip) {
                this.gallery.add({ name: file.name, failed: true, sentence: error.message });
            } else broken ||= new Error(`${file.name}: ${error.message}`);
        };
        await sendAll(files, limits.maxBytes, { tell: tell("the photos"), signal, sent, failed });
        if (clip) {
            await sendAll([clip], limits.maxClipBytes, { tell: tell("the clip"), signal, sent, failed });
        }
        if (broken) throw broken;
        const uploads = images.filter((file) => paths.has(file) && file !== clip)
            .map((file) => ({ path: paths.get(file), name: file.name }));
        if (!clip && !uploads.length && !signal.aborted) throw new Error("None of the images could be sent.");
        return {
            background: background.map((file) => paths.get(file)),
            ...(clip ? { clip: { path: paths.get(clip), name: clip.name }, look: this.part("look").value }
                : { images: uploads, outputs: this.outputs }),
        };
    }

    // Begins the batch, and shows what becomes of it; returns the last sentence and its tone.
    async follow(message) {
        this.token = newToken();
        let answer = await this.ask({ do: "start", ...message });
        while (answer && !answer.refused) {
            this.gallery.add(...answer.items);
            this.known = answer.count;
            this.progress(answer.sentence, answer.share);
            if (answer.state !== "running") break;
            answer = await this.ask({ do: "look", since: this.known, version: answer.version });
        }
        if (!answer) throw new Error(SILENT);
        if (answer.refused) throw new Error(answer.refused);
        this.showEnd(answer, Boolean(message.clip));
        return [answer.sentence, answer.state === "failed" ? "failed" : "calm"];
    }

    // Sends a message. A connection may be lost for a while.
    async ask(message) {
        for (let tries = 0; tries < TRIES; tries += 1) {
            const answer = await Promise.resolve(this.server.batch({ token: this.token, ...message })).catch(() => null);
            if (answer) return answer;
            await pause(PAUSE_MS);
        }
        return null;
    }

    stop() {
        this.part("stop").disabled = true;
        this.part("far").textContent = "Stopping…";
        this.working?.abort();
        if (this.token) this.ask({ do: "stop" });
    }

    progress(sentence, share) {
        if (this.working?.signal.aborted) return; // it is stopping
        this.part("far").textContent = sentence;
        const bar = this.part("bar");
        if (typeof share === "number") bar.value = share;
        else bar.removeAttribute("value"); // not known
    }

    showEnd({ file, notes }, isMovie) {
        const list = this.part("notes");
        list.replaceChildren(...notes.map((note) => {
            const item = document.createElement("li");
            item.textContent = note;
            return item;
        }));
        list.hidden = !notes.length;
        this.part("file").hidden = !file;
        if (!file) return;
        const link = document.createElement("a");
        link.href = addressOf(file.path);
        link.download = file.name;
        link.className = "suggested";
        link.textContent = `Download ${file.name}, ${Math.max(0.1, file.bytes / 1e6).toFixed(1)} MB`;
        this.part("file").replaceChildren(link);
        if (isMovie) this.gallery.play(file);
    }

    tell(text, tone = "calm") {
        const line = this.part("message");
        line.textContent = text;
        line.className = `message ${tone}`;
    }

    showDragged(isOver, target) {
        const aimed = target?.closest?.(".zone")?.dataset.zone;
        for (const [key, { element }] of Object.entries(this.zones)) {
            element.classList.toggle("aimed", isOver && key === aimed);
        }
    }
}
