// The service worker: it keeps the page for later visits without a connection, and isolates the page
// from other origins, without which browsers give WASM one thread.

const PATIENCE_MS = 4000;
const TRIED = "depthmask: isolated";

// Waits until the service worker has the page; the first visit is loaded once more then, as only its
// answers isolate it. A host that sends the headers itself needs no second load.
export async function isolate() {
    if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
    const { serviceWorker } = navigator;
    try {
        const registered = serviceWorker.register(new URL("service_worker.js", document.baseURI));
        if (serviceWorker.controller && window.crossOriginIsolated) return; // a later visit waits for nothing
        await registered;
        if (!serviceWorker.controller) {
            await Promise.race([
                new Promise((done) => { serviceWorker.addEventListener("controllerchange", done, { once: true }); }),
                new Promise((done) => { setTimeout(done, PATIENCE_MS); }),
            ]);
        }
        if (window.crossOriginIsolated || !serviceWorker.controller || sessionStorage.getItem(TRIED)) return;
        sessionStorage.setItem(TRIED, "1");
        window.location.reload();
        await new Promise(() => {}); // the page goes
    } catch (error) {
        console.debug("depthmask: no service worker", error); // private windows have none, say
    }
}
