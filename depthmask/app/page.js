// The tabs and the address of the page: #photos, #batch, #live and #model open a tab, and stand for it.

const PATIENCE_FRAMES = 1200;

export default async function page({ element }) {
    linkStatic(element);
    const tabs = await found("#tabs:has([role=tab][data-tab-id])");
    const open = () => {
        const wanted = window.location.hash.slice(1);
        const button = [...tabs.querySelectorAll("[role=tab][data-tab-id]")]
            .find(({ dataset }) => dataset.tabId === wanted);
        if (!button) return;
        if (button.getAttribute("aria-selected") !== "true") button.click();
        window.scrollTo(0, 0); // the browser looks for an element of this name
    };
    tabs.addEventListener("click", (event) => {
        const tab = event.target.closest("[role=tab]")?.dataset.tabId;
        if (tab === "model") mendTables();
        const { hash } = window.location;
        if (!tab || hash === `#${tab}` || (tab === "photos" && !hash)) return;
        const address = new URL(window.location);
        address.hash = tab;
        window.history.replaceState(null, "", address);
    });
    window.addEventListener("hashchange", open);
    if (window.location.hash) open();
}

// The footer names the page that needs no server, if there is one: share.py says so.
function linkStatic(footer) {
    const address = JSON.parse(document.getElementById("addresses")?.textContent || "{}").static;
    const line = footer.querySelector("p");
    if (!address || !line) return;
    const link = document.createElement("a");
    [link.href, link.textContent] = [address, "This page without a server"];
    line.append(" · ", link);
}

// Wide tables of the model card scroll; the keyboard scrolls only what has the focus.
async function mendTables() {
    await found("#card table");
    for (const table of document.querySelectorAll("#card table")) table.tabIndex = 0;
}

// Gradio builds the page in pieces; this waits for one of them.
async function found(selector) {
    for (let frame = 0; frame < PATIENCE_FRAMES; frame += 1) {
        const element = document.querySelector(selector);
        if (element) return element;
        await new Promise((next) => requestAnimationFrame(next));
    }
    return null; // weights of one's own have no card, say
}
