// Builds the static page into dist: files only, with relative addresses, so that any folder of any host
// will do.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

// Writes service_worker.js with the names of the files of this build.
const serviceWorker = {
    name: "service-worker",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
        const names = Object.keys(bundle).filter((name) => !/service_worker|ort-wasm|\.onnx$/.test(name)).sort();
        const isExample = (name) => /\.(jpg|png)$/.test(name);
        const shell = ["./", "./icon.svg", "./manifest.webmanifest", ...names.filter(
            (name) => !isExample(name) && name !== "index.html").map((name) => `./${name}`)];
        const later = names.filter(isExample).map((name) => `./${name}`);
        const text = readFileSync(new URL("src/service_worker.js", import.meta.url), "utf-8");
        const version = createHash("sha256").update(text + Object.keys(bundle).sort() + String(bundle["index.html"]?.source));
        this.emitFile({
            type: "asset",
            fileName: "service_worker.js",
            source: text.replace("__VERSION__", version.digest("hex").slice(0, 12))
                .replace("__SHELL__", JSON.stringify(shell)).replace("__LATER__", JSON.stringify(later)),
        });
    },
};

// Limits the style of a tab of the server's page to the tab's element, as Gradio does.
const tabStyles = {
    name: "tab-styles",
    enforce: "pre",
    transform(code, id) {
        const [, tab] = /app\/(photos|live)\/\1\.css$/.exec(id) || [];
        return tab ? { code: `:where(#${tab}) { ${code} }`, map: null } : null;
    },
};

export default defineConfig({
    base: "./",
    plugins: [serviceWorker, tabStyles],
    resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "import", "default"] },
    server: { fs: { allow: [".."] } },
    worker: { format: "es" },
    build: { assetsInlineLimit: 0, chunkSizeWarningLimit: 2000, target: "es2022", modulePreload: { polyfill: false } },
});
