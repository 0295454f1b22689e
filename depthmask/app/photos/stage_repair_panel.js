// The tools to repair the mask: a brush for pointer, finger or keys, and settings for all of it.

import { calm, make, radioRow, slider } from "./stage_dom.js";
import { AS_FOUND } from "./stage_repair.js";

const SIZES = { min: 1, max: 25, step: 1, value: 6, unit: " %" }; // the brush's width, of the longest side
const KEYS = "B add, E erase, [ and ] brush size, Ctrl+Z undo, Ctrl+Y redo. With the picture "
    + "focused, arrows move the brush and Space paints.";
const SHADOWS = [["found", "As found"], ["drop", "Drop"], ["keep", "Keep"]];

export class RepairPanel {
    // `changed(area, settled)` after each change of the mask; `opened(open)` when the panel opens.
    constructor(tile, { changed, opened }) {
        Object.assign(this, { tile, changed, opened, repair: null, adds: true, painting: null });
        this.button = make("button", {
            type: "button", class: "stage-repair-button", "aria-expanded": "false", "data-do": "repair",
            onclick: () => this.toggle(this.element.hidden),
        }, "Repair mask");
        this.brush = make("div", { class: "stage-brush", "aria-hidden": "true", hidden: true });
        tile.picture.append(this.brush);
        this.element = this.build();
        tile.legend.after(this.element);
        this.listen();
    }

    build() {
        this.mode = radioRow("Brush", [["add", "Add"], ["erase", "Erase"]], "add", (name) => this.pick(name));
        this.size = slider("Brush", SIZES, (value) => this.resize(value));
        this.percent = SIZES.value;
        this.grow = slider("Grow", { min: -20, max: 20, step: 1, value: 0, unit: " px" },
            (grow) => this.set({ grow }));
        this.feather = slider("Feather", { min: 0, max: 20, step: 1, value: 0, unit: " px" },
            (feather) => this.set({ feather }));
        this.shadow = make("div", { class: "stage-shadow" });
        const act = (label, name, onclick) => make("button", {
            type: "button", class: "stage-action", "data-do": name, onclick,
        }, label);
        this.undo = act("Undo", "undo", () => this.done(this.repair.undo()));
        this.redo = act("Redo", "redo", () => this.done(this.repair.redo()));
        this.reset = act("Reset", "reset", () => this.done(this.repair.reset()));
        return make("div", { class: "stage-repair", role: "group", "aria-label": "Repair the mask", hidden: true },
            make("div", { class: "stage-line" }, this.mode, this.undo, this.redo, this.reset),
            make("div", { class: "stage-sliders" }, this.size, this.grow, this.feather),
            make("div", { class: "stage-line" }, this.shadow,
                make("details", { class: "stage-keys" }, make("summary", {}, "Keys"), make("p", {}, KEYS))));
    }

    // Begins with a new scene; a panel that is open stays open.
    open(repair) {
        this.repair = repair;
        this.painting = null;
        this.button.disabled = false;
        this.button.title = "";
        this.element.inert = false;
        this.showShadow();
        this.refresh();
    }

    // Does nothing until a scene is opened, and says why; a panel that is open stays open.
    wait(why = "") {
        this.repair = null;
        this.painting = null;
        this.button.disabled = true;
        this.button.title = why;
        this.element.inert = true;
    }

    close() {
        this.wait();
        if (!this.element.hidden) this.toggle(false);
    }

    toggle(open) {
        this.element.hidden = !open;
        this.button.setAttribute("aria-expanded", String(open));
        this.button.textContent = open ? "Done" : "Repair mask";
        this.tile.picture.classList.toggle("stage-painted", open);
        this.brush.hidden = true;
        this.opened(open);
        this.tile.canvas.tabIndex = open ? 0 : -1;
        if (!open) return;
        this.mode.querySelector("input:checked").focus({ preventScroll: true });
        this.element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    }

    showShadow() {
        const { shadow } = this.repair.scene;
        this.shadow.replaceChildren(...(shadow ? [
            make("span", {}, "Shadow"),
            radioRow("Shadow", SHADOWS, this.repair.settings.shadow, (name) => this.set({ shadow: name })),
        ] : [make("span", {}, "No cast shadow was found.")]));
    }

    pick(name) {
        this.adds = name === "add";
        this.brush.classList.toggle("stage-erases", !this.adds);
        for (const input of this.mode.querySelectorAll("input")) input.checked = input.value === name;
    }

    resize(percent) {
        this.percent = Math.max(SIZES.min, Math.min(SIZES.max, percent));
        this.brush.style.width = `${100 * 2 * this.radius / this.tile.canvas.width}%`;
    }

    get radius() {
        const { width, height } = this.tile.canvas;
        return Math.max(1, this.percent / 200 * Math.max(width, height));
    }

    set(settings) {
        this.changed(this.repair.set(settings), true);
        this.refresh();
    }

    // After undo, redo or reset.
    done(area) {
        if (area) this.changed(area, true);
        this.refresh();
    }

    refresh() {
        const { settings, done, undone, changed } = this.repair;
        this.undo.disabled = !done.length;
        this.redo.disabled = !undone.length;
        this.reset.disabled = !changed;
        this.grow.set(settings.grow);
        this.feather.set(settings.feather);
        for (const input of this.shadow.querySelectorAll("input")) {
            input.checked = input.value === (settings.shadow || AS_FOUND.shadow);
        }
    }

    listen() {
        const { picture, element, canvas } = this.tile;
        picture.addEventListener("pointerdown", (event) => this.begin(event));
        picture.addEventListener("pointermove", (event) => this.move(event));
        picture.addEventListener("pointerup", () => this.end());
        picture.addEventListener("pointercancel", () => this.end());
        picture.addEventListener("pointerleave", () => { this.brush.hidden = true; });
        element.addEventListener("keydown", (event) => this.press(event));
        canvas.addEventListener("blur", () => { if (!this.painting) this.brush.hidden = true; });
    }

    get active() {
        return this.repair && !this.element.hidden && this.tile.view !== "compare";
    }

    begin(event) {
        if (!this.active || event.button !== 0) return;
        event.preventDefault();
        this.end();
        this.tile.picture.setPointerCapture(event.pointerId);
        this.tile.canvas.focus({ preventScroll: true });
        this.painting = event.pointerId;
        const { x, y } = this.tile.place(event);
        this.changed(this.repair.begin(this.adds, x, y, this.radius), false);
        this.aim(x, y);
    }

    move(event) {
        if (!this.active) return;
        const moves = event.getCoalescedEvents?.() || [];
        let { x, y } = this.tile.place(event);
        if (this.painting === event.pointerId) {
            for (const each of moves.length ? moves : [event]) {
                ({ x, y } = this.tile.place(each));
                this.changed(this.repair.move(x, y), false);
            }
        }
        this.aim(x, y);
    }

    end() {
        if (this.painting === null) return;
        this.painting = null;
        this.repair.end();
        this.changed(this.repair.everything, true);
        this.refresh();
    }

    aim(x, y) {
        this.at = { x, y };
        const { width, height } = this.tile.canvas;
        this.brush.hidden = false;
        this.brush.style.left = `${100 * x / width}%`;
        this.brush.style.top = `${100 * y / height}%`;
        this.resize(this.percent);
    }

    press(event) {
        if (!this.active || event.target.matches("input[type=color], input[type=file]")) return;
        if (!this.shortcut(event) && !(event.target === this.tile.canvas && this.paintByKey(event))) return;
        event.preventDefault();
        event.stopPropagation();
    }

    shortcut(event) {
        const key = event.key.toLowerCase();
        if (event.ctrlKey || event.metaKey) {
            if (key === "z") this.done(event.shiftKey ? this.repair.redo() : this.repair.undo());
            else if (key === "y") this.done(this.repair.redo());
            else return false;
        } else if (key === "b") this.pick("add");
        else if (key === "e") this.pick("erase");
        else if (key === "[" || key === "]") {
            this.resize(this.percent + (key === "]" ? 1 : -1));
            this.size.set(this.percent);
        } else return false;
        return true;
    }

    paintByKey(event) {
        const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        const { width, height } = this.tile.canvas;
        const { x, y } = this.at || { x: width / 2, y: height / 2 };
        const way = ways[event.key];
        if (way) {
            const far = this.radius * (event.shiftKey ? 2 : 0.5);
            this.aim(Math.max(0, Math.min(width, x + far * way[0])), Math.max(0, Math.min(height, y + far * way[1])));
        } else if (event.key === " ") {
            this.repair.begin(this.adds, x, y, this.radius);
            this.repair.end();
            this.changed(this.repair.everything, true);
            this.refresh();
        } else return false;
        return true;
    }
}
