// A graphics card that finds something else than WASM, or fails, is not used. Run by `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mapped } from "../src/pictures/arrays.js";
import { tryBoth } from "../src/trial.js";

const released = [];

// Stands in for a network: its maps have one value everywhere.
function stand(name, value) {
    const run = async (_, { height, width }) => {
        if (value === null) throw new Error("lost");
        const map = { height, width, channels: 1, data: new Float32Array(height * width).fill(value) };
        return { mask: map, depth: mapped(map, (level) => level / 2) };
    };
    return { name, run, release: async () => { released.push(name); } };
}

for (const [value, how, gone] of [
    [0.52, "WebGPU", "WASM"],
    [0.7, "WASM, as the graphics card computes otherwise", "WebGPU"],
    [NaN, "WASM, as the graphics card computes otherwise", "WebGPU"],
    [null, "WASM", "WebGPU"],
]) {
    test(`a card that finds ${value} where WASM finds 0.5`, async () => {
        const [wasm, card] = [stand("WASM", 0.5), stand("WebGPU", value)];
        const found = await tryBoth(wasm, card, true);
        assert.equal(found.how, how);
        assert.equal(found.run, how === "WebGPU" ? card.run : wasm.run);
        assert.ok(found.ms >= 0);
        assert.equal(released.pop(), gone);
    });
}
