// Files and addresses that are dropped anywhere on the page, or pasted into it.

// Listens on the whole page, before any other listener. `take(sources, target)` gets files or
// addresses and the element below them; `dragged(isOver, target)` tells where something is dragged.
export function watchDrops({ take, dragged, leaves }) {
    const isOurs = (event) => !leaves(event.target) && carries(event.dataTransfer);
    const over = (event) => {
        if (!carries(event.dataTransfer)) return;
        event.preventDefault(); // otherwise the browser opens the file
        if (!isOurs(event)) return;
        event.stopPropagation();
        event.dataTransfer.dropEffect = "copy";
        dragged(true, event.target);
    };
    const done = () => dragged(false, null);
    const options = { capture: true };
    window.addEventListener("dragenter", over, options);
    window.addEventListener("dragover", over, options);
    window.addEventListener("dragleave", (event) => {
        if (event.relatedTarget === null) done();
    }, options);
    window.addEventListener("dragend", done, options);
    window.addEventListener("pointermove", done, options); // none comes while something is dragged
    window.addEventListener("drop", (event) => {
        if (!carries(event.dataTransfer)) return;
        event.preventDefault();
        done();
        if (!isOurs(event)) return;
        event.stopPropagation();
        const sources = sourcesOf(event.dataTransfer); // now: they are gone after this event
        if (sources.length) take(sources, event.target);
    }, options);
    window.addEventListener("paste", (event) => {
        if (leaves(event.target)) return;
        const sources = sourcesOf(event.clipboardData);
        const typing = event.target.closest?.("input, textarea, [contenteditable]");
        if (!sources.length || (typing && typeof sources[0] === "string")) return;
        event.preventDefault();
        take(sources, null);
    }, options);
}

function carries(transfer) {
    return ["Files", "text/uri-list"].some((kind) => transfer?.types.includes(kind));
}

// The files, or else the address of a picture on another page.
function sourcesOf(transfer) {
    if (transfer.files.length) return [...transfer.files];
    const text = transfer.getData("text/uri-list") || transfer.getData("text/plain");
    const address = text.split("\n").map((line) => line.trim()).find((line) => /^https?:/.test(line));
    return address ? [address] : [];
}
