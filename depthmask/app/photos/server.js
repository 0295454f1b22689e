// Files on their way to the server, and the addresses of its files.

import { readLink } from "./share_link.js";
import { addresses } from "./share_panel.js";

export const SILENT = "The server does not answer: check that it still runs, then reload this page.";

// A name that nobody can guess. crypto.randomUUID exists by https alone.
export const newToken = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0")).join("");

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function api(path) {
    const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
    return `${root}${prefix}${path}`;
}

// The address of a file of the server.
export const addressOf = (path) => api(`/file=${path.split("/").map(encodeURIComponent).join("/")}`);

// Uploads a file; returns its path on the server. An Error says in a sentence what failed.
export async function uploadFile(file, maxBytes) {
    if (file.size > maxBytes) {
        const [size, most] = [file.size, maxBytes].map((bytes) => Math.ceil(bytes / 1e6));
        throw new Error(`${file.name} has ${size} MB; a picture may have at most ${most} MB.`);
    }
    const body = new FormData();
    body.append("files", file);
    let answer;
    try {
        answer = await fetch(api("/upload"), { method: "POST", body });
    } catch {
        throw new Error(`${file.name} could not be sent: check the connection, and drop it again.`);
    }
    if (!answer.ok) throw new Error((await answer.text()) || `${file.name} was refused; try again.`);
    const [path] = await answer.json();
    return path;
}

// Tells the server that a page is left: calls the function of a gr.HTML, which both have one name, even
// while the page closes.
export function leave(name, token) {
    const { id } = window.gradio_config.components.find((each) => each.props.elem_id === name);
    fetch(api("/component_server/"), {
        method: "POST",
        keepalive: true,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
            data: { do: "leave", token }, component_id: id, fn_name: name, session_hash: token,
        }),
    });
}

// The address of a static page that was named to the server, or null.
export const home = () => addresses().hosted || null;

// The address of the page, with the name of an example in it: `read()`, and `to(name)`; "" is none.
export const exampleLink = {
    read: () => new URLSearchParams(window.location.search).get("example"),
    to(name) {
        const address = new URL(window.location);
        if (name) address.searchParams.set("example", name);
        else address.searchParams.delete("example");
        if (readLink(address.hash) !== null) address.hash = "";
        return address;
    },
};

// Lets the server fetch a picture from the web; returns {path, name}.
export async function fetchAddress(server, address) {
    const answer = await server.fetch_address(address);
    if (!answer?.path) throw new Error(answer?.failed || "The picture could not be fetched; try again.");
    return answer;
}
