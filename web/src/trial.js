// Tries a graphics card beside WASM on a pair that is made up here: it is used where it finds the same
// and is quicker.

import { array } from "./pictures/arrays.js";

const SIDE = 128; // of the pair
const MAX_DIFFERENCE = 0.05; // of their masks and depths

// Runs a network by both, each { name, run(background, image), release() }, and releases one of them.
// Returns that which is used, `how` in words, and the milliseconds it took. `anyway` takes the card also
// where it is slower; one that finds something else, or fails, is never taken.
export async function tryBoth(wasm, card, anyway) {
    const pair = trialPair();
    const [one, other] = [await timed(wasm, pair), await timed(card, pair).catch(() => null)];
    const wrong = other !== null && differ(one.maps, other.maps);
    const isCard = other !== null && !wrong && (anyway || other.ms < one.ms);
    await (isCard ? wasm : card).release();
    if (isCard) return { run: card.run, how: card.name, ms: other.ms };
    return { run: wasm.run, how: wasm.name + (wrong ? ", as the graphics card computes otherwise" : ""), ms: one.ms };
}

async function timed({ run }, pair) {
    await run(...pair); // what is compiled is compiled now
    const start = performance.now();
    const maps = await run(...pair);
    return { maps, ms: performance.now() - start };
}

// A slope, and the same with a bright square before it.
function trialPair() {
    const background = Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, i) => 60 + Math.floor(i / 3) % SIDE / 2);
    const image = background.map((level, i) => {
        const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
        return Math.max(Math.abs(x - SIDE / 2), Math.abs(y - SIDE / 2)) < SIDE / 5 ? 230 : level;
    });
    return [background, image].map((data) => array(SIDE, SIDE, 3, data));
}

const differ = (one, other) => ["mask", "depth"].some((task) => one[task].data.some(
    (value, i) => !(Math.abs(value - other[task].data[i]) <= MAX_DIFFERENCE)));
