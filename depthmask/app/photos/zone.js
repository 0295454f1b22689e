// A drop zone: the picture in it, its name, and the buttons to choose, replace and remove it.

export class Zone {
    // `take(files)` gets chosen files, `remove()` is called when the picture is to go.
    constructor(element, { take, remove }) {
        this.element = element;
        this.key = element.dataset.zone;
        this.name = element.dataset.name;
        // {name, url, path, more}; the path is null until it is uploaded. More: the paths of
        // further photos of the same
        this.file = null;
        this.input = element.querySelector("input");
        this.field = element.querySelector(".field");
        this.emptyName = this.field.getAttribute("aria-label");
        element.addEventListener("click", (event) => {
            const button = event.target.closest("button");
            if (!button) return;
            if (button.dataset.do === "choose") this.input.click();
            else remove();
        });
        this.input.addEventListener("change", () => {
            const files = [...this.input.files];
            this.input.value = ""; // so that the same file can be chosen again
            if (files.length) take(files);
        });
    }

    // Shows a file; null empties the zone.
    show(file) {
        const had = document.activeElement;
        this.file = file;
        this.element.classList.toggle("filled", file !== null);
        for (const button of this.element.querySelectorAll(".strip button")) button.hidden = !file;
        if (!file && this.element.contains(had) && had.hidden) this.field.focus();
        this.field.setAttribute("aria-label", file
            ? `${this.name}: ${file.name}; choose another file` : this.emptyName);
        for (const part of this.field.querySelectorAll("img, .count")) part.remove();
        if (file) this.field.append(this.picture(file));
        if (file?.more?.length) this.field.append(this.count(file));
    }

    // How many there are, on the first of several photos.
    count(file) {
        const line = document.createElement("span");
        line.className = "count";
        line.textContent = `${1 + file.more.length} photos`;
        return line;
    }

    picture(file) {
        const picture = document.createElement("img");
        picture.alt = `${this.name}: ${file.name}`;
        picture.draggable = false;
        picture.hidden = true; // until it is there: browsers show no TIFF, say
        picture.addEventListener("load", () => { picture.hidden = false; });
        picture.src = file.url;
        return picture;
    }
}
