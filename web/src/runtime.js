// Runs the network by onnxruntime-web: on the graphics card where that is quicker, else as WASM, with
// threads where the page is isolated from other origins. For a worker.

import fast from "../../weights/depthmask-fast.onnx?url";
import main from "../../weights/depthmask.onnx?url";
import gpuScript from "onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?url";
import gpuBinary from "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url";
import script from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import binary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import shared from "./app/shared.json" with { type: "json" };
import { array } from "./pictures/arrays.js";

const GRAPHS = { fast, main };
const NAMES = { webgpu: "WebGPU", wasm: "WASM" };
const MAX_THREADS = 4; // more make so small a network hardly quicker
const TRIAL_SIDE = 224; // of the pair that both are tried on
// Of their masks and depths. By WebGPU, version 1.30 is wrong in the first convolution, of 6 channels.
const MAX_DIFFERENCE = 0.05;

export const THREADS = globalThis.crossOriginIsolated
    ? Math.min(MAX_THREADS, globalThis.navigator.hardwareConcurrency || 1) : 1;

// One of the networks, ready to run: { name, resolution, run, how, ms }. `how` says in words what runs
// it, `ms` is how long that took where it was tried. `wanted` is "webgpu", "wasm" or "" for the quicker;
// a graphics card whose result is not that of WASM is never used.
export async function open(name, wanted = "") {
    const adapter = wanted === "wasm" ? null : await graphicsAdapter(wanted === "webgpu");
    const ort = await runtime(Boolean(adapter));
    const graph = await download(GRAPHS[name]);
    const kinds = adapter ? ["webgpu", "wasm"] : ["wasm"];
    const made = [];
    for (const kind of kinds) made.push(await make(ort, graph, kind, kinds.length > 1).catch((error) => ({ kind, error })));
    const wasm = made.pop();
    if (wasm.error) throw wasm.error;
    const [card] = made.filter(({ error }) => !error);
    const wrong = Boolean(card) && differ(card.maps, wasm.maps);
    const best = card && !wrong && (wanted || card.ms < wasm.ms) ? card : wasm;
    if (card) await (best === card ? wasm : card).session.release();
    const how = describe(best.kind) + (wrong ? ", as the graphics card computes otherwise" : "");
    return { name, resolution: shared.resolutions[name], run: (...pair) => run(ort, best.session, ...pair), how, ms: best.ms };
}

const describe = (kind) => (kind === "webgpu" ? NAMES.webgpu
    : `${NAMES.wasm}, ${THREADS === 1 ? "1 thread" : `${THREADS} threads`}`);

// A graphics card that can be used, or null. A runtime for both needs a browser that can wait in WASM.
async function graphicsAdapter(any) {
    if (!("Suspending" in WebAssembly)) return null;
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    return adapter && (any || !adapter.info?.isFallbackAdapter) ? adapter : null;
}

let loaded = null; // the runtime is loaded once
function runtime(withGraphics) {
    loaded ||= (withGraphics ? import("onnxruntime-web/jspi") : import("onnxruntime-web/wasm")).then((ort) => {
        const absolute = (path) => new URL(path, import.meta.url).href;
        const files = withGraphics ? [gpuScript, gpuBinary] : [script, binary];
        ort.env.wasm.wasmPaths = { mjs: absolute(files[0]), wasm: absolute(files[1]) };
        ort.env.wasm.numThreads = THREADS;
        ort.env.logLevel = "error";
        return ort;
    });
    return loaded;
}

async function download(path) {
    const answer = await fetch(new URL(path, import.meta.url)).catch(() => null);
    if (!answer?.ok) throw new Error("The network could not be loaded: connect to the internet once, and choose it again.");
    return new Uint8Array(await answer.arrayBuffer());
}

async function make(ort, graph, kind, tried) {
    const session = await ort.InferenceSession.create(graph, { executionProviders: [kind] });
    if (!tried) return { kind, session, ms: null };
    const pair = trialPair();
    await run(ort, session, ...pair); // what is compiled is compiled now
    const start = performance.now();
    const maps = await run(ort, session, ...pair);
    return { kind, session, maps, ms: performance.now() - start };
}

// A slope, and the same with a bright square before it.
function trialPair() {
    const side = TRIAL_SIDE;
    const background = Uint8Array.from({ length: 3 * side * side }, (_, i) => 60 + Math.floor(i / 3) % side / 2);
    const image = background.map((level, i) => {
        const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
        return Math.max(Math.abs(x - side / 2), Math.abs(y - side / 2)) < side / 5 ? 230 : level;
    });
    return [background, image].map((data) => array(side, side, 3, data));
}

const differ = (one, other) => ["mask", "depth"].some((task) => one[task].data.some(
    (value, i) => !(Math.abs(value - other[task].data[i]) <= MAX_DIFFERENCE)));

// Small pictures to { mask, depth }, small maps.
async function run(ort, session, background, image) {
    const tensor = ({ height, width, data }) => new ort.Tensor("uint8", data, [1, height, width, 3]);
    const maps = await session.run({ background: tensor(background), image: tensor(image) });
    const { height, width } = image;
    return Object.fromEntries(["mask", "depth"].map((task) => [task, array(height, width, 1, maps[task].data)]));
}
