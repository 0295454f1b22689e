// What the page shows of the frames' answers: the chosen view, depth, and figures.

import { createComposer } from "./compose.js";
import { createClock, createMean } from "./figures.js";
import { readColours, readDepth, readMask, readPicture } from "./maps.js";
import { resize } from "./source.js";

const FIGURES_MS = 250; // between two updates of the figures: each makes the browser lay out the page

// `find` returns the page's elements; `look` returns the view that is chosen.
export function createResult(find, look) {
    const [shown, depth] = ["shown", "depth"].map(find);
    const colours = readColours(depth.dataset.colours);
    const compose = createComposer(shown);
    const clock = createClock();
    const iou = createMean();
    let background = null; // the learned one, as a picture; null: there is nothing to show
    let scene = null; // what `compose` draws
    let lacksMaps = true; // an answer did not come, and with it what later ones leave out
    let isEmpty = true; // nothing is in the last frame
    let shownAt = 0; // when the frame that is shown was taken
    let frames = 0; // drawn so far
    let figuresAt = 0; // when the figures were updated last

    // What was shown belongs to a background that is no longer known.
    function clear() {
        scene = background = null;
        isEmpty = true;
        for (const canvas of [shown, depth]) {
            canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
        }
        find("waits").hidden = false;
        iou.reset();
        for (const figure of ["fps", "latency", "check", "iou", "mean"]) find(figure).textContent = "–";
        for (const line of ["locked", "quality", "stages"]) find(line).textContent = "";
    }

    // The server sends only what has changed. A late answer still has what later ones leave out.
    async function take(answer, picture) {
        const [mask, depthMap, moved] = await Promise.all([
            answer.mask && readMask(answer.mask),
            answer.depth && readDepth(answer.depth, colours),
            answer.background && readPicture(answer.background),
        ]);
        if (!background) return; // the camera was turned off meanwhile
        if (moved) background = moved;
        if (mask && depthMap) lacksMaps = false;
        const late = answer.at < shownAt && scene !== null;
        const before = scene || {};
        scene = {
            picture: late ? before.picture : picture,
            mask: late ? before.mask : mask || before.mask,
            depth: depthMap || before.depth,
            background,
            gain: answer.gain,
        };
        if (late || !scene.mask) return;
        shownAt = answer.at;
        isEmpty = answer.empty;
        draw();
        count(answer);
    }

    function draw() {
        if (!scene || !scene.mask || !scene.depth) return;
        compose(look(), scene);
        resize(depth, scene.picture.width, scene.picture.height);
        depth.getContext("2d").drawImage(scene.depth, 0, 0, depth.width, depth.height);
        find("waits").hidden = true;
    }

    function count(answer) {
        const now = performance.now();
        clock.note(now, answer.at);
        if (answer.iou !== undefined) iou.note(answer.iou);
        frames += 1;
        shown.dataset.frames = frames;
        if (now < figuresAt + FIGURES_MS) return;
        figuresAt = now;
        const rate = clock.rate(now);
        if (rate !== null) write(find("fps"), rate.toFixed(1));
        write(find("latency"), `${clock.latency().toFixed(0)} ms`);
        write(find("quality"), answer.quality);
        if (answer.iou !== undefined) {
            write(find("iou"), answer.iou.toFixed(3));
            write(find("mean"), iou.value.toFixed(3));
        }
        write(find("stages"), Object.entries(answer.stages || {})
            .map(([stage, time]) => `${stage} ${time.toFixed(1)} ms`).join(" · "));
    }

    return {
        async begin(url) {
            const picture = await readPicture(url);
            clear();
            background = picture;
            clock.reset();
            shownAt = 0;
            lacksMaps = true;
        },
        clear,
        take,
        draw,
        resume: () => clock.reset(),
        get lacksMaps() { return lacksMaps; },
        set lacksMaps(lacks) { lacksMaps = lacks; },
        get isEmpty() { return isEmpty; },
        // The last frame and the background that it was compared with; null without.
        get photos() { return scene && { background, picture: scene.picture }; },
    };
}

// Changing a text makes the browser lay out the page.
export function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
}
