// Transforms: 3 x 3 matrices on pixel positions (x, y, 1) with pixel centres at whole numbers, as nine
// numbers row by row; see depthmask/inference/transforms.py.

import { array } from "../pictures/arrays.js";

function multiply(a, b) {
    return Array.from({ length: 9 }, (_, k) => {
        const [row, column] = [3 * Math.floor(k / 3), k % 3];
        return a[row] * b[column] + a[row + 1] * b[column + 3] + a[row + 2] * b[column + 6];
    });
}

export const chain = (...transforms) => transforms.reduce(multiply);

export function inverse([a, b, c, d, e, f, g, h, i]) {
    const cofactors = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f,
        d * h - e * g, b * g - a * h, a * e - b * d];
    const determinant = a * cofactors[0] + b * cofactors[3] + c * cofactors[6];
    return cofactors.map((value) => value / determinant);
}

export const normalised = (transform) => transform.map((value) => value / transform[8]);

export function apply(transform, x, y) {
    const w = transform[6] * x + transform[7] * y + transform[8];
    return [(transform[0] * x + transform[1] * y + transform[2]) / w,
        (transform[3] * x + transform[4] * y + transform[5]) / w];
}

export const translation = (x, y) => [1, 0, x, 0, 1, y, 0, 0, 1];

// Scales as OpenCV's resize does.
export const scaling = (x, y) => [x, 0, (x - 1) / 2, 0, y, (y - 1) / 2, 0, 0, 1];

// From pixel positions in a picture to those in a copy of another size.
export const between = (size, other) => scaling(other.width / size.width, other.height / size.height);

// Lets a picture cover a frame, or lie in it, centre on centre; both have { height, width }.
export const fit = (picture, frame) => centred(Math.max, picture, frame);
export const contain = (picture, frame) => centred(Math.min, picture, frame);

function centred(choose, picture, frame) {
    const scale = choose(frame.height / picture.height, frame.width / picture.width);
    return multiply(translation((frame.width - picture.width * scale) / 2,
        (frame.height - picture.height * scale) / 2), scaling(scale, scale));
}

// Moves a picture into a frame; its edges go on where it does not cover it.
export function warped(picture, transform, height, width) {
    const { channels, data } = picture;
    const [rows, columns] = [picture.height - 1, picture.width - 1];
    const integers = !(data instanceof Float32Array);
    const result = new data.constructor(height * width * channels);
    const back = inverse(transform);
    for (let y = 0, at = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
            const w = back[6] * x + back[7] * y + back[8];
            const u = Math.max(0, Math.min(columns, (back[0] * x + back[1] * y + back[2]) / w));
            const v = Math.max(0, Math.min(rows, (back[3] * x + back[4] * y + back[5]) / w));
            const [left, top] = [Math.floor(u), Math.floor(v)];
            const [across, down] = [u - left, v - top];
            const first = (top * (columns + 1) + left) * channels;
            const right = left < columns ? channels : 0;
            const below = top < rows ? (columns + 1) * channels : 0;
            for (let c = first; c < first + channels; c += 1, at += 1) {
                const upper = data[c] + across * (data[c + right] - data[c]);
                const lower = data[c + below] + across * (data[c + below + right] - data[c + below]);
                const value = upper + down * (lower - upper);
                result[at] = integers ? value + 0.5 : value;
            }
        }
    }
    return array(height, width, channels, result);
}

// The pixels of a frame that a picture covers: a mask. A pixel reaches `reach` around its centre.
export function covered(picture, transform, height, width, reach = 0) {
    const mask = new Uint8Array(height * width);
    const back = inverse(transform);
    const [right, bottom] = [picture.width - 1 + reach, picture.height - 1 + reach];
    for (let y = 0, i = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1, i += 1) {
            const [u, v] = apply(back, x, y);
            mask[i] = u >= -reach && v >= -reach && u <= right && v <= bottom;
        }
    }
    return array(height, width, 1, mask);
}

// Solves a square system of linear equations, in place; null where it has no one solution.
export function solve(matrix, values) {
    const n = values.length;
    const scale = Math.max(...matrix.map((row, k) => Math.abs(row[k])));
    for (let k = 0; k < n; k += 1) {
        let pivot = k;
        for (let row = k + 1; row < n; row += 1) if (Math.abs(matrix[row][k]) > Math.abs(matrix[pivot][k])) pivot = row;
        if (!(Math.abs(matrix[pivot][k]) > 1e-12 * scale)) return null;
        [matrix[k], matrix[pivot]] = [matrix[pivot], matrix[k]];
        [values[k], values[pivot]] = [values[pivot], values[k]];
        for (let row = k + 1; row < n; row += 1) {
            const factor = matrix[row][k] / matrix[k][k];
            for (let column = k; column < n; column += 1) matrix[row][column] -= factor * matrix[k][column];
            values[row] -= factor * values[k];
        }
    }
    for (let k = n - 1; k >= 0; k -= 1) {
        for (let column = k + 1; column < n; column += 1) values[k] -= matrix[k][column] * values[column];
        values[k] /= matrix[k][k];
    }
    return values;
}
