// The live tab of the server's page, answered by the worker of this page.

import "../../depthmask/app/live/live.css";
import "./live.css";
import start from "../../depthmask/app/live/live.js";
import shared from "./app/shared.json" with { type: "json" };

const TELL_MS = 500; // between two updates of the time that the network takes
const WAYS = {
    encode: (canvas) => createImageBitmap(canvas), // of what the canvas has now
    leave() {},
    insecure: "Browsers allow the camera only on pages by https, and on those of the same computer.",
};

// Fills an element with the tab. `call` is of `connect`; `timed(ms)` is told how long the network took.
export function openLive(element, call, timed) {
    element.innerHTML = shared.live_markup; // of this page, no user's text
    let toldAt = 0;
    const live = async (message) => {
        try {
            const [frame, truth] = await Promise.all([message.frame, message.truth]);
            const answer = await call("live", { ...message, frame, truth }, [frame, truth].filter(Boolean));
            if (answer.networkMs && performance.now() > toldAt + TELL_MS) {
                toldAt = performance.now();
                timed(answer.networkMs);
            }
            return answer;
        } catch (error) {
            return { failed: error.message };
        }
    };
    start({ element, server: { live }, ways: WAYS });
}
