"""How much a live frame may cost: a ladder of qualities, on which a visitor moves down and up."""

from collections.abc import Sequence
from dataclasses import dataclass

from depthmask.texts import TEXTS

TARGET_RATE = 15.0  # frames a second that a visitor should get
TARGET_MS = 1000 / TARGET_RATE
MIN_SHARE = 1 / 3  # of the target's time is the network's, however slow all else is
WEIGHT = 0.3  # of the newest frame in the mean times
DOWN_FRAMES = 4  # on a rung before a step down,
FAR_FRAMES, FAR = 2, 2.0  # or fewer, where the network takes so many times what it may
UP_FRAMES = 45  # on a rung before a step up; twice as many after each step that was too much
MAX_UP_FRAMES = 720
HEADROOM = 0.8  # of the network's time is what a better rung may take, by estimate
MAIN, FAST = "main", "fast"
_TEXT = TEXTS["live"]


@dataclass(frozen=True)
class Rung:
    """One quality."""

    resolution: int  # square root of the number of pixels that the network sees
    depth_every: int  # frames from one prediction of depth to the next
    model: str = MAIN


COSTS = {MAIN: 1.0, FAST: 0.22}  # of a model at any resolution, in those of the main one

# Best first.
LADDER = (
    Rung(224, 2),
    Rung(192, 3),
    Rung(160, 4),
    Rung(112, 4),
    Rung(88, 6),
)
# With the fast network, which is better than the main one at a lower cost.
FAST_LADDER = (*LADDER[:2], Rung(224, 2, FAST), Rung(160, 3, FAST), Rung(112, 4, FAST))


def ladder_from(resolution: int, *, fast: bool = False) -> tuple[Rung, ...]:
    """The rungs for who asked for a resolution: that one first, then those that cost less.

    Args:
        resolution: In pixels a side.
        fast: Whether the fast network can be had.
    """
    best = Rung(resolution, LADDER[0].depth_every)
    ladder = FAST_LADDER if fast else LADDER
    lower = [rung for rung in ladder if _cost(rung) < _cost(best) and rung.resolution <= resolution]
    return (best, *lower)


class Quality:
    """Holds a visitor's rate: steps down when frames take too long, and up when there is time.

    A visitor may fix a rung instead.

    Args:
        ladder: The rungs, best first.
    """

    def __init__(self, ladder: Sequence[Rung]) -> None:
        self._ladder = ladder
        self._fixed = False
        self._place, self._frames, self._patience = 0, 0, UP_FRAMES
        self._network_ms = self._others_ms = 0.0

    @property
    def rung(self) -> Rung:
        return self._ladder[self._place]

    @property
    def choices(self) -> list[str]:
        """What a visitor may fix, best first."""
        return [self._name(rung) for rung in self._ladder]

    @property
    def sentence(self) -> str:
        """What the visitor is told about the quality."""
        if self._fixed:
            return _TEXT["quality_fixed"].format(name=self._name(self.rung))
        if self._place == 0:
            return _TEXT["quality_best"].format(name=self._name(self.rung))
        best = self._ladder[0].resolution
        fewer = f", not {best}" if self.rung.resolution != best else ""
        name = f"{self._name(self.rung)}{fewer}"
        return _TEXT["quality_lowered"].format(rate=TARGET_RATE, name=name)

    def choose(self, wanted: object) -> None:
        """Fixes a rung by its place among the choices; anything else lets the time decide."""
        places = {str(place): place for place in range(len(self._ladder))}
        place = places.get(str(wanted))
        self._fixed = place is not None
        if place is not None and place != self._place:
            self._move(place)

    def _name(self, rung: Rung) -> str:
        network = "" if rung.model == self._ladder[0].model else " of a smaller network"
        return _TEXT["pixels"].format(resolution=rung.resolution) + network

    def note(self, network_ms: float, others_ms: float) -> None:
        """Takes the times of a frame, and steps to another rung if that is due.

        Args:
            network_ms: Until the network answered, waiting for other visitors included.
            others_ms: All else that keeps the next frame waiting.
        """
        self._frames += 1
        if self._fixed or self._frames == 1:  # the first run of a size prepares it
            return
        weight = 1.0 if self._frames == 2 else WEIGHT
        self._network_ms += weight * (network_ms - self._network_ms)
        self._others_ms += weight * (others_ms - self._others_ms)
        allowed = max(TARGET_MS - self._others_ms, MIN_SHARE * TARGET_MS)
        if self._network_ms > allowed:
            is_far = self._network_ms > FAR * allowed
            if self._frames > (FAR_FRAMES if is_far else DOWN_FRAMES):
                self._step_down(allowed)
        elif self._place and self._frames > self._patience:
            self._step_up(HEADROOM * allowed)

    def _step_down(self, allowed: float) -> None:
        """Goes to the best rung that should do, at once."""
        lower = range(self._place + 1, len(self._ladder))
        if lower:
            fitting = [place for place in lower if self._estimate(place) <= allowed]
            self._patience = min(2 * self._patience, MAX_UP_FRAMES)
            self._move(fitting[0] if fitting else lower[-1])

    def _step_up(self, allowed: float) -> None:
        if self._estimate(self._place - 1) <= allowed:
            self._move(self._place - 1)

    def _move(self, place: int) -> None:
        self._place, self._frames = place, 0

    def _estimate(self, place: int) -> float:
        """Milliseconds of the network on another rung, by what it takes on this one."""
        return self._network_ms * _cost(self._ladder[place]) / _cost(self.rung)


def _cost(rung: Rung) -> float:
    return COSTS[rung.model] * rung.resolution**2
