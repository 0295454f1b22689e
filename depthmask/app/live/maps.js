// The maps that the server sends, as small canvases to draw with. Instead of the address of a picture,
// there may be grey levels, { height, width, data }.

// A canvas whose alpha is the mask.
export async function readMask(url) {
    const { canvas, pencil, pixels } = await read(url);
    const { data } = pixels;
    for (let place = 0; place < data.length; place += 4) {
        data[place + 3] = data[place];
        data[place] = data[place + 1] = data[place + 2] = 255;
    }
    pencil.putImageData(pixels, 0, 0);
    return canvas;
}

// A canvas of depth in colours; `colours` has [red, green, blue] for each level.
export async function readDepth(url, colours) {
    const { canvas, pencil, pixels } = await read(url);
    const { data } = pixels;
    for (let place = 0; place < data.length; place += 4) {
        [data[place], data[place + 1], data[place + 2]] = colours[data[place]];
    }
    pencil.putImageData(pixels, 0, 0);
    return canvas;
}

// The colours of a legend: "rrggbb" for each level, one after the other.
export function readColours(text) {
    return text.match(/.{6}/g).map((colour) =>
        [0, 2, 4].map((place) => parseInt(colour.slice(place, place + 2), 16)));
}

// The picture of an address; one that is a picture already stays as it is.
export async function readPicture(url) {
    if (typeof url !== "string") return url;
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return picture;
}

async function read(source) {
    const picture = await readPicture(source);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.width, picture.height];
    const pencil = canvas.getContext("2d", { willReadFrequently: true });
    if (picture.data) return { canvas, pencil, pixels: fromLevels(picture) };
    pencil.drawImage(picture, 0, 0);
    return { canvas, pencil, pixels: pencil.getImageData(0, 0, canvas.width, canvas.height) };
}

function fromLevels({ width, height, data }) {
    const pixels = new ImageData(width, height);
    for (let place = 0; place < pixels.data.length; place += 4) {
        const level = data[place >> 2];
        [pixels.data[place], pixels.data[place + 1], pixels.data[place + 2]] = [level, level, level];
        pixels.data[place + 3] = 255;
    }
    return pixels;
}
