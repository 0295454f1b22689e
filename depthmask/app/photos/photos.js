// The photos tab: which files are dropped, what is asked of the server, and what its answers show.
//
// The state of the tab is here. Each change of it sends one request with all of it, which has a
// number; an answer to an older request is left out. tab.py answers; in the static page of web/, that
// page itself does.

import { watchDrops } from "./drops.js";
import { troubleOf } from "./picture_head.js";
import { SILENT, addressOf, exampleLink, fetchAddress, home, uploadFile } from "./server.js";
import { Share } from "./share.js";
import { readLink, unpack } from "./share_link.js";
import { createStage } from "./stage.js";
import { calm } from "./stage_dom.js";
import { readPhoto } from "./stage_scene.js";
import { Zone } from "./zone.js";

const PHOTOS = ["background", "image"];
const TRUTHS = ["true_mask", "true_depth"];
const SILENT_MS = 60000; // a server that works or lets us wait says so more often
const TOO_MANY = "Drop one photo, or two at once: the empty scene, and the scene with something in it.";
const SEVERAL = " Drop several photos of the empty scene on the background.";
const BATCH = " The Batch tab takes many images.";
const NOTHING = "That is no picture: drop a photo.";
const ONE_TRUTH = "Drop one file here.";
const OTHER_PHOTO = "The true mask and depth belong to the other photo: swap again to measure.";

const SHARED = "Predict your own: drop two photos.";

// Files on a server; `link` is how the address of the page names an example, `scenes` what reads the
// scenes for the stage, `home` the address of a page for everybody, or null, `noAddresses` why no
// pictures are fetched from the web, if that is so.
const FILES = { addressOf, uploadFile, home, link: exampleLink, scenes: undefined, noAddresses: "" };

export default function photos({ element, props, trigger, watch, server, files = FILES }) {
    const tab = new Photos(element, props, trigger, server, files);
    tab.start(watch);
    return tab;
}

const isSeen = (selector) => Boolean(document.querySelector(selector)?.offsetParent);

class Photos {
    constructor(element, props, trigger, server, files) {
        Object.assign(this, { element, props, trigger, server, files });
        this.root = element.querySelector(".photos");
        this.stage = createStage(this.part("stage"), {
            url: files.addressOf,
            scenes: files.scenes,
            downloads: props.downloads,
            rest: (scene) => this.finishScene(scene),
            photo: (scene) => this.readImage(scene),
            download: (name, edits) => this.download(name, edits),
        });
        this.share = new Share(this.part("share"), {
            stage: this.stage,
            short: () => (this.shared ? new URL(window.location) : this.example && files.link.to(this.example)),
            page: () => files.link.to(""),
            home: files.home,
            convention: this.root.querySelector("#convention p").textContent,
        });
        this.shared = false; // whether the result came with the address of the page
        this.solved = JSON.parse(props.solved); // answers by the names of examples
        this.zones = {};
        for (const box of this.root.querySelectorAll(".zone")) {
            const key = box.dataset.zone;
            this.zones[key] = new Zone(box, {
                take: (files) => this.take(files, key),
                remove: () => this.remove(key),
            });
        }
        this.maxBytes = Number(this.root.dataset.maxBytes);
        this.maxBackgrounds = Number(this.root.dataset.maxBackgrounds);
        this.serial = 0;
        this.example = ""; // the name of the one that is open
        this.remark = ""; // a sentence before the next answer
        this.found = ""; // the one on what was found
        this.truthOf = null; // path of the image to which the truth belongs
    }

    part(name) {
        return this.root.querySelector(`[data-photos="${name}"]`);
    }

    start(watch) {
        watch("value", () => {
            const { value } = this.props; // Gradio sends text
            this.receive(typeof value === "string" ? JSON.parse(value) : value);
        });
        watchDrops({
            take: (sources, target) => this.take(sources, target?.closest?.(".zone")?.dataset.zone),
            dragged: (isOver, target) => this.showDragged(isOver, target),
            // these tabs have drops of their own
            leaves: (target) => Boolean(target?.closest?.("#live") || isSeen("#batch")),
        });
        document.addEventListener("depthmask:photos", ({ detail }) => {
            window.location.hash = "photos";
            this.fill([["background", detail.background], ["image", detail.image]], {});
        });
        this.part("swap").addEventListener("click", () => this.swap());
        this.root.querySelector("#mirror").addEventListener("click", () => this.mirror());
        this.part("address")?.addEventListener("submit", (event) => {
            event.preventDefault();
            const field = event.target.elements.url;
            if (field.value) this.take([field.value], null);
            field.value = "";
        });
        this.root.querySelector("#examples")?.addEventListener("click", (event) => {
            const button = event.target.closest("button[data-name]");
            if (button) this.openExample(button.dataset.name);
        });
        for (const id of ["near-is-bright", "align"]) {
            this.root.querySelector(`#${id}`).addEventListener("change", () => this.ask());
        }
        const files = () => Object.values(this.zones)
            .flatMap(({ file }) => [file?.path, ...(file?.more || [])]).filter(Boolean);
        setInterval(() => this.server.keep_files(files()), 1000 * this.props.keep_s);
        this.root.dataset.ready = ""; // for tests and benchmarks
        if (!this.openAddress()) this.arrive();
        window.addEventListener("hashchange", () => this.openAddress());
        // page_head.py keeps what was dropped before this script ran
        if (window.droppedEarly) this.take(window.droppedEarly, null);
        window.droppedEarly = null;
    }

    // Opens what the address of the page names, a result or an example, and tells whether there is one.
    openAddress() {
        const text = readLink(window.location.hash);
        const wanted = this.files.link.read();
        if (text !== null) this.openResult(text);
        else if (wanted && wanted !== this.example) this.openExample(wanted);
        return text !== null || Boolean(wanted);
    }

    // Shows the result that came with the address; nothing is predicted.
    async openResult(text) {
        const address = window.location.href;
        this.serial += 1;
        const mine = this.serial;
        this.closeExample();
        for (const key of [...PHOTOS, ...TRUTHS]) this.show(key, null);
        window.history.replaceState(null, "", address);
        let [tone, said, shown] = ["calm", "", null];
        try {
            shown = await unpack(text);
            const [width, height] = shown.scene.description.size;
            said = `This result came with the link, as a small copy; nothing was predicted here. The photo has ${width} × ${height} pixels.`;
        } catch (error) {
            [said, tone] = [error.message, "failed"];
        }
        if (mine !== this.serial) return;
        this.shared = true;
        this.finish({
            serial: 0, message: { text: `${said} ${SHARED}`, tone }, scene: shown && shown.scene.description,
            settings: shown?.settings,
        });
    }

    // The address no longer names the result that is left.
    closeResult() {
        if (this.shared) window.history.replaceState(null, "", this.files.link.to(""));
        this.shared = false;
    }

    // The page opens with the first example, if its result came with the page.
    arrive() {
        const first = this.root.querySelector("#examples [data-name]")?.dataset.name;
        if (this.solved[first]) this.finish({ serial: 0, ...this.solved[first] });
    }

    // Puts files or addresses where they belong; `target` is the zone they were dropped on, if any. What is
    // no use changes nothing.
    async take(sources, target) {
        if (!this.element.offsetParent) window.location.hash = "photos"; // another tab is open
        const trouble = this.refuse(sources, target) || await this.troubleIn(sources);
        if (trouble) this.tell(trouble, "failed");
        else if (sources.length === 1) this.fill([[target || this.freeZone(), sources[0]]], {});
        else if (this.isScene(target)) this.fill([["background", sources]], {});
        else this.fill(PHOTOS.map((key, place) => [key, sources[place]]), { unordered: true });
    }

    // Several photos of the empty scene are one background.
    isScene(target) {
        return target === "background" && this.maxBackgrounds > 1;
    }

    // Why so many cannot be taken; "" if they can.
    refuse({ length }, target) {
        const most = this.maxBackgrounds;
        if (!length) return NOTHING;
        if (length === 1) return "";
        if (this.isScene(target)) {
            return length > most ? `A background is learned from at most ${most} photos; drop fewer.` : "";
        }
        if (TRUTHS.includes(target)) return ONE_TRUTH;
        if (length === 2) return "";
        const batch = document.querySelector("[data-tab-id=batch]") ? BATCH : "";
        return TOO_MANY + (most > 1 ? SEVERAL : "") + batch;
    }

    // What is wrong with the first that is no use; "" if all may be photos.
    async troubleIn(sources) {
        const found = await Promise.all(sources.map((source) => (
            typeof source === "string" ? this.files.noAddresses : troubleOf(source))));
        return found.find(Boolean) || "";
    }

    // Where a photo goes that was not dropped on a zone.
    freeZone() {
        const free = this.example ? PHOTOS[0] : PHOTOS.find((key) => !this.zones[key].file);
        return free || "image";
    }

    async fill(places, { unordered = false }) {
        const keys = places.map(([key]) => key);
        if (keys.some((key) => PHOTOS.includes(key))) this.closeExample();
        if (keys.includes("image")) this.dropTruth();
        const replaces = keys[0] === "background" && keys.length === 1
            && PHOTOS.every((key) => this.zones[key].file);
        this.serial += 1; // what is under way is stale
        this.stage.busy(true);
        const isMany = places.length > 1 || Array.isArray(places[0][1]);
        this.tell(isMany ? "Sending the photos…" : "Sending the photo…");
        await Promise.all(places.map(([key, source]) => this.load(key, source)));
        this.ask({ unordered, replaces });
    }

    // Shows a picture at once, and uploads it; of several, the first is shown.
    async load(key, sources) {
        const zone = this.zones[key];
        const [source, ...others] = [sources].flat();
        const isFile = typeof source !== "string";
        const name = isFile ? source.name : source.split("/").pop() || source;
        const file = {
            name: others.length ? `${1 + others.length} photos of the empty scene` : name,
            url: isFile ? URL.createObjectURL(source) : source, path: null,
            more: others.map(() => null),
        };
        if (key === "image" && source.type === "image/jpeg" && this.props.sides.length) this.decode(file, source); // while the server works
        if (isFile) this.show(key, file);
        else this.tell("Fetching the picture…");
        try {
            if (isFile) {
                const upload = (each) => this.files.uploadFile(each, this.maxBytes);
                const paths = await Promise.all([source, ...others].map(upload));
                [file.path, ...file.more] = paths;
            } else {
                const found = await fetchAddress(this.server, source);
                file.path = found.path;
                this.show(key, { ...found, url: this.files.addressOf(found.path) });
            }
        } catch (error) {
            if (zone.file === file) this.show(key, null);
            this.remark = error.message;
        }
    }

    show(key, file) {
        const { url } = this.zones[key].file || {};
        if (url?.startsWith("blob:") && url !== file?.url) URL.revokeObjectURL(url);
        this.zones[key].show(file);
        const isPair = PHOTOS.every((each) => this.zones[each].file);
        this.part("swap").disabled = !isPair || Boolean(this.zones.background.file.more?.length);
    }

    remove(key) {
        if (PHOTOS.includes(key)) {
            this.closeExample({ keep: true });
            if (key === "image") this.dropTruth();
        }
        this.show(key, null);
        this.ask();
    }

    swap() {
        this.exchange();
        this.closeExample({ keep: true });
        this.ask();
    }

    exchange() {
        const { background, image } = this.zones;
        const [first, second] = [background.file, image.file];
        background.show(second);
        image.show(first);
    }

    // Lets the server mirror the background, for a camera that mirrored it.
    async mirror() {
        const { file } = this.zones.background;
        this.part("mirror").hidden = true;
        this.stage.busy(true);
        const answer = await this.server.mirror(file.path);
        if (this.zones.background.file !== file) return; // it was replaced meanwhile
        if (answer.failed) {
            this.stage.busy(false);
            this.tell(answer.failed, "failed");
            return;
        }
        this.closeExample({ keep: true });
        this.show("background", { ...answer, url: this.files.addressOf(answer.path) });
        this.ask();
    }

    // The truth of an image goes with it.
    dropTruth() {
        const had = TRUTHS.filter((key) => this.zones[key].file);
        for (const key of had) this.show(key, null);
        if (had.length) {
            const names = had.map((key) => this.zones[key].name.toLowerCase()).join(" and the ");
            this.remark = `The ${names} went with the earlier image.`;
        }
        this.truthOf = null;
    }

    openExample(name) {
        this.shared = false;
        window.history.replaceState(null, "", this.files.link.to(name));
        const solved = this.solved[name];
        if (!solved) {
            this.ask({ example: name });
            return;
        }
        this.serial += 1; // what is under way is stale
        this.finish({ serial: this.serial, ...solved });
    }

    // The photos of an example leave with the first photo of somebody's own, unless they are kept.
    closeExample({ keep = false } = {}) {
        if (!this.example) return;
        this.markExample("");
        if (!keep) {
            for (const key of [...PHOTOS, ...TRUTHS]) this.show(key, null);
            this.truthOf = null;
        }
    }

    markExample(name) {
        this.example = name;
        for (const button of this.root.querySelectorAll("#examples [data-name]")) {
            button.setAttribute("aria-pressed", button.dataset.name === name);
        }
        if (!name) window.history.replaceState(null, "", this.files.link.to(""));
    }

    request({ example = "", unordered = false, replaces = false } = {}) {
        const path = (key) => this.zones[key].file?.path || null;
        const measured = this.truthOf === null || this.truthOf === path("image");
        const ticked = (id) => this.root.querySelector(`#${id}`).checked;
        return {
            serial: this.serial,
            example,
            background: path("background"),
            image: path("image"),
            more_backgrounds: this.zones.background.file?.more || [],
            true_mask: measured ? path("true_mask") : null,
            true_depth: measured ? path("true_depth") : null,
            near_is_bright: ticked("near-is-bright"),
            align: ticked("align"),
            unordered,
            replaces,
        };
    }

    // A zone's photo, decoded once.
    decode(file, photo = file.url) {
        file.photo ||= readPhoto(photo, this.props.sides);
        file.photo.catch(() => {}); // who needs it sees it
        return file.photo;
    }

    async readImage({ pair }) {
        const file = PHOTOS.map((key) => this.zones[key].file).find((each) => each?.path === pair.image);
        return file ? this.decode(file) : null;
    }

    async finishScene({ pair }) {
        const { serial } = this;
        const answer = await this.server.rest(pair);
        if (answer.failed) throw new Error(answer.failed);
        this.tellFound(serial, answer.found);
        return answer;
    }

    // The first picture comes before the prediction is finished, which may find more, or less.
    tellFound(serial, found) {
        const line = this.part("message");
        if (serial !== this.serial || !found || !this.found) return;
        const text = line.textContent.replace(this.found, () => found);
        if (text !== line.textContent) line.textContent = text;
        this.found = found;
    }

    // Lets the server write one of its files, of the mask as it was repaired.
    async download(name, { mask = null, shadow = "found" } = {}) {
        const path = mask && await this.files.uploadFile(mask, this.maxBytes);
        const request = this.request();
        const answer = await this.server.save({ request, name, mask: path, shadow });
        return answer.path ? { url: this.files.addressOf(answer.path), name: answer.name } : answer;
    }

    ask(about = {}) {
        const uploading = Object.values(this.zones).some(({ file }) => file && !file.path);
        if (uploading && !about.example) return; // the end of the upload asks
        this.closeResult();
        this.serial += 1;
        const photo = this.zones.image.file?.path || null;
        if (photo && this.truthOf === null && TRUTHS.some((key) => this.zones[key].file)) {
            this.truthOf = photo;
        }
        if (photo && this.truthOf !== null && this.truthOf !== photo) this.remark = OTHER_PHOTO;
        if (!about.example && !PHOTOS.some((key) => this.zones[key].file)) {
            this.finish({ message: { text: this.root.dataset.empty, tone: "calm" }, scene: null });
            return;
        }
        this.stage.busy(true);
        this.watchSilence();
        this.trigger("submit", { request: JSON.stringify(this.request(about)) });
    }

    watchSilence() {
        clearTimeout(this.silence);
        this.silence = setTimeout(() => {
            this.stage.busy(false);
            this.tell(SILENT, "failed");
        }, SILENT_MS);
    }

    receive(answer) {
        if (answer.serial !== this.serial) return;
        if (answer.waiting) {
            this.watchSilence();
            this.tell(answer.waiting);
        } else this.finish(answer);
    }

    finish(answer) {
        clearTimeout(this.silence);
        this.stage.busy(false);
        if (answer.exchanged) this.exchange();
        if (answer.example) this.showExample(answer);
        else for (const [key, change] of Object.entries(answer.zones || {})) this.change(key, change);
        const { text, tone } = answer.message;
        this.tell([this.remark, text].filter(Boolean).join(" "), this.remark && tone === "calm"
            ? "noted" : tone);
        this.remark = "";
        this.found = answer.message.found; // a sentence of the text
        this.part("took").textContent = answer.took || ""; // of this request, not of an older one
        this.part("swap").classList.toggle("suggested", Boolean(answer.swapped));
        this.part("mirror").hidden = !answer.mirrored;
        const { settings } = answer;
        if (answer.scene) this.stage.show(answer.scene, { settings, arrival: answer.serial === 0 && !settings });
        else if (answer.scene === null) this.stage.clear();
        if (answer.scene !== undefined) this.share.show(Boolean(answer.scene));
        this.root.classList.toggle("solved", Boolean(answer.scene));
        if (answer.scene && answer.serial > 0) this.bringIntoView();
    }

    showExample({ example, zones }) {
        for (const key of [...PHOTOS, ...TRUTHS]) {
            const file = zones[key];
            this.show(key, file ? { name: file.name, path: file.path, url: this.files.addressOf(file.shown) } : null);
        }
        for (const id of ["near-is-bright", "align"]) this.root.querySelector(`#${id}`).checked = false;
        this.truthOf = zones.image.path;
        this.markExample(example);
    }

    // What the server says of a zone: null if its file cannot be read, or a copy that can be shown.
    change(key, change) {
        const { file } = this.zones[key];
        if (!change) this.show(key, null);
        else if (file) this.show(key, { ...file, url: this.files.addressOf(change.shown) });
    }

    tell(text, tone = "calm") {
        const line = this.part("message");
        if (line.textContent !== text) line.textContent = text;
        line.className = `message ${tone}`;
    }

    showDragged(isOver, target) {
        const sign = this.part("dragged");
        if (!isOver && sign.hidden) return;
        sign.hidden = !isOver;
        const aimed = isOver && (target?.closest?.(".zone")?.dataset.zone || this.freeZone());
        for (const [key, zone] of Object.entries(this.zones)) {
            zone.element.classList.toggle("aimed", key === aimed);
        }
    }

    bringIntoView() {
        const { top } = this.part("result").getBoundingClientRect();
        if (top >= 0 && top < window.innerHeight / 2) return;
        this.part("result").scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    }
}
