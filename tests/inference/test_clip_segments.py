"""Segments of a clip that are made apart look as those of one run, also where light drifts."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import cast

import numpy as np
import pytest
from PIL import Image

from depthmask.backends.base import BatchBackend
from depthmask.clips import frame_times, read_clip
from depthmask.inference import clip_segments
from depthmask.inference.capture import EmptyScene
from depthmask.inference.clip_look import Look
from depthmask.inference.clip_output import PictureFolder, PictureSegment
from depthmask.inference.clip_run import Job, convert, convert_segment
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.clip_segments import cut_segments
from depthmask.pictures import Map, Picture
from tests.clips.drawing import HEIGHT, WIDTH, draw, write

FRAMES = 120


class Brighter:
    """Stands in for a network: the mask grows with how much brighter the image is."""

    def run_batch(
        self, backgrounds: Picture, images: Picture, *, tasks: Sequence[str]
    ) -> dict[str, Map]:
        difference = (images.astype(np.float32) - backgrounds).max(axis=-1)
        return {"mask": np.clip((difference - 4) / 16, 0, 1).astype(np.float32)}


def lit(index: int) -> Picture:
    """A square before a wall, half of which is lit more and more."""
    picture = draw(index % 12).astype(np.int16)
    wall = picture.max(axis=2) < 100
    picture[:, WIDTH // 2 :][wall[:, WIDTH // 2 :]] += index // 12
    return picture.astype(np.uint8)


def job_of(path: Path) -> Job:
    clip = read_clip(path)
    empty = np.full((HEIGHT, WIDTH, 3), (40, 60, 80), np.uint8)
    scene = ClipScene(EmptyScene(empty, 0.0, 0.0), None, None, ())
    backend = cast(BatchBackend, Brighter())
    return Job(clip, [(Fraction(0), scene)], backend, (HEIGHT, WIDTH), Look("sides"))


def masks(folder: Path, frames: int = FRAMES) -> list[Picture]:
    shown = [Image.open(folder / f"{number:06d}.png") for number in range(1, frames + 1)]
    return [np.asarray(each)[:, WIDTH:, 0] for each in shown]


@pytest.mark.parametrize("gop", ["12", "250"])
def test_no_seam_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gop: str) -> None:
    monkeypatch.setattr(clip_segments, "SEGMENT_FRAMES", 40)
    monkeypatch.setattr(clip_segments, "WARM_UP", 20)
    times = [40 * index for index in range(FRAMES)]
    options = {"crf": "4", "g": gop, "bf": "2"}
    job = job_of(write(tmp_path / "clip.mp4", times, picture=lit, options=options))
    convert(job, PictureFolder(tmp_path / "once"), None, stop=Event(), tell=lambda _: None)
    (tmp_path / "parts").mkdir()
    rows: list[str] = []
    segments = [*cut_segments(job, frame_times(job.clip))]
    assert ["drift" in each.state for each in segments] == [False, True, True]
    for segment in reversed(segments):
        output = PictureSegment(tmp_path / "parts")
        outcome = convert_segment(job, segment, frame_times(job.clip), output, None)
        assert (outcome.frames, outcome.whole) == (40, True)
        rows = output.rows + rows
    assert (tmp_path / "once" / "times.csv").read_text().splitlines(True)[1:] == rows
    pairs = zip(masks(tmp_path / "once"), masks(tmp_path / "parts"), strict=True)
    away = [float(np.abs(np.subtract(*pair, dtype=np.float32)).mean()) for pair in pairs]
    assert max(away) < 1.5, [f"{value:.2f}" for value in away]


def test_nothing_is_smoothed_into_another_scene(tmp_path: Path) -> None:
    job = job_of(write(tmp_path / "clip.mkv", picture=lambda _: draw(0)))
    scenes = []
    for time, darker in ((0, 10), (6 * 40, 14)):  # by which a square was in the empty scene
        picture = draw(0).astype(np.int16)
        picture[8:24, 4:20] -= darker
        empty = EmptyScene(picture.astype(np.uint8), 0.0, 0.0)
        scenes.append((Fraction(time, 1000), ClipScene(empty, None, None, ())))
    job = replace(job, scenes=scenes)
    convert(job, PictureFolder(tmp_path / "out"), None, stop=Event(), tell=lambda _: None)
    found = [int(mask[12:20, 8:16].mean()) for mask in masks(tmp_path / "out", 12)]
    assert found[5] < 155 and found[6] > 200


def test_what_is_done_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_segments, "SEGMENT_FRAMES", 5)
    monkeypatch.setattr(clip_segments, "WARM_UP", 2)
    job = job_of(write(tmp_path / "clip.mkv"))
    found = list(cut_segments(job, frame_times(job.clip), frozenset([5])))
    assert [each.numbers for each in found] == [range(5), range(10, 12)]
    assert [each.begin for each in found] == [0, 8]
