"""How composites are made: what happens how often."""

from dataclasses import dataclass, field

from depthmask.data.camera import Lens


@dataclass(frozen=True)
class Recipe:
    """How samples are made. Fields without a unit are probabilities."""

    empty: float = 0.08  # nothing enters the scene
    several: float = 0.27  # two or three objects
    present_before: float = 0.08  # an object stands in both pictures, and is background
    smallest: float = 0.08  # an object's longest side, in sides of a square frame
    largest: float = 1.3  # the same
    leaves_frame: float = 0.4  # an object may leave the frame by up to a third
    cut_by_frame: float = 0.25  # a tall object is cut by the lower edge at chest or waist
    behind_something: float = 0.1  # the lower part is hidden by a straight edge
    camouflage: float = 0.15  # the object takes on the background's colour
    crop: float = 0.6  # least share of the background's side that is seen
    shadow: float = 0.65  # objects cast shadows, hard or soft
    reflection: float = 0.12  # the floor mirrors the object
    lamp: float = 0.15  # light falls differently on parts of the second picture
    moves: float = 0.5  # the camera moves between the shots
    parallax: float = 0.2  # and not only turns
    lens: Lens | None = field(default_factory=Lens)  # None: perfect pictures in the same light


# The original project's composites: one cut-out of half the frame's side, wholly inside it.
ORIGINAL = Recipe(
    empty=0.0,
    several=0.0,
    present_before=0.0,
    smallest=0.5,
    largest=0.5,
    leaves_frame=0.0,
    cut_by_frame=0.0,
    behind_something=0.0,
    camouflage=0.0,
    crop=1.0,
    shadow=0.0,
    reflection=0.0,
    lamp=0.0,
    moves=0.0,
    parallax=0.0,
    lens=None,
)
