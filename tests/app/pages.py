"""What tests of the page share: predictors that need no weights, and a pair of files with truth."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from depthmask.app.photos.dropped import DroppedFiles
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture

HEIGHT, WIDTH = 24, 32
T = TypeVar("T")


def in_own_loop(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine in a thread: tests of the browser leave a loop running in this one."""

    async def bounded() -> T:
        return await asyncio.wait_for(make(), 60)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(bounded())).result()


class Fake:
    """Sees something new in the left half of every image, at depth 0.5 like all the rest."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Picture]] = []  # backgrounds may be learned ones

    def predict(self, background: Picture, image: Picture) -> Prediction:
        self.pairs.append((background, image))
        mask = np.zeros(image.shape[:2], np.float32)
        mask[:, : image.shape[1] // 2] = 1
        return Prediction(mask, np.full_like(mask, 0.5), 0.25)


class InParts(Fake):
    """Looks first, and finds twice as much as is there when it has finished."""

    size = 0

    def look(self, background: Picture, image: Picture) -> "InParts":
        self.finished = super().predict(background, image)
        return self

    def preview(self, height: int, width: int) -> Prediction:
        mask = np.ones((height, width), np.float32)
        return replace(self.finished, mask=mask, depth=np.full_like(mask, 0.5))

    def finish(self, look: "InParts") -> Prediction:
        return look.finished

    def predict(self, background: Picture, image: Picture) -> Prediction:
        return self.finish(self.look(background, image))


class Broken:
    def predict(self, background: Picture, image: Picture) -> Prediction:
        raise RuntimeError("out of memory\nand a long story")


@pytest.fixture
def files(tmp_path: Path) -> DroppedFiles:
    """Grey photos; the true mask is the left quarter, the true depth 0.6."""

    def save(name: str, array: npt.NDArray[np.generic]) -> str:
        path = tmp_path / f"{name}.png"
        Image.fromarray(array).save(path)
        return str(path)

    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, : WIDTH // 4] = 255
    return DroppedFiles(
        save("background", np.full((HEIGHT, WIDTH, 3), 90, np.uint8)),
        save("image", np.full((HEIGHT, WIDTH, 3), 120, np.uint8)),
        save("mask", mask),
        save("depth", np.full((HEIGHT, WIDTH), round(0.6 * 65535), np.uint16)),
    )
