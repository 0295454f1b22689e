"""A predictor that is still being loaded while the page is already up."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from depthmask.pictures import Picture

if TYPE_CHECKING:
    from depthmask.inference.predictor import Prediction

LIMIT_S = 300.0  # to wait for the weights; they take seconds


class Predicts(Protocol):
    """What this page needs of a `Predictor`; tests bring a fake."""

    def predict(self, background: Picture, image: Picture) -> "Prediction": ...


PredictsT = TypeVar("PredictsT", bound=Predicts)


class Standby(Generic[PredictsT]):
    """Takes predictions from the start, and makes them once `load` is done.

    Args:
        make: Makes the predictor; what it imports and reads is waited for by `predict` only.
    """

    def __init__(self, make: Callable[[], PredictsT]) -> None:
        self._make = make
        self._predictor: PredictsT | None = None
        self._ready = threading.Event()

    def load(self) -> None:
        """Makes the predictor, and runs it once, because the first run takes longest.

        Raises:
            ValueError: As `make` does.
        """
        import numpy as np

        predictor = self._make()
        grey = np.full((64, 64, 3), 128, np.uint8)
        predictor.predict(grey, grey)
        self._predictor = predictor
        self._ready.set()

    def predict(self, background: Picture, image: Picture) -> "Prediction":
        """As `Predictor.predict`; waits for the weights first.

        Raises:
            RuntimeError: They have not come.
        """
        return self.ready().predict(background, image)

    def ready(self) -> PredictsT:
        """Waits for the predictor.

        Raises:
            RuntimeError: Its weights have not come.
        """
        if not self._ready.wait(LIMIT_S) or self._predictor is None:
            raise RuntimeError("its weights could not be loaded; see what the server printed.")
        return self._predictor
