// A small copy of a result as the text of a link, and back: pictures as WebP, planes by deflate.
//
// The text is base64 for addresses: a number of 4 bytes, the length of a head; the head, JSON with the
// lengths of the parts; the parts. Whoever made a link may have put anything in it, so all of it is
// checked, and no sentence is taken from it.

import { DEPTH_STEPS, readPicture, readPlanes } from "./stage_scene.js";
import { canvasOf, toCanvas } from "./stage_views.js";

const MAX_LETTERS = 60_000; // of a link's text: mail and messengers take about as many
const MAX_READ = 400_000; // what is unpacked may be a thousand times as large
const VERSION = 1;
const KEY = "result";
const SIDES = [480, 400, 320, 256, 192, 128]; // longest, in pixels: the first that fits
const MAX_SIDE = 2000;
const RELIEF_SIDE = 96;
const PICTURES = ["image", "background", "foreground"];
const PLANES = ["alpha", "depth", "unknown", "truth"]; // of 8 bits; the last two may be missing
const FORMAT = "image/webp"; // browsers that cannot write it write PNG
const QUALITY = 0.75;
const NOT_WHOLE = "This link is not whole, so its result cannot be shown: copy all of the link.";
const NEWER = "This link is from a newer version of this page: reload the page, then open the link again.";
const TOO_LARGE = "This result is too large for a link: save it as a page instead.";

// The text in an address of the page, or null.
export const readLink = (hash) => new URLSearchParams(hash.slice(1)).get(KEY);

// An address with a result in it, which has nothing else after its #.
export function linkTo(text, address) {
    const link = new URL(address);
    link.hash = `${KEY}=${text}`;
    return link;
}

// The text of a result, as Stage.result() of stage.js returns it.
export async function pack(result) {
    for (const side of SIDES) {
        const text = await packAt(result, side);
        if (text.length <= MAX_LETTERS) return text;
    }
    throw new Error(TOO_LARGE);
}

async function packAt({ scene, relief, figures, settings }, side) {
    const size = fit(scene.width, scene.height, side);
    const parts = {};
    for (const name of PICTURES) {
        const picture = scene[name] || scene.image;
        parts[name] = await picturePart(toCanvas(picture, scene.width, scene.height), size);
    }
    const present = PLANES.filter((name) => scene[name]);
    parts.planes = await deflate(present.map((name) => smallPlane(name, scene, size)));
    const grid = relief && fit(relief.columns, relief.rows, RELIEF_SIDE);
    if (relief) {
        parts.relief = await deflate([relief.near, relief.far].map((map) => ({
            data: scaled(levels(map), relief.columns, relief.rows, ...grid), width: grid[0],
        })));
    }
    parts.palette = new Uint8Array(scene.palette.buffer);
    const { name, size: whole } = scene.description;
    const head = {
        version: VERSION, name, whole, size, planes: present, grid, figures, settings,
        parts: Object.entries(parts).map(([key, bytes]) => [key, bytes.length]),
    };
    return toText(new TextEncoder().encode(JSON.stringify(head)), Object.values(parts));
}

function fit(width, height, side) {
    const scale = Math.min(1, side / Math.max(width, height));
    return [width, height].map((each) => Math.max(1, Math.round(each * scale)));
}

async function picturePart(canvas, [width, height]) {
    const [small, pencil] = canvasOf(width, height);
    pencil.imageSmoothingQuality = "high";
    pencil.drawImage(canvas, 0, 0, width, height);
    return new Uint8Array(await (await picture(small, QUALITY)).arrayBuffer());
}

// A canvas as a small file: WebP, or JPEG where the browser cannot write that.
export async function picture(canvas, quality) {
    const write = (type) => new Promise((done) => { canvas.toBlob(done, type, quality); });
    const found = await write(FORMAT);
    return found.type === FORMAT ? found : write("image/jpeg");
}

function smallPlane(name, scene, [width, height]) {
    const plane = name === "depth" ? levels(scene.depth) : scene[name];
    return { data: scaled(plane, scene.width, scene.height, width, height, name !== "truth"), width };
}

const levels = (steps) => Uint8Array.from(steps, (step) => Math.round(step * 255 / DEPTH_STEPS));
const steps = (plane) => Uint16Array.from(plane, (level) => Math.round(level * DEPTH_STEPS / 255));

// A plane in another size; what is not smooth has none of its values mixed.
function scaled(plane, fromWidth, fromHeight, width, height, smooth = true) {
    const grey = Int32Array.from(plane, (level) => 0xff000000 | (level << 16) | (level << 8) | level);
    const [, pencil] = canvasOf(width, height);
    [pencil.imageSmoothingEnabled, pencil.imageSmoothingQuality] = [smooth, "high"];
    pencil.drawImage(toCanvas(grey, fromWidth, fromHeight), 0, 0, width, height);
    const { data } = pencil.getImageData(0, 0, width, height);
    return Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]);
}

// Planes as readPlanes of stage_scene.js reads them: what left and upper neighbour do not let expect.
function deflate(planes) {
    const changes = planes.map(({ data, width }) => data.map((level, i) => {
        const [left, up] = [i % width ? data[i - 1] : 0, i >= width ? data[i - width] : 0];
        return level - left - up + (i % width && i >= width ? data[i - width - 1] : 0);
    }));
    const stream = new Blob(changes).stream().pipeThrough(new CompressionStream("deflate"));
    return new Response(stream).arrayBuffer().then((buffer) => new Uint8Array(buffer));
}

function toText(head, parts) {
    const start = new Uint8Array(4);
    new DataView(start.buffer).setUint32(0, head.length);
    const letters = [start, head, ...parts].flatMap((bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)));
    return btoa(letters.join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Reads the text of a link: { scene, relief, settings }. `scene.description` is for Stage.show. An
// Error says in a sentence why that cannot be.
export async function unpack(text) {
    let head;
    try {
        if (text.length > MAX_READ) throw new Error("too long");
        const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
        const start = 4 + new DataView(bytes.buffer).getUint32(0);
        head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
        if (head.version === VERSION) return await read(head, bytes.subarray(start));
    } catch (error) {
        console.debug("depthmask: no result in this link", error);
        throw new Error(NOT_WHOLE);
    }
    throw new Error(head.version > VERSION ? NEWER : NOT_WHOLE);
}

async function read(head, bytes) {
    const [width, height] = sides(head.size);
    const parts = {};
    let at = 0;
    for (const [name, length] of head.parts) parts[name] = new Blob([bytes.subarray(at, at += length)]);
    if (at !== bytes.length) throw new Error("some parts are missing");
    const planes = PLANES.filter((name) => head.planes.includes(name));
    const values = await readPlanes(parts.planes, planes.map(() => 1), width, height);
    const of = Object.fromEntries(planes.map((name, k) => [name, values[k]]));
    const [image, background, foreground] = await Promise.all(
        PICTURES.map((name) => readPicture(parts[name], width, height)));
    const palette = new Int32Array(await parts.palette.arrayBuffer());
    if (palette.length !== 256 || !of.alpha || !of.depth) throw new Error("some planes are missing");
    const relief = head.grid && await readRelief(parts.relief, sides(head.grid));
    const scene = {
        width, height, image, background, foreground, palette, shadow: null, error: null, preview: false,
        alpha: of.alpha, depth: steps(of.depth), truth: of.truth || null, unknown: of.unknown || null,
    };
    scene.description = describe(head, scene, relief);
    return { scene, relief, settings: checkSettings(head.settings) };
}

async function readRelief(content, [columns, rows]) {
    const [near, far] = await readPlanes(content, [1, 1], columns, rows);
    return { columns, rows, near: steps(near), far: steps(far) };
}

function sides(size) {
    const [width, height] = size;
    if (![width, height].every((side) => Number.isInteger(side) && side > 0 && side <= MAX_SIDE)) throw new Error("no size");
    return [width, height];
}

// What Stage.show takes. The scene comes with it, so that nothing is asked for.
function describe({ name, whole, figures }, scene, relief) {
    const number = (value) => (Number.isFinite(value) ? value : null);
    return {
        name: String(name).slice(0, 80), size: whole.map((side) => Math.round(number(side))), pixels: [scene.width, scene.height],
        truth: { mask: Boolean(scene.truth), depth: false },
        figures: Object.fromEntries(["iou", "rmse"].map((key) => [key, { value: number(figures[key]), words: "" }])),
        rest: {}, shared: true,
        scenes: {
            loadScene: async () => scene,
            loadRest: async () => ({ background: scene.background, foreground: scene.foreground, shadow: null }),
            loadRelief: async () => {
                if (!relief) throw new Error("this link has no relief");
                return relief;
            },
        },
    };
}

function checkSettings({ views, strength, colour, blurred } = {}) {
    return {
        views: Array.isArray(views) ? views.map(String) : [],
        strength: Math.min(1, Math.max(0, Number(strength) || 0)),
        colour: /^#[0-9a-f]{6}$/.test(colour) ? colour : null,
        blurred: Boolean(blurred),
    };
}
