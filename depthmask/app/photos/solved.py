"""Results of the examples that were predicted before, so that each is shown at once.

A folder `solved` beside an example's photos holds the files of its scene, and `answer.json` with
the rest of the answer and with what it was made of: it is used only while all of that is the same.
tools/solve_examples.py writes it.
"""

import json
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from depthmask.app.examples import Example
from depthmask.app.loading import Predicts
from depthmask.app.photos.analysis import analyse
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.photos.scene import PREVIEW_SIDE, write_scene
from depthmask.app.photos.tab import describe
from depthmask.app.photos.verdicts import words
from depthmask.app.prediction_cache import PredictionCache
from depthmask.files import fingerprint

ANSWER = "answer.json"
JPEG_QUALITY = 82
Answer = dict[str, Any]


def find_solved(examples: Sequence[Example], checkpoint: Path, quality: str) -> dict[str, Answer]:
    """Reads the answers that hold for these weights and this quality, by the examples' names."""
    found, weights = {}, fingerprint(checkpoint)
    for example in examples:
        path = Path(example.solved, ANSWER)
        if not path.is_file():
            continue
        answer = json.loads(path.read_text("utf-8"))
        if answer.pop("made_of") == made_of(example, weights, quality):
            for part in (answer["scene"], answer["scene"]["rest"]):
                part["folder"] = example.solved
            found[example.name] = answer
    return found


def solve(example: Example, predictor: Predicts, checkpoint: Path, quality: str) -> int:
    """Predicts an example, and writes its folder anew; returns the size in bytes."""
    folder = Path(example.solved)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    analysis = analyse(predictor, PredictionCache(), DroppedFiles(*example.files))
    scene = write_scene(analysis, name=example.name, words=words(analysis), folder=folder)
    origin = made_of(example, fingerprint(checkpoint), quality)
    answer = {**describe(analysis, scene), "made_of": origin}
    del scene["folder"], scene["rest"]["folder"]
    if max(scene["size"]) <= PREVIEW_SIDE and example.image.suffix == ".jpg":
        (folder / scene["files"]["image"]).unlink()  # it would be the photo again
        scene["files"]["image"] = f"../{example.image.name}"
    _shrink(folder)
    text = json.dumps(answer, indent=1, ensure_ascii=False)
    (folder / ANSWER).write_text(f"{text}\n", "utf-8")
    return sum(path.stat().st_size for path in folder.iterdir())


def _shrink(folder: Path) -> None:
    """Packs files as tightly as time allows that nobody waits for."""
    for path in folder.glob("*.bin"):
        path.write_bytes(zlib.compress(zlib.decompress(path.read_bytes()), 9))
    for path in folder.glob("*.jpg"):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        _, packed = cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        path.write_bytes(min(path.read_bytes(), packed.tobytes(), key=len))


def made_of(example: Example, weights: str, quality: str) -> dict[str, str]:
    """Names the weights, the quality and the example's files, all but the quality by SHA-256."""
    files = {Path(path).stem: fingerprint(Path(path)) for path in example.files if path}
    return {"weights": weights, "quality": quality, **files}
