// The live tab. `element` and `server` come from gr.HTML; `server.live(message)` calls server.py.
//
// While the server predicts a frame, the camera's newest picture is sent ahead if answers come fast;
// the pictures in between are dropped. Frames are never sent mirrored, but may be shown mirrored.

const LONGEST_SIDE = 640;
const RATE_MS = 3000; // the frames per second are counted over this time,
const MIN_RATE_FRAMES = 5; // or over this many frames, if they take longer
const AHEAD_MS = 400; // with faster answers, the next frame is sent before the last one's answer
const NO_PICTURE_MS = 1000; // a camera without a new picture for so long is asked for its last one
const FIGURES_MS = 250; // between two updates of the figures: each makes the browser lay out the page
const FRAME_LIMIT_MS = 60000; // for the answer to a frame from a busy server
const ANSWER_LIMIT_MS = 600000; // for other answers: a network is loaded, a recording is written
const MESSAGE_MS = 6000; // an error message stays at least this long
const find = (name) => element.querySelector(`[data-live="${name}"]`);
const video = find("video");
const shown = find("shown");
const sentence = find("sentence");
const still = document.createElement("canvas");
const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0")).join("");

let stream = null;
let view = "cutout";
let running = false; // frames are sent and drawn
let looping = false; // `run` has not ended yet
let busy = false; // during a countdown, a capture, or the writing of a recording
let captured = false;
let takenAt = 0; // when the camera took the newest picture, by performance.now()
let sentAt = 0; // the same of the picture that was sent last
let shownAt = 0; // and of the one that is shown
let tellPicture = () => {}; // is called when the camera has a new picture
let gate = Promise.resolve(); // settles with the answer to the last message that is no frame
let turn = Promise.resolve(); // settles with the answers to all messages
let frames = 0; // drawn so far
let drawn = []; // [when drawn, milliseconds since taken] of the last frames
let figuresAt = 0; // when the figures were updated last
let heldUntil = 0; // until then, no frame's sentence replaces an error message

const REFUSED = {
    NotAllowedError: "The camera was refused: allow it next to the address of this page, then press "
        + "Start camera.",
    NotFoundError: "No camera was found: connect one, then press Start camera.",
    OverconstrainedError: "This device has no such camera: choose another one.",
    NotReadableError: "Another program uses the camera: close it, then press Start camera.",
};
const SILENT = "The server did not answer: check that it still runs, then press Resume.";
const INSECURE = "Browsers allow the camera only on pages of the same computer and by https: open "
    + `http://localhost${location.port && ":"}${location.port} on the computer that serves the page, `
    + "or start depthmask demo with --ssl-certfile and --ssl-keyfile.";

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function tell(text, failed = false) {
    heldUntil = failed ? performance.now() + MESSAGE_MS : 0;
    showSentence(text, failed);
}

function showSentence(text, failed) {
    if (sentence.textContent !== text) sentence.textContent = text;
    sentence.classList.toggle("failed", failed);
}

function enable() {
    const there = stream !== null && !busy;
    find("capture").disabled = !there;
    find("capture").textContent = captured ? "Recapture" : "Capture background";
    for (const name of ["pause", "snapshot", "record"]) find(name).disabled = !there || !captured;
    // a recording can be saved even if the camera is gone
    if (find("record").dataset.on === "true") find("record").disabled = busy;
    find("pause").textContent = captured && !running ? "Resume" : "Pause";
    find("start").hidden = stream !== null;
    find("off").hidden = stream === null;
    find("off").disabled = busy;
}

// Messages are sent one at a time, in their order: a button's message waits for the frames' answers.
function ask(message) {
    turn = turn.then(() => send(message));
    gate = turn;
    return turn;
}

// Only frames may overtake each other's answers.
function askFrame(message) {
    const answer = gate.then(() => send(message));
    turn = Promise.all([turn, answer]);
    return answer;
}

async function send(message) {
    let answer;
    try {
        const wait = message.do === "frame" ? FRAME_LIMIT_MS : ANSWER_LIMIT_MS;
        answer = await Promise.race([server.live({ token, ...message }), pause(wait)]);
    } catch (error) {
        console.debug("depthmask: no answer", error);
    }
    answer ||= { failed: SILENT }; // Gradio returns nothing if no answer came
    if (answer.failed) tell(answer.failed, true);
    return answer;
}

async function start() {
    find("start").disabled = true; // a second click would leave a camera running
    try {
        await open();
    } finally {
        find("start").disabled = false;
    }
    if (stream) find("capture").focus({ preventScroll: true }); // the next step
}

async function open() {
    stop();
    if (!window.isSecureContext || !navigator.mediaDevices) {
        tell(INSECURE, true);
        return;
    }
    const chosen = find("camera").value;
    const which = chosen === "user" || chosen === "environment"
        ? { facingMode: chosen } : { deviceId: { exact: chosen } };
    try {
        stream = await navigator.mediaDevices.getUserMedia({
            video: { width: { ideal: 640 }, height: { ideal: 480 }, ...which },
        });
    } catch (error) {
        tell(REFUSED[error.name] || `The camera could not be opened (${error.name}).`, true);
        enable();
        return;
    }
    const track = stream.getVideoTracks()[0];
    track.addEventListener("ended", () => {
        stop();
        tell("The camera is gone: connect it, then press Start camera.", true);
    });
    video.srcObject = stream;
    await video.play();
    // people expect a mirror image from a camera that faces them
    const rear = track.getSettings().facingMode === "environment" || chosen === "environment";
    for (const picture of [video, shown]) picture.classList.toggle("mirrored", !rear);
    await listCameras(track);
    tell("Step out of the picture, and press Capture background.");
    enable();
}

function stop() {
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    running = false;
    captured = false;
    video.srcObject = null;
    clear();
    enable();
}

// What is shown belongs to a background that is no longer known.
function clear() {
    shown.getContext("2d").clearRect(0, 0, shown.width, shown.height);
    find("waits").hidden = false;
    for (const figure of ["fps", "latency", "check"]) find(figure).textContent = "–";
    for (const line of ["locked", "quality", "stages"]) find(line).textContent = "";
}

// Some browsers tell when a picture was taken.
function watch() {
    video.requestVideoFrameCallback((now, about) => {
        takenAt = about.captureTime || about.expectedDisplayTime || now;
        tellPicture();
        watch();
    });
}

// Waits for a picture that was not sent yet; returns the milliseconds that took.
async function nextPicture() {
    const begin = performance.now();
    if (!video.requestVideoFrameCallback) {
        await new Promise((next) => requestAnimationFrame(next));
    } else if (takenAt === sentAt) {
        const told = new Promise((done) => { tellPicture = done; });
        await Promise.race([told, pause(NO_PICTURE_MS)]);
    }
    sentAt = takenAt;
    return performance.now() - begin;
}

async function listCameras(track) {
    const menu = find("camera");
    const cameras = (await navigator.mediaDevices.enumerateDevices())
        .filter((device) => device.kind === "videoinput" && device.label);
    const chosen = menu.value;
    for (const old of menu.querySelectorAll("[data-device]")) old.remove();
    if (cameras.length > 1) {
        for (const camera of cameras) {
            const option = new Option(camera.label, camera.deviceId);
            option.dataset.device = "";
            menu.add(option);
        }
    }
    menu.value = chosen;
}

// Setting a size takes time even if it stays the same.
function resize(canvas, width, height) {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
}

function grab() {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    resize(still, Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
    still.getContext("2d").drawImage(video, 0, 0, still.width, still.height);
    const at = video.requestVideoFrameCallback && takenAt ? takenAt : performance.now();
    return { frame: still.toDataURL("image/jpeg", 0.85), at };
}

// A camera that adapts to what enters the scene would also change the empty scene.
async function lock(mode) {
    if (!stream) return []; // it was unplugged
    const track = stream.getVideoTracks()[0];
    const can = track.getCapabilities ? track.getCapabilities() : {};
    const done = [];
    for (const [name, word] of [["exposureMode", "exposure"], ["whiteBalanceMode", "white balance"],
        ["focusMode", "focus"]]) {
        if (!(can[name] || []).includes(mode)) continue;
        try {
            await track.applyConstraints({ advanced: [{ [name]: mode }] });
            done.push(word);
        } catch (error) {
            console.debug(`depthmask: ${name} stays as it is`, error);
        }
    }
    return done;
}

async function capture() {
    running = false;
    busy = true;
    enable();
    let answer = {};
    try {
        answer = await learn();
    } finally {
        busy = false;
        captured = Boolean(answer.captured);
        running = captured;
        enable();
    }
    if (!captured) return;
    find("check").textContent = `${(100 * answer.selfCheck).toFixed(1)}%`;
    find("locked").textContent = answer.locked.length
        ? `Locked: ${answer.locked.join(", ")}.` : "This camera's exposure cannot be locked.";
    drawn = [];
    run();
}

// Counts down, and sends frames until the server has enough.
async function learn() {
    tell("Leave the picture, and let nothing move.");
    await lock("continuous");
    for (const second of [3, 2, 1]) {
        if (stream) find("count").textContent = second;
        await pause(1000);
    }
    find("count").textContent = "";
    const locked = await lock("manual");
    if (stream) tell("Capturing…");
    let answer = {};
    for (let first = true; stream; first = false) {
        answer = await ask({ do: "capture", first, ...grab() });
        if (!answer.missing && !answer.dropped) break;
        await pause(60);
    }
    return { ...answer, locked };
}

async function run() {
    if (looping) return; // a pause too short for the loop to notice
    looping = true;
    try {
        await follow();
    } finally {
        looping = false;
    }
}

async function follow() {
    const underWay = [];
    let took = AHEAD_MS;
    while (running && stream) {
        if (!element.offsetParent || document.hidden) { // the tab is not visible
            await pause(300);
            continue;
        }
        const waited = await nextPicture();
        if (!running || !stream) break;
        const sent = performance.now();
        const message = { do: "frame", view, colour: find("colour").value, waited, ...grab() };
        underWay.push(askFrame(message).then((answer) => {
            took = performance.now() - sent;
            return receive(answer);
        }));
        while (underWay.length > (took < AHEAD_MS ? 1 : 0)) await underWay.shift();
    }
    await Promise.all(underWay);
}

async function receive(answer) {
    if (answer.failed) {
        running = false;
        enable();
    }
    if (!running || answer.at === undefined) return; // failed, or dropped
    await show(answer).catch((error) => console.debug("depthmask: not drawn", error));
    const warn = answer.health !== "good" && answer.health !== "moved";
    if (performance.now() > heldUntil) showSentence(answer.sentence, warn);
}

async function draw(url, at = Infinity) {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    if (!captured || at < shownAt) return; // the camera was turned off meanwhile, or it is late
    resize(shown, picture.width, picture.height);
    shown.getContext("2d").drawImage(picture, 0, 0);
    find("waits").hidden = true;
}

async function show(answer) {
    if (answer.picture) await draw(answer.picture, answer.at); // none if it has not changed
    if (answer.at < shownAt) return;
    shownAt = answer.at;
    const now = performance.now();
    drawn.push([now, now - answer.at]);
    drawn = drawn.filter(([when], place) =>
        when > now - RATE_MS || place >= drawn.length - MIN_RATE_FRAMES);
    frames += 1;
    shown.dataset.frames = frames;
    if (now > figuresAt + FIGURES_MS) {
        figuresAt = now;
        showFigures(answer, now);
    }
}

function showFigures(answer, now) {
    const lasted = Math.max(now - drawn[0][0], 1);
    const rate = 1000 * (drawn.length - 1) / lasted;
    const delays = drawn.map(([, delay]) => delay).sort((a, b) => a - b);
    if (drawn.length > 1) find("fps").textContent = rate.toFixed(1);
    find("latency").textContent = `${delays[delays.length >> 1].toFixed(0)} ms`;
    if (find("quality").textContent !== answer.quality) find("quality").textContent = answer.quality;
    if (answer.recorded !== null) find("record").textContent = `Stop ${answer.recorded.toFixed(0)} s`;
    find("stages").textContent = Object.entries(answer.stages || {})
        .map(([stage, time]) => `${stage} ${time.toFixed(1)} ms`).join(" · ");
}

function save(url, name) {
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
}

async function record() {
    const button = find("record");
    if (button.dataset.on !== "true") {
        const answer = await ask({ do: "record" });
        if (answer.failed || answer.dropped) return;
        button.dataset.on = "true";
        button.textContent = "Stop";
        return;
    }
    const resume = running;
    running = false;
    busy = true;
    enable();
    button.dataset.on = "false";
    button.textContent = "Writing…";
    const answer = await ask({ do: "stop" });
    busy = false;
    button.dataset.on = String(Boolean(answer.kept)); // the disk was full: Stop may be pressed again
    button.textContent = answer.kept ? "Stop" : "Record";
    if (answer.path) {
        const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
        save(`${root}${prefix}/file=${answer.path}`, "depthmask.webm");
    }
    running = resume;
    enable();
    run();
}

async function chooseBackdrop(file) {
    const url = URL.createObjectURL(file);
    const picture = new Image();
    picture.src = url;
    try {
        await picture.decode();
    } catch (error) {
        tell(`${file.name} is no picture that this browser can read.`, true);
        return;
    } finally {
        URL.revokeObjectURL(url);
    }
    const scale = Math.min(1, 960 / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    await ask({ do: "backdrop", frame: canvas.toDataURL("image/jpeg", 0.9) });
    look();
}

// While paused, the chosen view is drawn from the last frame.
async function look() {
    if (running || !captured) return;
    const answer = await ask({ do: "look", view, colour: find("colour").value });
    if (answer.picture && !running) await draw(answer.picture);
}

// As `server.live`, but it is sent even while the page closes.
function leave() {
    const { root = "", api_prefix: prefix = "/gradio_api", components } = window.gradio_config;
    const { id } = components.find((each) => each.props.elem_id === "live");
    fetch(`${root}${prefix}/component_server/`, {
        method: "POST",
        keepalive: true,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
            data: { token, do: "leave" }, component_id: id, fn_name: "live", session_hash: token,
        }),
    });
}

find("start").addEventListener("click", start);
find("camera").addEventListener("change", () => { if (stream) start(); });
find("off").addEventListener("click", () => {
    stop();
    tell("The camera is off.");
    find("start").focus({ preventScroll: true });
});
find("capture").addEventListener("click", capture);
find("record").addEventListener("click", record);
find("pause").addEventListener("click", () => {
    running = !running;
    enable();
    if (running) {
        drawn = [];
        run();
    }
});
find("snapshot").addEventListener("click", async () => {
    const answer = await ask({ do: "snapshot" });
    if (answer.picture) save(answer.picture, "depthmask.png");
});
find("views").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    view = button.dataset.view;
    for (const other of find("views").querySelectorAll("button")) {
        other.setAttribute("aria-pressed", other === button);
    }
    find("choose").hidden = view !== "backdrop";
    look();
});
find("colour").addEventListener("input", async () => {
    if (captured) await ask({ do: "backdrop" }); // takes a picture away that was chosen before
    look();
});
find("file").addEventListener("change", (event) => {
    if (event.target.files[0]) chooseBackdrop(event.target.files[0]);
});
if (video.requestVideoFrameCallback) watch();
window.addEventListener("pagehide", () => { if (captured) leave(); });
if (!window.isSecureContext) tell(INSECURE, true);
enable();
