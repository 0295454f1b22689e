// Sends files to the server one by one, and tells how far they are; and the last message of a page.

const AT_ONCE = 3; // files under way

// Sends a file; returns its path on the server. `tell` gets the number of bytes that have gone.
// An Error says in a sentence what failed.
function sendFile(file, maxBytes, { tell, signal }) {
    if (file.size > maxBytes) {
        const [size, most] = [file.size, maxBytes].map((bytes) => Math.ceil(bytes / 1e6));
        return Promise.reject(new Error(`It has ${size} MB; at most ${most} MB are taken.`));
    }
    const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
    const body = new FormData();
    body.append("files", file);
    return new Promise((done, fail) => {
        const request = new XMLHttpRequest();
        request.open("POST", `${root}${prefix}/upload`);
        request.upload.addEventListener("progress", (event) => tell(event.loaded));
        request.addEventListener("load", () => {
            if (request.status === 200) done(JSON.parse(request.responseText)[0]);
            else fail(new Error(request.responseText || "The server refused it; try again."));
        });
        const lost = () => fail(new Error(
            "It could not be sent: drop files, not folders, and check the connection.",
        ));
        request.addEventListener("error", lost);
        request.addEventListener("abort", lost);
        signal.addEventListener("abort", () => request.abort());
        request.send(body);
    });
}

// Sends many files: calls `sent(file, path)` or `failed(file, error)` for each, and `tell` with the
// share of all bytes that has gone.
export async function sendAll(files, maxBytes, { tell, signal, sent, failed }) {
    const gone = new Map(files.map((file) => [file, 0]));
    const total = Math.max(1, files.reduce((sum, file) => sum + file.size, 0));
    const count = (file, bytes) => {
        gone.set(file, Math.min(bytes, file.size));
        tell([...gone.values()].reduce((sum, each) => sum + each, 0) / total);
    };
    const waiting = [...files];
    const work = async () => {
        for (let file = waiting.shift(); file && !signal.aborted; file = waiting.shift()) {
            try {
                sent(file, await sendFile(file, maxBytes, { tell: count.bind(null, file), signal }));
            } catch (error) {
                if (!signal.aborted) failed(file, error);
            }
            count(file, file.size);
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
}
