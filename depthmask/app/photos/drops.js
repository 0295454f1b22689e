// Files and addresses that are dropped anywhere on the page, or pasted into it.

// Listens on the whole page, before any other listener. `take(sources, target)` gets files or
// addresses, none if what was dropped is neither, and the element below them; `dragged(isOver, target)`
// tells where something is dragged.
export function watchDrops({ take, dragged, leaves }) {
    const isOurs = (event) => !leaves(event.target) && carries(event.dataTransfer);
    const over = (event) => {
        if (!carries(event.dataTransfer)) {
            if (isText(event)) event.preventDefault(); // otherwise some browsers open it as an address
            return;
        }
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
        if (!carries(event.dataTransfer) && !isText(event)) return;
        event.preventDefault();
        done();
        if (leaves(event.target)) return;
        event.stopPropagation();
        take(sourcesOf(event.dataTransfer), event.target); // now: they are gone after this event
    }, options);
    window.addEventListener("paste", (event) => {
        if (leaves(event.target)) return;
        const sources = sourcesOf(event.clipboardData);
        if (!sources.length || (isField(event.target) && typeof sources[0] === "string")) return;
        event.preventDefault();
        take(sources, null);
    }, options);
}

function carries(transfer) {
    return ["Files", "text/uri-list"].some((kind) => transfer?.types.includes(kind));
}

const isField = (target) => Boolean(target.closest?.("input, textarea, [contenteditable]"));

const isText = ({ target, dataTransfer }) => dataTransfer?.types.includes("text/plain") && !isField(target);

// The files, or else the address of a picture on another page.
function sourcesOf(transfer) {
    if (transfer.files.length) return [...transfer.files];
    const text = transfer.getData("text/uri-list") || transfer.getData("text/plain");
    const address = text.split("\n").map((line) => line.trim()).find((line) => /^https?:/.test(line));
    return address ? [address] : [];
}
