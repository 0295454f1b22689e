// Answers the page's requests: from the cache where it can, so that the page works offline, and with
// headers that isolate it from other origins, so that WASM may have threads.
//
// vite.config.js fills in the version and the files of the build.

const VERSION = "__VERSION__";
const SHELL = __SHELL__; // without these, there is no page
const LATER = __LATER__; // the examples; network and runtime are kept once they were loaded
const CACHE = `depthmask ${VERSION}`;
const HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => {
    event.waitUntil((async () => {
        await keep(SHELL);
        await self.skipWaiting();
    })());
});

self.addEventListener("activate", (event) => {
    event.waitUntil((async () => {
        for (const name of await caches.keys()) if (name.startsWith("depthmask ") && name !== CACHE) await caches.delete(name);
        await self.clients.claim();
    })());
    keep(LATER).catch((error) => console.debug("depthmask:", error));
});

self.addEventListener("fetch", (event) => {
    const { request } = event;
    if (request.method === "GET" && new URL(request.url).origin === self.location.origin) event.respondWith(answer(request));
});

async function keep(paths) {
    const cache = await caches.open(CACHE);
    await Promise.all(paths.map(async (path) => {
        const found = await fetch(path);
        if (!found.ok) throw new Error(`${path}: ${found.status}`);
        await cache.put(path, isolated(found));
    }));
}

// What is kept has the headers already: browsers keep compiled code beside an answer of the cache, but
// not beside one that is made here.
async function answer(request) {
    const cache = await caches.open(CACHE);
    const page = new URL("./", self.registration.scope).href;
    const key = request.mode === "navigate" ? page : request;
    const known = await cache.match(key, { ignoreSearch: true, ignoreVary: true });
    if (known) return known;
    const found = await fetch(request);
    const shown = isolated(found);
    if (found.status === 200 && found.url.startsWith(page)) await cache.put(key, shown.clone());
    return shown;
}

function isolated(answer) {
    if (!answer.status) return answer; // an opaque one cannot be read
    const headers = new Headers(answer.headers);
    for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
    return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
