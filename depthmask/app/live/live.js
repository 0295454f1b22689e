// The live tab: what its buttons do. All views are drawn here in the browser, from small maps that
// server.py sends for each frame; in the static page of web/, its worker does.

import { troubleOf } from "../photos/picture_head.js";
import { canvasPng, offer } from "../photos/stage_save.js";
import { readOwn } from "./backdrops.js";
import { createLoop, learn } from "./frames.js";
import { createLink, SERVED } from "./link.js";
import { MAX_S, createRecorder } from "./recorder.js";
import { createResult, write } from "./result.js";
import { createSource, listCameras } from "./source.js";
import { createSwatches } from "./swatches.js";
import { sendToPhotos } from "./to_photos.js";

const MESSAGE_MS = 6000; // an error message stays at least this long
const REFUSED = {
    NotAllowedError: "The camera was refused: allow it next to the address of this page, then press "
        + "Start camera.",
    NotFoundError: "No camera was found: connect one, then press Start camera.",
    OverconstrainedError: "This device has no such camera: choose another one.",
    NotReadableError: "Another program uses the camera: close it, then press Start camera.",
    AbortError: "The camera did not start: see that no other program uses it, then press Start camera.",
};
const SYSTEM = "This computer keeps the camera from the browser: allow it in the settings of the system, "
    + "then press Start camera.";
const ENDED_EARLY = "The browser ended the recording; what there was of it is saved.";
const NOBODY = "Nothing is in the scene: step in, then press the button again.";

// `ways` is as SERVED.
export default function start({ element, server, ways = SERVED }) {
    const find = (name) => element.querySelector(`[data-live="${name}"]`);
    const pictures = ["video", "shown", "depth"].map(find);
    const quality = () => find("quality-choice").value;
    const link = createLink(server, (text) => tell(text, true));
    const source = createSource(find("video"), () => {
        stop();
        tell("The camera is gone: connect it, then press Start camera.", true);
    }, ways.encode);
    const swatches = createSwatches(find("swatches"), () => {
        find("caption").textContent = swatches.label;
        result.draw();
    });
    const result = createResult(find, () => swatches.look);
    const recorder = createRecorder(find("shown"));
    const isRunning = () => running;
    const more = () => ({ quality: quality(), fresh: result.lacksMaps });
    const run = createLoop({ source, link, element, isRunning, more, receive });

    let running = false; // frames are sent and drawn
    let busy = false; // during a countdown, a capture, or the end of a recording
    let ending = false; // during the end of a recording
    let captured = false;
    let heldUntil = 0; // until then, no frame's sentence replaces an error message

    function tell(text, failed = false) {
        heldUntil = failed ? performance.now() + MESSAGE_MS : 0;
        showSentence(text, failed);
    }

    function showSentence(text, failed) {
        write(find("sentence"), text);
        find("sentence").classList.toggle("failed", failed);
    }

    function enable() {
        const there = source.isOpen && !busy;
        find("capture").disabled = !there;
        find("capture").textContent = captured ? "Recapture" : "Capture background";
        for (const name of ["pause", "snapshot", "record", "use"]) {
            find(name).disabled = !there || !captured;
        }
        find("record").dataset.on = String(recorder.isOn);
        if (!recorder.isOn) find("record").textContent = "Record";
        find("pause").textContent = captured && !running ? "Resume" : "Pause";
        find("start").hidden = source.isOpen;
        find("off").hidden = !source.isOpen;
        find("off").disabled = busy;
        find("off").textContent = source.isClip ? "Close clip" : "Stop camera";
        find("iou-figure").hidden = !source.hasTruth;
        find("frames").dataset.phase = captured ? "live" : "waiting";
    }

    function mirror(mirrored) {
        for (const picture of pictures) picture.classList.toggle("mirrored", mirrored);
    }

    async function openCamera() {
        find("start").disabled = true; // a second click would leave a camera running
        try {
            stop();
            if (!window.isSecureContext || !navigator.mediaDevices) {
                tell(ways.insecure, true);
                return;
            }
            const { mirrored } = await source.openCamera(find("camera").value);
            mirror(mirrored);
            await fillCameras();
            tell("Step out of the picture, and press Capture background.");
        } catch (error) {
            source.close();
            tell(whyRefused(error), true);
        } finally {
            find("start").disabled = false;
            enable();
        }
        if (source.isOpen) find("capture").focus({ preventScroll: true }); // the next step
    }

    async function openClip(clip, truth) {
        if (!clip) {
            tell("Choose a clip first: a video file.", true);
            return;
        }
        stop();
        try {
            await source.openClip(clip, truth);
            mirror(false);
            tell("Press Capture background: the clip's first second must show the empty scene.");
        } catch (error) {
            source.close();
            tell(`${error.message} cannot be played by this browser: choose a WebM or MP4 file.`, true);
        }
        enable();
    }

    function stop() {
        source.close();
        running = captured = false;
        if (recorder.isOn) endRecording();
        result.clear();
        enable();
    }

    async function fillCameras() {
        const menu = find("camera");
        const chosen = menu.value;
        for (const old of menu.querySelectorAll("[data-device]")) old.remove();
        for (const { label, id } of await listCameras()) {
            const option = new Option(label, id);
            option.dataset.device = "";
            menu.add(option);
        }
        menu.value = chosen;
    }

    function fillQualities(names) {
        const menu = find("quality-choice");
        const chosen = menu.value;
        menu.replaceChildren(new Option("Automatic", "auto"),
            ...names.map((name, place) => new Option(name, place)));
        menu.value = chosen;
    }

    async function capture() {
        running = captured = false;
        busy = true;
        enable();
        try {
            const count = find("count");
            const answer = await learn({ source, link, count, quality: quality(), tell });
            if (!answer.captured || !source.isOpen) return;
            await result.begin(answer.background);
            running = captured = true;
            fillQualities(answer.qualities);
            find("check").textContent = `${(100 * answer.selfCheck).toFixed(1)}%`;
            if (!source.isClip) find("locked").textContent = describeLocked(answer.locked);
        } finally {
            find("count").textContent = "";
            busy = false;
            enable();
        }
        find("frames").scrollIntoView({ block: "nearest" });
        run();
    }

    async function receive(answer, picture) {
        if (answer.failed) {
            result.lacksMaps = true;
            running = false;
            enable();
        }
        if (answer.at === undefined) return; // failed, or dropped
        try {
            await result.take(answer, picture);
        } catch (error) {
            console.debug("depthmask: not drawn", error);
            return;
        }
        if (!running) return;
        const warn = answer.health !== "good" && answer.health !== "moved";
        if (performance.now() > heldUntil) showSentence(answer.sentence, warn);
        if (!recorder.isOn || busy) return;
        write(find("record"), `Stop ${recorder.seconds.toFixed(0)} s`);
        if (recorder.seconds > MAX_S || recorder.hasEnded) endRecording();
    }

    // Whether somebody is in the frame; if not, the visitor is told.
    function isSomebody() {
        if (!result.isEmpty) return true;
        tell(NOBODY, true);
        return false;
    }

    async function snapshot() {
        if (swatches.look.view !== "depth" && !isSomebody()) return;
        offer(await canvasPng(find("shown")), "depthmask.png");
    }

    async function record() {
        if (recorder.isOn) {
            await endRecording();
        } else if (recorder.start()) {
            result.draw(); // the first picture of the recording
            find("record").textContent = "Stop 0 s";
        } else {
            tell("This browser cannot record: use a current Chrome, Edge, Firefox or Safari.", true);
        }
        enable();
    }

    async function endRecording() {
        if (ending) return;
        busy = ending = true;
        enable();
        try {
            const isEarly = recorder.hasEnded;
            const { blob, end } = await recorder.stop();
            if (blob) offer(blob, `depthmask.${end}`);
            else tell("Nothing was recorded: press Record, and Stop a moment later.", true);
            if (blob && isEarly) tell(ENDED_EARLY, true);
        } finally {
            busy = ending = false;
            enable();
        }
    }

    async function use() {
        if (!isSomebody()) return;
        const { background, picture } = result.photos;
        await sendToPhotos(background, picture);
    }

    async function takePicture(file) {
        const trouble = await troubleOf(file);
        if (trouble) {
            tell(trouble, true);
            return;
        }
        try {
            swatches.offerPicture(await readOwn(file));
        } catch (error) {
            tell(`${file.name} is no picture that this browser can read.`, true);
        }
    }

    find("start").addEventListener("click", openCamera);
    find("camera").addEventListener("change", () => {
        if (source.isOpen && !source.isClip) openCamera();
    });
    find("off").addEventListener("click", () => {
        const what = source.isClip ? "clip is closed" : "camera is off";
        stop();
        tell(`The ${what}.`);
        find("start").focus({ preventScroll: true });
    });
    find("capture").addEventListener("click", capture);
    find("record").addEventListener("click", record);
    find("snapshot").addEventListener("click", snapshot);
    find("use").addEventListener("click", use);
    find("pause").addEventListener("click", () => {
        running = !running;
        enable();
        if (!running) return;
        result.resume();
        run();
    });
    find("play").addEventListener("click", () => {
        openClip(...["clip", "truth"].map((name) => find(name).files[0] || null));
    });
    find("file").addEventListener("change", ({ target }) => {
        const [file] = target.files;
        target.value = ""; // the same file may be chosen again
        if (file) takePicture(file);
    });
    find("colour").addEventListener("input", ({ target }) => swatches.offerColour(target.value));
    element.addEventListener("dragover", (event) => event.preventDefault());
    element.addEventListener("drop", (event) => {
        event.preventDefault();
        const [file] = event.dataTransfer.files;
        if (!file || busy) return;
        if (file.type.startsWith("video/")) openClip(file, null);
        else takePicture(file);
    });
    window.addEventListener("beforeunload", (event) => {
        if (recorder.isOn) event.preventDefault(); // the browser asks whether to leave
    });
    window.addEventListener("pagehide", () => { if (captured) ways.leave(); });
    if (!window.isSecureContext) tell(ways.insecure, true);
    enable();
    find("root").inert = false;
}

// What to do about an error of getUserMedia.
function whyRefused({ name, message }) {
    if (name === "NotAllowedError" && message.includes("system")) return SYSTEM; // Chrome's words
    return REFUSED[name] || `The camera could not be opened (${name}): connect it again, then press Start camera.`;
}

function describeLocked(names) {
    return names.length ? `Locked: ${names.join(", ")}.` : "This camera's exposure cannot be locked.";
}
