// Copies of pictures and maps in other sizes; see depthmask/pictures/resize.py.

import { array, round } from "./arrays.js";

// Height and width in the same aspect with no side above `side` and none below 1.
export function fitSize({ height, width }, side) {
    const scale = Math.min(1, side / Math.max(height, width));
    return [height, width].map((length) => Math.max(1, round(length * scale)));
}

// Averages down to at most this height and width.
export function shrink(from, height, width) {
    return scaled(from, Math.min(from.height, height), Math.min(from.width, width), averages);
}

// Interpolates to a height and width.
export const enlarge = (from, height, width) => scaled(from, height, width, interpolations);

// Scales to a size: shrinks by averaging, grows by interpolation.
export const resize = (from, height, width) => enlarge(shrink(from, height, width), height, width);

const HALVES = new WeakMap(); // of a picture that is wanted in several sizes, that of half the size

// The same, fast rather than exact: by halves as far as they go.
export function resizeByHalves(from, height, width) {
    const halves = from.height % 2 === 0 && from.width % 2 === 0 && from.height >= 2 * height && from.width >= 2 * width;
    if (!halves) return resize(from, height, width);
    if (!HALVES.has(from)) HALVES.set(from, halved(from));
    return resizeByHalves(HALVES.get(from), height, width);
}

// Averages of two by two pixels.
function halved({ height, width, channels, data }) {
    const half = new data.constructor(data.length / 4);
    const [line, rounding] = [width * channels, data instanceof Float32Array ? 0 : 2];
    for (let y = 0, to = 0; y < height; y += 2) {
        for (let at = y * line, end = at + line; at < end; at += channels) {
            for (let c = 0; c < channels; c += 1, at += 1, to += 1) {
                const [right, below] = [at + channels, at + line];
                half[to] = (data[at] + data[right] + data[below] + data[below + channels] + rounding) / 4;
            }
        }
    }
    return array(height / 2, width / 2, channels, half);
}

// A map in another size, none of its values mixed.
export function nearest(map, height, width) {
    if (map.height === height && map.width === width) return map;
    const data = new map.data.constructor(height * width);
    for (let y = 0, i = 0; y < height; y += 1) {
        const row = Math.floor((y + 0.5) * map.height / height) * map.width;
        for (let x = 0; x < width; x += 1, i += 1) data[i] = map.data[row + Math.floor((x + 0.5) * map.width / width)];
    }
    return array(height, width, 1, data);
}

// The part of a picture from a row and a column on.
export function crop({ width, channels, data }, top, left, rows, columns) {
    const part = new data.constructor(rows * columns * channels);
    for (let y = 0; y < rows; y += 1) {
        const first = ((top + y) * width + left) * channels;
        part.set(data.subarray(first, first + columns * channels), y * columns * channels);
    }
    return array(rows, columns, channels, part);
}

// Cuts the largest centred part with the aspect height : width out of a picture.
export function cropToAspect(picture, height, width) {
    const scale = Math.min(picture.height / height, picture.width / width);
    const rows = Math.min(picture.height, Math.max(1, round(height * scale)));
    const columns = Math.min(picture.width, Math.max(1, round(width * scale)));
    if (rows === picture.height && columns === picture.width) return picture;
    const [top, left] = [(picture.height - rows) >> 1, (picture.width - columns) >> 1];
    return crop(picture, top, left, rows, columns);
}

// Scales along both axes; `weigh(length, wanted)` tells which pixels make each new one.
function scaled(from, height, width, weigh) {
    if (from.height === height && from.width === width) return from;
    const { channels } = from;
    const integers = !(from.data instanceof Float32Array);
    const across = weigh(from.width, width);
    const down = weigh(from.height, height);
    const data = new from.data.constructor(height * width * channels);
    const rows = new Map(); // those of the source that are scaled across
    const sum = new Float32Array(width * channels);
    for (let y = 0; y < height; y += 1) {
        const [first, end] = [down.starts[y], down.starts[y + 1]];
        for (let k = first; k < end; k += 1) {
            const source = down.places[k];
            if (!rows.has(source)) rows.set(source, scaledRow(from, source, width, across));
            addRow(sum, rows.get(source), down.weights[k], k === first);
        }
        for (const source of rows.keys()) if (source < down.places[first]) rows.delete(source);
        const at = y * sum.length;
        if (integers) for (let i = 0; i < sum.length; i += 1) data[at + i] = sum[i] + 0.5;
        else data.set(sum, at);
    }
    return array(height, width, channels, data);
}

function addRow(sum, row, weight, isFirst) {
    if (isFirst) for (let i = 0; i < sum.length; i += 1) sum[i] = weight * row[i];
    else for (let i = 0; i < sum.length; i += 1) sum[i] += weight * row[i];
}

function scaledRow({ width: columns, channels, data }, y, width, { starts, places, weights }) {
    const row = new Float32Array(width * channels);
    const line = y * columns * channels;
    for (let x = 0, at = 0; x < width; x += 1) {
        for (let c = 0; c < channels; c += 1, at += 1) {
            let sum = 0;
            for (let k = starts[x]; k < starts[x + 1]; k += 1) {
                sum += weights[k] * data[line + places[k] * channels + c];
            }
            row[at] = sum;
        }
    }
    return row;
}

// For each new pixel: the old ones that it covers, by their shares. OpenCV's INTER_AREA.
function averages(length, wanted) {
    const scale = length / wanted;
    const table = { starts: [0], places: [], weights: [] };
    for (let x = 0; x < wanted; x += 1) {
        const [left, right] = [x * scale, Math.min((x + 1) * scale, length)];
        for (let place = Math.floor(left + 1e-6); place < right - 1e-6; place += 1) {
            table.places.push(place);
            table.weights.push((Math.min(place + 1, right) - Math.max(place, left)) / (right - left));
        }
        table.starts.push(table.places.length);
    }
    return table;
}

// For each new pixel: the two old ones beside its centre. OpenCV's INTER_LINEAR.
function interpolations(length, wanted) {
    const scale = length / wanted;
    const table = { starts: [0], places: [], weights: [] };
    for (let x = 0; x < wanted; x += 1) {
        const centre = Math.max(0, Math.min(length - 1, (x + 0.5) * scale - 0.5));
        const place = Math.floor(centre);
        const rest = centre - place;
        table.places.push(place);
        table.weights.push(1 - rest);
        if (rest > 0) {
            table.places.push(place + 1);
            table.weights.push(rest);
        }
        table.starts.push(table.places.length);
    }
    return table;
}
