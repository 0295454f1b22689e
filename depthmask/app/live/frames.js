// Sends the source's frames to the server: those of the empty scene, and then all others.

import { pause } from "../photos/server.js";

const AHEAD_MS = 400; // with faster answers, the next frame is sent before the last one's answer
const CAPTURE_STEP_MS = 60; // between two frames of the empty scene
const HIDDEN_MS = 300; // between two looks whether the tab is visible again

// Counts down, and sends frames until the server has enough. `count` is the element over the camera;
// returns the server's last answer, and what of the camera was locked.
export async function learn({ source, link, count, quality, tell }) {
    let locked = [];
    if (source.isClip) {
        await source.rewind();
    } else {
        tell("Leave the picture, and let nothing move.");
        await source.lock("continuous");
        for (let second = Number(count.dataset.seconds); second; second -= 1) {
            if (source.isOpen) count.textContent = second;
            await pause(1000);
        }
        locked = await source.lock("manual");
    }
    if (source.isOpen) tell("Learning the background…");
    let enough = Number(count.dataset.frames);
    let answer = {};
    count.textContent = `0 of ${enough}`;
    for (let first = true; source.isOpen; first = false) {
        const { message } = source.grab();
        answer = await link.ask({ do: "capture", first, quality, ...message });
        if (!answer.missing && !answer.dropped) break;
        if (source.isOpen && answer.enough > enough) tell(answer.sentence); // the scene moves, and is watched for longer
        enough = answer.enough ?? enough;
        if (answer.missing) count.textContent = `${enough - answer.missing} of ${enough}`;
        const step = answer.pause ?? CAPTURE_STEP_MS;
        await (source.isClip ? source.skip(step) : pause(step));
    }
    return { ...answer, locked };
}

// Sends frames, each with `more()`, as long as `isRunning` says so. While the server predicts a frame, the newest picture
// is sent ahead if answers come fast; the pictures in between are dropped.
export function createLoop({ source, link, element, isRunning, more, receive }) {
    let looping = false; // `run` has not ended yet

    async function follow() {
        const underWay = [];
        let took = AHEAD_MS;
        const goesOn = () => isRunning() && source.isOpen;
        while (goesOn()) {
            if (!element.offsetParent || document.hidden) { // the tab is not visible
                await pause(HIDDEN_MS);
                continue;
            }
            const waited = await source.nextPicture();
            if (!goesOn()) break;
            const sent = performance.now();
            const { picture, message } = source.grab();
            const asked = link.askFrame({ do: "frame", waited, ...more(), ...message });
            underWay.push(asked.then((answer) => {
                took = performance.now() - sent;
                return receive(answer, picture);
            }));
            while (underWay.length > (took < AHEAD_MS ? 1 : 0)) await underWay.shift();
        }
        await Promise.all(underWay);
    }

    return async function run() {
        if (looping) return; // a pause too short for the loop to notice
        looping = true;
        try {
            await follow();
        } finally {
            looping = false;
        }
    };
}
