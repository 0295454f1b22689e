"""What `depthmask predict` does with the images of a folder, here or in a worker of a cluster."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.inputs import Input
from depthmask.cli.options import (
    make_background,
    make_learn_occupied,
    make_predict,
    make_predictor,
    weights_fingerprint,
)
from depthmask.data.folders import say

if TYPE_CHECKING:
    from depthmask.batch.jobs import Job, Scene
    from depthmask.inference.background import Background
    from depthmask.inference.outputs import Wanted
    from depthmask.inference.predictor import Prediction, Predictor
    from depthmask.pictures import Picture


class Work:
    """The batch, and the network, which is loaded when something is to be predicted."""

    def __init__(
        self,
        options: argparse.Namespace,
        wanted: "Wanted",
        inputs: Sequence[Input] = (),
        known: "Mapping[Scene, Background] | None" = None,
    ) -> None:
        from depthmask.batch.run import Backgrounds, Batch
        from depthmask.inference.outputs import describe

        self.options, self.wanted = options, wanted
        self.weights = weights_fingerprint(options)
        names = {each.path: each.name for each in inputs}
        self.backgrounds: Backgrounds = Backgrounds(
            self._make_background, tell=say, names=names, known=known
        )
        self.batch: Batch = Batch(
            Path(options.output),
            wanted,
            {**_facts(options, wanted), "weights": self.weights},
            self.backgrounds,
            predict=lambda *pair: self._predict(*pair),
            describe=lambda prediction: describe(self.predictor, prediction),
        )

    @cached_property
    def predictor(self) -> "Predictor":
        return make_predictor(self.options, resolution=self.options.resolution)

    @cached_property
    def _predict(self) -> Callable[["Background", "Picture"], "Prediction"]:
        return make_predict(self.predictor, self.options)

    def open(self) -> None:
        """Loads the network; here, where errors end all."""
        self._predict  # noqa: B018

    def learn(self, jobs: Iterable["Job"]) -> "dict[Scene, Background]":
        """Reads the background, if there is one for all; likewise."""
        scenes = set() if self.options.pairs else {job.scene for job in jobs}
        return {scene: self.backgrounds.of(scene) for scene in scenes}

    def check(self, jobs: Sequence["Job"]) -> None:
        """Makes the folder of the results; raises OptionError where an input would be lost."""
        from depthmask.batch.run import refuse_inputs

        options = self.options
        others = [Path(text) for text in (options.backdrop, options.pairs) if text]
        refuse_inputs(self.batch, jobs, others)
        self.batch.begin()

    def _make_background(self, pictures: Sequence["Picture"], occupied: bool) -> "Background":
        learn = None
        if occupied and len(pictures) > 1:
            learn = make_learn_occupied(self.predictor, self.options)
        return make_background(pictures, self.options, learn)


def _facts(options: argparse.Namespace, wanted: "Wanted") -> dict[str, object]:
    """The options on which the results depend, but for the weights."""
    from hashlib import sha256

    backdrop = wanted.backdrop
    names = ["quality", "resolution", "backend", "no_align", "no_light", "no_refine"]
    names += ("mirror_background", "depth", "format", "scale", "crop", "mask_only", "unknown")
    return {
        **{name: getattr(options, name) for name in names},
        "backdrop": None if backdrop is None else sha256(backdrop.tobytes()).hexdigest(),
    }
