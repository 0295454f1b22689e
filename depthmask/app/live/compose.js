// Draws the views of a frame from its picture, mask and depth. They are fast rather than exact: a
// frame has a few milliseconds.

import { cover, drawBackdrop } from "./backdrops.js";
import { resize } from "./source.js";

const TINT = "rgb(255 140 0)"; // of the overlay
const BLUR_WIDTH = 160; // pixels of the copy that is blurred: a blur leaves no detail anyway
const BLUR_RADIUS = 2; // of each of the box filters, in these pixels,
const BLUR_PASSES = 3; // which together are nearly a Gaussian one
const GAMMA = 2.2; // gains are of linear light

// Draws on the canvas `shown`. A scene is { picture, mask, depth, background, gain }: canvases but
// for the gain, [red, green, blue], which gives the background the picture's light.
export function createComposer(shown) {
    const pencil = shown.getContext("2d");
    const layer = document.createElement("canvas");
    const backdrop = document.createElement("canvas"); // at the frame's size, with its key
    const blur = createBlur();
    let drawnKey = "";

    function cutOut({ picture, mask }) {
        resize(layer, picture.width, picture.height);
        const over = layer.getContext("2d");
        over.globalCompositeOperation = "copy";
        over.drawImage(picture, 0, 0);
        over.globalCompositeOperation = "destination-in";
        over.drawImage(mask, 0, 0, layer.width, layer.height);
        return layer;
    }

    function tint({ mask }) {
        resize(layer, shown.width, shown.height);
        const over = layer.getContext("2d");
        over.globalCompositeOperation = "copy";
        over.drawImage(mask, 0, 0, layer.width, layer.height);
        over.globalCompositeOperation = "source-in";
        over.fillStyle = TINT;
        over.fillRect(0, 0, layer.width, layer.height);
        return layer;
    }

    function fill(colour) {
        pencil.fillStyle = colour;
        pencil.fillRect(0, 0, shown.width, shown.height);
    }

    function drawBehind(key, draw) {
        const whole = `${key} ${shown.width} ${shown.height}`;
        if (drawnKey !== whole) {
            resize(backdrop, shown.width, shown.height);
            draw(backdrop);
            drawnKey = whole;
        }
        pencil.drawImage(backdrop, 0, 0);
    }

    const views = {
        mask(scene) {
            fill("black");
            pencil.drawImage(scene.mask, 0, 0, shown.width, shown.height);
        },
        depth(scene) {
            pencil.drawImage(scene.depth, 0, 0, shown.width, shown.height);
        },
        composite(scene) {
            pencil.drawImage(scene.picture, 0, 0);
            pencil.globalAlpha = 0.5;
            pencil.drawImage(tint(scene), 0, 0);
            pencil.globalAlpha = 1;
        },
        cutout(scene) {
            pencil.clearRect(0, 0, shown.width, shown.height);
            pencil.drawImage(cutOut(scene), 0, 0);
        },
        blur(scene) {
            pencil.drawImage(blur(scene), 0, 0, shown.width, shown.height);
            pencil.drawImage(cutOut(scene), 0, 0);
        },
        colour(scene, { colour }) {
            fill(colour);
            pencil.drawImage(cutOut(scene), 0, 0);
        },
        picture(scene, { picture }) {
            drawBehind(picture, (canvas) => drawBackdrop(picture, canvas));
            pencil.drawImage(cutOut(scene), 0, 0);
        },
        own(scene, { own, number }) {
            drawBehind(`own ${number}`, (canvas) => cover(canvas, own));
            pencil.drawImage(cutOut(scene), 0, 0);
        },
    };

    // `look` is { view, colour, picture: the name of a backdrop, own: a canvas, number: of it }.
    return (look, scene) => {
        resize(shown, scene.picture.width, scene.picture.height);
        views[look.view](scene, look);
    };
}

// Returns a function that blurs all but the foreground. Behind it lies the empty scene; otherwise,
// its colours would make a halo.
function createBlur() {
    const [small, empty, alpha] = Array.from({ length: 3 }, () => document.createElement("canvas"));
    const pixels = (canvas, picture, width, height) => {
        resize(canvas, width, height);
        const pencil = canvas.getContext("2d", { willReadFrequently: true });
        pencil.globalCompositeOperation = "copy";
        pencil.drawImage(picture, 0, 0, width, height);
        return pencil.getImageData(0, 0, width, height);
    };
    return ({ picture, mask, background, gain }) => {
        const height = Math.max(1, Math.round(BLUR_WIDTH * picture.height / picture.width));
        const seen = pixels(small, picture, BLUR_WIDTH, height);
        const behind = pixels(empty, background, BLUR_WIDTH, height).data;
        const cover = pixels(alpha, mask, BLUR_WIDTH, height).data;
        const light = gain.map((each) => each ** (1 / GAMMA));
        for (let place = 0; place < seen.data.length; place += 4) {
            const share = cover[place + 3] / 255;
            for (let colour = 0; colour < 3; colour += 1) {
                const value = seen.data[place + colour];
                seen.data[place + colour] = value
                    + share * (behind[place + colour] * light[colour] - value);
            }
        }
        for (let pass = 0; pass < BLUR_PASSES; pass += 1) {
            smooth(seen.data, BLUR_WIDTH, height, 4, 4 * BLUR_WIDTH);
            smooth(seen.data, height, BLUR_WIDTH, 4 * BLUR_WIDTH, 4);
        }
        small.getContext("2d").putImageData(seen, 0, 0);
        return small;
    };
}

// A box filter along `count` lines of `length` values each; colours lie side by side.
function smooth(data, length, count, step, stride) {
    const line = new Float32Array(length);
    const wide = 2 * BLUR_RADIUS + 1;
    for (let which = 0; which < count; which += 1) {
        for (let colour = 0; colour < 3; colour += 1) {
            const begin = which * stride + colour;
            const at = (place) =>
                data[begin + Math.min(Math.max(place, 0), length - 1) * step];
            let sum = 0;
            for (let place = -BLUR_RADIUS; place <= BLUR_RADIUS; place += 1) sum += at(place);
            for (let place = 0; place < length; place += 1) {
                line[place] = sum / wide;
                sum += at(place + BLUR_RADIUS + 1) - at(place - BLUR_RADIUS);
            }
            for (let place = 0; place < length; place += 1) {
                data[begin + place * step] = line[place];
            }
        }
    }
}
