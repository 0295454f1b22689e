"""Frames come upright, in true colours and at their times."""

import os
import socket
import threading
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from depthmask.clips import (
    frame_times,
    is_clip,
    read_clip,
    read_frames,
    read_frames_from,
    spread_frames,
)
from depthmask.clips.deinterlace import DEINTERLACED
from depthmask.errors import ClipError
from depthmask.pictures import Picture
from tests.clips.drawing import HEIGHT, STEADY, UNEVEN, WIDTH, draw, write


def close(picture: Picture, other: Picture, levels: float = 3) -> bool:
    return bool(np.abs(picture.astype(int) - other).mean() < levels)


@pytest.mark.parametrize("times", [STEADY, UNEVEN])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_frames_and_their_times(tmp_path: Path, ending: str, times: list[int]) -> None:
    clip = read_clip(write(tmp_path / f"clip.{ending}", times))
    frames = list(read_frames(clip))
    assert [frame.time for frame in frames] == [Fraction(time, 1000) for time in times]
    assert [frame.number for frame in frames] == list(range(12))
    assert all(close(frame.picture, draw(index)) for index, frame in enumerate(frames))
    assert [frame.number for frame in read_frames(clip, skip=9)] == [9, 10, 11]


def test_times_that_do_not_go_on_are_made_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = read_clip(write(tmp_path / "clip.mkv", [0, 40, 80, 120, 160]))
    told = iter([Fraction(0), Fraction(0), None, Fraction(1, 100), Fraction(1)])
    monkeypatch.setattr("depthmask.clips.read._time", lambda frame, clip: next(told))
    tick = clip.time_base
    assert [frame.time for frame in read_frames(clip)] == [
        *(0, tick, tick + Fraction(1, 25), 2 * tick + Fraction(1, 25), 1)
    ]


def test_frames_are_turned_upright(tmp_path: Path) -> None:
    for turns in range(4):
        path = write(tmp_path / f"{turns}.mov", rotation=90 * turns, aspect=Fraction(1, 2))
        clip = read_clip(path)
        assert clip.pixel_aspect == (2 if turns % 2 else Fraction(1, 2))
        expected = np.rot90(draw(0), turns)
        assert (clip.height, clip.width) == expected.shape[:2]
        assert close(next(read_frames(clip)).picture, expected)


@pytest.mark.parametrize("colours", [(1, 1), (1, 2), (5, 1), (9, 1)])
def test_colours_are_converted_as_their_tags_say(tmp_path: Path, colours: tuple[int, int]) -> None:
    clip = read_clip(write(tmp_path / "clip.mp4", colours=colours, tagged=True))
    assert close(next(read_frames(clip)).picture, draw(0), 2)


@pytest.mark.parametrize(("lines", "matrix"), [(48, 5), (720, 1)])
def test_colours_without_a_tag_are_told_by_the_height(
    tmp_path: Path, lines: int, matrix: int
) -> None:
    def red(index: int) -> Picture:
        return np.full((lines, 32, 3), (200, 60, 30), np.uint8)

    clip = read_clip(write(tmp_path / "clip.mp4", [0, 40], picture=red, colours=(matrix, 1)))
    assert close(next(read_frames(clip)).picture, red(0), 2)


def test_frames_spread_over_a_part(tmp_path: Path) -> None:
    clip = read_clip(write(tmp_path / "clip.mp4"))
    found = spread_frames(clip, 3, side=1000, start=Fraction(2, 10), end=Fraction(4, 10))
    assert len(found) == 3
    assert close(found[0], draw(5)) and close(found[-1], draw(9))
    small = spread_frames(clip, 3, side=WIDTH // 2)
    assert [each.shape for each in small] == [(HEIGHT // 2, WIDTH // 2, 3)] * 3


def test_key_frames_of_a_long_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthmask.clips.read.FEW_FRAMES", 4)
    clip = read_clip(write(tmp_path / "clip.mp4", options={"crf": "4", "g": "3"}))
    found = spread_frames(clip, 4, side=1000)
    assert all(close(each, draw(index)) for each, index in zip(found, (0, 3, 6, 9), strict=True))
    sparse = read_clip(write(tmp_path / "sparse.mp4"))  # one key frame
    assert len(spread_frames(sparse, 4, side=1000)) == 4


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", options={"crf": "4", "g": "1"})
    content = path.read_bytes()
    with av.open(str(path)) as source:
        places = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    at, size = places[5]
    assert at is not None
    path.write_bytes(content[: at + 8] + b"\xff" * (size - 8) + content[at + size :])
    damaged: list[str] = []
    frames = list(read_frames(read_clip(path), damaged=damaged))
    assert len(damaged) == 1 and len(frames) == 11
    path.write_bytes(content[: places[8][0]])  # cut short
    assert 7 <= len(list(read_frames(read_clip(path)))) <= 8


def test_what_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no clip")
    for name, words in (("missing.mp4", "no clip at"), ("text.mp4", "is no clip"), (".", "folder")):
        with pytest.raises(ClipError, match=words):
            read_clip(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ClipError, match="is not a file"):  # nobody waits for what it holds
        read_clip(tmp_path / "pipe.mp4")
    assert not is_clip(tmp_path / "text.mp4")
    assert is_clip(write(tmp_path / "clip.mp4"))


def test_no_addresses_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = 0

    def hang_up(listener: socket.socket) -> None:
        nonlocal asked
        with suppress(OSError):  # it was closed
            while True:
                listener.accept()[0].close()
                asked += 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
        lists = {
            "list.m3u8": f"#EXTM3U\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
            "list.ffconcat": f"ffconcat version 1.0\nfile '{address}'\n",
            address: "no clip",  # a relative path, which FFmpeg would take for the address
        }
        for name, text in lists.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            with pytest.raises(ClipError):
                read_clip(path)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert asked == 0


def test_what_is_interlaced_is_deinterlaced(tmp_path: Path) -> None:
    def two_moments(index: int) -> Picture:
        picture = draw(2 * index)
        picture[1::2] = draw(2 * index + 1)[1::2]
        return picture

    options, times = {"crf": "4", "x264-params": "tff=1"}, [40 * index for index in range(6)]
    clip = read_clip(write(tmp_path / "clip.mp4", times, picture=two_moments, options=options))
    assert clip.notes == (DEINTERLACED,)
    found = list(read_frames(clip))
    assert [frame.time for frame in found] == [Fraction(time, 1000) for time in times]
    for frame in found:
        moments = (draw(2 * frame.number + more)[8:24] for more in (0, 1))
        assert any(close(frame.picture[8:24], moment, 2) for moment in moments)
    (last,) = read_frames_from(clip, frame_times(clip), 5)
    assert (last.number, last.time) == (5, Fraction(2, 10))


@pytest.mark.parametrize("options", [{"g": "4"}, {"g": "250", "bf": "3"}])
def test_frames_from_one_on(tmp_path: Path, options: dict[str, str]) -> None:
    times = [40 * index for index in range(80)]
    clip = read_clip(
        write(tmp_path / "clip.mp4", times, picture=lambda index: draw(index % 12), options=options)
    )
    listed = frame_times(clip)
    assert listed == [Fraction(time, 1000) for time in times]
    everything = list(read_frames(clip))
    for first in (0, 3, 50, 79):
        found = list(read_frames_from(clip, listed, first))
        assert [frame.number for frame in found] == list(range(first, 80))
        for frame, expected in zip(found, everything[first:], strict=True):
            assert np.array_equal(frame.picture, expected.picture)
            assert frame.time == expected.time
