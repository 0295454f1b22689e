// The modules of src compute what Python computed of the same inputs: golden.json, which
// tools/web_fixtures.py writes. Run by `node --test`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Quality } from "../src/app/quality.js";
import { assemble, closest, framed, largestDifference, vote } from "../src/inference/background.js";
import { learn } from "../src/inference/capture.js";
import { begin, step } from "../src/inference/live_session.js";
import { applyLight, matchLight } from "../src/inference/light.js";
import { judge } from "../src/inference/pair_quality.js";
import { measure } from "../src/inference/pair_signs.js";
import { networkSize } from "../src/inference/predictor.js";
import { refineDepth, refineMask, unmix } from "../src/inference/refinement.js";
import { register } from "../src/inference/registration.js";
import { covered, translation } from "../src/inference/transforms.js";
import { array, clamp, mapped, round } from "../src/pictures/arrays.js";
import { cropToAspect, resize, resizeByHalves } from "../src/pictures/resize.js";

const golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url)));

function unpacked(name) {
    const { shape: [height, width, channels = 1], type, data } = golden[name];
    const bytes = new Uint8Array(Buffer.from(data, "base64"));
    return array(height, width, channels, type === "uint8" ? bytes : new Float32Array(bytes.buffer));
}

// Compares an array with some of the numbers of another, by the mean and the largest difference.
function assertAlike(found, { shape: [height, width], step, numbers }, mean, most) {
    assert.deepEqual([found.height, found.width], [height, width]);
    const off = numbers.map((number, k) => Math.abs(number - found.data[k * step]));
    assert.ok(Math.max(...off) <= most, `off by ${Math.max(...off)}`);
    assert.ok(off.reduce((a, b) => a + b) / off.length <= mean, "on the average");
}

function assertNear(found, wanted, most) {
    assert.ok(Math.abs(found - wanted) <= most, `${found} instead of ${wanted}`);
}

const [background, image, moved, lowMask, lowDepth] = ["background", "image", "moved", "low_mask", "low_depth"].map(unpacked);
const mask = refineMask(lowMask, image.height, image.width);

test("halves are rounded to even numbers", () => {
    assert.deepEqual([0.5, 1.5, 2.5, 2.4, 3.6].map(round), [0, 2, 2, 2, 4]);
});

test("the network sees the same size", () => {
    for (const { given, size } of golden.network_size) assert.deepEqual(networkSize(...given), size);
});

test("pictures are resized alike", () => {
    for (const wanted of golden.resized) assertAlike(resize(image, ...wanted.shape), wanted, 0.3, 2);
    assertAlike(resizeByHalves(image, 20, 30), golden.halved, 0.3, 2);
    assertAlike(cropToAspect(image, 100, 100), golden.cropped, 0, 0);
});

test("the pixels at a border are covered by those that reach over it", () => {
    const picture = array(4, 4, 1, new Uint8Array(16));
    for (const [x, y] of [[0.4, 0], [-0.4, 0], [0, 0.4], [0, -0.4]]) {
        const count = (reach) => covered(picture, translation(x, y), 4, 4, reach).data.reduce((a, b) => a + b, 0);
        assert.deepEqual([count(0), count(0.5)], [12, 16]);
    }
});

test("light is matched alike", () => {
    const light = matchLight(background, image);
    light.gain.forEach((gain, c) => assertNear(gain, golden.light.gain[c], 0.003));
    assert.equal(light.reason, golden.light.reason);
    assertAlike(applyLight(background, light), golden.lit, 0.2, 1);
});

test("mask, depth and colours are refined alike", () => {
    assertAlike(mask, golden.mask, 1e-3, 1e-2);
    assertAlike(refineDepth(lowDepth, lowMask, mask), golden.depth, 1e-3, 1e-2);
    assertAlike(unmix(image, background, mask), golden.unmixed, 0.2, 3);
});

test("a camera at rest and one that moved are told alike", () => {
    const pictures = { background, image, moved };
    for (const { pair, ...wanted } of golden.registrations) {
        const found = register(...pair.map((name) => pictures[name]));
        assert.deepEqual([found.accepted, found.reason], [wanted.accepted, wanted.reason]);
        assertNear(found.shift, wanted.shift, 0.1);
        for (const name of ["overlap", "before", "after"]) assertNear(found[name], wanted[name], 0.01);
    }
});

test("a background that shows too little of the image is told alike", () => {
    const { height, width, channels } = background;
    const wide = resize(background, 2 * height, 2 * width);
    for (const { rows: [first, end], ...wanted } of golden.strips) {
        const row = wide.width * channels;
        const strip = array(end - first, wide.width, channels, wide.data.slice(first * row, end * row));
        const found = register(strip, wide);
        assert.deepEqual([found.accepted, found.reason], [wanted.accepted, wanted.reason]);
        assertNear(found.overlap, wanted.overlap, 0.01);
    }
});

// One of several photos of a wall before which leaves move and a block passes, as web_fixtures.py draws it.
function passing(wall, number) {
    const picture = { ...wall, data: wall.data.slice() };
    for (let y = 0, at = 0; y < picture.height; y += 1) {
        for (let x = 0; x < picture.width; x += 1, at += 3) {
            const light = ((x >> 3) * 31 + (y >> 3) * 17 + (number % 3) * 5) % 7 < 3;
            if (x >= 96) picture.data.set(light ? [150, 200, 120] : [40, 110, 30], at);
            if (y >= 30 && y < 60 && Math.floor(x / 12) === number) picture.data.set([250, 20, 30], at);
        }
    }
    return picture;
}

test("a background is learned alike from several photos", () => {
    const photos = Array.from({ length: 8 }, (_, number) => passing(background, number));
    const learned = vote([framed(photos[0], null), ...photos.slice(1).map((photo) => framed(photo, photos[0]))]);
    const wanted = golden.learned;
    assertAlike(learned.plate, wanted.plate, 0.3, 2);
    [0, 3].forEach((number, k) => assertAlike(learned.frames[number], wanted.frames[k], 0.3, 2));
    assertNear(learned.unseen.data.reduce((sum, value) => sum + value, 0), wanted.unseen, 10);
    const choice = closest(learned.candidates, passing(background, 9));
    assertAlike(choice, wanted.choice, 0.02, 8);
    assertAlike(assemble(learned.candidates, choice), wanted.seen, 0.3, 200);
});

// Stands in for a network, as in web_fixtures.py.
const SEEN = [48, 64];
async function compare(empty, seen) {
    const found = mapped(largestDifference(empty, seen), (change) => clamp((change - 20) / 40, 0, 1));
    return { mask: found, depth: mapped(found, (value) => 0.8 - 0.5 * value) };
}

function noisy(picture, number) {
    return mapped(picture, (value, at) => {
        const [i, { width }] = [Math.floor(at / 3), picture];
        return clamp(value + ((i % width) * 7 + Math.floor(i / width) * 13 + number * 29) % 5 - 2, 0, 255);
    }, Uint8Array);
}

function assertCaptured(found, wanted) {
    assertAlike(found.picture, wanted.picture, 0.3, 2);
    assert.equal(found.candidates.length, wanted.candidates);
    for (const name of ["selfCheck", "agreement"]) assertNear(found[name], wanted[name], 0.003);
}

const numbered = (count, make) => Array.from({ length: count }, (_, number) => make(number));

test("a scene that moves is captured alike", async () => {
    const frames = numbered(30, (number) => passing(background, number));
    assertCaptured(await learn(frames, compare, SEEN), golden.captured);
    await assert.rejects(learn(frames.slice(0, 15), compare, SEEN), /Something moved during the capture/);
});

test("a live session goes alike", async () => {
    const empty = numbered(15, (number) => noisy(background, number));
    const learned = await learn(empty, compare, SEEN);
    assertCaptured(learned, golden.live.captured);
    const frames = [...empty.slice(0, 8), ...numbered(24, (k) => noisy(passing(image, k % 8), k)),
        ...numbered(5, (number) => noisy(moved, number))];
    let [session, sight] = [begin(learned), null];
    for (const [number, wanted] of golden.live.sights.entries()) {
        [session, sight] = await step(session, frames[number], compare, SEEN);
        assert.deepEqual([number, sight.health, sight.unchanged], [number, wanted.health, wanted.unchanged]);
        sight.gain.forEach((gain, c) => assertNear(gain, wanted.gain[c], 0.01));
        for (const map of ["mask", "depth"]) if (wanted[map]) assertAlike(sight[map], wanted[map], 0.01, 0.2);
    }
});

test("the quality goes down and up alike", () => {
    const quality = new Quality(224);
    for (const { given: [networkMs, othersMs, frames], resolution, sentence } of golden.qualities) {
        for (let frame = 0; frame < frames; frame += 1) quality.note(networkMs, othersMs);
        assert.deepEqual([quality.resolution, quality.sentence], [resolution, sentence]);
    }
});

test("a pair is measured alike", () => {
    const wanted = golden.signs;
    const found = measure(background, image, mask, register(background, image), matchLight(background, image), {
        moved: 0.001, covered: 1, unknown: null, same: false,
    });
    for (const name of ["same", "mirrored", "swapped", "stirring"]) assert.equal(found[name], wanted[name], name);
    for (const name of ["changed", "hue", "mixed"]) assertNear(found[name], wanted[name], 0.01);
    for (const photo of ["background", "image"]) {
        for (const name of ["hueSpread", "coloured", "dark", "bright"]) assertNear(found[photo][name], wanted[photo][name], 0.01);
        found[photo].sharpness.forEach((value, k) => assertNear(value, wanted[photo].sharpness[k], 0.02));
    }
});

test("each trouble is told in the same words", () => {
    for (const { signs, verdict, sentences } of golden.judged) {
        const found = judge(signs);
        assert.deepEqual([found.verdict, ...found.sentences], [verdict, ...sentences]);
    }
});
