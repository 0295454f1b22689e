// Depth of foreground and scene as grids for the 3D view; see `relief_layers` of
// depthmask/render/mesh.py.

import { count, mapped, quantile } from "../pictures/arrays.js";
import { blur, connectedParts, dilate, erode, square } from "../pictures/filters.js";
import { fitSize, shrink } from "../pictures/resize.js";

const VIEW_ANGLE = Math.PI / 3; // along the longest side
const BORDER_SHARE = 0.012; // width of the slope at the border, as a share of the longest side
const MIN_GAP_SHARE = 0.02; // from the foreground to what is behind it, as a share of the distance
const MAX_PARTS = 50; // that are looked at one by one
const MAX_RELIEF_SHARE = 0.3; // of a thing's width

// [near, far], each known everywhere, with at most `side` points along the longest side.
export function reliefLayers(depth, mask, side) {
    const seen = (map) => shrink(map, ...fitSize(map, 2 * side));
    return layers(seen(depth), mapped(seen(mask), (value) => (value > 0.5 ? 1 : 0), Uint8Array))
        .map((map) => shrink(map, ...fitSize(map, side)));
}

function layers(depth, inside) {
    if (!count(inside)) return [depth, depth];
    const reach = Math.max(1, Math.round(BORDER_SHARE * Math.max(depth.height, depth.width)));
    const disc = square(2 * reach + 1).filter(([y, x]) => Math.hypot(y, x) <= reach + 0.3);
    const [core, around] = [erode(inside, disc), dilate(inside, disc)];
    const near = spread(shallow(depth, inside), count(core) ? core : inside);
    const beyond = spread(depth, mapped(around, (value) => (value ? 0 : 1), Uint8Array));
    const smooth = blur(beyond, 2 * reach + 1);
    const far = mapped(beyond, (value, i) => (
        around.data[i] ? Math.max(smooth.data[i], near.data[i] * (1 + MIN_GAP_SHARE)) : value));
    return [near, far];
}

// Makes each object at most a share of its width deep: the network's relief is several times too large.
function shallow(depth, inside) {
    const data = depth.data.slice();
    const { labels, count: number } = connectedParts(inside);
    const things = Array.from({ length: Math.min(number, MAX_PARTS) }, () => []);
    labels.data.forEach((label, i) => { if (label) things[label]?.push(i); });
    for (const pixels of things.filter((each) => each.length)) {
        const values = pixels.map((i) => depth.data[i]);
        const [low, middle, high] = [0.05, 0.5, 0.95].map((share) => quantile(values, share));
        const width = Math.sqrt(pixels.length) / Math.max(depth.height, depth.width) * 2 * Math.tan(VIEW_ANGLE / 2) * middle;
        const scale = Math.min(1, MAX_RELIEF_SHARE * width / Math.max(high - low, 1e-6));
        for (const i of pixels) data[i] = middle + scale * (Math.min(high, Math.max(low, depth.data[i])) - middle);
    }
    return { ...depth, data };
}

// Gives pixels that are not known the value of a near one that is.
function spread(map, known) {
    const { height, width } = map;
    const [data, done] = [map.data.slice(), known.data.slice()];
    let edge = [];
    done.forEach((on, i) => { if (on) edge.push(i); });
    if (!edge.length) return map;
    while (edge.length) {
        const next = [];
        for (const i of edge) {
            const [y, x] = [Math.floor(i / width), i % width];
            for (const [v, u] of [[y - 1, x], [y + 1, x], [y, x - 1], [y, x + 1]]) {
                const j = v * width + u;
                if (v < 0 || u < 0 || v >= height || u >= width || done[j]) continue;
                [data[j], done[j]] = [data[i], 1];
                next.push(j);
            }
        }
        edge = next;
    }
    return { ...map, data };
}
