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
import { tryBoth } from "./trial.js";

const GRAPHS = { fast, main };
const MAX_THREADS = 4; // more make so small a network hardly quicker

const THREADS = globalThis.crossOriginIsolated
    ? Math.min(MAX_THREADS, globalThis.navigator.hardwareConcurrency || 1) : 1;
const NAMES = { webgpu: "WebGPU", wasm: `WASM, ${THREADS === 1 ? "1 thread" : `${THREADS} threads`}` };

// One of the networks, ready to run by WASM: { resolution, run, how, tryCard }. `how` says in words what
// runs it. `tryCard` takes the graphics card instead, if there is one that finds the same and is quicker,
// and returns how long either took in milliseconds, or null. `wanted` is "webgpu" for a card that may be
// slower, "wasm" for none, or "".
export async function open(name, wanted = "") {
    const downloaded = download(GRAPHS[name]);
    const adapter = wanted === "wasm" ? null : await graphicsAdapter(wanted === "webgpu");
    const [ort, graph] = await Promise.all([runtime(Boolean(adapter)), downloaded]);
    const wasm = await make(ort, graph, "wasm");
    const network = { resolution: shared.resolutions[name], run: wasm.run, how: wasm.name };
    network.tryCard = async () => {
        const card = adapter && await make(ort, graph, "webgpu").catch(() => null);
        if (!card) return null;
        const { run, how, ms } = await tryBoth(wasm, card, wanted === "webgpu");
        Object.assign(network, { run, how });
        return ms;
    };
    return network;
}

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

async function make(ort, graph, kind) {
    const session = await ort.InferenceSession.create(graph, { executionProviders: [kind] });
    return { name: NAMES[kind], run: (...pair) => run(ort, session, ...pair), release: () => session.release() };
}

// Small pictures to { mask, depth }, small maps.
async function run(ort, session, background, image) {
    const tensor = ({ height, width, data }) => new ort.Tensor("uint8", data, [1, height, width, 3]);
    const maps = await session.run({ background: tensor(background), image: tensor(image) });
    const { height, width } = image;
    return Object.fromEntries(["mask", "depth"].map((task) => [task, array(height, width, 1, maps[task].data)]));
}
