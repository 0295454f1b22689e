// Planes of a link, which anybody may have made, are unpacked to the size that they should have.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readPlanes } from "../../depthmask/app/photos/stage_scene.js";

const pack = async (bytes) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
    return new Blob([await new Response(stream).arrayBuffer()]);
};

test("planes are read", async () => {
    const [narrow, wide] = await readPlanes(await pack(new Uint8Array(6).fill(1)), [1, 2], 2, 1);
    assert.deepEqual([[...narrow], wide.length], [[1, 2], 2]);
});

test("more or less than the planes is refused, before all of it is unpacked", async () => {
    const bomb = await pack(new Uint8Array(50_000_000));
    const arrays = () => process.memoryUsage().arrayBuffers;
    const before = arrays();
    await assert.rejects(readPlanes(bomb, [1], 10, 10), /more than these planes/);
    assert.ok(arrays() - before < 20_000_000);
    await assert.rejects(readPlanes(await pack(new Uint8Array(99)), [1], 10, 10), /fewer/);
});
