// Takes pictures and recordings out of the live tab: to the disk, or to the photos tab.

// A PNG of a canvas or a picture.
export async function canvasFile(picture, name) {
    let canvas = picture;
    if (!(picture instanceof HTMLCanvasElement)) {
        canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [picture.width, picture.height];
        canvas.getContext("2d").drawImage(picture, 0, 0);
    }
    const type = "image/png";
    const blob = await new Promise((done) => canvas.toBlob(done, type));
    return new File([blob], name, { type });
}

export function saveFile(file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = file.name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// The photos tab listens on the document, and brings itself to the front.
export function sendToPhotos(background, image) {
    const detail = { background, image };
    document.dispatchEvent(new CustomEvent("depthmask:photos", { detail }));
}
