// The stage: image, mask and depth side by side, drawn here from one scene of the server.
//
//     const stage = createStage(element, options);
//     await stage.show(scene, { arrival: true });  // what first_scene of scene.py returned
//     stage.clear("Drop two photos.");             // a sentence in place of the pictures
//     stage.busy(true);                            // a new scene is on its way
//
// Options, all of them optional:
//     url(path)              the address of a file of the server
//     downloads              { name: label } of the files that the server makes at full size
//     scenes                 what reads scenes, as stage_scene.js does
//     rest(scene)            asks the server for the "rest" of a scene that came without
//     photo(scene)           what readPhoto made of the page's own image, or null
//     download(name, edits)  asks the server for one: returns { url, name } or { failed: sentence };
//                            edits is { mask: File or null, shadow: "found", "keep" or "drop" }

import { addressOf } from "./server.js";
import { calm, make } from "./stage_dom.js";
import { Choices } from "./stage_choices.js";
import { Compare } from "./stage_compare.js";
import { Cursor } from "./stage_cursor.js";
import { Relief } from "./stage_relief.js";
import { iou, Repair } from "./stage_repair.js";
import { RepairPanel } from "./stage_repair_panel.js";
import { canvasPng, cutoutPng, greyPng, offer } from "./stage_save.js";
import * as files from "./stage_scene.js";
import { Tile } from "./stage_tile.js";
import {
    DEPTH_VIEWS, forget, IMAGE_VIEWS, MASK_VIEWS, preparations, REPAIR_VIEWS,
} from "./stage_views.js";

const HINTS = {
    iou: "Intersection over union of predicted and true mask: 1 is perfect",
    rmse: "Root of the mean squared error of the depth, on its scale from 0 to 1: 0 is perfect",
};
const NO_TRUTH = "needs ground truth";
const NOTHING = "Nothing new was found, so there is no foreground to save.";
const EMPTY = "Mask and depth appear here.";
const SIGN_MS = 600; // from a request to the sign that its result is on its way
const PREVIEW = "The mask can be repaired as soon as all of it is loaded.";
const LOST = "The pictures of this result cannot be loaded; try again.";

export function createStage(element, options = {}) {
    return new Stage(element, { url: addressOf, downloads: {}, photo: async () => null, ...options });
}

class Stage {
    constructor(element, options) {
        this.options = options;
        this.asked = new WeakMap(); // for which descriptions the server was asked for the rest
        this.shows = 0; // the newest call of show or clear wins
        this.look = null; // what the views draw: the scene, its mask as repaired, the choices
        this.image = this.tile("image", "Image", IMAGE_VIEWS);
        this.mask = this.tile("mask", "Mask", MASK_VIEWS);
        this.depth = this.tile("depth", "Depth", DEPTH_VIEWS);
        this.tiles = [this.image, this.mask, this.depth];
        this.message = make("p", { class: "stage-message", role: "status" });
        this.choices = new Choices(() => this.draw(this.mask), (share) => {
            this.look.strength = share;
            this.draw(this.depth);
        }, (text) => this.tell(text));
        this.compare = new Compare(this.mask, (share) => this.split(share));
        this.cursor = new Cursor(this.depth, () => this.look);
        this.relief = new Relief(this.depth, () => this.readRelief());
        this.panel = new RepairPanel(this.mask, {
            changed: (area, settled) => this.repaired(area, settled),
            opened: (open) => this.offerViews(open),
        });
        this.downloads = this.downloadRow();
        this.root = make("div", { class: "stage" },
            make("div", { class: "stage-tiles" }, ...this.tiles.map((tile) => tile.element)),
            this.message, this.downloads);
        const style = make("link", { rel: "stylesheet", href: new URL("stage.css", import.meta.url).href });
        element.replaceChildren(style, this.root);
        this.clear();
    }

    tile(name, label, views) {
        const tile = new Tile({
            name, label, views, choose: () => this.choose(tile), save: () => this.save(tile),
        });
        return tile;
    }

    // `settings` are those of a result, see there.
    async show(description, { arrival = false, settings = null } = {}) {
        this.shows += 1;
        const mine = this.shows;
        let scene;
        try {
            scene = await this.scenes(description).loadScene(description, this.sources(description));
        } catch (error) {
            console.debug("depthmask: no scene", error);
            if (mine === this.shows) this.clear(LOST);
            return;
        }
        if (mine !== this.shows) return;
        this.root.classList.remove("stage-empty");
        this.root.classList.toggle("stage-shared", Boolean(description.shared));
        this.downloads.hidden = Boolean(description.shared) || !this.downloads.querySelector("button");
        if (arrival && this.mask.views.compare) this.mask.select("compare");
        this.enable(true);
        this.tell("");
        this.open(scene);
        if (settings) this.adjust(settings);
        if (this.mask.view === "compare" && arrival && !calm()) this.compare.sweep();
        this.busy(false);
        // what is drawn is presented first
        requestAnimationFrame(() => setTimeout(() => {
            if (mine !== this.shows) return;
            this.complete().catch((error) => console.debug("depthmask: no rest of the scene", error));
        }));
    }

    // What reads a scene; the scene of a link brings it along.
    scenes(description) {
        return description.scenes || this.options.scenes || files;
    }

    sources(description) {
        return {
            url: this.options.url, rest: () => this.rest(description), photo: () => this.options.photo(description),
        };
    }

    // Lets all views draw a scene. A preview cannot be repaired: what is painted would be lost.
    open(scene) {
        this.repair = new Repair(scene);
        this.look = { scene, strength: this.choices.strength, backdrop: this.choices.backdrop };
        if (scene.preview) this.panel.wait(PREVIEW);
        else this.panel.open(this.repair);
        this.relief.open(this.look);
        for (const tile of this.tiles) {
            tile.resize(scene);
            tile.say("");
        }
        this.takeMask();
        this.showFigures();
        for (const tile of this.tiles) this.choose(tile);
    }

    // Describes the files that the first picture does not need; the server writes them when asked.
    async rest(description) {
        if (description.rest) return description.rest;
        let asked = this.asked.get(description);
        if (!asked) {
            asked = this.options.rest(description);
            this.asked.set(description, asked);
            asked.catch(() => this.asked.delete(description)); // whoever needs it asks again
        }
        return asked;
    }

    // Fills in what the scene lacks at first.
    complete() {
        const { look } = this;
        look.complete ||= this.fill(look, this.shows).catch((error) => {
            look.complete = null;
            throw error;
        });
        return look.complete;
    }

    async fill(look, mine) {
        const { description } = look.scene;
        const rest = await this.rest(description);
        const scenes = this.scenes(description);
        const scene = look.scene.preview ? await scenes.loadWhole(description, rest, this.sources(description)) : look.scene;
        const parts = await scenes.loadRest(scene, rest, this.options.url);
        if (mine !== this.shows) return;
        Object.assign(scene, parts);
        if (scene === look.scene) {
            forget(scene);
            this.panel.showShadow();
            this.takeMask();
            for (const tile of this.tiles) this.draw(tile);
        } else {
            this.open(scene);
            this.look.complete = look.complete;
        }
        this.prepare(preparations(this.look), mine);
    }

    async readRelief() {
        const { description } = this.look.scene;
        await this.complete(); // the relief has the colours of background and foreground
        return this.scenes(description).loadRelief(await this.rest(description), this.options.url);
    }

    // What is shown, whole, as share_link.js and share_page.js take it; null without a scene.
    async result() {
        if (!this.look) return null;
        await this.complete();
        const relief = await this.readRelief().catch(() => null);
        const { look, tiles, choices } = this;
        if (!look) return null;
        const { figures } = look.scene.description;
        return {
            scene: { ...look.scene, alpha: look.alpha }, look, relief, repaired: this.edited,
            figures: { iou: (this.edited ? this.repairedFigure(figures.iou) : figures.iou).value, rmse: figures.rmse.value },
            settings: { views: tiles.map(({ view }) => view), ...choices.settings },
        };
    }

    // Chooses views and their settings, as `result` had them.
    adjust({ views, ...settings }) {
        this.choices.set(settings);
        if (this.look) this.look.strength = this.choices.strength;
        this.tiles.forEach((tile, k) => {
            if (Object.hasOwn(tile.views, views[k])) tile.select(views[k]);
            this.choose(tile);
        });
    }

    // Computes what views will need, a piece at a time, as long as the scene stays.
    prepare([first, ...rest], mine) {
        const later = window.requestIdleCallback || ((work) => setTimeout(work, 50));
        later(() => {
            if (!first || mine !== this.shows) return;
            first();
            this.prepare(rest, mine);
        });
    }

    clear(sentence = EMPTY) {
        this.shows += 1;
        this.look = null;
        this.relief.close();
        this.root.classList.add("stage-empty");
        for (const tile of this.tiles) {
            tile.say(tile === this.mask ? sentence : " ");
            tile.explain(tile.shown.legend?.every((part) => typeof part === "string") ? tile.shown.legend : []);
            tile.mark(false);
        }
        this.panel.close();
        this.enable(false);
        this.tell("");
        this.showFigures();
        this.busy(false);
    }

    // Most results are there before the sign that one is on its way, whose motion would delay them.
    busy(on) {
        clearTimeout(this.sign);
        this.root.setAttribute("aria-busy", String(on));
        if (on) this.sign = setTimeout(() => this.root.classList.add("stage-busy"), SIGN_MS);
        else this.root.classList.remove("stage-busy");
    }

    tell(text) {
        this.message.textContent = text;
    }

    enable(on) {
        for (const button of this.root.querySelectorAll(".stage-tool, .stage-downloads button")) {
            button.disabled = !on;
        }
    }

    // Shows the view that a tile's row has chosen.
    choose(tile) {
        const { view, shown } = tile;
        tile.canvas.setAttribute("aria-label", shown.alt);
        if (tile === this.mask) this.compare.show(view === "compare" && Boolean(this.look));
        if (!this.look) return;
        const missing = shown.truth && !this.look.scene.description.truth[shown.truth];
        tile.say(missing ? shown.needs : "");
        tile.explain(missing ? [] : (shown.legend || []).map(
            (part) => (typeof part === "function" ? part(this.look.scene) : part)));
        if (view === "backdrop") tile.legend.replaceChildren(this.choices.backdropRow);
        if (view === "blur") tile.legend.replaceChildren(this.choices.blurRow);
        tile.mark(!missing && shown.hatched);
        if (tile === this.depth) {
            this.relief.show(view === "3d");
            this.cursor.show(missing ? null : shown.tell);
        }
        if (!missing) this.draw(tile);
    }

    draw(tile, area = this.repair.everything) {
        if (!this.look || !tile.shown.draw) return;
        const { truth } = tile.shown;
        if (truth && !this.look.scene.description.truth[truth]) return;
        this.look.backdrop = this.choices.backdrop;
        if (tile === this.mask && tile.view === "compare") {
            tile.shown.draw(this.look, this.cutout, area);
            this.split(this.compare.share);
        } else {
            tile.shown.draw(this.look, tile.out, area);
            tile.put(area);
        }
        tile.canvas.dataset.drawn = `${tile.view} ${this.shows}`;
    }

    // Compare: the image up to a share of the width, and the cut-out from there.
    split(share) {
        if (!this.look) return;
        const { image, width, height } = this.look.scene;
        const { out } = this.mask;
        const column = Math.round(share * width);
        for (let row = 0; row < out.length; row += width) {
            out.set(image.subarray(row, row + column), row);
            out.set(this.cutout.subarray(row + column, row + width), row + column);
        }
        this.mask.put({ left: 0, top: 0, right: width, bottom: height });
    }

    takeMask() {
        const { look, repair } = this;
        Object.assign(look, { alpha: repair.alpha, shadow: repair.shadow, found: repair.found });
        this.cutout = this.cutout?.length === look.alpha.length ? this.cutout : new Int32Array(look.alpha.length);
        forget(look); // the blur depends on the mask
    }

    // The mask was changed within an area; a stroke of the brush settles when it ends.
    repaired(area, settled) {
        if (!this.look || !area) return;
        this.look.alpha = this.repair.alpha;
        if (settled) this.takeMask();
        this.draw(this.mask, area);
        if (!settled) return;
        this.showFigures();
        if (["blur", "3d"].includes(this.depth.view)) this.draw(this.depth);
        this.relief.update(this.look);
    }

    offerViews(repairing) {
        if (repairing) this.mask.view = "overlay";
        else if (this.mask.view === "overlay") this.mask.view = "cutout";
        this.mask.offer(repairing ? REPAIR_VIEWS : MASK_VIEWS);
        this.choose(this.mask);
    }

    showFigures() {
        const figures = this.look?.scene.description.figures || {};
        this.mask.figure.replaceChildren(
            figure("IoU", this.edited ? this.repairedFigure(figures.iou) : figures.iou, HINTS.iou), this.panel.button);
        this.depth.figure.replaceChildren(figure("RMSE", figures.rmse, HINTS.rmse));
    }

    get edited() {
        return Boolean(this.look) && this.repair.changed;
    }

    repairedFigure({ value }) {
        const words = value === null ? "" : `repaired; it was ${value.toFixed(3)}`;
        return { value: iou(this.look.scene, this.look.alpha, files.UNKNOWN), words };
    }

    // What the names of saved files begin with.
    get photo() {
        return this.look.scene.description.name || "photo";
    }

    // Saves the view on screen, named after the photo.
    async save(tile) {
        try {
            await this.complete();
        } catch {
            this.tell(LOST);
            return;
        }
        if (!this.look) return;
        const { scene, found } = this.look;
        const { view, shown } = tile;
        if (shown.foreground && !found) {
            this.tell(NOTHING);
            return;
        }
        if (shown.truth && !scene.description.truth[shown.truth]) {
            this.tell(shown.needs);
            return;
        }
        let content;
        if (view === "cutout") content = await cutoutPng(this.look);
        else if (view === "3d") content = await this.relief.picture();
        else content = await canvasPng(tile.canvas);
        if (!content) {
            this.tell("There is no picture to save yet.");
            return;
        }
        const name = `${this.photo}-${view}.png`;
        offer(content, name);
        this.tell(`Saved ${name}.`);
    }

    downloadRow() {
        const buttons = Object.entries(this.options.downloads).map(([name, label]) => make("button", {
            type: "button", "data-download": name, onclick: (event) => this.fetchFile(name, event.currentTarget),
        }, label));
        return make("div", { class: "stage-downloads", hidden: !buttons.length },
            make("h2", {}, "Download at full size"), make("div", {}, ...buttons));
    }

    async fetchFile(name, button) {
        const label = button.textContent;
        button.disabled = true;
        button.textContent = "Preparing…";
        try {
            const answer = await this.options.download(name, await this.edits());
            if (answer.failed) this.tell(answer.failed);
            else offer(answer.url, answer.name);
        } catch (error) {
            console.debug("depthmask: no download", error);
            this.tell("The server did not answer: check that it still runs, then try again.");
        } finally {
            button.textContent = label;
            button.disabled = !this.look;
        }
    }

    async edits() {
        const { width, height } = this.look.scene;
        if (!this.edited) return { mask: null, shadow: "found" };
        const content = await greyPng(this.repair.alpha, width, height);
        return {
            mask: new File([content], "mask.png", { type: "image/png" }),
            shadow: this.repair.settings.shadow,
        };
    }
}

function figure(name, { value = null, words = "" } = {}, hint) {
    return make("dl", { title: hint }, make("dt", {}, name),
        make("dd", { class: value === null ? "none" : null }, value === null ? NO_TRUTH : value.toFixed(3)),
        ...(value !== null && words ? [make("dd", { class: "stage-words" }, words)] : []));
}
