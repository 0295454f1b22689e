// The handle of Compare: moved by pointer or arrow keys, and swept once when the page arrives.

import { make } from "./stage_dom.js";

const SWEEP_MS = 1800;

export class Compare {
    // `moved(share)` is called with the share of the width that shows the image.
    constructor(tile, moved) {
        [this.tile, this.moved, this.share] = [tile, moved, 0.5];
        this.input = make("input", {
            type: "range", min: 0, max: 100, value: 50, class: "stage-hidden",
            "aria-label": "Compare: how much of the width shows the image",
            oninput: () => this.move(Number(this.input.value) / 100),
        });
        this.handle = make("div", { class: "stage-handle", "aria-hidden": "true" });
        this.element = make("div", { class: "stage-compare", hidden: true }, this.input, this.handle);
        for (const type of ["pointerdown", "pointermove"]) {
            this.element.addEventListener(type, (event) => this.drag(event));
        }
        tile.picture.append(this.element);
    }

    show(on) {
        this.element.hidden = !on;
        this.tile.canvas.classList.toggle("stage-passive", on);
    }

    drag(event) {
        if (event.type === "pointerdown") {
            this.element.setPointerCapture(event.pointerId);
            this.input.focus({ preventScroll: true });
            event.preventDefault(); // the focus stays where it was put
        } else if (!event.buttons) return;
        this.move(this.tile.place(event).x / this.tile.canvas.width);
    }

    move(share, sweeping = false) {
        if (!sweeping) this.sweeping = false;
        this.share = Math.max(0, Math.min(1, share));
        this.input.value = Math.round(100 * this.share);
        this.handle.style.left = `${100 * this.share}%`;
        this.moved(this.share);
    }

    // From the cut-out to the image and back to the middle.
    sweep() {
        const start = performance.now();
        this.sweeping = true;
        const step = (now) => {
            if (!this.sweeping || this.element.hidden) return;
            const part = Math.max(0, Math.min(1, (now - start) / SWEEP_MS));
            this.move(0.5 - 0.45 * Math.sin(2 * Math.PI * part), true);
            if (part < 1) requestAnimationFrame(step);
            else this.sweeping = false;
        };
        requestAnimationFrame(step);
    }
}
