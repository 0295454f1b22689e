// The tabs Photos and Live: #live is the address of the second, every other that of the first.

// `shown(name)` is called with the tab that is shown: at once, and after each change.
export function openTabs(shown) {
    const buttons = [...document.querySelectorAll("#tabs [role=tab]")];
    let photosHash = ""; // to come back to
    const show = () => {
        const { hash } = window.location;
        const name = hash === "#live" ? "live" : "photos";
        if (name === "photos") photosHash = hash;
        for (const button of buttons) {
            const isChosen = button.dataset.tab === name;
            button.setAttribute("aria-selected", isChosen);
            button.tabIndex = isChosen ? 0 : -1;
            document.getElementById(button.dataset.tab).hidden = !isChosen;
        }
        shown(name);
    };
    const choose = (button) => {
        const address = new URL(window.location);
        address.hash = button.dataset.tab === "live" ? "live" : photosHash;
        window.history.replaceState(null, "", address);
        show();
    };
    buttons.forEach((button, place) => {
        button.addEventListener("click", () => choose(button));
        button.addEventListener("keydown", ({ key }) => {
            const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
            if (!step) return;
            const next = buttons[(place + step + buttons.length) % buttons.length];
            choose(next);
            next.focus();
        });
    });
    window.addEventListener("hashchange", show);
    show();
}
