// Where else the page of the server can be opened, and by whom: in this network, by Gradio's link, and
// without this server. share.py writes the addresses that exist into the head of the page.

import { make } from "./stage_dom.js";

const SHOWN_MS = 2000; // of "Copied"

// What share.py wrote; {} where there is nothing, as in the static page.
export const addresses = () => JSON.parse(document.getElementById("addresses")?.textContent || "{}");

// A panel that opens, or null where nothing can be told. `copy(text)` says whether it copied.
export function sharePanel(copy) {
    const { near, network, public: link, static: page, hosted } = addresses();
    const ways = [
        way("Devices in this network", network && reach(network, copy),
            near && ["It is open to this computer alone. Start it by ", code("depthmask demo --host 0.0.0.0"), " to let others in."]),
        way("Anyone, for some days", link && reach(link, copy, "It ends with this server, and after a week at most."),
            near && ["There is no public link. Start it by ", code("depthmask demo --share"), " to get one."]),
        way("Anyone, for good", page && [
            make("p", {}, make("a", { href: page }, "The page without a server"),
                " predicts in the visitor's browser. No photo is sent, and it works offline.")],
        near && !hosted && [code("depthmask site -o FOLDER"), " writes that page as files, which any web host serves."]),
    ].filter(Boolean);
    if (!ways.length) return null;
    return make("details", { class: "ways" }, make("summary", {}, "Share this page"), make("div", {}, ...ways));
}

const code = (text) => make("code", {}, text);

function way(name, there, how) {
    const content = [...(there || []), ...(how && (name.endsWith("good") || !there) ? [make("p", {}, ...how)] : [])];
    return content.length ? make("section", {}, make("h3", {}, name), ...content) : null;
}

function reach({ address, code: drawn }, copy, remark = "") {
    const button = make("button", {
        type: "button",
        onclick: async () => {
            if (!await copy(address)) return;
            button.textContent = "Copied";
            setTimeout(() => { button.textContent = "Copy"; }, SHOWN_MS);
        },
    }, "Copy");
    return [
        make("p", { class: "way" }, make("a", { href: address }, address), button),
        ...(remark ? [make("p", {}, remark)] : []),
        make("img", { src: drawn, alt: "The address as a code for a phone's camera", width: 132, height: 132 }),
    ];
}
