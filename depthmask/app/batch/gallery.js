// The results of a batch: a tile for each image, or a player for a clip.

export function createGallery(list, addressOf) {
    const make = (name, className, text = "") => {
        const element = document.createElement(name);
        element.className = className;
        element.textContent = text;
        return element;
    };

    function tile({ name, picture, sentence, failed }) {
        const item = make("li", failed ? "failed" : "");
        if (picture) {
            const shown = make("img", "");
            shown.src = addressOf(picture);
            shown.alt = "";
            shown.loading = "lazy";
            item.append(shown);
        }
        const title = make("p", "name", name);
        title.title = name;
        item.append(title);
        if (sentence) item.append(make("p", "sentence", sentence));
        return item;
    }

    return {
        clear: () => list.replaceChildren(),
        add: (...items) => list.append(...items.map(tile)),
        play({ path, name }) {
            const item = make("li", "clip");
            const player = make("video", "");
            Object.assign(player, { controls: true, loop: true, playsInline: true, src: addressOf(path) });
            player.setAttribute("aria-label", name);
            item.append(player);
            list.append(item);
        },
    };
}
