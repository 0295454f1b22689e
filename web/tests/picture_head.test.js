// The size of a picture is told by its head, of each kind that browsers read. Run by `node --test`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { readHead, troubleOf } from "../../depthmask/app/photos/picture_head.js";

// Plain pictures of 37 x 21 pixels, as Pillow writes them; of some, only the head.
const HEADS = {
    GIF: "R0lGODdhJQAVAIIAAAAAADMAAAAzADMzAAAAMw==",
    BMP: "Qk3mAAAAAAAAAD4AAAAoAAAAJQAAABUAAAABAAEAAAAAAKgAAADEDgAAxA4AAAIAAAACAAAA",
    WebP: "UklGRjQAAABXRUJQVlA4ICgAAADwAgCdASolABUAP83m7nA/t7KrJWgD8DmJaQAAKUNt8AD+6MQAAAAA",
    "WebP without loss": "UklGRh4AAABXRUJQVlA4TBEAAAAvJAAFAAdQhCb0oP+BiOh/AAA=",
    "WebP in parts": "UklGRkIAAABXRUJQVlA4WAoAAAAIAAAAJAAAFAAAVlA4TBEAAAAvJAAFAAdQhCb0oP+BiOh/AABFWElGCgAAAElJKgAI",
    AVIF: "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAA"
        + "AAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAIwAAAChpaW5mAAAAAAABAAAA"
        + "GmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAJQAAABUAAAAQcGl4aQ==",
    "JPEG in steps": "/9j/4AAQSkZJRgABAQAAAQABAAD/wgARCAAVACUDASIAAhEBAxEB",
};
const EXAMPLE = new URL("../../examples/desk/", import.meta.url);

const bytesOf = (name) => Buffer.from(HEADS[name], "base64");
const blobOf = (bytes, name = "photo") => Object.assign(new Blob([bytes]), { name });

function png(width, height) {
    const head = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR--------\x08\x02\0\0\0", "latin1");
    head.writeUInt32BE(width, 16);
    head.writeUInt32BE(height, 20);
    return head;
}

for (const name of Object.keys(HEADS)) {
    test(`the size of a ${name}`, async () => {
        const bytes = bytesOf(name);
        assert.deepEqual(await readHead(blobOf(bytes)), { kind: name.split(" ")[0], width: 37, height: 21 });
        for (let end = 16; end < bytes.length; end += 1) { // cut short anywhere
            const { width } = await readHead(blobOf(bytes.subarray(0, end)));
            assert.ok([undefined, 37].includes(width), `${width} of ${end} bytes`);
        }
    });
}

test("the size of a photo and of a mask", async () => {
    for (const name of ["image.jpg", "mask.png"]) {
        const { width, height } = await readHead(blobOf(readFileSync(new URL(name, EXAMPLE))));
        assert.deepEqual([width, height], [960, 640]);
    }
});

test("a preview in a JPEG is not taken for the photo", async () => {
    const jpeg = bytesOf("JPEG in steps");
    const preview = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 2 + jpeg.length]), jpeg]);
    const photo = Buffer.concat([preview, Buffer.from("ffffc0001108123456780301", "hex")]);
    assert.deepEqual(await readHead(blobOf(photo)), { kind: "JPEG", width: 0x5678, height: 0x1234 });
});

test("what a file is no use for is said", async () => {
    const told = (bytes) => troubleOf(blobOf(bytes));
    assert.equal(await told(png(8192, 6144)), "");
    assert.match(await told(png(20000, 20000)), /^photo has 20000 × 20000 pixels, and at most 50 megapixels/);
    assert.match(await told(""), /^photo is empty/);
    for (const other of ["<!doctype html>", "<svg/>", "II*\0", "\x89PNG\r\n\x1a\n"]) {
        assert.equal(await told(Buffer.from(other, "latin1")), "", "who decodes it knows more");
    }
    const folder = { name: "photos", size: 4096, slice: () => ({ arrayBuffer: () => Promise.reject(new Error()) }) };
    assert.match(await troubleOf(folder), /^photos cannot be read: it is a folder/);
});
