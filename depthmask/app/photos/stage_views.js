// The views of a scene: how each is drawn, and what it is called.
//
// A picture is an Int32Array of little-endian RGBA. `draw(look, out, area)` fills the rectangle `area`
// of `out`; `look` has the scene, the mask as it was repaired, and the choices of the visitor.

import { DEPTH_STEPS, UNKNOWN } from "./stage_scene.js";

const MISSED = [0, 114, 178];
const FALSE = [230, 159, 0];
const NEARER = [33, 102, 172];
const FARTHER = [217, 95, 2];
const NO_ERROR = 245; // grey of a depth without error
const UNKNOWN_GREY = 120; // where the truth does not know the depth
const MAX_ERROR = 0.3; // of depth; beyond it the colour no longer changes
const LIGHT_GREY = 204;
const DARK_GREY = 153;
const CHECKS_ACROSS = 48;
const MAX_BLUR_SHARE = 0.02; // standard deviation of the largest blur, as a share of the diagonal
const BLUR_LEVELS = [0.15, 0.4, 1]; // of the largest blur; a pixel's own lies between two of them
const OPAQUE = 0xff000000;

const pack = (r, g, b) => OPAQUE | (b << 16) | (g << 8) | r;
const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

// Calls `paint(first, end)` for each row of an area.
function eachRow({ left, top, right, bottom }, width, paint) {
    for (let y = top; y < bottom; y += 1) paint(y * width + left, y * width + right);
}

// `amount` from 0 to 256 of `above`, the rest of `below`; two channels at a time.
function mix(below, above, amount) {
    const rest = 256 - amount;
    const odd = Math.imul(below & 0xff00ff, rest) + Math.imul(above & 0xff00ff, amount);
    const even = Math.imul((below >>> 8) & 0xff, rest) + Math.imul((above >>> 8) & 0xff, amount);
    return OPAQUE | ((odd >>> 8) & 0xff00ff) | (even & 0xff00);
}

// The grey of each of 256 levels.
function greys(level) {
    return Int32Array.from({ length: 256 }, (_, i) => pack(level(i), level(i), level(i)));
}

// 0 to 255 as a share of 256, so that 255 is all.
const share = (level) => level + (level >> 7);

function drawCopy(picture) {
    return ({ scene }, out, area) => {
        eachRow(area, scene.width, (first, end) => {
            out.set(picture(scene).subarray(first, end), first);
        });
    };
}

function drawLevels(level) {
    const colours = greys(level);
    return ({ scene, alpha }, out, area) => eachRow(area, scene.width, (first, end) => {
        for (let i = first; i < end; i += 1) out[i] = colours[alpha[i]];
    });
}

// The foreground, and its shadow if that is kept, on another picture.
function layOver({ scene, alpha, shadow }, below, out, area) {
    const { foreground } = scene;
    eachRow(area, scene.width, (first, end) => {
        for (let i = first; i < end; i += 1) {
            const amount = alpha[i];
            if (amount === 255) {
                out[i] = foreground[i];
                continue;
            }
            const under = shadow && shadow[i] ? mix(below[i], OPAQUE, share(shadow[i])) : below[i];
            out[i] = amount ? mix(under, foreground[i], share(amount)) : under;
        }
    });
}

function drawCutout(look, out, area) {
    layOver(look, remember(look.scene, "checks", drawChecks), out, area);
}

// What is not foreground: pale, in a colour that few photos are full of.
const VEIL = [255, 92, 168];
const VEILED = Int32Array.from({ length: 256 }, (_, level) =>
    pack(...VEIL.map((full) => Math.round(0.45 * full + 0.55 * (0.6 * level + 90)))));

function drawOverlay({ scene, alpha }, out, area) {
    const { image, width } = scene;
    const lumas = remember(scene, "lumas", drawLumas);
    eachRow(area, width, (first, end) => {
        for (let i = first; i < end; i += 1) {
            out[i] = mix(VEILED[lumas[i]], image[i], share(alpha[i]));
        }
    });
}

function drawBackdrop(look, out, area) {
    const { scene, backdrop } = look;
    const below = backdrop.picture === "blur"
        ? remember(scene, "blurred scene", blurScene) : remember(backdrop, scene, () => fill(scene, backdrop));
    layOver(look, below, out, area);
}

function fill({ width, height }, { colour, picture }) {
    if (picture) return coverWith(picture, width, height);
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
    return new Int32Array(width * height).fill(pack(r, g, b));
}

const FOUND_GREYS = greys((level) => Math.floor(level / 3) + 170);
const OTHER_GREYS = greys((level) => Math.floor(level / 3) + 20);

function drawMaskErrors({ scene, alpha }, out, area) {
    const { truth, width } = scene;
    const lumas = remember(scene, "lumas", drawLumas);
    const [missed, wrong] = [pack(...MISSED), pack(...FALSE)];
    eachRow(area, width, (first, end) => {
        for (let i = first; i < end; i += 1) {
            const found = alpha[i] > 127;
            const right = truth[i] === UNKNOWN || found === truth[i] > 127;
            if (right) out[i] = (found ? FOUND_GREYS : OTHER_GREYS)[lumas[i]];
            else out[i] = found ? wrong : missed;
        }
    });
}

function drawDepth({ scene }, out, area) {
    const { depth, palette } = scene;
    const colours = Int32Array.from(
        { length: DEPTH_STEPS + 1 }, (_, step) => palette[Math.round(step * 255 / DEPTH_STEPS)]);
    eachRow(area, scene.width, (first, end) => {
        for (let i = first; i < end; i += 1) out[i] = colours[depth[i]];
    });
}

function drawDepthErrors({ scene }, out, area) {
    const { error } = scene;
    const colours = remember(scene, "error colours", () => Int32Array.from(
        { length: DEPTH_STEPS + 1 }, (_, step) => (step ? errorColour(stepToError(step)) : pack(
            UNKNOWN_GREY, UNKNOWN_GREY, UNKNOWN_GREY))));
    eachRow(area, scene.width, (first, end) => {
        for (let i = first; i < end; i += 1) out[i] = colours[error[i]];
    });
}

// Sharp where the foreground is; the rest as a lens blurs, by the difference of inverse depths.
function drawBlur(look, out, area) {
    const { scene: { image, width }, alpha, strength } = look;
    const amounts = remember(look, "amounts", blurAmounts);
    const levels = [remember(look, "behind", drawBehind), ...BLUR_LEVELS.map((_, k) => blurLevel(look, k))];
    const steps = new Uint8Array(256); // of each amount: the level below it,
    const parts = new Uint16Array(256); // and how far it is from there to the next, of 256
    for (let amount = 0; amount < 256; amount += 1) {
        const wanted = strength * amount / 255;
        const step = BLUR_LEVELS.findIndex((level) => wanted <= level);
        const low = step ? BLUR_LEVELS[step - 1] : 0;
        steps[amount] = step;
        parts[amount] = 256 * (wanted - low) / (BLUR_LEVELS[step] - low);
    }
    eachRow(area, width, (first, end) => {
        for (let i = first; i < end; i += 1) {
            if (alpha[i] === 255) {
                out[i] = image[i];
                continue;
            }
            const amount = amounts[i];
            const step = steps[amount];
            const blurred = mix(levels[step][i], levels[step + 1][i], parts[amount]);
            out[i] = alpha[i] ? mix(blurred, image[i], share(alpha[i])) : blurred;
        }
    });
}

// What lies behind the foreground: if its own colours were blurred, they would make a halo.
function drawBehind({ scene: { image, background }, alpha }) {
    const behind = image.slice();
    if (background) {
        for (let i = 0; i < behind.length; i += 1) {
            if (alpha[i]) behind[i] = mix(image[i], background[i], share(alpha[i]));
        }
    }
    return behind;
}

function blurLevel(look, k) {
    return remember(look, `blur ${k}`, ({ scene: { width, height } }) => blur(
        remember(look, "behind", drawBehind), width, height,
        MAX_BLUR_SHARE * Math.hypot(width, height) * BLUR_LEVELS[k]));
}

// What the slowest views need, in pieces that are computed while nothing else is to be done.
export function preparations(look) {
    return [
        () => remember(look.scene, "checks", drawChecks),
        () => remember(look.scene, "lumas", drawLumas),
        () => remember(look, "behind", drawBehind),
        () => remember(look, "amounts", blurAmounts),
        ...BLUR_LEVELS.map((_, k) => () => blurLevel(look, k)),
    ];
}

function blurAmounts({ scene, alpha, found }) {
    const { depth } = scene;
    const counts = new Int32Array(DEPTH_STEPS + 1);
    let total = 0;
    for (let i = 0; i < depth.length; i += 1) {
        if (found && alpha[i] <= 127) continue;
        counts[depth[i]] += 1;
        total += 1;
    }
    let focus = 0;
    for (let seen = counts[0]; seen < total * (found ? 0.5 : 0.02); seen += counts[focus]) focus += 1;
    const inverse = DEPTH_STEPS / Math.max(focus, 1);
    const amounts = Uint8Array.from(counts, (_, step) =>
        255 * Math.min(1, Math.abs(DEPTH_STEPS / Math.max(step, 1) - inverse) / 2));
    const map = new Uint8Array(depth.length);
    for (let i = 0; i < map.length; i += 1) map[i] = amounts[depth[i]];
    return map;
}

function blurScene({ image, background, width, height }) {
    return blur(background || image, width, height, MAX_BLUR_SHARE * Math.hypot(width, height));
}

// A Gaussian blur by three box blurs each way, on a copy small enough not to show.
function blur(picture, width, height, deviation) {
    const scale = deviation > 8 ? 4 : deviation > 3 ? 2 : 1;
    const [small, pencil] = canvasOf(Math.ceil(width / scale), Math.ceil(height / scale));
    pencil.imageSmoothingQuality = "high";
    pencil.drawImage(toCanvas(picture, width, height), 0, 0, small.width, small.height);
    const pixels = pencil.getImageData(0, 0, small.width, small.height);
    const radius = Math.max(1, Math.round(deviation / scale * 0.95));
    const other = new Uint8ClampedArray(pixels.data.length);
    for (let pass = 0; pass < 3; pass += 1) {
        boxBlur(pixels.data, other, small.width, small.height, 4, 4 * small.width, radius);
        boxBlur(other, pixels.data, small.height, small.width, 4 * small.width, 4, radius);
    }
    pencil.putImageData(pixels, 0, 0);
    return readCanvas(small, width, height);
}

// Means of 2 * radius + 1 pixels along lines of `length` pixels, `step` bytes apart.
function boxBlur(from, to, length, lines, step, stride, radius) {
    const window = 2 * radius + 1;
    for (let line = 0; line < lines; line += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
            const start = line * stride + channel;
            const last = start + (length - 1) * step;
            let sum = from[start] * (radius + 1);
            for (let k = 1; k <= radius; k += 1) sum += from[Math.min(start + k * step, last)];
            for (let k = 0, at = start; k < length; k += 1, at += step) {
                to[at] = sum / window;
                sum += from[Math.min(at + (radius + 1) * step, last)]
                    - from[Math.max(at - radius * step, start)];
            }
        }
        for (let k = 0, at = line * stride + 3; k < length; k += 1, at += step) to[at] = 255;
    }
}

function drawChecks({ width, height }) {
    const tile = Math.max(2, Math.floor(Math.max(width, height) / CHECKS_ACROSS));
    const [light, dark] = [LIGHT_GREY, DARK_GREY].map((grey) => pack(grey, grey, grey));
    const board = new Int32Array(width * height);
    for (let y = 0, i = 0; y < height; y += 1) {
        const row = Math.floor(y / tile);
        for (let x = 0; x < width; x += 1, i += 1) {
            board[i] = (row + Math.floor(x / tile)) % 2 ? dark : light;
        }
    }
    return board;
}

function drawLumas({ image }) {
    const lumas = new Uint8Array(image.length);
    for (let i = 0; i < lumas.length; i += 1) {
        const pixel = image[i];
        lumas[i] = (77 * (pixel & 255) + 150 * ((pixel >>> 8) & 255) + 29 * ((pixel >>> 16) & 255)) >> 8;
    }
    return lumas;
}

// What is computed once for a scene or a look, until it is forgotten.
const memories = new WeakMap();
function remember(owner, key, make) {
    if (!memories.has(owner)) memories.set(owner, new Map());
    const memory = memories.get(owner);
    if (!memory.has(key)) memory.set(key, make(owner));
    return memory.get(key);
}
export function forget(owner) {
    memories.delete(owner);
}

export function canvasOf(width, height) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    return [canvas, canvas.getContext("2d", { willReadFrequently: true })];
}

export function toCanvas(picture, width, height) {
    const [canvas, pencil] = canvasOf(width, height);
    const bytes = new Uint8ClampedArray(picture.buffer, picture.byteOffset, picture.byteLength);
    pencil.putImageData(new ImageData(bytes, width, height), 0, 0);
    return canvas;
}

function readCanvas(source, width, height) {
    const [, pencil] = canvasOf(width, height);
    pencil.imageSmoothingQuality = "high";
    pencil.drawImage(source, 0, 0, width, height);
    return new Int32Array(pencil.getImageData(0, 0, width, height).data.buffer);
}

// Scales a picture to cover a size, cropped around its centre.
function coverWith(picture, width, height) {
    const scale = Math.max(width / picture.width, height / picture.height);
    const [, pencil] = canvasOf(width, height);
    const [w, h] = [picture.width * scale, picture.height * scale];
    pencil.imageSmoothingQuality = "high";
    pencil.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
    return new Int32Array(pencil.getImageData(0, 0, width, height).data.buffer);
}

const stepToError = (step) => 2 * step / DEPTH_STEPS - 1;

function errorColour(error) {
    const strength = Math.min(1, Math.abs(error) / MAX_ERROR);
    const full = error < 0 ? NEARER : FARTHER;
    return pack(...full.map((level) => Math.round(NO_ERROR + (level - NO_ERROR) * strength)));
}

function gradient(colour) {
    const steps = Array.from({ length: 16 }, (_, k) => colour(k / 15));
    return `linear-gradient(90deg, ${steps.map(
        (c) => css([c & 255, (c >>> 8) & 255, (c >>> 16) & 255])).join(", ")})`;
}

const CHECKS_CSS = "repeating-conic-gradient(#ccc 0 25%, #999 0 50%) 0 0 / 8px 8px";
const halves = (left, right) => `linear-gradient(90deg, ${left} 50%, ${right} 50%)`;
const depthAt = ({ depth }, i) => `depth ${(depth[i] / DEPTH_STEPS).toFixed(3)}`;
function errorAt({ error, depth }, i) {
    if (!error[i]) return "no truth here";
    const off = stepToError(error[i]);
    const side = Math.abs(off) < 0.005 ? "right" : `${Math.abs(off).toFixed(2)} too ${off < 0 ? "near" : "far"}`;
    return `${side}, ${depthAt({ depth }, i)}`;
}

// Each view: its label, its alternative text, how it is drawn, [left, bar, right] of its legend, what
// it tells of a pixel, whether the unknown area is hatched, and, if it needs a truth, which, and what to
// say without it.
export const IMAGE_VIEWS = {
    image: {
        label: "Image", alt: "The image", draw: drawCopy((scene) => scene.image),
        legend: ["as it was taken"],
    },
    background: {
        label: "Background", alt: "The background, moved and lit as the image",
        draw: drawCopy((scene) => scene.background || scene.image),
        legend: ["moved and lit as the image"], hatched: true,
    },
};

export const MASK_VIEWS = {
    mask: {
        label: "Mask", alt: "The foreground in white, the background in black",
        draw: drawLevels((level) => (level > 127 ? 255 : 0)),
        legend: ["background", halves("#000", "#fff"), "foreground"], hatched: true,
    },
    alpha: {
        label: "Soft", alt: "How much of each pixel is foreground, from black to white",
        draw: drawLevels((level) => level),
        legend: ["background", "linear-gradient(90deg, #000, #fff)", "foreground"], hatched: true,
    },
    cutout: {
        label: "Cut-out", alt: "The foreground alone, on a checkerboard", draw: drawCutout,
        legend: ["", CHECKS_CSS, "transparent"], foreground: true, hatched: true,
    },
    compare: {
        label: "Compare", alt: "The image on the left of the handle, the cut-out on the right",
        draw: drawCutout, legend: ["image", CHECKS_CSS, "cut-out"], foreground: true, hatched: true,
    },
    backdrop: {
        label: "Backdrop", alt: "The foreground on a new background", draw: drawBackdrop,
        foreground: true,
    },
    "mask-errors": {
        label: "Errors", alt: "Missed foreground in blue, false foreground in orange",
        draw: drawMaskErrors, legend: ["missed", halves(css(MISSED), css(FALSE)), "false"],
        hatched: true, truth: "mask", needs: "Add the true mask to see where the mask errs.",
    },
};

const OVERLAY = {
    label: "Overlay", alt: "The foreground as it is, the rest under a pink veil", draw: drawOverlay,
    legend: ["what is pink is left out"], hatched: true,
};

// While the mask is repaired: what is left out can be seen, and there is no handle in the way.
const { compare, ...rest } = MASK_VIEWS;
export const REPAIR_VIEWS = { overlay: OVERLAY, ...rest };

export const DEPTH_VIEWS = {
    depth: {
        label: "Depth", alt: "Depth in colours from yellow, near, to black, far", draw: drawDepth,
        legend: ["near 0", ({ palette }) => gradient((x) => palette[Math.round(255 * x)]), "1 far"],
        tell: depthAt,
    },
    blur: {
        label: "Blur", alt: "The foreground sharp, the rest blurred by its distance from it",
        draw: drawBlur, tell: depthAt,
    },
    "3d": {
        label: "3D", alt: "The scene as a relief that tilts with the pointer",
        legend: ["move the pointer or a finger over it to tilt it"],
    },
    "depth-errors": {
        label: "Errors", alt: "Depth that is too near in blue, too far in orange", draw: drawDepthErrors,
        legend: [`too near ${MAX_ERROR}`, gradient((x) => errorColour((2 * x - 1) * MAX_ERROR)),
            `${MAX_ERROR} too far`],
        tell: errorAt, truth: "depth", needs: "Add the true depth to see where the depth errs.",
    },
};
