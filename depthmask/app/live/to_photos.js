// Takes pictures out of the live tab to the photos tab.

import { canvasPng } from "../photos/stage_save.js";

// Sends canvases or pictures. The photos tab listens on the document, and brings itself to the front.
export async function sendToPhotos(background, image) {
    const detail = {
        background: await fileOf(background, "live-background.png"),
        image: await fileOf(image, "live-image.png"),
    };
    document.dispatchEvent(new CustomEvent("depthmask:photos", { detail }));
}

async function fileOf(picture, name) {
    let canvas = picture;
    if (!(picture instanceof HTMLCanvasElement)) {
        canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [picture.width, picture.height];
        canvas.getContext("2d").drawImage(picture, 0, 0);
    }
    const content = await canvasPng(canvas);
    return new File([content], name, { type: content.type });
}
