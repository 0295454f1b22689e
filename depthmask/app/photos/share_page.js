// A result as one HTML file that shows it anywhere: image, mask, depth, cut-out and figures.
//
// The file has no script, and its policy forbids browsers to load anything. What makes a picture larger
// is the address, such as #mask.

import { COLOURS } from "./page_colours.js";
import { picture } from "./share_link.js";
import { cutoutPng } from "./stage_save.js";
import { canvasOf, DEPTH_VIEWS, MASK_VIEWS, toCanvas } from "./stage_views.js";

const MAX_SIDE = 1280; // of a picture, in pixels
const QUALITY = 0.85;
const LEGEND = 16; // colours
const STYLE = `
${COLOURS}:root { color-scheme: light dark; }
body { max-width: 1900px; margin: 0 auto; padding: clamp(14px, 3vw, 32px); background: var(--body-background-fill); color: var(--body-text-color);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { margin: 0; font-size: 22px; overflow-wrap: anywhere; } p { margin: 0; color: var(--quiet); } a { color: inherit; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 20px; margin: 18px 0; }
figure { margin: 0; } figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; margin-bottom: 6px; }
h2 { margin: 0; font-size: 15px; font-weight: 600; } figcaption a { margin-left: auto; font-size: 13px; }
figcaption span { color: var(--quiet); font-size: 13px; } figcaption b { color: var(--body-text-color); font-size: 15px; }
img { display: block; width: min(100%, 66vh * var(--aspect)); height: auto; border-radius: 8px; border: 1px solid var(--border-color-primary); box-sizing: border-box; }
.board { background: var(--board) 0 0 / 24px 24px; }
.bar { display: inline-block; width: 90px; height: 8px; margin: 0 4px; border-radius: 4px; }
figure .less, figure:target .more { display: none; } figure:target .less { display: inline; }
figure:target { grid-column: 1 / -1; order: -1; } figure:target img { width: min(100%, 90vh * var(--aspect)); }
@media (max-width: 900px) { figcaption a { display: none !important; } img { width: 100%; } }
footer { padding-top: 12px; border-top: 1px solid var(--border-color-primary); font-size: 13px; }`;

// The file of a result, as Stage.result() of stage.js returns it. `convention` says what depth means,
// `home` is the address of the page for the file to link to, or null.
export async function resultPage(result, { convention, home = null }) {
    const { scene, figures, repaired } = result;
    const { description } = scene;
    const pictures = await drawAll(result);
    const page = document.implementation.createHTMLDocument(`${description.name || "A result"} by depthmask`);
    const add = (tag, attributes, ...children) => element(page, tag, attributes, ...children);
    page.documentElement.lang = "en";
    page.head.prepend(
        add("meta", { charset: "utf-8" }),
        add("meta", { "http-equiv": "Content-Security-Policy", content: "default-src 'none'; img-src data:; style-src 'unsafe-inline'" }),
        add("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
        add("meta", { name: "generator", content: "depthmask" }),
        add("style", {}, STYLE));
    const figure = (name, label, alt, ...notes) => add("figure", { id: name },
        add("figcaption", {}, add("h2", {}, label), ...notes,
            add("a", { class: "more", href: `#${name}` }, "Larger"), add("a", { class: "less", href: "#all" }, "Smaller")),
        add("img", { src: pictures[name], alt, class: name === "cutout" ? "board" : null }));
    const told = (name, value, words) => (value === null ? null : add("span", {}, `${name} `, add("b", {}, value.toFixed(3)), ` ${words}`));
    page.body.append(
        add("header", { id: "all" }, add("h1", {}, description.name || "A result"),
            add("p", {}, `What is new in a photo of ${description.size.join(" × ")} pixels, and how far away everything is.`
                + ` Found by depthmask; saved on ${new Date().toISOString().slice(0, 10)}.`)),
        add("main", { style: `--aspect: ${scene.width / scene.height}` },
            figure("image", "Image", "The image"),
            figure("mask", "Mask", "The foreground in white, the background in black",
                told("IoU", figures.iou, repaired ? "against the true mask, after repair by hand" : "against the true mask: 1 is perfect")),
            figure("cutout", "Cut-out", "The foreground alone, on a checkerboard"),
            figure("depth", "Depth", "Depth in colours from yellow, near, to black, far",
                add("span", {}, "near", add("span", { class: "bar", style: `background: ${legend(scene)}` }), "far"),
                told("RMSE", figures.rmse, "against the true depth: 0 is perfect"))),
        add("footer", {}, add("p", {}, `Depth is relative. ${convention}`),
            home && add("p", {}, "Predict your own photos, in your browser: ", add("a", { href: home }, home))));
    return new Blob([`<!doctype html>\n${page.documentElement.outerHTML}\n`], { type: "text/html" });
}

function element(page, tag, attributes, ...children) {
    const made = page.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
    made.append(...children.filter((child) => child !== null));
    return made;
}

// The pictures as addresses with their content.
async function drawAll({ scene, look }) {
    const { width, height } = scene;
    const area = { left: 0, top: 0, right: width, bottom: height };
    const draw = (view) => {
        const out = new Int32Array(width * height);
        view.draw(look, out, area);
        return toCanvas(out, width, height);
    };
    const written = {
        image: await write(toCanvas(scene.image, width, height)),
        mask: await write(draw(MASK_VIEWS.alpha)),
        depth: await write(draw(DEPTH_VIEWS.depth)),
        cutout: await writeCutout(look),
    };
    const found = Object.entries(written).map(async ([name, content]) => [name, await address(content)]);
    return Object.fromEntries(await Promise.all(found));
}

const write = (canvas) => picture(small(canvas), QUALITY);

function small(canvas) {
    const scale = Math.min(1, MAX_SIDE / Math.max(canvas.width, canvas.height));
    if (scale === 1) return canvas;
    const [copy, pencil] = canvasOf(Math.round(canvas.width * scale), Math.round(canvas.height * scale));
    pencil.imageSmoothingQuality = "high";
    pencil.drawImage(canvas, 0, 0, copy.width, copy.height);
    return copy;
}

// With alpha, of which JPEG has none.
async function writeCutout(look) {
    const { scene: { foreground, width, height }, alpha } = look;
    const pixels = foreground.map((colour, i) => (colour & 0xffffff) | (alpha[i] << 24));
    const found = await picture(small(toCanvas(pixels, width, height)), QUALITY);
    return found.type === "image/webp" ? found : cutoutPng(look);
}

function address(content) {
    return new Promise((done, fail) => {
        const reader = new FileReader();
        [reader.onload, reader.onerror] = [() => done(reader.result), () => fail(reader.error)];
        reader.readAsDataURL(content);
    });
}

function legend({ palette }) {
    const colours = Array.from({ length: LEGEND }, (_, k) => {
        const colour = palette[Math.round(255 * k / (LEGEND - 1))];
        return `rgb(${colour & 255} ${(colour >>> 8) & 255} ${(colour >>> 16) & 255})`;
    });
    return `linear-gradient(90deg, ${colours.join(", ")})`;
}
