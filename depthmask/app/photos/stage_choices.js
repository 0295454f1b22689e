// What a visitor chooses for the views: a new backdrop, and the strength of the blur.

import { make, slider } from "./stage_dom.js";

const COLOURS = {
    "#3f7d6e": "Green", "#f4f1ea": "Paper", "#1f2328": "Charcoal", "#7aa7d9": "Sky", "#e3b23c": "Amber",
};
const BLURRED = "blur";

export class Choices {
    constructor(backdropChanged, blurChanged, tell) {
        [this.changed, this.tell] = [backdropChanged, tell];
        this.strength = 0.5;
        this.backdrop = { colour: Object.keys(COLOURS)[0], picture: null };
        this.backdropRow = this.buildSwatches();
        this.blurRow = slider("Strength", { min: 0, max: 100, step: 5, value: 50, unit: " %" }, (value) => {
            this.strength = value / 100;
            blurChanged(this.strength);
        });
    }

    buildSwatches() {
        const row = make("div", { class: "stage-swatches", role: "group", "aria-label": "Backdrop" });
        this.swatches = [];
        const add = (label, choice, style, text = "") => {
            const button = make("button", {
                type: "button", class: "stage-swatch", "aria-label": label, title: label, style,
                "aria-pressed": String(choice.colour === this.backdrop.colour && !choice.picture),
                onclick: () => this.choose({ ...choice }, button),
            }, text);
            this.swatches.push(button);
            row.append(button);
        };
        for (const [colour, label] of Object.entries(COLOURS)) {
            add(label, { colour, picture: null }, `background: ${colour}`);
        }
        add("Blur of the scene", { picture: BLURRED }, null, "Blur");
        const own = make("input", {
            type: "color", value: Object.keys(COLOURS)[0],
            oninput: () => this.choose({ colour: own.value, picture: null }, own.parentElement),
        });
        const file = make("input", {
            type: "file", accept: "image/*", class: "stage-hidden",
            onchange: () => this.readPicture(file.files[0], file.parentElement),
        });
        const colourLabel = make("label", { class: "stage-swatch stage-own", title: "Another colour" }, "Colour", own);
        own.setAttribute("aria-label", "Another colour");
        const fileLabel = make("label", { class: "stage-swatch stage-own", title: "Your own picture" }, "Picture", file);
        row.append(colourLabel, fileLabel);
        return row;
    }

    get settings() {
        const { strength, backdrop: { colour = null, picture } } = this;
        return { strength, colour, blurred: picture === BLURRED };
    }

    // Settings as `settings` had them, without a visitor's click.
    set({ strength, colour, blurred }) {
        this.strength = strength;
        this.blurRow.set(Math.round(100 * strength));
        if (!colour && !blurred) return;
        const place = blurred ? this.swatches.length - 1 : Object.keys(COLOURS).indexOf(colour);
        this.choose(blurred ? { picture: BLURRED } : { colour, picture: null },
            this.swatches[place] || this.backdropRow.querySelector("[type=color]").parentElement);
    }

    choose(backdrop, button) {
        this.backdrop = backdrop;
        for (const other of this.backdropRow.children) {
            if (other.hasAttribute("aria-pressed")) other.setAttribute("aria-pressed", String(other === button));
            else other.classList.toggle("stage-chosen", other === button);
        }
        this.changed();
    }

    async readPicture(file, button) {
        if (!file) return;
        try {
            const picture = await createImageBitmap(file);
            this.choose({ picture }, button);
            this.tell("");
        } catch (error) {
            console.debug("depthmask: no backdrop", error);
            this.tell(`${file.name} is no picture that this browser can read; choose another one.`);
        }
    }
}
