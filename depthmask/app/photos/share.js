// The row below a result that shares it: a link, or a page of one file.

import { linkTo, pack } from "./share_link.js";
import { resultPage } from "./share_page.js";
import { addresses, sharePanel } from "./share_panel.js";
import { make } from "./stage_dom.js";
import { offer } from "./stage_save.js";

const SHOWN_MS = 2000; // of "Copied"
const NOTHING = "There is no result to share yet.";
const NOT_COPIED = "This browser does not let the page copy: save the result as a page instead.";
const ONLY_HERE = "Copied. This address works on this computer alone: to send the result, save it as a page.";
const LONG = "Copied, with the result in it, as a small copy. Some messengers cut so long a link: then save a page.";

// Whether an address works on this computer alone.
export const isLocal = ({ hostname }) => /^(localhost$|127\.|\[::1\]$)/.test(hostname);

export class Share {
    // `stage` has the result. `short()` is an address that names it already, `page()` that of this page,
    // `home()` that of a page for everybody, or null.
    constructor(element, { stage, short, page, home, convention }) {
        Object.assign(this, { element, stage, short, page, home, convention });
        this.told = make("p", { class: "told", role: "status" });
        this.copying = make("button", { type: "button", "data-share": "copy", onclick: () => this.act(() => this.copyLink()) }, "Copy link");
        this.saving = make("button", { type: "button", "data-share": "page", onclick: () => this.act(() => this.savePage()) }, "Save as a page");
        element.append(make("h2", {}, "Share this result"), make("div", { class: "row" }, this.copying, this.saving), this.told,
            ...[sharePanel(copy)].filter(Boolean));
    }

    show(on) {
        this.element.hidden = !on;
        this.told.textContent = "";
    }

    async act(work) {
        this.told.textContent = "";
        try {
            await work();
        } catch (error) {
            console.debug("depthmask: not shared", error);
            this.told.textContent = error.message;
        }
    }

    async copyLink() {
        const short = this.stage.edited ? null : this.short();
        const address = short ? reachable(short) : await this.long();
        if (!await copy(String(address))) {
            this.told.textContent = short ? `Copy this address: ${address}` : NOT_COPIED;
            return;
        }
        this.copying.textContent = "Copied";
        setTimeout(() => { this.copying.textContent = "Copy link"; }, SHOWN_MS);
        this.told.textContent = isLocal(address) ? ONLY_HERE : short ? "" : LONG;
    }

    async long() {
        return linkTo(await pack(await this.result()), this.home() || reachable(this.page()));
    }

    async result() {
        const result = await this.stage.result();
        if (!result) throw new Error(NOTHING);
        return result;
    }

    async savePage() {
        const result = await this.result();
        const name = `${result.scene.description.name || "result"}-depthmask.html`;
        offer(await resultPage(result, { convention: this.convention, home: this.home() }), name);
        this.told.textContent = `Saved ${name}: it opens in any browser, and needs no network.`;
    }
}

// An address of the page on this computer, as others can open it where they can.
function reachable(address) {
    const { network, public: link } = addresses();
    const base = isLocal(address) && (link || network)?.address;
    return base ? new URL(address.search + address.hash, base) : address;
}

// Whether a text was copied. Browsers give the clipboard to pages of https and of this computer alone;
// for all others, there is the old way.
async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const field = make("textarea", { class: "stage-hidden", "aria-hidden": "true", tabindex: "-1" });
        field.value = text;
        document.body.append(field);
        field.select();
        const copied = document.execCommand("copy");
        field.remove();
        return copied;
    }
}
