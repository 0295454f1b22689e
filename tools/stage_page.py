"""Serves the stage of the photos tab alone, without the page around it: for tests and benchmarks.

    python -m tools.stage_page FOLDER

FOLDER has a folder for each scene, in which `depthmask.app.photos.scene.write_scene` wrote, with
what it returned as scene.json. `open_scene("NAME")` in the browser's console shows one. With
`{ late: true }` as a second argument, the "first" of `first_scene`, which scene.json has then, is
shown, and all else comes when `answer_rest()` is called.
"""

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "depthmask" / "app" / "photos"
COLOURS = Path(__file__).resolve().parents[1] / "web" / "src" / "colours.css"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Stage</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
THE_COLOURS
body { margin: 0; padding: 16px; font-family: system-ui, sans-serif;
  background: var(--body-background-fill); }
</style></head><body><main id="stage"></main>
<script type="module">
import { createStage } from "/scripts/stage.js";
window.asked = [];
window.stage = createStage(document.getElementById("stage"), {
    url: (path) => `/scenes/${path}`,
    downloads: { cutout: "Cut-out", mask: "Mask" },
    rest: ({ folder, kept }) => new Promise((done, fail) => {
        window.answer_rest = () => done({ ...kept, folder });
        window.refuse_rest = () => fail(new Error("There is no server here."));
    }),
    photo: async () => window.own_photo || null,
    download: async (name, edits) => {
        window.asked.push([name, edits]);
        return { failed: "There is no server here." };
    },
});
window.open_scene = async (name, how) => {
    const answer = await fetch(`/scenes/${name}/scene.json`);
    const { rest, first, files, ...scene } = await answer.json();
    const parts = how?.late ? { first, kept: { ...rest, files: { ...rest.files, ...files } } }
        : { files, rest: { ...rest, folder: name } };
    await window.stage.show({ ...scene, ...parts, folder: name }, how);
};
</script></body></html>"""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, scenes: Path, **options: object) -> None:
        self._scenes = scenes
        self.extensions_map = {**self.extensions_map, ".js": "application/javascript"}
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        for prefix, folder in (("/scripts/", SCRIPTS), ("/scenes/", self._scenes)):
            if path.startswith(prefix) and ".." not in path:
                return str(folder / path.removeprefix(prefix))
        return "/nothing"

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        content = PAGE.replace("THE_COLOURS", COLOURS.read_text("utf-8")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_stage(scenes: Path) -> Iterator[str]:
    """Serves a page with the stage and the scenes of a folder; the address on this computer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, scenes=scenes))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    with serve_stage(parser.parse_args().folder) as url:
        print(f"{url} until Enter")
        input()
    return 0


if __name__ == "__main__":
    sys.exit(main())
