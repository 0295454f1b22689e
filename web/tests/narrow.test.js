// Pictures of a few pixels, or of one row or column, come to an end. Run by `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { predict } from "../src/inference/predictor.js";
import { array, mapped } from "../src/pictures/arrays.js";
import { gaussian } from "../src/pictures/filters.js";

const noise = (width, height) => array(height, width, 3, Uint8Array.from(
    { length: 3 * width * height }, (_, i) => (i * 7919) % 251));

const network = {
    resolution: 64,
    run: async (_, { height, width }) => {
        const map = array(height, width, 1, new Float32Array(height * width).fill(0.25));
        return { mask: map, depth: mapped(map, (value) => value) };
    },
};

test("a blur reaches over both edges of narrow pictures", { timeout: 60000 }, () => {
    const row = (values) => array(1, values.length, 1, Float32Array.from(values));
    assert.ok(Math.abs(gaussian(row([5]), 1).data[0] - 5) < 1e-5);
    const [left, right] = gaussian(row([0, 1]), 1).data; // mirrored: 1 0 1 0 1, and the other way round
    assert.ok(Math.abs(left - 0.5) < 0.01 && Math.abs(left + right - 1) < 1e-6, `${left} ${right}`);
});

for (const [width, height] of [[1, 1], [3, 2], [1, 3000], [3000, 1]]) {
    test(`a photo of ${width} x ${height} pixels`, { timeout: 60000 }, async () => {
        const [small, large] = [noise(width, height), noise(90, 60)];
        for (const pair of [[large, small], [small, large], [small, small]]) {
            const { mask, depth, quality } = await predict(...pair, network);
            for (const map of [mask, depth]) {
                assert.deepEqual([map.width, map.height], [pair[1].width, pair[1].height]);
                assert.ok(map.data.every(Number.isFinite));
            }
            assert.ok(quality.sentences.every((sentence) => sentence.length > 10));
        }
    });
}
