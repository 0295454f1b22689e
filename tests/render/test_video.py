"""Recordings are bounded and in order, leave no file behind, and their alpha is the mask."""

import builtins
import errno
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from depthmask.errors import RecordingError
from depthmask.pictures import Map, Picture
from depthmask.render.video import Recording
from tests.limits import files_of_at_most

HEIGHT, WIDTH = 96, 128


def frame(place: int) -> tuple[Picture, Map]:
    """A block that goes to the right."""
    picture = np.full((HEIGHT, WIDTH, 3), (40, 80, 120), np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[20:70, 10 + 8 * place : 50 + 8 * place] = 1
    picture[mask > 0] = (220, 60, 30)
    return picture, mask


def record(count: int, **bounds: Any) -> Recording:
    recording = Recording(**bounds)
    for place in range(count):
        recording.add(100 + 0.1 * place, *frame(place))
    return recording


def test_frames_out_of_order_are_left_out() -> None:
    recording = record(2)
    assert recording.add(99, *frame(2))
    assert recording.count == 2


@pytest.mark.parametrize("bounds", [{"max_bytes": 40_000}, {"max_seconds": 4.5}])
def test_a_recording_ends_where_it_must(bounds: dict[str, float]) -> None:
    numbers, (_, mask) = np.random.default_rng(0), frame(0)
    recording = Recording(**bounds)  # type: ignore[arg-type]
    added = [
        recording.add(place, numbers.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), mask)
        for place in range(40)
    ]
    assert added == sorted(added, reverse=True)  # refused from some frame on
    assert 1 < recording.count == added.count(True) < 40
    if "max_seconds" in bounds:
        assert recording.count == 5 and recording.seconds == 4


def read_alpha(path: Path) -> tuple[list[float], list[Picture]]:
    """Seconds and alpha, (H, W), of each frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert "vp9" in stream.codec_context.name
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own ignores alpha
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = [round(float((packet.pts or 0) * (packet.time_base or 0)), 2) for packet in packets]
        shown = [each for packet in packets for each in decoder.decode(packet)]
    return times, [np.asarray(each.to_ndarray(format="rgba"), np.uint8)[..., 3] for each in shown]


def test_webm_has_the_mask_as_alpha_and_keeps_time(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    recording = record(5)
    assert recording.seconds == pytest.approx(0.4)
    recording.write(path)
    assert b"\x53\xc0\x81\x01" in path.read_bytes()  # Matroska's AlphaMode, 1
    times, alphas = read_alpha(path)
    assert times == [0, 0.1, 0.2, 0.3, 0.4]
    for place, alpha in enumerate(alphas):
        _, mask = frame(place)
        both = ((alpha > 127) & (mask > 0)).sum() / ((alpha > 127) | (mask > 0)).sum()
        assert both > 0.95
    assert len(alphas) == 5


def test_a_small_mask_is_brought_to_the_size_of_its_frame(tmp_path: Path) -> None:
    mask = np.zeros((8, 16), np.float32)
    mask[:, :8] = 1
    recording = Recording()
    recording.add(0, frame(0)[0], mask)
    recording.write(tmp_path / "clip.webm")
    _, (alpha,) = read_alpha(tmp_path / "clip.webm")
    assert alpha.shape == (HEIGHT, WIDTH)
    assert alpha[:, : WIDTH // 2 - 8].min() > 200 and alpha[:, WIDTH // 2 + 8 :].max() < 50


def test_odd_sizes_lose_a_line(tmp_path: Path) -> None:
    recording = Recording()
    recording.add(0, np.zeros((33, 45, 3), np.uint8), np.ones((33, 45), np.float32))
    recording.write(tmp_path / "odd.webm")
    with av.open(str(tmp_path / "odd.webm")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (44, 32)


def test_an_empty_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="Nothing was recorded"):
        Recording().write(tmp_path / "none.webm")


def test_a_missing_pyav_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *rest: Any, **more: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(RecordingError, match="pip install av"):
        Recording()


def test_closing_deletes_the_file() -> None:
    recording = record(1)
    recording.close()
    with pytest.raises(ValueError, match="closed"):
        recording.add(1, *frame(0))


def record_noise() -> Recording:
    """Records a minute of frames that need many bytes; 230 kB are written, the rest waits."""
    numbers, (_, mask) = np.random.default_rng(0), frame(0)
    recording = Recording()
    for place in range(60):
        recording.add(place, numbers.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), mask)
    return recording


def test_what_a_full_disk_took_is_kept(tmp_path: Path) -> None:
    with files_of_at_most(100_000):
        recording = record_noise()
        assert recording.is_cut_short and 10 < recording.count < 60
        assert not recording.add(100, *frame(0)), "it goes on with nothing"
        recording.write(tmp_path / "clip.webm")
    times, _ = read_alpha(tmp_path / "clip.webm")
    assert 10 < len(times) < recording.count and times == sorted(times)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.webm"]


def test_a_disk_that_fills_up_at_the_end_takes_the_last_seconds_only(tmp_path: Path) -> None:
    recording = record_noise()
    with files_of_at_most(240_000):
        recording.write(tmp_path / "clip.webm")
    assert recording.is_cut_short
    assert len(read_alpha(tmp_path / "clip.webm")[0]) >= 30


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    with files_of_at_most(0):
        recording = record_noise()
        with pytest.raises(RecordingError, match=r"nothing was recorded; free some space"):
            recording.write(tmp_path / "clip.webm")
    assert not list(tmp_path.iterdir())


def test_a_recording_can_be_saved_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    recording = record_noise()
    with files_of_at_most(1000), pytest.raises(OSError, match="too large"):
        recording.write(tmp_path / "clip.webm")
    assert not list(tmp_path.iterdir())
    recording.write(tmp_path / "clip.webm")
    assert len(read_alpha(tmp_path / "clip.webm")[0]) >= 30


def test_a_recording_is_its_owners_alone(tmp_path: Path) -> None:
    record(2).write(tmp_path / "clip.webm")
    assert (tmp_path / "clip.webm").stat().st_mode & 0o077 == 0
