// Messages to server.py. `server.live(message)` comes from gr.HTML; the static page of web/ answers them
// by itself.

import { leave, newToken, pause } from "../photos/server.js";

const FRAME_LIMIT_MS = 60000; // for the answer to a frame from a busy server
const ANSWER_LIMIT_MS = 600000; // for other answers: a network is loaded
const SILENT = "The server did not answer: check that it still runs, then press Resume.";

const token = newToken();

// `onFailure` gets each sentence with which an answer fails.
export function createLink(server, onFailure) {
    let gate = Promise.resolve(); // settles with the answer to the last message that is no frame
    let turn = Promise.resolve(); // settles with the answers to all messages

    async function send(message) {
        let answer;
        try {
            const wait = message.do === "frame" ? FRAME_LIMIT_MS : ANSWER_LIMIT_MS;
            answer = await Promise.race([server.live({ token, ...message }), pause(wait)]);
        } catch (error) {
            console.debug("depthmask: no answer", error);
        }
        answer ||= { failed: SILENT }; // Gradio returns nothing if no answer came
        if (answer.failed) onFailure(answer.failed);
        return answer;
    }

    return {
        // Messages are sent one at a time, in their order, after the frames' answers.
        ask(message) {
            turn = turn.then(() => send(message));
            gate = turn;
            return turn;
        },
        // Only frames may overtake each other's answers.
        askFrame(message) {
            const answer = gate.then(() => send(message));
            turn = Promise.all([turn, answer]);
            return answer;
        },
    };
}

// What differs where no server answers: how a picture is sent, what is done when the page closes, and
// what to do where the browser has no camera for it.
export const SERVED = {
    encode: (canvas, exact) => (exact ? canvas.toDataURL("image/png") : canvas.toDataURL("image/jpeg", 0.85)),
    leave: () => leave("live", token),
    insecure: "Browsers allow the camera only on pages of the same computer and by https: open "
        + `http://localhost${location.port && ":"}${location.port} on the computer that serves the page, `
        + "or start depthmask demo with --ssl-certfile and --ssl-keyfile.",
};
