// One of the pictures side by side: a row of views, the picture, its legend and a figure.

import { iconButton, make, radioRow } from "./stage_dom.js";
import { hatch, hatchLayer, hatchLegend } from "./stage_unknown.js";

const FULL = "M4 9V4h5 M15 4h5v5 M20 15v5h-5 M9 20H4v-5";
const SAVE = "M12 4v11 M7 10.5l5 5 5-5 M5 20h14";

export class Tile {
    // `views` is a table of stage_views.js; `choose(name)` and `save()` are called.
    constructor({ name, label, views, save, choose }) {
        [this.name, this.views, this.label] = [name, views, label];
        this.view = Object.keys(views)[0];
        this.choose = choose;
        this.canvas = make("canvas", { width: 4, height: 3, role: "img", "data-picture": name });
        this.unknown = hatchLayer();
        this.picture = make("div", { class: "stage-picture" }, this.canvas, this.unknown);
        this.waits = make("p", { class: "stage-waits" });
        this.tools = make("div", { class: "stage-tools" },
            iconButton(`Download this view of the ${label.toLowerCase()}`, SAVE, save, { "data-do": "save" }),
            iconButton(`${label}: full screen`, FULL, () => this.toggleFull(), { "data-do": "full" }));
        this.frame = make("div", { class: "stage-frame" }, this.picture, this.waits, this.tools);
        this.legend = make("div", { class: "stage-legend" });
        this.figure = make("div", { class: "stage-figure" });
        this.row = null;
        this.element = make("section", { class: "stage-tile", "data-tile": name, "aria-label": label },
            this.frame, this.legend, this.figure);
        this.element.addEventListener("keydown", (event) => {
            if (event.key === "Escape") this.element.classList.remove("stage-filled");
        });
        this.offer(views);
    }

    // Shows the row of views again, with others in it.
    offer(views) {
        this.views = views;
        const had = this.row && this.row.contains(document.activeElement);
        const options = Object.entries(views).map(([name, { label }]) => [name, label]);
        const row = radioRow(`Views of the ${this.label.toLowerCase()}`, options, this.view, (name) => {
            this.view = name;
            this.choose(name);
        });
        if (this.row) this.row.replaceWith(row);
        else this.element.prepend(row);
        this.row = row;
        if (had) row.querySelector("input:checked")?.focus();
    }

    // Marks another view as chosen, without a visitor's click.
    select(name) {
        this.view = name;
        for (const input of this.row.querySelectorAll("input")) input.checked = input.value === name;
    }

    get shown() {
        return this.views[this.view];
    }

    // Gives the picture the scene's size, and what the background does not show of it.
    resize(scene) {
        const { width, height } = scene;
        [this.canvas.width, this.canvas.height] = [width, height];
        this.pencil = this.canvas.getContext("2d");
        const pixels = this.pencil.createImageData(width, height);
        this.pixels = pixels;
        this.out = new Int32Array(pixels.data.buffer);
        const [across, down] = scene.description.pixels; // a preview's own sides are rounded
        this.frame.style.setProperty("--stage-aspect", across / down);
        this.hatched = scene.unknown ? hatchLegend(scene) : null;
        if (scene.unknown) hatch(this.unknown, scene);
        this.unknown.hidden = true;
    }

    put({ left, top, right, bottom }) {
        this.pencil.putImageData(this.pixels, 0, 0, left, top, right - left, bottom - top);
    }

    // A sentence in place of the picture; "" removes it.
    say(text) {
        if (this.waits.textContent !== text) this.waits.textContent = text;
        this.element.classList.toggle("stage-blank", Boolean(text));
    }

    explain([left = "", bar = "", right = ""]) {
        this.legend.replaceChildren(
            ...(left ? [make("span", {}, left)] : []),
            ...(bar ? [make("span", { class: "stage-bar", style: `background: ${bar}` })] : []),
            ...(right ? [make("span", {}, right)] : []));
    }

    // Hatches the unknown area, if there is one, and says so below the legend.
    mark(on) {
        this.unknown.hidden = !(on && this.hatched);
        if (!this.unknown.hidden) this.legend.append(this.hatched);
    }

    // Where a pointer is, in pixels of the picture.
    place(event) {
        const box = this.picture.getBoundingClientRect();
        return {
            x: (event.clientX - box.left) / box.width * this.canvas.width,
            y: (event.clientY - box.top) / box.height * this.canvas.height,
            scale: this.canvas.width / box.width,
        };
    }

    async toggleFull() {
        if (document.fullscreenElement === this.element) {
            await document.exitFullscreen();
        } else if (this.element.classList.contains("stage-filled")) {
            this.element.classList.remove("stage-filled");
        } else if (this.element.requestFullscreen) {
            // some browsers have it and refuse it
            await this.element.requestFullscreen().catch(() => this.element.classList.add("stage-filled"));
        } else {
            this.element.classList.add("stage-filled");
        }
    }
}
