"""How composites are made: what happens how often, and how strongly."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Lens:
    """How strongly a camera changes its photos. Fields without a unit are probabilities."""

    gain: float = 0.15  # largest change of exposure between the two photos, as a share
    white_balance: float = 0.05  # the same for one channel
    offset: float = 8 / 255  # largest change of black level, full scale = 1
    gamma: float = 0.18  # largest change of contrast, as a share
    blur: float = 0.3
    sharpening: float = 0.15
    noise: float = 0.65
    noise_level: float = 9 / 255  # largest standard deviation, full scale = 1
    jpeg: float = 0.4
    tint: float = 0.12  # largest colour cast of a channel, the same in both photos, as a share
    pale: float = 0.4  # both photos have less or more colour than the scene


@dataclass(frozen=True)
class Recipe:
    """How samples are made. Fields without a unit are probabilities."""

    empty: float = 0.08  # nothing enters the scene
    several: float = 0.27  # two or three objects
    crowd: float = 0.04  # four or five
    present_before: float = 0.08  # an object stands in both photos, and belongs to the background
    smallest: float = 0.06  # an object's longest side, in sides of a square frame
    largest: float = 1.3  # the same
    leaves_frame: float = 0.4  # up to a third of an object may lie outside of the frame
    cut_by_frame: float = 0.25  # the lower edge cuts a tall object at chest or waist
    behind_something: float = 0.1  # a straight edge hides the object's lower part
    dark: float = 0.2  # an object is much darker than its cut-out
    camouflage: float = 0.15  # the object takes on the background's colour
    crop: float = 0.6  # smallest share of the background's side that is seen
    roll: float = 4.0  # degrees, largest tilt of both photos
    shadow: float = 0.75  # objects cast shadows, hard or soft
    darkest: float = 0.8  # largest share of the light that a shadow takes
    wall: float = 4.0  # largest distance of a wall behind an object, 1 = close
    lattice: float = 0.12  # an object consists of bars, and so does its shadow
    unseen: float = 0.02  # an object is outside of the photo, and only its shadow is inside
    motion_blur: float = 0.1
    reflection: float = 0.12  # the floor mirrors the object
    lamp: float = 0.15  # the light changes smoothly in parts of the image
    sunbeam: float = 0.08  # the same, with sharp borders
    sway: float = 0.25  # foliage, water, flags or curtains sway in a part of the scene
    dynamic_texture: float = 0.12  # a part of a texture shows another part of it, as foliage does
    screen: float = 0.08  # a screen shows something else, or flickers
    clouds: float = 0.08  # shadows of clouds lie elsewhere in each photo
    moves: float = 0.5  # the camera turns and zooms a little between the photos
    jitter: float = 0.12  # the camera shakes: each photo of the empty scene is moved twice as far
    parallax: float = 0.2  # the camera is displaced between the photos
    photos: int = 1  # of the empty scene; the background is the closest of them, pixel by pixel
    lens: Lens | None = field(default_factory=Lens)  # None: perfect photos in the same light
    perfect: float = 0.1  # nothing differs between the photos but what enters and its shadow

    @property
    def moving(self) -> bool:
        """Whether a part of the scene may move."""
        return any((self.sway, self.dynamic_texture, self.screen, self.clouds))


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
    sway=0.0,
    dynamic_texture=0.0,
    screen=0.0,
    clouds=0.0,
    moves=0.0,
    jitter=0.0,
    parallax=0.0,
    lens=None,
    perfect=0.0,
)

# The same seen by a camera: moved by up to 1 %, exposure and white balance changed, noise, shadows.
ORIGINAL_BY_CAMERA = replace(ORIGINAL, shadow=0.65, moves=1.0, lens=Lens(tint=0.0, pale=0.0))


def with_plates(recipe: Recipe) -> Recipe:
    """The same with a plate put together from photos of a scene that moves more often.

    A recipe in which nothing moves stays as it is.
    """
    return replace(recipe, photos=3, sway=max(recipe.sway, 0.6)) if recipe.moving else recipe
