// The static page: the tabs Photos and Live of the server's page, answered by a worker of this page.

import "../../depthmask/app/photos/photos.css";
import "./page.css";
import "./tabs.css";
import openPhotos from "../../depthmask/app/photos/photos.js";
import { isLocal } from "../../depthmask/app/photos/share.js";
import { readLink } from "../../depthmask/app/photos/share_link.js";
import { make } from "../../depthmask/app/photos/stage_dom.js";
import { connect, LocalServer, NOT_FETCHED } from "./app/local_server.js";
import { scenes } from "./app/scene.js";
import shared from "./app/shared.json" with { type: "json" };
import { isolate } from "./offline.js";
import { openTabs } from "./tabs.js";

const ZONES = { background: "background", image: "image", true_mask: "mask", true_depth: "depth" };
const PICTURES = import.meta.glob("../../examples/*/{background,image,mask,depth}.{jpg,png}", {
    query: "?url", import: "default", eager: true,
});
const NETWORKS = { fast: "Fast network", main: "More exact network" };

// The files of an example by zone: addresses of this page.
function filesOf(name) {
    const found = Object.entries(ZONES).map(([zone, stem]) => [zone, Object.entries(PICTURES).find(
        ([path]) => path.includes(`/examples/${name}/${stem}.`))?.[1]]);
    return Object.fromEntries(found.filter(([, url]) => url).map(([zone, url]) => [zone, new URL(url, document.baseURI).href]));
}

// The address of the page with an example's name: #example=desk.
const link = {
    read: () => new URLSearchParams(window.location.hash.slice(1)).get("example"),
    to(name) {
        const address = new URL(window.location);
        address.hash = name ? `example=${encodeURIComponent(name)}` : "";
        return address;
    },
};

// The address of this page for others; null if it is of this computer alone.
const home = () => (isLocal(window.location) ? null : new URL("./", document.baseURI).href);

// On phones, a zone can be filled by the camera.
function addCamera(zone) {
    const input = make("input", {
        type: "file", accept: "image/*", capture: "environment", hidden: true, tabindex: "-1",
        "aria-label": `Photo of the ${zone.name.toLowerCase()}`,
        onchange: () => {
            zone.input.files = input.files;
            zone.input.dispatchEvent(new Event("change"));
            input.value = "";
        },
    });
    const button = make("button", {
        type: "button", class: "camera", title: "Take a photo",
        "aria-label": `Take a photo for the ${zone.name.toLowerCase()}`,
        onclick: (event) => {
            event.stopPropagation();
            input.click();
        },
    }, "◉");
    zone.element.querySelector(".strip .name").after(button, input);
}

// The row that says which network runs, by what, and how fast; one can choose the other network.
class Runtime {
    constructor(call, chosen) {
        this.call = call;
        this.how = "";
        this.told = make("span", { role: "status" }, "It is loaded with your first photos.");
        this.choice = make("select", { "aria-label": "Network", onchange: () => {
            this.opening = this.open();
            chosen();
        } }, ...Object.entries(NETWORKS).map(([value, label]) => make("option", { value }, label)));
        this.row = make("p", { class: "row runtime" }, this.choice, this.told);
    }

    // A result that came with the address needs no network; the first photos do.
    opened() {
        this.opening ||= this.open();
        return this.opening;
    }

    async open() {
        this.told.textContent = "Loading the network…";
        const wanted = new URLSearchParams(window.location.search).get("runtime") || "";
        try {
            this.tell(await this.call("open", { name: this.choice.value, wanted }));
            this.tryCard();
        } catch (error) {
            this.told.textContent = error.message;
        }
    }

    // A graphics card is tried once the page can be used.
    async tryCard() {
        const { how, ms } = await this.call("tryCard").catch(() => ({ ms: null })); // as it was, then
        if (!ms) return;
        this.tell(how);
        this.time(ms);
    }

    tell(how) {
        this.how = `Runs here by ${how}`;
        this.told.textContent = this.how;
    }

    time(ms, what = "pair") {
        this.told.textContent = `${this.how}: ${Math.round(ms)} ms a ${what}`;
    }
}

async function start() {
    await isolate();
    const call = connect(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
    const hasResult = readLink(window.location.hash) !== null;
    const runtime = new Runtime(call, () => { if (!tab.shared) tab.ask({ example: tab.example }); });
    if (!hasResult) runtime.opened(); // first of all: the worker answers in turn
    const root = document.getElementById("photos");
    root.innerHTML = shared.markup; // of this page, no user's text
    const examples = Object.fromEntries(Object.keys(shared.examples).map((name) => [name, filesOf(name)]));
    for (const button of root.querySelectorAll("#examples [data-name]")) {
        button.querySelector("img").src = examples[button.dataset.name].image;
    }
    const server = new LocalServer(async (name, given) => {
        if (name === "answer") runtime.opened();
        return call(name, given);
    }, examples, (ms) => runtime.time(ms));
    const tab = openPhotos({
        element: root,
        ...server.ways,
        files: {
            link, scenes, home,
            addressOf: (path) => server.addressOf(path),
            uploadFile: async (file) => server.take(file),
            noAddresses: NOT_FETCHED,
        },
    });
    for (const key of ["background", "image"]) addCamera(tab.zones[key]);
    const live = document.getElementById("live");
    let isLiveOpen = false;
    openTabs(async (name) => {
        (name === "live" ? live : root.querySelector(".input")).append(runtime.row);
        if (name !== "live" || isLiveOpen) return;
        isLiveOpen = true;
        runtime.opened();
        const { openLive } = await import("./live.js"); // few visitors need it
        openLive(live, call, (ms) => runtime.time(ms, "frame"));
        live.append(runtime.row);
    });
    // the page opens with the first example, unless something is dropped sooner
    if (!link.read() && !hasResult) server.answer({ serial: 0, example: Object.keys(examples)[0] });
    if (hasResult) return;
    await runtime.opened();
    document.body.dataset.network = ""; // for tests and benchmarks
}

start();
