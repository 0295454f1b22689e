// Pictures and maps: { height, width, channels, data }, row by row, channels together.
//
// A picture has three channels of 8 bits, RGB. A map has one of 32-bit floats, and a mask one of bytes
// that are 0 or 1.

export const array = (height, width, channels, data) => ({ height, width, channels, data });

// An array of the same size, with a value of each pixel of a map or mask.
export function mapped(from, value, Type = Float32Array) {
    const data = new Type(from.data.length);
    for (let i = 0; i < data.length; i += 1) data[i] = value(from.data[i], i);
    return { ...from, data };
}

// One channel of a picture or of several floats.
export function channel(from, index) {
    const { height, width, channels, data } = from;
    const one = new data.constructor(height * width);
    for (let i = 0, at = index; i < one.length; i += 1, at += channels) one[i] = data[at];
    return array(height, width, 1, one);
}

export function count(mask) {
    let sum = 0;
    for (let i = 0; i < mask.data.length; i += 1) if (mask.data[i]) sum += 1;
    return sum;
}

// The mean of a map's values where a mask is set; of all without one.
export function mean(map, where = null) {
    let [sum, number] = [0, 0];
    for (let i = 0; i < map.data.length; i += 1) {
        if (where && !where.data[i]) continue;
        sum += map.data[i];
        number += 1;
    }
    return number ? sum / number : NaN;
}

// The box around what is above 0 in a map or mask: { top, left, height, width }; null where all is 0.
export function boundingBox({ height, width, data }) {
    let [top, left, bottom, right] = [height, width, -1, -1];
    for (let y = 0, i = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1, i += 1) {
            if (!(data[i] > 0)) continue;
            if (y < top) top = y;
            if (x < left) left = x;
            if (x > right) right = x;
            bottom = y;
        }
    }
    return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

// A quantile of numbers that are sorted here, interpolated as numpy does it.
export function quantile(values, share) {
    const sorted = (values instanceof Uint8Array ? values.slice() : Float64Array.from(values)).sort();
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

// The nearest whole number; halves go to the even one, as in Python.
export function round(value) {
    const floor = Math.floor(value);
    const rest = value - floor;
    if (rest !== 0.5) return Math.round(value);
    return floor % 2 ? floor + 1 : floor;
}

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

// (H, W, 3) -> (H, W), of 8 bits, weighted as luma.
export function toGrey({ height, width, data }) {
    const grey = new Uint8Array(height * width);
    for (let i = 0, at = 0; i < grey.length; i += 1, at += 3) {
        grey[i] = (4899 * data[at] + 9617 * data[at + 1] + 1868 * data[at + 2] + 8192) >> 14;
    }
    return array(height, width, 1, grey);
}
