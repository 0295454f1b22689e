// The scripts of the photos tab. Three of its `gr.HTML` elements run this file, each its own part.
// `element`, `props` and `trigger` come from gr.HTML.

const parts = { examples: chooseExamples, message: tellWaiting, convention: mendAccessibility };
parts[element.closest("#examples, #message, #convention").id]();

// A click makes the example's name the element's value and puts it into the address, so that the
// address can be shared. A name in the address acts like a click. It is the value and not the
// event's data, because a click that has to wait sends the value of that time: the last click counts.
function chooseExamples() {
    const choose = (name) => {
        props.value = name;
        trigger("click");
    };
    element.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        const address = new URL(window.location);
        address.searchParams.set("example", button.dataset.name);
        window.history.replaceState(null, "", address);
        choose(button.dataset.name);
    });
    const wanted = new URLSearchParams(window.location.search).get("example");
    if (wanted) setTimeout(() => choose(wanted), 0);
}

// Screen readers read out what changes inside an element of the role "status". Until the first answer,
// Gradio writes "processing | 1.2s"; this line says it in words.
function tellWaiting() {
    const block = document.getElementById("message");
    const waiting = document.createElement("p");
    waiting.className = "waiting";
    block.append(waiting);
    block.setAttribute("role", "status");
    new MutationObserver(() => {
        const text = block.querySelector(".progress-text") ? "Working…" : "";
        if (waiting.textContent !== text) waiting.textContent = text;
    }).observe(block, { childList: true, characterData: true, subtree: true });
}

// The buttons of all drop zones have the same name; this adds the name of their zone. And the 3D
// viewer's canvas claims the first place in the keyboard's order; this gives it its place on the page.
function mendAccessibility() {
    const mend = () => {
        for (const [id, zone] of Object.entries(props.zones)) {
            for (const button of document.querySelectorAll(`#${id} button[aria-label]`)) {
                const name = button.getAttribute("aria-label");
                if (!name.startsWith(zone)) button.setAttribute("aria-label", `${zone}: ${name}`);
            }
        }
        const canvas = document.querySelector("#depth-model canvas[tabindex='1']");
        if (canvas) canvas.tabIndex = 0;
    };
    mend();
    new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
}
