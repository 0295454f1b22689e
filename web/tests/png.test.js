// Grey PNG files that hold more, or less, than they say are not unpacked here. Run by `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { readGreyPng } from "../src/pictures/png.js";

function part(name, content) {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(content.length);
    return Buffer.concat([size, Buffer.from(name), content, Buffer.alloc(4)]);
}

function png(width, height, packed) {
    const head = Buffer.from("0000000000000000" + "0800000000", "hex"); // 8 bits, grey
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    const start = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
    return new Blob([start, part("IHDR", head), part("IDAT", packed), part("IEND", Buffer.alloc(0))]);
}

test("a grey PNG is read exactly", async () => {
    const rows = Buffer.from([0, 10, 20, 0, 30, 40]); // each begins with its filter
    const { height, width, data } = await readGreyPng(png(2, 2, deflateSync(rows)));
    assert.deepEqual([height, width, [...data]], [2, 2, [10, 20, 30, 40]]);
});

test("one that holds more or less than it says, or is damaged, is left to the browser", async () => {
    const whole = deflateSync(Buffer.alloc(6));
    for (const packed of [deflateSync(Buffer.alloc(50e6)), deflateSync(Buffer.alloc(5)), whole.subarray(0, 5),
        Buffer.from("no deflated data"), Buffer.alloc(0)]) {
        assert.equal(await readGreyPng(png(2, 2, packed)), null);
    }
    assert.equal(await readGreyPng(png(20000, 20000, whole)), null);
});
