// Files of a prediction at the image's own size; see depthmask/app/photos/downloads.py.

import { cutoutPng, deepPng, greyPng } from "../../../depthmask/app/photos/stage_save.js";
import { clamp, mapped } from "../pictures/arrays.js";
import { readGreyPng } from "../pictures/png.js";
import { enlarge } from "../pictures/resize.js";
import { unmix } from "../inference/refinement.js";
import { atMost, packed } from "./scene.js";

const SAME_LEVEL = 0.75 / 255; // of a mask; what differs by less was not repaired

const WRITERS = {
    cutout: ({ image, found }, mask) => cutoutPng({
        scene: { foreground: packed(unmix(image, found.background, mask)), width: mask.width, height: mask.height },
        alpha: levels(mask), shadow: null,
    }),
    mask: (pair, mask) => greyPng(levels(mask), mask.width, mask.height),
    depth: ({ found: { depth } }) => deepPng(deepLevels(depth), depth.width, depth.height),
};

// The content of a file. `repaired` is a PNG of the small mask as a visitor repaired it, or null.
export async function write(name, pair, repaired) {
    return WRITERS[name](pair, repaired ? withRepairs(pair.found.mask, await readGreyPng(repaired)) : pair.found.mask);
}

const levels = (mask) => mapped(mask, (value) => Math.round(255 * clamp(value, 0, 1)), Uint8Array).data;

function deepLevels({ data }) {
    const bytes = new Uint8Array(2 * data.length);
    data.forEach((value, i) => {
        const level = Math.round(65535 * value);
        [bytes[2 * i], bytes[2 * i + 1]] = [level >> 8, level & 255];
    });
    return bytes;
}

// Where the small mask is as it was, the large one stays as fine as it is.
function withRepairs(mask, edited) {
    const wanted = mapped(edited, (level) => level / 255);
    const small = atMost(mask);
    const changed = mapped(small, (value, i) => (Math.abs(wanted.data[i] - value) > SAME_LEVEL ? 1 : 0));
    const [weight, large] = [changed, wanted].map((map) => enlarge(map, mask.height, mask.width).data);
    return mapped(mask, (value, i) => clamp(value + (large[i] - value) * weight[i], 0, 1));
}
