"""A whole prediction as the page makes it: from two files to those that the browser gets."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from depthmask.cli.bench_network import Key, Run
from depthmask.files import EXAMPLES

if TYPE_CHECKING:
    from depthmask.inference.predictor import Predictor
    from depthmask.inference.stopwatch import Stopwatch
    from depthmask.pictures import Map, Picture

EXAMPLE = "desk"
NOISE_LEVELS = 2.0  # standard deviation
JPEG_QUALITY = 92


@dataclass(frozen=True)
class OneRun:
    """A backend for `Predictor` of something that runs batches."""

    key: Key
    run_batch: Run
    resolution: int  # square root of the number of pixels

    @property
    def name(self) -> str:
        return self.key.backend

    @property
    def precision(self) -> str:
        return self.key.precision

    @property
    def device(self) -> str:
        return self.key.device

    def run(self, background: "Picture", image: "Picture") -> "dict[str, Map]":
        """See `Backend.run`."""
        maps = self.run_batch(background[None], image[None])
        return {task: values[0] for task, values in maps.items()}


def draw_pair(folder: Path, height: int, width: int, *, shift: float) -> tuple[Path, Path]:
    """Writes an example enlarged, its background shaken, as two JPEG files.

    Args:
        folder: Where to write.
        height: Of both photos, in pixels.
        width: Of both photos, in pixels.
        shift: Pixels by which the background moves to the right, and half as many down.

    Returns:
        The paths of background and image.
    """
    import cv2
    import numpy as np

    from depthmask.pictures import read_picture
    from depthmask.render.views import fill

    paths = []
    for seed, name in enumerate(("background", "image")):
        picture = fill(read_picture(EXAMPLES / EXAMPLE / f"{name}.jpg"), height, width)
        if name == "background" and shift:
            move = np.array([[1, 0, shift], [0, 1, shift / 2]])
            picture = np.asarray(
                cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REFLECT),
                dtype=np.uint8,
            )
        # the noise is of a tenth of the rows, repeated: 12 megapixels of it take seconds
        noise = np.random.default_rng(seed).normal(0, NOISE_LEVELS, (height // 10 + 1, width, 3))
        noisy = picture + np.tile(noise, (10, 1, 1))[:height]
        blue_first = np.rint(noisy).clip(0, 255).astype(np.uint8)[..., ::-1]
        path = folder / f"{name}-{height}x{width}-{shift:g}.jpg"
        cv2.imwrite(str(path), blue_first, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        paths.append(path)
    return paths[0], paths[1]


def predict_files(
    predictor: "Predictor", background: Path, image: Path, stopwatch: "Stopwatch | None" = None
) -> dict[str, bytes]:
    """Predicts a pair as the page does, and makes the files from which the browser draws.

    Args:
        predictor: What predicts.
        background: A file.
        image: A file.
        stopwatch: Gets a lap for each stage: decode, those of `Predictor.look`, "answer" (what
            the page needs to show something), and what it asks for after that: those of
            `Predictor.finish`, and "scene".

    Returns:
        The files of the scene, by their names.
    """
    from depthmask.app.photos.analysis import FIRST_SIDE, Analysis
    from depthmask.app.photos.scene import first_scene, write_rest
    from depthmask.app.prediction_cache import PredictedPair
    from depthmask.inference.stopwatch import Stopwatch
    from depthmask.pictures import read_photo
    from depthmask.pictures.resize import fit_size

    watch = stopwatch or Stopwatch()
    with ThreadPoolExecutor(2) as pool:
        photos = list(pool.map(read_photo, (background, image)))
    watch.lap("decode")
    look = predictor.look(photos[0].picture, photos[1].picture, stopwatch=watch)
    preview = look.preview(*fit_size(look.image.shape, FIRST_SIDE))
    pair = PredictedPair(look.image, preview, photos[0].picture.shape[:2], ())
    first_scene(Analysis(message="", predicted=pair), with_image=False)
    watch.lap("answer")
    pair = pair._replace(prediction=predictor.finish(look, stopwatch=watch))
    with TemporaryDirectory() as folder:
        write_rest(Analysis(message="", predicted=pair), folder=Path(folder))
        watch.lap("scene")
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
