"""A predictor whose network is still being loaded while the page is already up."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from depthmask.errors import CheckpointError
from depthmask.pictures import Picture

if TYPE_CHECKING:
    from depthmask.inference.background import Background
    from depthmask.inference.predictor import FirstLook, Prediction

LOAD_LIMIT_S = 300.0  # the weights usually take seconds


class Predicts(Protocol):
    """The part of `Predictor` that the page needs; stand-ins may know photos alone."""

    def predict(self, background: Any, image: Picture) -> "Prediction": ...


@runtime_checkable
class Looks(Protocol):
    """What of `Predictor` lets the page show something before a prediction is finished."""

    def look(self, background: Any, image: Picture) -> "FirstLook | None":
        """The first part; None where there is nothing but the whole."""

    def finish(self, look: "FirstLook") -> "Prediction": ...


PredictsT = TypeVar("PredictsT", bound=Predicts)


class LoadingPredictor(Generic[PredictsT]):
    """Accepts pairs from the start, and predicts them once `load` is done.

    Args:
        make: Makes the predictor. What it imports and reads delays predictions, not the page.
    """

    def __init__(self, make: Callable[[], PredictsT]) -> None:
        self._make = make
        self._predictor: PredictsT | None = None
        self._ready, self._predicting = threading.Event(), threading.Lock()

    def load(self) -> None:
        """Makes the predictor, and runs it once, because the first run takes longest.

        Raises:
            DepthmaskError: As `make` does.
        """
        import numpy as np

        predictor = self._make()
        grey = np.full((64, 64, 3), 128, np.uint8)
        predictor.predict(grey, grey)
        self._predictor = predictor
        self._ready.set()

    def predict(self, background: "Background", image: Picture) -> "Prediction":
        """Predicts as `Predictor.predict` does, once the network is loaded: one pair at a time.

        Raises:
            CheckpointError: It was not loaded within `LOAD_LIMIT_S`.
        """
        predictor = self.ready()
        with self._predicting:  # pairs of large photos together would take all memory
            return predictor.predict(background, image)

    def look(self, background: "Background", image: Picture) -> "FirstLook | None":
        """As `predict`, the first part; None where what was loaded knows no parts."""
        predictor = self.ready()
        if not isinstance(predictor, Looks):
            return None
        with self._predicting:
            return predictor.look(background, image)

    def finish(self, look: "FirstLook") -> "Prediction":
        """The rest of what `look` began."""
        predictor = self.ready()
        assert isinstance(predictor, Looks), "it made the look"
        with self._predicting:
            return predictor.finish(look)

    def ready(self) -> PredictsT:
        """Returns the predictor once it is loaded.

        Raises:
            CheckpointError: It was not loaded within `LOAD_LIMIT_S`.
        """
        if not self._ready.wait(LOAD_LIMIT_S) or self._predictor is None:
            raise CheckpointError(
                "The network could not be loaded; look at what the server printed."
            )
        return self._predictor
