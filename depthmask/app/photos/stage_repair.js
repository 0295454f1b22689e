// The mask as a visitor repairs it: settings for all of it, a brush on top, undo and redo.
//
// alpha = what the network found, less its shadow, grown or shrunk, feathered, then painted over.

import { reaches } from "./stage_scene.js";

const MAX_UNDONE = 60;
const SHADOW_FULL = 30; // of 255: a darker shadow is taken out of the mask as a whole
const EDGE_SHARE = 0.004; // of the longest side, as in shadow.py
const INFINITE = 1e12;

export const AS_FOUND = Object.freeze({ grow: 0, feather: 0, shadow: "found" });

export class Repair {
    constructor(scene) {
        this.scene = scene;
        this.settings = AS_FOUND;
        this.alpha = scene.alpha.slice();
        this.base = scene.alpha; // before the brush
        this.value = new Uint8Array(this.alpha.length); // what the brush painted,
        this.weight = new Uint8Array(this.alpha.length); // and how much that counts
        this.stroke = null;
        [this.undone, this.done] = [[], []];
        this.distances = null;
    }

    get changed() {
        const { grow, feather, shadow } = this.settings;
        return Boolean(grow || feather) || shadow !== "found" || reaches(this.weight, 1);
    }

    // The soft black that lies under the cut-out, or null.
    get shadow() {
        if (this.settings.shadow !== "keep" || !this.scene.shadow) return null;
        this.under ||= widen(this.scene.shadow, this.scene.width, this.scene.height);
        return this.under;
    }

    get found() {
        return reaches(this.alpha, 128);
    }

    // Changes some of the settings. Moves of the same slider are undone as one.
    set(changes) {
        const [before, after] = [this.settings, { ...this.settings, ...changes }];
        const last = this.done[this.done.length - 1];
        const key = Object.keys(changes).join();
        if (last && last.key === key && key !== "shadow") last.redo = () => this.apply(after);
        else this.remember({ key, undo: () => this.apply(before), redo: () => this.apply(after) });
        return this.apply(after);
    }

    undo() {
        const step = this.done.pop();
        if (!step) return null;
        this.undone.push(step);
        return step.undo();
    }

    redo() {
        const step = this.undone.pop();
        if (!step) return null;
        this.done.push(step);
        return step.redo();
    }

    reset() {
        const steps = this.done;
        const { settings, value, weight } = this;
        const clear = () => {
            [this.value, this.weight] = [value, weight].map((plane) => new Uint8Array(plane.length));
            return this.apply(AS_FOUND);
        };
        const restore = () => {
            [this.value, this.weight] = [value, weight];
            return this.apply(settings);
        };
        if (steps.length) this.remember({ undo: restore, redo: clear });
        return clear();
    }

    remember(step) {
        this.undone = [];
        this.done.push(step);
        if (this.done.length > MAX_UNDONE) this.done.shift();
    }

    apply(settings) {
        if (settings.shadow !== this.settings.shadow) this.distances = null;
        this.settings = settings;
        this.base = this.shape(this.withoutShadow());
        return this.paint(this.everything);
    }

    get everything() {
        return { left: 0, top: 0, right: this.scene.width, bottom: this.scene.height };
    }

    withoutShadow() {
        const { alpha, shadow } = this.scene;
        if (this.settings.shadow === "found" || !shadow) return alpha;
        return alpha.map((level, i) => level * (1 - Math.min(1, shadow[i] / SHADOW_FULL)));
    }

    shape(alpha) {
        const { grow, feather } = this.settings;
        if (!grow && !feather) return alpha;
        this.distances ||= signedDistances(alpha, this.scene.width, this.scene.height);
        const width = Math.max(1, 2 * feather);
        return alpha.map((level, i) => {
            const moved = Math.max(0, Math.min(1, 0.5 + (this.distances[i] + grow) / width)) * 255;
            if (feather) return moved;
            return grow > 0 ? Math.max(level, moved) : Math.min(level, moved);
        });
    }

    // Lays the brush over the base, within an area, which it returns.
    paint(area) {
        const { base, value, weight, alpha, stroke, scene: { width } } = this;
        for (let y = area.top; y < area.bottom; y += 1) {
            for (let i = y * width + area.left; i < y * width + area.right; i += 1) {
                let level = base[i];
                if (weight[i]) level += (value[i] - level) * weight[i] / 255;
                if (stroke && stroke.weight[i]) level += (stroke.value - level) * stroke.weight[i] / 255;
                alpha[i] = level + 0.5;
            }
        }
        return area;
    }

    // Starts a stroke that adds or erases, at a place in pixels.
    begin(adds, x, y, radius) {
        const weight = new Uint8Array(this.alpha.length);
        this.stroke = { value: adds ? 255 : 0, weight, radius, x, y, area: null };
        return this.stamp(x, y);
    }

    // Continues it; returns the area that changed.
    move(x, y) {
        const { stroke } = this;
        const steps = Math.max(1, Math.ceil(Math.hypot(x - stroke.x, y - stroke.y) / (stroke.radius / 4)));
        let area = null;
        for (let step = 1; step <= steps; step += 1) {
            const part = step / steps;
            area = union(area, this.stamp(stroke.x + (x - stroke.x) * part, stroke.y + (y - stroke.y) * part));
        }
        [stroke.x, stroke.y] = [x, y];
        return area;
    }

    end() {
        const { stroke } = this;
        this.stroke = null;
        if (!stroke) return;
        const before = this.cut(stroke.area);
        this.commit(stroke);
        const after = this.cut(stroke.area);
        this.remember({ undo: () => this.paste(before), redo: () => this.paste(after) });
    }

    stamp(x, y) {
        const { stroke, scene: { width, height } } = this;
        const { radius } = stroke;
        const soft = Math.max(1, radius * 0.25); // the width of the brush's edge
        const area = {
            left: clamp(Math.floor(x - radius), width), right: clamp(Math.ceil(x + radius) + 1, width),
            top: clamp(Math.floor(y - radius), height), bottom: clamp(Math.ceil(y + radius) + 1, height),
        };
        for (let row = area.top; row < area.bottom; row += 1) {
            for (let column = area.left; column < area.right; column += 1) {
                const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y);
                const level = 255 * Math.max(0, Math.min(1, (radius - distance) / soft + 0.5));
                const i = row * width + column;
                if (level > stroke.weight[i]) stroke.weight[i] = level;
            }
        }
        stroke.area = union(stroke.area, area);
        return this.paint(area);
    }

    commit(stroke) {
        const { value, weight, scene: { width } } = this;
        for (let y = stroke.area.top; y < stroke.area.bottom; y += 1) {
            for (let i = y * width + stroke.area.left; i < y * width + stroke.area.right; i += 1) {
                const above = stroke.weight[i] / 255;
                if (!above) continue;
                const below = weight[i] / 255 * (1 - above);
                value[i] = (value[i] * below + stroke.value * above) / (above + below) + 0.5;
                weight[i] = 255 * (above + below) + 0.5;
            }
        }
    }

    cut(area) {
        const rows = [];
        const { width } = this.scene;
        for (let y = area.top; y < area.bottom; y += 1) {
            const [first, end] = [y * width + area.left, y * width + area.right];
            rows.push([this.value.slice(first, end), this.weight.slice(first, end)]);
        }
        return { area, rows };
    }

    paste({ area, rows }) {
        rows.forEach(([value, weight], k) => {
            const first = (area.top + k) * this.scene.width + area.left;
            this.value.set(value, first);
            this.weight.set(weight, first);
        });
        return this.paint(area);
    }
}

// Intersection over union with the true mask, where that is known; null without one.
export function iou({ truth }, alpha, unknown) {
    if (!truth) return null;
    let [both, either] = [0, 0];
    for (let i = 0; i < truth.length; i += 1) {
        if (truth[i] === unknown) continue;
        const [found, there] = [alpha[i] > 127, truth[i] > 127];
        both += found && there;
        either += found || there;
    }
    return either ? both / either : 1;
}

// Widens a plane by the maximum around each pixel: a shadow goes on under the edge of what casts it.
function widen(plane, width, height) {
    const reach = Math.max(1, Math.round(EDGE_SHARE * Math.max(width, height)));
    const pass = (from, step, length, stride, lines) => {
        const to = from.slice();
        for (let line = 0; line < lines; line += 1) {
            for (let k = 0; k < length; k += 1) {
                const level = from[line * stride + k * step];
                if (!level) continue;
                for (let near = Math.max(0, k - reach); near <= Math.min(length - 1, k + reach); near += 1) {
                    const at = line * stride + near * step;
                    if (level > to[at]) to[at] = level;
                }
            }
        }
        return to;
    };
    return pass(pass(plane, 1, width, width, height), width, height, 1, width);
}

function clamp(value, end) {
    return Math.max(0, Math.min(end, value));
}

export function union(first, second) {
    if (!first || !second) return first || second;
    return {
        left: Math.min(first.left, second.left), right: Math.max(first.right, second.right),
        top: Math.min(first.top, second.top), bottom: Math.max(first.bottom, second.bottom),
    };
}

// How far inside the foreground each pixel is, in pixels; below 0 outside.
function signedDistances(alpha, width, height) {
    const inside = squaredDistances(alpha, width, height, (level) => level > 127);
    const outside = squaredDistances(alpha, width, height, (level) => level <= 127);
    // both are measured between the centres of pixels, and the border is half way
    return inside.map((_, i) => (alpha[i] > 127 ? Math.sqrt(outside[i]) - 0.5 : 0.5 - Math.sqrt(inside[i])));
}

// To the nearest pixel that counts, squared. Felzenszwalb and Huttenlocher, "Distance Transforms of
// Sampled Functions", 2012.
function squaredDistances(alpha, width, height, counts) {
    const grid = new Float32Array(alpha.length);
    for (let i = 0; i < grid.length; i += 1) grid[i] = counts(alpha[i]) ? 0 : INFINITE;
    const longest = Math.max(width, height);
    const [line, places] = [new Float64Array(longest), new Int32Array(longest)];
    const borders = new Float64Array(longest + 1);
    const transform = (start, step, length) => {
        for (let k = 0; k < length; k += 1) line[k] = grid[start + k * step];
        let last = 0;
        places[0] = 0;
        [borders[0], borders[1]] = [-INFINITE, INFINITE];
        for (let k = 1; k < length; k += 1) {
            let border;
            for (;;) {
                const p = places[last];
                border = (line[k] + k * k - line[p] - p * p) / (2 * (k - p));
                if (border > borders[last]) break;
                last -= 1;
            }
            last += 1;
            places[last] = k;
            [borders[last], borders[last + 1]] = [border, INFINITE];
        }
        for (let k = 0, at = 0; k < length; k += 1) {
            while (borders[at + 1] < k) at += 1;
            grid[start + k * step] = (k - places[at]) ** 2 + line[places[at]];
        }
    };
    for (let x = 0; x < width; x += 1) transform(x, width, height);
    for (let y = 0; y < height; y += 1) transform(y * width, 1, width);
    return grid;
}
