// The value under the pointer, or under a cross that the arrow keys move.

import { make } from "./stage_dom.js";

export class Cursor {
    constructor(tile, look) {
        [this.tile, this.look, this.tell] = [tile, look, null];
        this.readout = make("div", { class: "stage-readout", hidden: true });
        this.cross = make("div", { class: "stage-cross", "aria-hidden": "true", hidden: true });
        tile.picture.append(this.cross, this.readout);
        tile.picture.addEventListener("pointermove", (event) => {
            const { x, y } = tile.place(event);
            this.cross.hidden = true;
            this.readout.removeAttribute("aria-live");
            this.read(x, y);
        });
        tile.picture.addEventListener("pointerleave", () => this.hide());
        tile.canvas.addEventListener("blur", () => this.hide());
        tile.canvas.addEventListener("keydown", (event) => this.step(event));
    }

    // `tell(scene, pixel)` makes the text; without it, there is no cursor.
    show(tell) {
        this.tell = tell;
        this.tile.canvas.tabIndex = tell ? 0 : -1;
        this.hide();
    }

    hide() {
        this.readout.hidden = true;
        this.cross.hidden = true;
    }

    step(event) {
        const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        const way = ways[event.key];
        if (!way || !this.tell || !this.look()) return;
        event.preventDefault();
        const { width, height } = this.tile.canvas;
        const far = (event.shiftKey ? 0.1 : 0.01) * Math.max(width, height);
        const { x, y } = this.at || { x: width / 2, y: height / 2 };
        this.cross.hidden = false;
        this.readout.setAttribute("aria-live", "polite");
        this.read(Math.max(0, Math.min(width - 1, x + far * way[0])),
            Math.max(0, Math.min(height - 1, y + far * way[1])));
    }

    read(x, y) {
        const look = this.look();
        const { width, height } = this.tile.canvas;
        const inside = x >= 0 && y >= 0 && x < width && y < height;
        this.readout.hidden = !(this.tell && look && inside);
        if (this.readout.hidden) return;
        this.at = { x, y };
        this.cross.style.left = `${100 * x / width}%`;
        this.cross.style.top = `${100 * y / height}%`;
        const text = this.tell(look.scene, Math.floor(y) * width + Math.floor(x));
        if (this.readout.textContent !== text) this.readout.textContent = text;
    }
}
