"""The sound of a clip, copied into another where that takes it, else encoded anew."""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from depthmask.clips.formats import Format
from depthmask.clips.read import Clip

if TYPE_CHECKING:
    from av import Packet
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

RATE = 48_000  # samples a second, of sound that is encoded anew


class Sound:
    """The first sound track of a clip; it is written bit by bit, as the pictures are.

    Args:
        clip: It has sound.
        output: The file that gets a stream for it.
        kind: Of that file.
    """

    def __init__(self, clip: Clip, output: "OutputContainer", kind: Format) -> None:
        import av

        self._input = av.open(str(clip.path))
        self._stream = next(each for each in self._input.streams.audio if each.codec_context)
        self._start, self._output = clip.start, output
        self.copied = clip.sound in kind.sound
        if self.copied:
            self._target: AudioStream = output.add_stream_from_template(self._stream)
            self._packets = self._copied()
        else:
            self._target = cast("AudioStream", output.add_stream(kind.sound_encoder, rate=RATE))
            encoder = self._target.codec_context
            encoder.layout = "mono" if self._stream.layout.nb_channels == 1 else "stereo"
            self._packets = self._encoded(encoder)
        self._waiting: Packet[Any] | None = None

    def write(self, until: Fraction | None) -> None:
        """Writes what begins before a time, in seconds of the clip; None: all that is left."""
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            time = (packet.pts or 0) * packet.time_base
            if until is not None and time >= until:
                return
            self._waiting = None
            packet.stream = self._target
            self._output.mux(packet)

    def close(self) -> None:
        self._input.close()

    def _copied(self) -> Iterator["Packet[Any]"]:
        for packet in self._demuxed():
            shift = round(self._start / packet.time_base)
            if packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                yield packet

    def _encoded(self, encoder: "AudioCodecContext") -> Iterator["Packet[Any]"]:
        import av

        resampler = av.AudioResampler(format=encoder.format, layout=encoder.layout, rate=RATE)
        for packet in self._demuxed():
            try:
                frames = cast("list[AudioFrame]", packet.decode())
            except av.FFmpegError:  # a piece that is damaged stays silent
                continue
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                frame.pts -= round(self._start / frame.time_base)
                if frame.pts < 0:
                    continue
                for part in resampler.resample(frame):
                    yield from encoder.encode(part)
        for part in resampler.resample(None):
            yield from encoder.encode(part)
        yield from encoder.encode(None)

    def _demuxed(self) -> Iterator["Packet[Any]"]:
        for packet in self._input.demux(self._stream):
            if packet.size:
                yield packet
