// What may be put behind the foreground: pictures drawn by code, and the visitor's own.

const OWN_SIDE = 1280; // longest side of an own picture, in pixels

function gradient(pencil, [left, top, right, bottom], stops) {
    const fill = pencil.createLinearGradient(left, top, right, bottom);
    for (const [place, colour] of stops) fill.addColorStop(place, colour);
    return fill;
}

function disc(pencil, x, y, radius) {
    pencil.beginPath();
    pencil.arc(x, y, radius, 0, 2 * Math.PI);
    pencil.fill();
}

// Numbers in [0, 1) that are the same each time.
function numbers(seed) {
    let state = seed;
    return () => {
        state = (1664525 * state + 1013904223) % 4294967296;
        return state / 4294967296;
    };
}

function ridge(pencil, width, height, base, rise, seed) {
    const random = numbers(seed);
    const [first, second] = [random() * 6, random() * 6];
    pencil.beginPath();
    pencil.moveTo(0, height);
    for (let x = 0; x <= width; x += 2) {
        const at = x / width;
        const up = Math.sin(5 * at + first) + 0.5 * Math.sin(13 * at + second)
            + 0.12 * Math.sin(41 * at + first);
        pencil.lineTo(x, height * (base - rise * up));
    }
    pencil.lineTo(width, height);
    pencil.fill();
}

const DRAW = {
    hills(pencil, width, height) {
        pencil.fillStyle = gradient(pencil, [0, 0, 0, height],
            [[0, "#6fa8d6"], [0.55, "#f3d9c0"], [1, "#f7c9a0"]]);
        pencil.fillRect(0, 0, width, height);
        pencil.fillStyle = "#fff3d6";
        disc(pencil, 0.74 * width, 0.3 * height, 0.07 * height);
        for (const [base, rise, colour, seed] of [[0.62, 0.07, "#8fa9bf", 3],
            [0.74, 0.06, "#587d8c", 8], [0.88, 0.05, "#2f5a55", 21]]) {
            pencil.fillStyle = colour;
            ridge(pencil, width, height, base, rise, seed);
        }
    },
    sea(pencil, width, height) {
        pencil.fillStyle = gradient(pencil, [0, 0, 0, 0.55 * height],
            [[0, "#2b3f77"], [0.6, "#d9708a"], [1, "#ffc27a"]]);
        pencil.fillRect(0, 0, width, 0.56 * height);
        pencil.fillStyle = "#fff0c9";
        disc(pencil, 0.3 * width, 0.52 * height, 0.09 * height);
        pencil.fillStyle = gradient(pencil, [0, 0.55 * height, 0, height],
            [[0, "#e59a7c"], [0.25, "#8a6a93"], [1, "#1f2f5c"]]);
        pencil.fillRect(0, 0.55 * height, width, 0.45 * height);
        const random = numbers(5);
        for (let wave = 0; wave < 160; wave += 1) {
            const y = 0.56 + 0.44 * random() ** 1.5;
            const wide = (y - 0.5) * 0.3 * width * (0.4 + random());
            const near = Math.exp(-(((random() - 0.5) * 2) ** 2) * 3);
            pencil.fillStyle = `rgb(255 225 180 / ${(0.1 + 0.25 * near).toFixed(2)})`;
            const x = (0.3 + (random() - 0.5) * (0.3 + 1.2 * (y - 0.5))) * width;
            pencil.fillRect(x - wide / 2, y * height, wide, Math.max(1, (y - 0.5) * 0.012 * height));
        }
    },
    night(pencil, width, height) {
        pencil.fillStyle = gradient(pencil, [0, 0, 0, height],
            [[0, "#0a1030"], [0.7, "#27306b"], [1, "#5a4a86"]]);
        pencil.fillRect(0, 0, width, height);
        const random = numbers(11);
        for (let star = 0; star < 220; star += 1) {
            pencil.fillStyle = `rgb(255 255 255 / ${(0.25 + 0.7 * random()).toFixed(2)})`;
            disc(pencil, random() * width, random() ** 1.4 * 0.85 * height,
                (0.0007 + 0.0022 * random() ** 3) * width);
        }
        pencil.fillStyle = "#f4efd8";
        disc(pencil, 0.78 * width, 0.22 * height, 0.08 * height);
        pencil.fillStyle = "#131a45";
        disc(pencil, 0.755 * width, 0.2 * height, 0.075 * height);
        pencil.fillStyle = "#0c1026";
        ridge(pencil, width, height, 0.9, 0.05, 17);
    },
    studio(pencil, width, height) {
        pencil.fillStyle = "#41464f";
        pencil.fillRect(0, 0, width, height);
        const light = pencil.createRadialGradient(0.5 * width, 0.42 * height, 0,
            0.5 * width, 0.42 * height, 0.75 * width);
        light.addColorStop(0, "#aeb4bd");
        light.addColorStop(0.5, "#6d737d");
        light.addColorStop(1, "#2c3038");
        pencil.fillStyle = light;
        pencil.fillRect(0, 0, width, height);
        pencil.fillStyle = gradient(pencil, [0, 0.8 * height, 0, height],
            [[0, "rgb(20 22 26 / 0%)"], [1, "rgb(20 22 26 / 60%)"]]);
        pencil.fillRect(0, 0.8 * height, width, 0.2 * height);
    },
};

// Draws a backdrop over the whole canvas.
export function drawBackdrop(name, canvas) {
    DRAW[name](canvas.getContext("2d"), canvas.width, canvas.height);
}

// Draws a picture over the whole canvas; what does not fit is cut off on both sides alike.
export function cover(canvas, picture) {
    const scale = Math.max(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    canvas.getContext("2d").drawImage(
        picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

// Reads a file as a picture of moderate size. Throws if the browser cannot.
export async function readOwn(file) {
    const url = URL.createObjectURL(file);
    const picture = new Image();
    picture.src = url;
    try {
        await picture.decode();
    } finally {
        URL.revokeObjectURL(url);
    }
    const scale = Math.min(1, OWN_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas;
}
