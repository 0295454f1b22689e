"""A whole prediction goes from two files to the pictures of the page, stage by stage."""

from pathlib import Path

import numpy as np

from depthmask.cli.bench_network import Key
from depthmask.cli.bench_prediction import OneRun, draw_pair, predict_files
from depthmask.inference.predictor import Predictor
from depthmask.inference.registration import register
from depthmask.inference.stopwatch import Stopwatch
from depthmask.pictures import Map, Picture, read_picture
from tests.app.test_scene import unpack

STAGES = {
    "decode",
    "register",
    "light",
    "network",
    "quality",
    "background",
    "second look",
    "refine",
    "answer",
    "scene",
}


def half(backgrounds: Picture, images: Picture) -> dict[str, Map]:
    mask = np.zeros(images.shape[:3], np.float32)
    mask[..., : images.shape[2] // 2] = 1
    return {"mask": mask, "depth": 1 - 0.5 * mask}


def test_every_stage_is_timed_and_the_pictures_are_made(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    predictor = Predictor(tiny_checkpoint, backend=OneRun(Key("half", "fp32"), half, 64))
    watch = Stopwatch()
    files = predict_files(predictor, *draw_pair(tmp_path, 90, 120, shift=0), watch)
    assert set(watch.seconds) == STAGES
    (tmp_path / "image.jpg").write_bytes(files["image.jpg"])
    assert read_picture(tmp_path / "image.jpg").shape == (90, 120, 3)
    mask, _ = unpack(files["maps.bin"], [1, 2], 120, 90)
    assert mask[:, :55].min() == 255 and mask[:, 65:].max() == 0


def test_the_background_of_the_pair_is_shaken_as_asked(tmp_path: Path) -> None:
    for shift, moved in ((0, False), (6, True)):
        background, image = (
            read_picture(path) for path in draw_pair(tmp_path, 480, 640, shift=shift)
        )
        assert background.shape == image.shape == (480, 640, 3)
        assert register(background, image).accepted == moved
