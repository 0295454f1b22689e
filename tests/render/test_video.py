"""Recordings: bounded, in order, gone afterwards; and WebM whose alpha is the mask."""

import builtins
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from depthmask.errors import RecordingError
from depthmask.pictures import Map, Picture
from depthmask.render.video import Recording, write_webm

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


def test_frames_come_back_as_they_were() -> None:
    recording = record(3)
    found = list(recording.frames())
    assert [round(each.seconds, 3) for each in found] == [0, 0.1, 0.2]
    for place, each in enumerate(found):
        picture, mask = frame(place)
        assert np.abs(each.picture.astype(int) - picture).mean() < 3
        assert np.abs(each.mask - mask).mean() < 0.02
    assert recording.add(100.3, *frame(3))
    assert len(list(recording.frames())) == recording.count == 4


def test_a_small_mask_is_brought_to_the_size_of_its_frame() -> None:
    recording = Recording()
    recording.add(0, frame(0)[0], np.ones((8, 16), np.float32))
    assert next(recording.frames()).mask.shape == (HEIGHT, WIDTH)


def test_frames_out_of_order_are_left_out() -> None:
    recording = record(2)
    assert recording.add(99, *frame(2))
    assert recording.count == 2


@pytest.mark.parametrize("bounds", [{"largest": 10_000}, {"longest": 0.45}])
def test_a_recording_ends_where_it_must(bounds: dict[str, float]) -> None:
    recording = record(20, **bounds)
    assert 0 < recording.count < 20
    assert not recording.add(200, *frame(0))


def test_webm_has_the_mask_as_alpha_and_keeps_time(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    write_webm(path, record(5))
    assert b"\x53\xc0\x81\x01" in path.read_bytes()  # Matroska's AlphaMode, 1
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert "vp9" in stream.codec_context.name
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own ignores alpha
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = [round(float((packet.pts or 0) * (packet.time_base or 0)), 2) for packet in packets]
        shown = [each for packet in packets for each in decoder.decode(packet)]
    assert times == [0, 0.1, 0.2, 0.3, 0.4]
    assert len(shown) == 5
    for place, each in enumerate(shown):
        _, mask = frame(place)
        alpha = each.to_ndarray(format="rgba")[..., 3] > 127
        both = (alpha & (mask > 0)).sum() / (alpha | (mask > 0)).sum()
        assert both > 0.95


def test_odd_sizes_lose_a_line(tmp_path: Path) -> None:
    recording = Recording()
    recording.add(0, np.zeros((33, 45, 3), np.uint8), np.ones((33, 45), np.float32))
    write_webm(tmp_path / "odd.webm", recording)
    with av.open(str(tmp_path / "odd.webm")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (44, 32)


def test_an_empty_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="Nothing was recorded"):
        write_webm(tmp_path / "none.webm", Recording())


def test_a_missing_pyav_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *rest: Any, **more: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(RecordingError, match="pip install av"):
        write_webm(tmp_path / "clip.webm", record(1))


def test_closing_deletes_the_file() -> None:
    recording = record(1)
    recording.close()
    with pytest.raises(ValueError, match="closed"):
        recording.add(1, *frame(0))
