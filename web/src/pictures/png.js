// Reads grey PNG files exactly: a browser would make 8 bits of 16.

import { MAX_PIXELS } from "../../../depthmask/app/photos/picture_head.js";
import { array } from "./arrays.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

// (H, W), Uint8Array or Uint16Array; null for whatever is no grey PNG of 8 or 16 bits without lace.
export async function readGreyPng(blob) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const view = new DataView(bytes.buffer);
    if (bytes.length < 33 || SIGNATURE.some((value, k) => bytes[k] !== value)) return null;
    const [width, height] = [view.getUint32(16), view.getUint32(20)];
    const [bits, kind, , , lace] = bytes.subarray(24, 29);
    if (kind !== 0 || lace || ![8, 16].includes(bits)) return null;
    const parts = [];
    for (let at = 8; at + 12 <= bytes.length;) {
        const length = view.getUint32(at);
        const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
        if (type === "tRNS") return null;
        if (type === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
        at += 12 + length;
    }
    const size = bits / 8;
    if (width * height > MAX_PIXELS) return null;
    const raw = await inflated(parts, height * (1 + width * size));
    return raw && array(height, width, 1, values(unfiltered(raw, height, width * size, size), size));
}

// What was deflated, which must have so many bytes; null if it has not: a small file can hold gigabytes.
async function inflated(parts, length) {
    const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    const bytes = new Uint8Array(length);
    let at = 0;
    try {
        for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
            if (at + value.length > length) {
                reader.cancel().catch(() => {});
                return null;
            }
            bytes.set(value, at);
            at += value.length;
        }
    } catch {
        return null; // it is damaged
    }
    return at === length ? bytes : null;
}

function values(bytes, size) {
    if (size === 1) return bytes;
    return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => (bytes[2 * i] << 8) | bytes[2 * i + 1]);
}

// Undoes the filter that each row names in its first byte.
function unfiltered(raw, height, length, size) {
    const rows = new Uint8Array(height * length);
    for (let y = 0; y < height; y += 1) {
        const kind = raw[y * (length + 1)];
        for (let k = 0; k < length; k += 1) {
            const at = y * length + k;
            const left = k >= size ? rows[at - size] : 0;
            const up = y ? rows[at - length] : 0;
            const corner = y && k >= size ? rows[at - length - size] : 0;
            const guess = [0, left, up, (left + up) >> 1, kind === 4 ? paeth(left, up, corner) : 0][kind];
            rows[at] = raw[y * (length + 1) + 1 + k] + guess;
        }
    }
    return rows;
}

function paeth(left, up, corner) {
    const guess = left + up - corner;
    const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
    if (a <= b && a <= c) return left;
    return b <= c ? up : corner;
}
