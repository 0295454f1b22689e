"""What is written is decoded again, and is what it was."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from depthmask.clips import FORMATS, ClipWriter, join, read_clip
from depthmask.pictures import Picture
from tests.clips.drawing import HEIGHT, STEADY, UNEVEN, WIDTH, decoded, draw, loudness, write

ENDINGS = list(FORMATS)


def cut_out(index: int) -> Picture:
    """A frame whose square is half transparent at its left."""
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[8:24, 4 + 3 * index : 20 + 3 * index] = 255
    alpha[8:24, 4 + 3 * index : 12 + 3 * index] = 128
    return np.dstack([draw(index), alpha])


def written(source: Path, path: Path, *, count: int = 12, first: int = 0) -> Path:
    clip = read_clip(source)
    kind = FORMATS[path.suffix]
    _, times = decoded(source)
    begin, sound = round(1000 * times[first]), count == 12
    with ClipWriter(path, kind, clip, (HEIGHT, WIDTH), sound=sound, begin=begin) as writer:
        for index in range(first, first + count):
            picture = cut_out(index) if kind.has_alpha else draw(index)
            writer.write(picture, writer.tick(times[index]))
    return path


def check(path: Path, times: list[int]) -> None:
    """Sees that a clip of twelve frames has all that was written."""
    pictures, found = decoded(path)
    assert found == [Fraction(time, 1000) for time in times]
    for index, picture in enumerate(pictures):
        wanted = cut_out(index)
        if FORMATS[path.suffix].has_alpha:
            assert np.abs(picture[..., 3].astype(int) - wanted[..., 3]).mean() < 2
        opaque = wanted[..., 3] == 255
        colours = np.median(picture[..., :3][opaque], axis=0)  # those of an edge are mixed
        assert np.abs(colours - draw(0)[10, 10]).max() < 9


@pytest.mark.parametrize("times", [STEADY, UNEVEN])
@pytest.mark.parametrize("ending", ENDINGS)
def test_frames_alpha_and_times(tmp_path: Path, ending: str, times: list[int]) -> None:
    source = write(tmp_path / "source.mkv", times)
    check(written(source, tmp_path / f"out{ending}"), times)


@pytest.mark.parametrize("ending", ENDINGS)
def test_parts_are_joined(tmp_path: Path, ending: str) -> None:
    source = write(tmp_path / "source.mkv", UNEVEN, sound="libopus")
    files = [
        written(source, tmp_path / f"{first}-{UNEVEN[first]}{ending}", first=first, count=count)
        for first, count in ((0, 5), (5, 4), (9, 3))
    ]
    out = tmp_path / f"out{ending}"
    join(files, out, FORMATS[ending], read_clip(source))
    check(out, UNEVEN)
    level, seconds = loudness(out)
    assert level > 0.15 and abs(seconds - 0.5) < 0.06


@pytest.mark.parametrize("sound", ["libopus", "aac", "pcm_s16le"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_sound_is_kept(tmp_path: Path, ending: str, sound: str) -> None:
    source = write(tmp_path / "source.mkv", sound=sound)
    out = written(source, tmp_path / f"out{ending}")
    level, seconds = loudness(out)
    assert 0.2 < level < 0.3 and abs(seconds - 0.48) < 0.06
    codec = read_clip(source).sound
    copied = codec in FORMATS[ending].sound
    assert (read_clip(out).sound == codec) == copied
    if copied:  # with what a decoder needs before the first moment
        assert sound_bytes(out) == sound_bytes(source)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_source_says_what_its_colours_are(tmp_path: Path, ending: str) -> None:
    source = read_clip(write(tmp_path / "source.mkv"))
    wide = replace(source, primaries=9, transfer=14)  # BT.2020
    with ClipWriter(tmp_path / f"out{ending}", FORMATS[ending], wide, (HEIGHT, WIDTH)) as writer:
        writer.write(cut_out(0) if FORMATS[ending].has_alpha else draw(0), 0)
    found = read_clip(tmp_path / f"out{ending}")
    assert (found.primaries, found.transfer) == (9, 14)


def sound_bytes(path: Path) -> bytes:
    """A clip's sound as it is encoded."""
    with av.open(str(path)) as source:
        return b"".join(map(bytes, source.demux(audio=0)))


def test_odd_sizes_and_tall_pixels(tmp_path: Path) -> None:
    def odd(index: int) -> Picture:
        return draw(index)[:-1, :-1]

    source = write(tmp_path / "source.mkv", picture=odd, aspect=Fraction(1, 2))
    with av.open(str(source)) as opened:
        assert opened.streams.video[0].width == WIDTH - 1
    clip = read_clip(source)
    for ending, kind in FORMATS.items():
        out = tmp_path / f"out{ending}"
        with ClipWriter(out, kind, clip, (HEIGHT - 1, WIDTH - 1)) as writer:
            writer.write(cut_out(0)[:-1, :-1] if kind.has_alpha else odd(0), 0)
        found = decoded(out)[0][0]
        assert found.shape[:2] == ((HEIGHT, WIDTH) if kind.even else (HEIGHT - 1, WIDTH - 1))
        if kind.container != "webm":  # PyAV has no way to say it there
            assert read_clip(out).pixel_aspect == Fraction(1, 2)


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_a_player_can_begin_before_it_has_all(tmp_path: Path, ending: str) -> None:
    clip = read_clip(write(tmp_path / "clip.mkv", sound="aac"))
    size = (HEIGHT, WIDTH)
    for out in ("a", "b"):
        with ClipWriter(tmp_path / f"{out}-0{ending}", FORMATS[ending], clip, size) as writer:
            for index in range(3):
                channels = 4 if FORMATS[ending].has_alpha else 3
                writer.write(np.full((*size, channels), 90, np.uint8), 40 * index)
    join([tmp_path / f"a-0{ending}"], tmp_path / f"b-0{ending}", FORMATS[ending], clip)
    for out in ("a", "b"):
        content = (tmp_path / f"{out}-0{ending}").read_bytes()
        assert 0 < content.index(b"moov") < content.index(b"mdat")
