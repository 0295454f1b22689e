"""How composites are made: what happens how often."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Lens:
    """How strongly a camera changes pictures. Fields without a unit are probabilities."""

    gain: float = 0.15  # largest change of exposure between the shots, as a share
    white_balance: float = 0.05  # the same for one channel
    offset: float = 8 / 255  # largest change of black level, full scale = 1
    gamma: float = 0.18  # largest change of contrast, as a share
    blur: float = 0.3
    sharpening: float = 0.15
    noise: float = 0.65
    noise_level: float = 9 / 255  # largest standard deviation, full scale = 1
    jpeg: float = 0.4
    tint: float = 0.12  # largest cast of a channel that both pictures share, as a share
    pale: float = 0.4  # both pictures have less or more colour than the scene


@dataclass(frozen=True)
class Recipe:
    """How samples are made. Fields without a unit are probabilities."""

    empty: float = 0.08  # nothing enters the scene
    several: float = 0.27  # two or three objects
    crowd: float = 0.04  # four or five
    present_before: float = 0.08  # an object stands in both pictures, and is background
    smallest: float = 0.06  # an object's longest side, in sides of a square frame
    largest: float = 1.3  # the same
    leaves_frame: float = 0.4  # an object may leave the frame by up to a third
    cut_by_frame: float = 0.25  # a tall object is cut by the lower edge at chest or waist
    behind_something: float = 0.1  # the lower part is hidden by a straight edge
    dark: float = 0.2  # an object is much darker than its cut-out: black is no shadow
    camouflage: float = 0.15  # the object takes on the background's colour
    crop: float = 0.6  # least share of the background's side that is seen
    roll: float = 4.0  # degrees, by which both pictures are tilted at most
    shadow: float = 0.75  # objects cast shadows, hard or soft
    darkest: float = 0.8  # share of the light that a shadow takes at most
    wall: float = 4.0  # a shadow on a wall falls up to so many times as far aside as close behind
    lattice: float = 0.12  # an object, and so its shadow, consists of bars
    unseen: float = 0.02  # an object is out of sight, and only its shadow falls into the scene
    motion_blur: float = 0.1
    reflection: float = 0.12  # the floor mirrors the object
    lamp: float = 0.15  # light falls differently on parts of the second picture
    sunbeam: float = 0.08  # the same, with a border
    leaves: float = 0.1  # parts of the scene stir between the shots
    moves: float = 0.5  # the camera moves between the shots
    parallax: float = 0.2  # and not only turns
    lens: Lens | None = field(default_factory=Lens)  # None: perfect pictures in the same light
    perfect: float = 0.1  # nothing changes between the shots but what enters, and its shadows


# The original project's composites: one cut-out of half the frame's side, wholly inside it.
ORIGINAL = Recipe(
    empty=0.0,
    several=0.0,
    crowd=0.0,
    present_before=0.0,
    smallest=0.5,
    largest=0.5,
    leaves_frame=0.0,
    cut_by_frame=0.0,
    behind_something=0.0,
    dark=0.0,
    camouflage=0.0,
    crop=1.0,
    roll=0.0,
    shadow=0.0,
    darkest=0.7,
    wall=1.0,
    lattice=0.0,
    unseen=0.0,
    motion_blur=0.0,
    reflection=0.0,
    lamp=0.0,
    sunbeam=0.0,
    leaves=0.0,
    moves=0.0,
    parallax=0.0,
    lens=None,
    perfect=0.0,
)

# The same seen by a camera: moved by up to 1 %, exposure and white balance changed, noise, shadows.
ORIGINAL_BY_CAMERA = replace(ORIGINAL, shadow=0.65, moves=1.0, lens=Lens(tint=0.0, pale=0.0))
