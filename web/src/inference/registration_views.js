// Small grey copies of two photos, and how well they fit when one is laid on the other; see
// depthmask/inference/registration_views.py.

import { mapped, quantile, round, toGrey } from "../pictures/arrays.js";
import { blur, gaussian, slopes } from "../pictures/filters.js";
import { shrink } from "../pictures/resize.js";
import { apply, between, chain, covered, fit, inverse, normalised, solve, warped } from "./transforms.js";

const REGISTRATION_SIDE = 640; // pixels, longest side of the copies that are compared
const MIN_DIFFERENCE_LEVELS = 4;

const scaled = (plane, scale) => shrink(plane, ...[plane.height, plane.width].map(
    (side) => Math.max(1, round(side * scale))));

export class Views {
    // `background` and `image` are grey copies; `start` leads from the given background to the given
    // image, `toBackground` and `toImage` from each of these to its copy.
    constructor(background, image, start, toBackground, toImage) {
        Object.assign(this, { background, image, start, toBackground, toImage });
        this.fine = fineStructure(image);
        this.laid = new Map();
    }

    static make(background, image, start) {
        const scale = Math.min(1, REGISTRATION_SIDE / Math.max(image.height, image.width));
        const copy = scaled(toGrey(image), scale);
        // as large as it will be in the frame, but never larger than it is
        const other = scaled(toGrey(background), Math.min(1, fit(background, image)[0] * scale));
        return new Views(other, copy, start, between(background, other), between(image, copy));
    }

    // From background to image, the camera at rest.
    get still() {
        return chain(this.toImage, this.start, inverse(this.toBackground));
    }

    // The same in half the size.
    half() {
        const [background, image] = [this.background, this.image].map((plane) => scaled(plane, 0.5));
        return new Views(background, image, this.start,
            chain(between(this.background, background), this.toBackground),
            chain(between(this.image, image), this.toImage));
    }

    started(start) {
        const { background, image, toBackground, toImage } = this;
        return Object.assign(Object.create(Views.prototype), {
            background, image, start, toBackground, toImage, fine: this.fine, laid: this.laid,
        });
    }

    // The background laid on the image: which pixels it covers, its fine structure, and where that is
    // the image's.
    lay(transform) {
        const key = transform.join();
        if (!this.laid.has(key)) this.laid.set(key, this.layAnew(transform));
        return this.laid.get(key);
    }

    layAnew(transform) {
        const { height, width } = this.image;
        const fine = fineStructure(warped(this.background, transform, height, width));
        const difference = blur(mapped(fine, (value, i) => Math.abs(value - this.fine.data[i])), 9);
        const some = [];
        for (let y = 0; y < height; y += 4) {
            for (let x = 0; x < width; x += 4) some.push(difference.data[y * width + x]);
        }
        const limit = Math.max(MIN_DIFFERENCE_LEVELS, 2.5 * quantile(some, 0.5));
        return {
            covered: covered(this.background, transform, height, width).data,
            fine,
            unchanged: mapped(difference, (value) => (value < limit ? 1 : 0), Uint8Array).data,
        };
    }

    // Correlation of fine structure, in [-1, 1], where both overlap; 0 if there is none.
    score(laid, other) {
        let [number, both, first, second] = [0, 0, 0, 0];
        for (let i = 0; i < this.fine.data.length; i += 1) {
            if (!laid.covered[i] || !other.covered[i] || !(laid.unchanged[i] || other.unchanged[i])) continue;
            const [a, b] = [laid.fine.data[i], this.fine.data[i]];
            number += 1;
            both += a * b;
            first += a * a;
            second += b * b;
        }
        if (number < 2) return 0;
        const energy = Math.sqrt(first * second);
        return energy > 1e-3 * number ? both / energy : 0;
    }

    // How far unchanged fine structure is off, in pixels of the image, mean over the frame: one step of
    // Lucas and Kanade for an affine movement. Infinite where there is not enough structure to tell.
    drift(laid) {
        const { height, width } = this.image;
        const [right, down] = slopes(laid.fine, 1 / 8);
        const [behind, before] = [laid.fine.data, this.fine.data];
        const counts = (i) => laid.covered[i] && laid.unchanged[i];
        let [mixed, energy] = [0, 0];
        for (let i = 0; i < behind.length; i += 1) {
            if (!counts(i)) continue;
            mixed += before[i] * behind[i];
            energy += behind[i] * behind[i];
        }
        const gain = mixed / Math.max(energy, 1e-6);
        const equations = new Equations(6);
        const slope = new Float64Array(6);
        for (let y = 0, i = 0; y < height; y += 1) {
            const v = 2 * y / Math.max(height - 1, 1) - 1;
            for (let x = 0; x < width; x += 1, i += 1) {
                if (!counts(i)) continue;
                const u = 2 * x / Math.max(width - 1, 1) - 1;
                const [p, q] = [right.data[i], down.data[i]];
                [slope[0], slope[1], slope[2], slope[3], slope[4], slope[5]] = [p, p * u, p * v, q, q * u, q * v];
                equations.add(slope, gain, before[i] - gain * behind[i]);
            }
        }
        const found = equations.solve();
        if (!found) return Infinity;
        let sum = 0;
        for (let y = -1; y <= 1; y += 0.25) {
            for (let x = -1; x <= 1; x += 0.25) {
                sum += Math.hypot(found[0] + found[1] * x + found[2] * y, found[3] + found[4] * x + found[5] * y);
            }
        }
        return sum / 81 / this.toImage[0];
    }

    // Mean distance, in pixels of the image, from where the camera at rest puts a pixel.
    distance(transform) {
        const moved = chain(transform, inverse(this.still));
        const lengths = grid(this.image).map(([x, y]) => {
            const [u, v] = apply(moved, x, y);
            return Math.hypot(u - x, v - y);
        });
        return average(lengths) / this.toImage[0];
    }

    // The same from the closest place where a scaled and cropped picture may lie.
    movement(transform) {
        const points = grid(this.background);
        const moved = points.map(([x, y]) => apply(transform, x, y));
        const [middle, centre] = [moved, points].map((all) => [0, 1].map((k) => average(all.map((p) => p[k]))));
        let [along, length] = [0, 0];
        points.forEach((point, n) => [0, 1].forEach((k) => {
            along += (point[k] - centre[k]) * (moved[n][k] - middle[k]);
            length += (point[k] - centre[k]) ** 2;
        }));
        const scale = Math.max(0, along / length); // no framing turns a picture upside down
        const sides = (plane) => [plane.width, plane.height];
        const beyond = [0, 1].map((k) => {
            const frame = sides(this.image)[k];
            const play = Math.abs(frame - scale * sides(this.background)[k]) / 2;
            const off = middle[k] - (frame - 1) / 2;
            return off - Math.max(-play, Math.min(play, off));
        });
        const lengths = moved.map((place, n) => Math.hypot(...[0, 1].map(
            (k) => place[k] - middle[k] - scale * (points[n][k] - centre[k]) + beyond[k])));
        return average(lengths) / this.toImage[0];
    }

    // The same transform between the pictures as they were given.
    atFullSize(transform) {
        return normalised(chain(inverse(this.toImage), transform, this.toBackground));
    }
}

// The normal equations of least squares, to which pixels are added.
export class Equations {
    constructor(size) {
        this.size = size;
        this.matrix = new Float64Array(size * size);
        this.values = new Float64Array(size);
    }

    add(slope, weight, rest) {
        const { size, matrix, values } = this;
        for (let row = 0, at = 0; row < size; row += 1) {
            const factor = weight * slope[row];
            for (let column = 0; column < size; column += 1, at += 1) matrix[at] += factor * slope[column];
            values[row] += slope[row] * rest;
        }
    }

    // The unknowns; null where they cannot be told.
    solve() {
        const { size, matrix, values } = this;
        return solve(Array.from({ length: size }, (_, k) => matrix.slice(k * size, (k + 1) * size)), [...values]);
    }
}

// Structure finer than about 15 pixels and coarser than noise.
export function fineStructure(plane) {
    const values = gaussian(plane, 1);
    const coarse = blur(values, 15);
    return mapped(values, (value, i) => value - coarse.data[i]);
}

const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Points spread over a picture, 9 x 9.
function grid({ height, width }) {
    const steps = Array.from({ length: 9 }, (_, k) => k / 8);
    return steps.flatMap((down) => steps.map((across) => [across * (width - 1), down * (height - 1)]));
}

