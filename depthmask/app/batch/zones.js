// The zones of the batch tab: each holds many photos, or a clip.

import { Zone } from "../photos/zone.js";

const CLIP = /\.(mp4|m4v|mov|webm|mkv|avi)$/i;

export const isClip = (file) => file.type.startsWith("video/") || CLIP.test(file.name);

export class FileZone extends Zone {
    // As for `Zone`; `measured` gets the seconds of a clip.
    constructor(element, { measured, ...handlers }) {
        super(element, handlers);
        this.measured = measured;
        this.files = [];
    }

    put(files) {
        if (this.file) URL.revokeObjectURL(this.file.url);
        this.files = files;
        const [first, ...more] = files;
        const name = more.length ? `${files.length} photos` : first?.name;
        this.show(first ? { name, url: URL.createObjectURL(first), clip: isClip(first), more } : null);
    }

    picture(file) {
        if (!file.clip) return super.picture(file);
        const clip = document.createElement("video");
        clip.muted = true;
        clip.preload = "metadata";
        clip.setAttribute("aria-label", file.name);
        clip.addEventListener("loadedmetadata", () => this.measured(clip.duration));
        clip.src = file.url;
        return clip;
    }

    show(file) {
        for (const clip of this.field.querySelectorAll("video")) clip.remove();
        super.show(file);
    }
}
