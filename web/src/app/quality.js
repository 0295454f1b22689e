// How much a live frame may cost: a ladder of qualities, on which a visitor moves down and up; see
// depthmask/app/live/quality.py. Here, the network stays the one that was chosen.

import { fill, TEXTS } from "../texts.js";

const TEXT = TEXTS.live;
const TARGET_RATE = 15; // frames a second that a visitor should get
const TARGET_MS = 1000 / TARGET_RATE;
const MIN_SHARE = 1 / 3; // of the target's time is the network's, however slow all else is
const WEIGHT = 0.3; // of the newest frame in the mean times
const DOWN_FRAMES = 4; // on a rung before a step down,
const [FAR_FRAMES, FAR] = [2, 2]; // or fewer, where the network takes so many times what it may
const UP_FRAMES = 45; // on a rung before a step up; twice as many after each step that was too much
const MAX_UP_FRAMES = 720;
const HEADROOM = 0.8; // of the network's time is what a better rung may take, by estimate
const RESOLUTIONS = [160, 112]; // below the network's own

export class Quality {
    constructor(resolution) {
        this.ladder = [resolution, ...RESOLUTIONS.filter((each) => each < resolution)];
        Object.assign(this, { fixed: false, place: 0, frames: 0, patience: UP_FRAMES, networkMs: 0, othersMs: 0 });
    }

    get resolution() {
        return this.ladder[this.place];
    }

    // What a visitor may fix, best first.
    get choices() {
        return this.ladder.map((resolution) => fill(TEXT.pixels, { resolution }));
    }

    get sentence() {
        const name = this.choices[this.place];
        if (this.fixed) return fill(TEXT.quality_fixed, { name });
        if (!this.place) return fill(TEXT.quality_best, { name });
        return fill(TEXT.quality_lowered, { rate: TARGET_RATE, name: `${name}, not ${this.ladder[0]}` });
    }

    // Fixes a rung by its place among the choices; anything else lets the time decide.
    choose(wanted) {
        const place = this.ladder.findIndex((_, k) => String(k) === wanted);
        this.fixed = place >= 0;
        if (this.fixed && place !== this.place) this.move(place);
    }

    // Takes the milliseconds of a frame, those of the network and all others, and steps if that is due.
    note(networkMs, othersMs) {
        this.frames += 1;
        if (this.fixed || this.frames === 1) return; // the first run of a size prepares it
        const weight = this.frames === 2 ? 1 : WEIGHT;
        this.networkMs += weight * (networkMs - this.networkMs);
        this.othersMs += weight * (othersMs - this.othersMs);
        const allowed = Math.max(TARGET_MS - this.othersMs, MIN_SHARE * TARGET_MS);
        if (this.networkMs > allowed) {
            const isFar = this.networkMs > FAR * allowed;
            if (this.frames > (isFar ? FAR_FRAMES : DOWN_FRAMES)) this.stepDown(allowed);
        } else if (this.place && this.frames > this.patience && this.estimate(this.place - 1) <= HEADROOM * allowed) {
            this.move(this.place - 1);
        }
    }

    // Goes to the best rung that should do, at once.
    stepDown(allowed) {
        const last = this.ladder.length - 1;
        if (this.place === last) return;
        this.patience = Math.min(2 * this.patience, MAX_UP_FRAMES);
        const fitting = this.ladder.findIndex((_, k) => k > this.place && this.estimate(k) <= allowed);
        this.move(fitting < 0 ? last : fitting);
    }

    move(place) {
        Object.assign(this, { place, frames: 0 });
    }

    // Milliseconds of the network on another rung, by what it takes on this one.
    estimate(place) {
        return this.networkMs * (this.ladder[place] / this.resolution) ** 2;
    }
}
