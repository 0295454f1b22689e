// How fast frames come and how late they are, over the last seconds.

const RATE_MS = 3000; // the frames per second are counted over this time,
const MIN_RATE_FRAMES = 5; // or over this many frames, if they take longer

export function createClock() {
    let drawn = []; // [when drawn, milliseconds since taken] of the last frames
    return {
        reset() { drawn = []; },
        note(now, takenAt) {
            drawn.push([now, now - takenAt]);
            drawn = drawn.filter(([when], place) =>
                when > now - RATE_MS || place >= drawn.length - MIN_RATE_FRAMES);
        },
        // Frames a second; null until there are two.
        rate(now) {
            if (drawn.length < 2) return null;
            return 1000 * (drawn.length - 1) / Math.max(now - drawn[0][0], 1);
        },
        // The median of the milliseconds from the camera to the screen.
        latency() {
            const delays = drawn.map(([, delay]) => delay).sort((a, b) => a - b);
            return delays[delays.length >> 1];
        },
    };
}

// The mean of the IoU of all frames that had a true mask.
export function createMean() {
    let [sum, count] = [0, 0];
    return {
        reset() { [sum, count] = [0, 0]; },
        note(value) { [sum, count] = [sum + value, count + 1]; },
        get value() { return count ? sum / count : null; },
    };
}
