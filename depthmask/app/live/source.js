// Where frames come from: a camera, or a clip that is played as one, with its true masks if there
// are some. Frames are never sent mirrored, but may be shown mirrored.

const LONGEST_SIDE = 640;
const NO_PICTURE_MS = 1000; // a camera without a new picture for so long is asked for its last one
const CLIP_STEP_MS = 33; // a clip shows its next picture no sooner,
const MAX_CLIP_STEP_MS = 250; // and goes on by no more, however long a frame takes
const KEPT = 5; // pictures: of frames under way, of the one that is shown, and a new one
const AFTER_THE_END_S = 1e7; // where to look for the length of a clip that does not tell it

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// Setting a size takes time even if it stays the same.
export function resize(canvas, width, height) {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
}

// `video` is on the page; `onGone` is called when the camera was unplugged; `encode(canvas, exact)` makes
// of a picture what a message has of it.
export function createSource(video, onGone, encode) {
    const pictures = Array.from({ length: KEPT }, () => document.createElement("canvas"));
    const truthStill = document.createElement("canvas");
    let next = 0; // of the pictures
    let stream = null;
    let clip = null; // { truth: a video or null, at: seconds, shownAt: by performance.now() }
    let takenAt = 0; // when the camera took the newest picture, by performance.now()
    let sentAt = 0; // the same of the picture that was sent last
    let tellPicture = () => {}; // is called when the camera has a new picture

    // Some browsers tell when a picture was taken.
    function watch() {
        video.requestVideoFrameCallback((now, about) => {
            takenAt = about.captureTime || about.expectedDisplayTime || now;
            tellPicture();
            watch();
        });
    }
    if (video.requestVideoFrameCallback) watch();

    // Opens a camera: "user", "environment" or the id of a device. Throws what getUserMedia throws.
    async function openCamera(chosen) {
        close();
        const which = chosen === "user" || chosen === "environment"
            ? { facingMode: chosen } : { deviceId: { exact: chosen } };
        const opened = await navigator.mediaDevices.getUserMedia({
            video: { width: { ideal: 640 }, height: { ideal: 480 }, ...which },
        });
        close();
        stream = opened;
        const track = stream.getVideoTracks()[0];
        track.addEventListener("ended", onGone);
        video.srcObject = stream;
        await video.play();
        // people expect a mirror image from a camera that faces them
        const rear = track.getSettings().facingMode === "environment" || chosen === "environment";
        return { mirrored: !rear };
    }

    // Opens files of video: the scene, and its true masks or null. Throws the name of a file that
    // cannot be played.
    async function openClip(file, masks) {
        close();
        const truth = masks && document.createElement("video");
        await load(video, file);
        if (truth) await load(truth, masks);
        clip = { truth, at: 0, shownAt: performance.now() };
        await seek(0);
    }

    function close() {
        if (stream) for (const track of stream.getTracks()) track.stop();
        if (video.src) URL.revokeObjectURL(video.src);
        if (clip && clip.truth) URL.revokeObjectURL(clip.truth.src);
        stream = null;
        clip = null;
        video.srcObject = null;
        video.removeAttribute("src");
    }

    // Shows a moment of the clip, and of its true masks.
    async function seek(seconds) {
        clip.at = seconds % video.duration;
        clip.shownAt = performance.now();
        await Promise.all([video, clip.truth].filter(Boolean).map((each) => seekTo(each, clip.at)));
    }

    // Waits for a picture that was not sent yet; returns the milliseconds that took.
    async function nextPicture() {
        const begin = performance.now();
        if (clip) {
            const passed = performance.now() - clip.shownAt;
            const step = Math.min(Math.max(passed, CLIP_STEP_MS), MAX_CLIP_STEP_MS);
            await pause(step - passed);
            if (clip) await seek(clip.at + step / 1000);
        } else if (!video.requestVideoFrameCallback) {
            await new Promise((done) => requestAnimationFrame(done));
        } else if (takenAt === sentAt) {
            const told = new Promise((done) => { tellPicture = done; });
            await Promise.race([told, pause(NO_PICTURE_MS)]);
        }
        sentAt = takenAt;
        return performance.now() - begin;
    }

    // The picture that is shown: { picture: a canvas, message: what is sent of it }.
    function grab() {
        const picture = pictures[next];
        next = (next + 1) % KEPT;
        const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
        resize(picture, Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
        picture.getContext("2d").drawImage(video, 0, 0, picture.width, picture.height);
        const timed = !clip && video.requestVideoFrameCallback && takenAt;
        const message = {
            frame: encode(picture, false),
            at: timed ? takenAt : performance.now(),
        };
        if (clip && clip.truth) {
            resize(truthStill, picture.width, picture.height);
            const pencil = truthStill.getContext("2d");
            pencil.imageSmoothingEnabled = false; // the labels' greys mean something
            pencil.drawImage(clip.truth, 0, 0, picture.width, picture.height);
            message.truth = encode(truthStill, true);
        }
        return { picture, message };
    }

    // A camera that adapts to what enters the scene would also change the empty scene. Returns the
    // names of what was set to "manual" or "continuous".
    async function lock(mode) {
        if (!stream) return [];
        const track = stream.getVideoTracks()[0];
        const can = track.getCapabilities ? track.getCapabilities() : {};
        const done = [];
        for (const [name, word] of [["exposureMode", "exposure"],
            ["whiteBalanceMode", "white balance"], ["focusMode", "focus"]]) {
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

    return {
        openCamera,
        openClip,
        close,
        rewind: () => seek(0),
        skip: async (milliseconds) => { if (clip) await seek(clip.at + milliseconds / 1000); },
        nextPicture,
        grab,
        lock,
        get isOpen() { return stream !== null || clip !== null; },
        get isClip() { return clip !== null; },
        get hasTruth() { return clip !== null && clip.truth !== null; },
    };
}

// All cameras, as { label, id }; empty where there is one, or none may be named.
export async function listCameras() {
    const cameras = (await navigator.mediaDevices.enumerateDevices())
        .filter((device) => device.kind === "videoinput" && device.label);
    return cameras.length > 1
        ? cameras.map(({ label, deviceId }) => ({ label, id: deviceId })) : [];
}

async function load(video, file) {
    video.muted = true;
    video.preload = "auto";
    video.src = URL.createObjectURL(file);
    await new Promise((done, fail) => {
        video.addEventListener("loadeddata", done, { once: true });
        video.addEventListener("error", () => fail(new Error(file.name)), { once: true });
    });
    if (video.duration === Infinity) await seekTo(video, AFTER_THE_END_S);
    if (!video.videoWidth || !Number.isFinite(video.duration)) throw new Error(file.name);
}

function seekTo(video, seconds) {
    const done = new Promise((seeked) => {
        video.addEventListener("seeked", seeked, { once: true });
    });
    video.currentTime = seconds;
    return done;
}
