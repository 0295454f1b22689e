"""Makes the folders of `examples/`: models scenes, photographs them twice, and writes the truth.

The README beside this file says what it needs and how to run it.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import bpy

from extras.scenery import cut_out, photo, places, render, shapes
from extras.scenery.photo import Exposure

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Example:
    """One row: a place, what enters it, and how the two photos differ."""

    name: str
    title: str
    note: str
    build: Callable[[], list[bpy.types.Object]]  # models the place, returns what has entered
    size: tuple[int, int]  # width, height in pixels
    background: Exposure
    image: Exposure
    shift: tuple[float, float] = (0.0, 0.0)  # pixels the camera moves between the shots
    samples: int = 8


CACHE = Path(tempfile.gettempdir()) / "depthmask-examples"


def _study() -> list[bpy.types.Object]:
    CACHE.mkdir(exist_ok=True)
    cut_out.astronaut(CACHE / "astronaut.png")
    return places.study(CACHE / "astronaut.png")


TABLE = (
    Example(
        name="teddy",
        title="Bear in the living room",
        note="Fur, and a shadow on a striped rug.",
        build=places.living_room,
        size=(960, 720),
        samples=16,
        background=Exposure(seed=1, gain=1.25),
        image=Exposure(seed=2, gain=1.18, balance=(1.01, 1.0, 0.98)),
    ),
    Example(
        name="astronaut",
        title="Astronaut in the study",
        note="A half figure cut by the frame, by the daylight of a window.",
        build=_study,
        size=(576, 720),
        samples=6,
        background=Exposure(seed=3, gain=1.42),
        image=Exposure(seed=4, gain=1.38, balance=(1.0, 1.0, 1.015)),
    ),
    Example(
        name="doorstep",
        title="Parcels at the door",
        note="Hard sun: the shadow on step and slabs is not foreground.",
        build=places.doorstep,
        size=(640, 800),
        samples=7,
        background=Exposure(seed=5, noise=0.003),
        image=Exposure(seed=6, noise=0.003, gain=1.03),
    ),
    Example(
        name="bicycle",
        title="Bicycle in the street",
        note="Thin tubes and spokes, and their shadow on the wall.",
        build=places.street,
        size=(960, 640),
        samples=7,
        background=Exposure(seed=7, noise=0.003),
        image=Exposure(seed=8, noise=0.003, gain=0.97),
    ),
    Example(
        name="desk",
        title="Coffee at the desk",
        note="Three small things at once: a mug, an apple and a notebook.",
        build=places.desk,
        size=(960, 640),
        samples=8,
        background=Exposure(seed=9, gain=0.85),
        image=Exposure(seed=10, gain=0.9),
    ),
    Example(
        name="empty",
        title="Nothing has changed",
        note="Exposure, white balance, noise and a pixel of shift: the mask must stay empty.",
        build=places.tidy_room,
        size=(720, 540),
        samples=5,
        background=Exposure(seed=11, gain=1.2),
        image=Exposure(seed=12, gain=1.08, balance=(0.98, 1.0, 1.03), noise=0.008),
        shift=(1.4, -0.8),
    ),
)


def make(example: Example, folder: Path, quality: render.Quality) -> None:
    """Renders one example into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes.clear()
    things = example.build()
    for thing in things:
        thing.hide_render = True
    empty_light, empty_distance = render.render_light(quality, seed=example.background.seed)
    for thing in things:
        thing.hide_render = False
    render.nudge_camera(quality, example.shift)
    light, distance = render.render_light(quality, seed=example.image.seed)
    # No denoiser smooths the edge of a mask, so it needs a number of samples of its own.
    fine = replace(quality, samples=max(quality.samples, 16))
    coverage = render.render_coverage(fine, things, seed=example.image.seed)
    for name, shot, exposure in (
        ("background", empty_light, example.background),
        ("image", light, example.image),
    ):
        developed = photo.develop(shot, exposure)
        photo.write_photo(folder / f"{name}.jpg", developed, jpeg=exposure.jpeg)
    photo.write_mask(folder / "mask.png", coverage)
    photo.write_depth(folder / "depth.png", photo.relative_depth(distance, empty_distance))


def main() -> None:
    """Reads the command line and makes the chosen examples."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="examples to make (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=EXAMPLES)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the picture's sides, for drafts"
    )
    parser.add_argument("--samples", type=int, help="light paths a pixel, for drafts")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for example in TABLE:
        if arguments.names and example.name not in arguments.names:
            continue
        width, height = (round(side * arguments.scale) for side in example.size)
        samples = arguments.samples or example.samples
        make(
            example,
            arguments.output / example.name,
            render.Quality(width, height, samples, arguments.threads),
        )
    rows = [{"name": e.name, "title": e.title, "note": e.note} for e in TABLE]
    (arguments.output / "examples.json").write_text(
        json.dumps(rows, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
