"""The kinds of clips that are written: what encodes them, and which sound they take as it is."""

from dataclasses import dataclass, field
from fractions import Fraction

MILLISECONDS = Fraction(1, 1000)


@dataclass(frozen=True)
class Format:
    """How a clip is written."""

    container: str  # by FFmpeg's names, as all below
    encoder: str
    pixels: str  # what the encoder takes
    has_alpha: bool
    options: dict[str, str] = field(default_factory=dict)  # of the encoder
    time_base: Fraction | None = None  # seconds, of all times; None: as the source has it
    even: bool = False  # whether height and width must be even
    muxer: dict[str, str] = field(default_factory=dict)  # options of the container
    sound: tuple[str, ...] = ()  # codecs that are copied
    sound_encoder: str = "aac"  # for others


_VP9 = {
    "crf": "20",
    "b": "0",  # the quality stays, not the rate
    "deadline": "realtime",
    "cpu-used": "6",
    "row-mt": "1",
    "auto-alt-ref": "0",  # with alpha, it has to be
    "lag-in-frames": "0",
}
_AT_ONCE = {"movflags": "+faststart"}  # what players need first comes first
_H264 = {"crf": "18", "preset": "veryfast", "bf": "0"}  # parts are joined: no frame looks ahead

# By the ending of the file
FORMATS = {
    ".webm": Format(
        "webm",
        "libvpx-vp9",
        "yuva420p",
        True,
        _VP9,
        MILLISECONDS,
        sound=("opus", "vorbis"),
        sound_encoder="libopus",
    ),
    ".mov": Format(
        "mov",
        "prores_ks",
        "yuva444p10le",
        True,
        {"profile": "4444", "alpha_bits": "16"},
        muxer=_AT_ONCE,
        sound=("aac", "alac", "mp3", "pcm_s16le", "pcm_s24le"),
    ),
    ".mp4": Format(
        "mp4",
        "libx264",
        "yuv420p",
        False,
        _H264,
        even=True,
        muxer=_AT_ONCE,
        sound=("aac", "ac3", "mp3"),
    ),
}
