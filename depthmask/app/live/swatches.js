// The swatches: each is a view, or a backdrop for what is in the scene.

import { cover, drawBackdrop } from "./backdrops.js";

const SKIN = "#c9b8a8";
const WALL = "#8b8378";
const [WIDTH, HEIGHT] = [96, 72]; // of a swatch's picture

// `root` holds the radio buttons; `onChange` is called when another one is chosen.
export function createSwatches(root, onChange) {
    let own = { own: null, number: 0 };
    for (const label of root.querySelectorAll("label[data-view]")) paint(label, own);
    root.addEventListener("change", ({ target }) => { if (target.type === "radio") onChange(); });

    function offer(view) {
        const label = root.querySelector(`[data-offer="${view}"]`);
        label.hidden = false;
        paint(label, own);
        label.querySelector("input").checked = true;
        onChange();
    }

    const chosen = () => root.querySelector("input[type=radio]:checked").closest("label");
    return {
        // What `compose` draws.
        get look() { return { ...chosen().dataset, ...own }; },
        get label() { return chosen().textContent.trim(); },
        offerColour(colour) {
            root.querySelector('[data-offer="colour"]').dataset.colour = colour;
            offer("colour");
        },
        offerPicture(picture) {
            own = { own: picture, number: own.number + 1 };
            offer("own");
        },
    };
}

function paint(label, { own }) {
    const canvas = label.querySelector("canvas");
    [canvas.width, canvas.height] = [WIDTH, HEIGHT];
    const pencil = canvas.getContext("2d");
    const { view, colour, picture } = label.dataset;
    const fill = (style) => {
        pencil.fillStyle = style;
        pencil.fillRect(0, 0, WIDTH, HEIGHT);
    };
    if (view === "mask") fill("black");
    else if (view === "colour") fill(colour);
    else if (view === "picture") drawBackdrop(picture, canvas);
    else if (view === "own" && own) cover(canvas, own);
    else if (view === "composite") fill(WALL);
    else if (view === "blur") drawBackdrop("hills", canvas);
    else if (view === "depth") {
        const fade = pencil.createLinearGradient(0, 0, 0, HEIGHT);
        for (const [place, shade] of [[0, "#0d0829"], [0.6, "#57106e"], [1, "#932667"]]) {
            fade.addColorStop(place, shade);
        }
        fill(fade);
    }
    if (view === "blur") {
        pencil.drawImage(canvas, 0, 0, 8, 6);
        pencil.drawImage(canvas, 0, 0, 8, 6, 0, 0, WIDTH, HEIGHT);
    }
    person(pencil, { mask: "white", composite: "#d97f2a", depth: "#fca50a" }[view] || SKIN);
}

function person(pencil, style) {
    pencil.fillStyle = style;
    pencil.beginPath();
    pencil.ellipse(WIDTH / 2, 0.42 * HEIGHT, 0.15 * HEIGHT, 0.18 * HEIGHT, 0, 0, 2 * Math.PI);
    pencil.ellipse(WIDTH / 2, 1.04 * HEIGHT, 0.36 * HEIGHT, 0.38 * HEIGHT, 0, 0, 2 * Math.PI);
    pencil.fill();
}
