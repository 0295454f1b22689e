"""Targets of `tools.fuzz`: messages of the page's tabs."""

import asyncio
import base64
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tools.fuzz_cases import NAMES, Case, FakePredictor, changed, mutated, sound_pictures


def live(folder: Path) -> Case:
    """Messages of the live tab."""
    from depthmask.app.live.server import LiveServer
    from depthmask.backends.base import LockedBackend

    class Network(LockedBackend):
        name, precision, device, resolution = "fake", "fp32", "cpu", 64

        @property
        def backend(self) -> Any:
            return self

        def _run_batch(self, backgrounds: Any, images: Any) -> Any:
            mask = (np.abs(images.astype(np.float32) - backgrounds).max(axis=3) > 40).astype(
                np.float32
            )
            return {"mask": mask, "depth": 1 - mask / 2}

    server = LiveServer(Network, debug=True)
    found = [v for k, v in sound_pictures().items() if k.endswith(("jpg", "png", "webp"))]
    tokens = [f"{number:032x}" for number in range(3)]

    def run(rng: random.Random) -> None:
        kind = rng.choice(("image/jpeg", "image/png", "text/html", "image/svg+xml"))
        content = rng.choice(found)
        content = mutated(rng, content) if rng.random() < 0.4 else content
        frame = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        message: dict[str, Any] = {
            "do": rng.choice(("capture", "capture", "frame", "frame", "leave", "sweep")),
            "token": rng.choice(tokens),
            "frame": frame,
            "at": 1,
            "waited": 3,
            "quality": rng.choice(("auto", "fast", [], {}, 3)),
            "fresh": True,
            "first": rng.random() < 0.1,
        }
        if rng.random() < 0.2:
            message["truth"] = frame
        answer = server.answer(changed(rng, message) if rng.random() < 0.5 else message)
        if not isinstance(answer, dict):
            raise AssertionError(answer)

    return run


def batches(folder: Path) -> Case:
    """Messages of the batch tab, with names that go into an archive."""
    from depthmask.app.batch.server import BatchServer
    from depthmask.app.cache_files import is_cached
    from depthmask.app.fair_queue import FairQueue
    from depthmask.app.reading import photo_reader

    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    found = sound_pictures()
    for name, content in found.items():
        (folder / name).write_bytes(content)
    place = str(folder / "plain.jpg")

    def knows(paths: Any) -> bool:
        return all(is_cached(path) for path in paths)

    async def ask(message: Any, look: Any) -> list[str]:
        server = BatchServer(
            FakePredictor(), FairQueue(), model="m", knows=knows, video=["/bin/false"]
        )
        answer = await server.answer(message)
        if not isinstance(answer, dict):
            raise AssertionError(answer)
        await server.answer(look)
        for run in list(server._runs.values()):
            for _ in range(600):
                if run.state != "running":
                    break
                await asyncio.sleep(0.02)
            else:
                raise AssertionError("a batch does not end")
            await server.answer({"do": "look", "token": run.asked.token})
            if (
                run.sentence
                == "Something failed on the server; try again, or look at what it printed."
            ):
                raise AssertionError(str(message)[:500])
            if run.result and run.result.suffix == ".zip":
                with zipfile.ZipFile(run.result) as archive:
                    return archive.namelist()
        return []

    def run(rng: random.Random) -> None:
        paths = [str(folder / rng.choice([*found])) for _ in range(rng.choice((1, 1, 2)))]
        images = [{"path": path, "name": rng.choice(NAMES)} for path in (*paths, place)]
        message: Any = {
            "do": "start",
            "token": "0" * 32,
            "background": [place],
            "images": images,
            "outputs": ["mask"],
        }
        if rng.random() < 0.1:
            message |= {
                "images": [],
                "clip": {"path": rng.choice(paths), "name": rng.choice(NAMES)},
            }
        if rng.random() < 0.6:
            message = changed(rng, message)
        look = changed(rng, {"do": "look", "token": "0" * 32, "since": 0, "version": 0})
        if isinstance(look, dict) and rng.random() < 0.5:
            look["do"] = rng.choice(("stop", "leave", "look"))
        names = asyncio.run(asyncio.wait_for(ask(message, look), 50))
        for name in names:
            parts = name.split("/")
            if (
                ".." in parts
                or name.startswith(("/", "\\"))
                or "\\" in name
                or ":" in name
                or "\0" in name
            ):
                raise AssertionError(f"a name in the archive: {name!r}")
        if len(set(map(str.casefold, names))) < len(names):
            raise AssertionError(f"a name twice: {names}")

    photo_reader()
    return run
