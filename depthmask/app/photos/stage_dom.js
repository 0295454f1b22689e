// Small helpers to build elements. Texts become text, never markup.

// make("button", { class: "stage-tool", onclick, "aria-label": "…" }, "text", child, …)
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, value);
        }
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

// A button with a drawing of 24 x 24 units.
export function iconButton(label, path, onclick, attributes = {}) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    svg.append(line);
    return make("button", {
        type: "button", class: "stage-tool", "aria-label": label, title: label, onclick, ...attributes,
    }, svg);
}

// A group of radio buttons: one tab stop, and arrow keys move in it. `choose(name)` is called.
let groups = 0;
export function radioRow(label, options, chosen, choose) {
    groups += 1;
    const group = `stage-group-${groups}`;
    const row = make("div", { class: "stage-views", role: "radiogroup", "aria-label": label });
    for (const [name, text] of options) {
        row.append(make("label", {}, make("input", {
            type: "radio", name: group, value: name, checked: name === chosen,
            onchange: () => choose(name),
        }), make("span", {}, text)));
    }
    return row;
}

export function slider(label, { min, max, step, value, unit = "" }, change) {
    const show = (number) => `${number}${unit}`;
    const told = make("span", { class: "stage-value", "aria-hidden": "true" }, show(value));
    const input = make("input", {
        type: "range", min, max, step, value, "aria-label": label,
        oninput: () => {
            told.textContent = show(input.value);
            change(Number(input.value));
        },
    });
    const row = make("label", { class: "stage-slider" }, make("span", {}, label), input, told);
    row.set = (number) => {
        input.value = number;
        told.textContent = show(number);
    };
    return row;
}

export const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
