"""Composites: a background, an image of it with objects in it, and the truth about both.

Everything is batched tensor code that runs on the training device. Each sample draws from a stream
of its own (`Draws`), so sample number i is the same picture on any machine and in any batch.

Positions are in frame units: x right and y down from the centre, scaled so that the frame's area
is 4. A square frame spans [-1, 1] both ways.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.data.camera import Lens, photograph
from depthmask.data.dataset import Pool, Pools
from depthmask.data.draws import Draws
from depthmask.data.packfile import ratio_from_bytes
from depthmask.depth import depth_from_ratio, scene_range

SLOTS = 3  # objects a sample can hold
_HIDDEN_SIDE = 32  # side of the map on which an object's nearest hidden background is looked up


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


@dataclass(frozen=True)
class Batch:
    """Samples with their truth, all float32 of (B, C, H, W)."""

    background: Tensor  # C = 3, RGB in [0, 1]
    image: Tensor  # C = 3, RGB in [0, 1]
    true_mask: Tensor  # C = 1, alpha in [0, 1]
    true_depth: Tensor  # C = 1, depth of the image in (0, 1], see `depthmask.depth`


@dataclass
class _Scene:
    """The state of the pictures while objects are painted into them, far to near."""

    plate: Tensor  # (B, 3, H, W), what the background photo shows
    image: Tensor  # (B, 3, H, W)
    ratio: Tensor  # (B, 1, H, W), inverse depth of the image in units of the scene's range
    behind: Tensor  # (B, 1, H, W), the same of the empty scene
    mask: Tensor  # (B, 1, H, W)
    motion: Tensor  # (B, 3, 3), from positions in the plate to positions in the image


@dataclass(frozen=True)
class _Objects:
    """The objects of a batch, one row per sample and slot; `take` selects rows."""

    number: Tensor  # (...,) int64, cut-out
    place: Tensor  # (..., 3, 3), from the cut-out's square [-1, 1]² to the frame
    foot: Tensor  # (..., 2), where it stands, in frame units
    visible_to: Tensor  # (...,), the cut-out's y below which something hides it; 1 = nothing
    ratio: Tensor  # (...,), its inverse depth in units of the scene's range
    before: Tensor  # (...,) bool, stands in both pictures
    active: Tensor  # (...,) bool

    def take(self, samples: Tensor, slots: Tensor) -> "_Objects":
        return _Objects(**{name: value[samples, slots] for name, value in vars(self).items()})


@torch.no_grad()
def compose(
    pools: Pools,
    numbers: Tensor,
    *,
    size: tuple[int, int],
    seed: int = 0,
    recipe: Recipe | None = None,
) -> Batch:
    """Makes the samples with the given numbers.

    Args:
        pools: Cut-outs and backgrounds, on the device to work on.
        numbers: (B,) int64 on the same device, the samples' numbers.
        size: Height and width in pixels.
        seed: Selects another family of samples.
        recipe: What happens how often; the defaults of `Recipe` if None.
    """
    recipe = recipe or Recipe()
    draws = Draws(seed, numbers)
    scene = _draw_scene(pools.backgrounds, draws, size, recipe)
    objects = _draw_objects(pools.foregrounds, draws, scene, recipe)
    looks = _Looks.draw(draws, recipe)
    for slot in range(SLOTS):
        samples = objects.active[:, slot].nonzero()[:, 0]
        if len(samples):
            slots = torch.full_like(samples, slot)
            _paint(
                scene, pools.foregrounds, samples, objects.take(samples, slots), looks.take(samples)
            )
    if recipe.lamp:
        scene.image = scene.image * _lamp(draws, size, recipe.lamp)
    background, image = scene.plate, scene.image
    if recipe.lens:
        background, image = photograph(background, image, draws, recipe.lens)
    return Batch(
        background=background.clamp(0, 1),
        image=image.clamp(0, 1),
        true_mask=scene.mask,
        true_depth=depth_from_ratio(scene.ratio),
    )


def _draw_scene(pool: Pool, draws: Draws, size: tuple[int, int], recipe: Recipe) -> _Scene:
    """Chooses backgrounds and crops, and sees each from where the two pictures are taken."""
    assert pool.labels is not None, "backgrounds come with labels"
    number = pool.pick(draws.uniform())
    view = _draw_view(draws, pool.aspect[number], size, recipe)
    motion = _draw_motion(draws, recipe)
    seen = _grid(view, size)
    label = ratio_from_bytes(_sample((pool.labels[:, None],), number, seen))
    low, span = scene_range(label)
    ratio = (label - low[:, None, None, None]) / span[:, None, None, None]
    plate_view = _grid(view @ motion, size)
    shift = draws.signed(0.012, each=2) * draws.chance(recipe.parallax)[:, None]
    # Near things move more than far ones when the camera is displaced.
    plate_view = plate_view + (ratio.movedim(1, -1) - 0.5) * shift[:, None, None]
    level = _level_of(pool, seen)
    image = _sample(pool.levels, number, seen, level)
    return _Scene(
        plate=_sample(pool.levels, number, plate_view, level),
        image=image,
        ratio=ratio,
        behind=ratio,
        mask=torch.zeros_like(ratio),
        motion=motion,
    )


def _draw_view(draws: Draws, aspect: Tensor, size: tuple[int, int], recipe: Recipe) -> Tensor:
    """Which part of the background the frame shows: (B, 3, 3), frame to the picture's [-1, 1]²."""
    half_width, half_height = _half_sides(size)
    extent_x, extent_y = aspect.sqrt(), aspect.rsqrt()
    scale = torch.minimum(extent_x / half_width, extent_y / half_height)
    scale = scale * draws.uniform(recipe.crop, 1.0)
    centre_x = draws.signed(1.0) * (extent_x - scale * half_width)
    centre_y = draws.signed(1.0) * (extent_y - scale * half_height)
    flip = torch.where(draws.chance(0.5), -1.0, 1.0)
    return _matrix(
        (flip * scale / extent_x, 0.0, centre_x / extent_x),
        (0.0, scale / extent_y, centre_y / extent_y),
    )


def _draw_motion(draws: Draws, recipe: Recipe) -> Tensor:
    """How the camera moved between the shots: shift and zoom of about 1 %, half a degree."""
    moves = draws.chance(recipe.moves).float() * draws.uniform()
    shift = draws.signed(0.02, each=2) * moves[:, None]
    angle = draws.signed(math.radians(0.6)) * moves
    zoom = 1 + draws.signed(0.01) * moves
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    return _matrix((cos, -sin, shift[:, 0]), (sin, cos, shift[:, 1]))


def _draw_objects(pool: Pool, draws: Draws, scene: _Scene, recipe: Recipe) -> _Objects:
    """Chooses cut-outs and where they stand, ordered from far to near."""
    assert pool.foot is not None and pool.trunk is not None, "cut-outs know where they stand"
    size = (scene.image.shape[-2], scene.image.shape[-1])
    several = draws.uniform()
    count = 1 + (several < recipe.several).long() + (several < recipe.several / 3).long()
    count = torch.where(draws.chance(recipe.empty), 0, count)
    slots: list[_Objects] = []
    for slot in range(SLOTS):
        number = pool.pick(draws.uniform())
        place = _draw_place(draws, pool.aspect[number], pool.trunk[number], size, recipe)
        hidden = draws.chance(recipe.behind_something)
        visible_to = torch.where(hidden, draws.uniform(-0.3, 0.8), 1.0)
        foot_x, foot_y = pool.foot[number].unbind(-1)
        local = torch.stack((foot_x, torch.minimum(foot_y, visible_to), torch.ones_like(foot_x)), 1)
        foot = (place @ local[..., None])[:, :2, 0]
        slots.append(
            _Objects(
                number=number,
                place=place,
                foot=foot,
                visible_to=visible_to,
                ratio=_draw_ratio(draws, foot, scene.behind),
                before=draws.chance(recipe.present_before),
                active=slot < count,
            )
        )
    objects = _Objects(
        **{name: torch.stack([vars(s)[name] for s in slots], dim=1) for name in vars(slots[0])}
    )
    order = objects.ratio.argsort(dim=1)
    return objects.take(torch.arange(len(order), device=order.device)[:, None], order)


def _draw_place(
    draws: Draws, aspect: Tensor, trunk: Tensor, size: tuple[int, int], recipe: Recipe
) -> Tensor:
    """Where an object stands and how large: (B, 3, 3), cut-out's [-1, 1]² to frame."""
    half_width, half_height = _half_sides(size)
    aspect = aspect * draws.uniform(0.9, 1.1) if recipe.lens else aspect
    longest = draws.log_uniform(recipe.smallest, recipe.largest)
    width = longest * aspect.clamp_max(1)
    height = longest / aspect.clamp_min(1)

    # Cut by the lower edge: `visible` of the frame's height shows `shown` of the object's.
    is_trunk = trunk & draws.chance(0.85 if recipe.cut_by_frame else 0.0)
    is_cut = is_trunk | ((aspect < 0.75) & draws.chance(recipe.cut_by_frame))
    shown = torch.where(is_trunk, draws.uniform(0.8, 1.0), draws.uniform(0.3, 0.65))
    visible = draws.uniform(0.3, 1.0)
    cut_height = visible * half_height / shown
    width = torch.where(is_cut, cut_height * aspect, width)
    height = torch.where(is_cut, cut_height, height)

    beyond = draws.chance(recipe.leaves_frame) * 2 / 3
    room_x = (half_width - width).abs() + width * beyond
    room_y = (half_height - height).abs() + height * beyond
    centre_x = draws.signed(1.0) * room_x
    centre_y = torch.where(
        is_cut, half_height * (1 - 2 * visible) + height, draws.signed(1.0) * room_y
    )
    turned = draws.chance(0.2 if recipe.lens else 0.0) & ~is_cut
    angle = draws.signed(math.radians(25)) * turned
    cos, sin = angle.cos(), angle.sin()
    flip = torch.where(draws.chance(0.5), -1.0, 1.0)
    return _matrix(
        (cos * width * flip, -sin * height, centre_x),
        (sin * width * flip, cos * height, centre_y),
    )


def _draw_ratio(draws: Draws, foot: Tensor, behind: Tensor) -> Tensor:
    """The inverse depth at which an object stands, (B,), in units of the scene's range.

    It is that of the surface under its foot. If the foot is out of the frame, the object stands
    nearer than the surface at the frame's edge, by up to 4.
    """
    half = torch.tensor(_half_sides((behind.shape[-2], behind.shape[-1])), device=foot.device)
    spot = foot / half
    contact = F.grid_sample(
        behind, spot.clamp(-0.98, 0.98)[:, None, None], align_corners=False
    ).flatten()
    outside = (spot[:, 0].abs() > 1) | (spot[:, 1] > 1)
    return contact + 4 * draws.uniform() ** 2 * outside


@dataclass(frozen=True)
class _Looks:
    """What objects look like and what they do to the light; one row per sample."""

    gain: Tensor  # (B, 3)
    camouflage: Tensor  # (B,), 0 = own colours, 1 = the background's mean
    shadow: Tensor  # (B,), how much light a shadow takes; 0 = none
    tint: Tensor  # (B, 3), the shadow's colour cast
    lean: Tensor  # (B, 2), where the shadow of a point 1 above the foot falls: right, up
    on_wall: Tensor  # (B,) bool, the shadow falls on a wall close behind
    softness: Tensor  # (B,), levels of blur
    contact: Tensor  # (B,), darkness right under the object
    mirror: Tensor  # (B,), strength of the floor's reflection

    @classmethod
    def draw(cls, draws: Draws, recipe: Recipe) -> "_Looks":
        natural = recipe.lens is not None
        gain = draws.log_uniform(0.6, 1.3)[:, None] * (1 + draws.signed(0.08, each=3))
        up = draws.log_uniform(0.12, 0.7) * torch.where(draws.chance(0.75), 1.0, -1.0)
        return cls(
            gain=gain if natural else torch.ones_like(gain),
            camouflage=draws.uniform(0.3, 0.9) * draws.chance(recipe.camouflage),
            shadow=draws.uniform(0.15, 0.75) * draws.chance(recipe.shadow),
            tint=1 + draws.signed(0.12, each=3),
            lean=torch.stack((draws.signed(1.4), up), dim=1),
            on_wall=draws.chance(0.3),
            softness=draws.uniform(0.0, 3.5) * draws.chance(0.7),
            contact=draws.uniform(0.2, 0.8) * draws.chance(0.6 * recipe.shadow),
            mirror=draws.uniform(0.08, 0.35) * draws.chance(recipe.reflection),
        )

    def take(self, samples: Tensor) -> "_Looks":
        return _Looks(**{name: value[samples] for name, value in vars(self).items()})


def _paint(scene: _Scene, pool: Pool, samples: Tensor, objects: _Objects, looks: "_Looks") -> None:
    """Paints one object into each of the given samples, with its shadow and its depth."""
    size = (scene.image.shape[-2], scene.image.shape[-1])
    to_cutout = torch.linalg.inv(objects.place)
    layer = _object_layer(pool, objects, _grid(to_cutout, size))
    alpha = layer[:, 3:]
    image = scene.image[samples]
    layer = _colour(layer, image, looks)
    before = objects.before[:, None, None, None]

    lit = _cast_shadow(image, pool, objects, looks, to_cutout)
    scene.image[samples] = lit * (1 - alpha) + layer[:, :3]
    scene.mask[samples] = scene.mask[samples] * (1 - alpha) + alpha * ~before
    scene.ratio[samples] = torch.where(
        alpha > 0.5, _object_ratio(objects, alpha, scene.behind[samples]), scene.ratio[samples]
    )

    both = objects.before.nonzero()[:, 0]
    if len(both):
        view = _grid(to_cutout[both] @ scene.motion[samples[both]], size)
        standing = _object_layer(pool, _rows(objects, both), view)
        plate = scene.plate[samples[both]]
        standing = _colour(standing, plate, looks.take(both))
        scene.plate[samples[both]] = plate * (1 - standing[:, 3:]) + standing[:, :3]


def _rows(objects: _Objects, rows: Tensor) -> _Objects:
    return _Objects(**{name: value[rows] for name, value in vars(objects).items()})


def _object_layer(pool: Pool, objects: _Objects, view: Tensor) -> Tensor:
    """The object alone, (B, 4, H, W), premultiplied."""
    layer = _sample(pool.levels, objects.number, view, _level_of(pool, view), outside="zeros")
    # One pixel of the frame softens the edge that hides the lower part.
    pixel = (view[:, 1:, :, 1] - view[:, :-1, :, 1]).abs().mean(dim=(1, 2)).clamp_min(1e-4)
    limit = torch.where(objects.visible_to < 1, objects.visible_to, 2.0)
    depth_into = (limit[:, None, None] - view[..., 1]) / pixel[:, None, None]
    return layer * depth_into.clamp(0, 1)[:, None]


def _colour(layer: Tensor, image: Tensor, looks: "_Looks") -> Tensor:
    """Gives the object its own exposure, and sometimes the colours of what it hides."""
    colour, alpha = layer[:, :3] * looks.gain[:, :, None, None], layer[:, 3:]
    area = alpha.sum(dim=(2, 3), keepdim=True).clamp_min(1e-3)
    own = colour.sum(dim=(2, 3), keepdim=True) / area
    hidden = (image * alpha).sum(dim=(2, 3), keepdim=True) / area
    blended = colour + alpha * (hidden - own) * looks.camouflage[:, None, None, None]
    return torch.cat((torch.minimum(blended.clamp_min(0), alpha), alpha), dim=1)


def _cast_shadow(
    image: Tensor, pool: Pool, objects: _Objects, looks: "_Looks", to_cutout: Tensor
) -> Tensor:
    """Darkens what lies in the objects' shadows, and mirrors the objects in the floor."""
    size = (image.shape[-2], image.shape[-1])
    on_floor = _floor_projection(objects.foot, looks.lean[:, 0], looks.lean[:, 1])
    aside = looks.lean * torch.tensor([0.12, 0.2], device=image.device)
    on_wall = _shift(aside[:, 0], aside[:, 1].abs() * -0.5)
    projection = torch.where(looks.on_wall[:, None, None], on_wall, on_floor)
    shade = _sample_alpha(pool, objects, to_cutout @ projection, size, looks.softness)
    flat = _floor_projection(objects.foot, torch.zeros_like(looks.contact), looks.contact * 0 + 0.1)
    under = _sample_alpha(pool, objects, to_cutout @ flat, size, looks.softness * 0 + 2.5)
    taken = looks.shadow[:, None, None, None] * shade * looks.tint[:, :, None, None]
    image = image * (1 - taken.clamp(0, 0.9)) * (1 - looks.contact[:, None, None, None] * under)

    mirrors = (looks.mirror > 0).nonzero()[:, 0]
    if len(mirrors):
        flip = _floor_projection(
            objects.foot[mirrors],
            torch.zeros_like(looks.mirror[mirrors]),
            -(looks.mirror[mirrors] ** 0),
        )
        view = _grid(to_cutout[mirrors] @ flip, size)
        level = _level_of(pool, view) + 1
        glow = _sample(pool.levels, objects.number[mirrors], view, level, outside="zeros")
        glow = glow * looks.mirror[mirrors][:, None, None, None]
        image[mirrors] = image[mirrors] * (1 - glow[:, 3:]) + glow[:, :3]
    return image


def _sample_alpha(
    pool: Pool, objects: _Objects, matrix: Tensor, size: tuple[int, int], softness: Tensor
) -> Tensor:
    view = _grid(matrix, size)
    level = _level_of(pool, view) + softness
    return _sample(pool.levels, objects.number, view, level, outside="zeros")[:, 3:]


def _object_ratio(objects: _Objects, alpha: Tensor, behind: Tensor) -> Tensor:
    """The object's inverse depth (B, 1, H, W), no farther than what it hides, with some relief."""
    shape = (min(_HIDDEN_SIDE, alpha.shape[-2]), min(_HIDDEN_SIDE, alpha.shape[-1]))
    covers = F.interpolate(alpha, shape).flatten(1) > 0.5
    hidden = F.interpolate(behind, shape).flatten(1).masked_fill(~covers, -math.inf)
    nearest_tenth = (covers.sum(dim=1, keepdim=True) * 0.1).long()
    limit = hidden.sort(dim=1, descending=True).values.gather(1, nearest_tenth)[:, 0]
    ratio = torch.maximum(objects.ratio, limit)[:, None, None, None]
    # A body's middle is a little nearer than its outline.
    coarse = F.adaptive_avg_pool2d(alpha, 12)
    relief = F.interpolate(coarse, alpha.shape[-2:], mode="bilinear", align_corners=False)
    return ratio + 0.06 * (0.3 + ratio.clamp_min(0)) * relief


def _lamp(draws: Draws, size: tuple[int, int], probability: float) -> Tensor:
    """A smooth change of light over the picture, (B, 1, H, W), 1 where there is none."""
    strength = draws.uniform(0.1, 0.45) * draws.chance(probability)
    field = draws.noise(1, 3, 3) * strength[:, None, None, None]
    return F.interpolate(field, size, mode="bilinear", align_corners=True).exp()


def _floor_projection(foot: Tensor, right: Tensor, up: Tensor) -> Tensor:
    """From a place on the floor to the point of the upright object whose shadow falls there.

    A point 1 above the foot casts its shadow `right` and `up` of the foot; up < 0 is towards the
    viewer, and right = 0, up = -1 is the object's mirror image.
    """
    x, y = foot.unbind(-1)
    slant = right / up
    return _matrix((1.0, slant, -slant * y), (0.0, 1 / up, y - y / up), like=x)


def _shift(x: Tensor, y: Tensor) -> Tensor:
    return _matrix((1.0, 0.0, -x), (0.0, 1.0, -y))


def _matrix(
    first: tuple[Tensor | float, ...],
    second: tuple[Tensor | float, ...],
    like: Tensor | None = None,
) -> Tensor:
    """Stacks six entries, numbers or (B,), to (B, 3, 3)."""
    entries = [*first, *second, 0.0, 0.0, 1.0]
    tensors = [entry for entry in entries if isinstance(entry, Tensor)]
    like = tensors[0] if like is None else like
    filled = [
        entry if isinstance(entry, Tensor) else torch.full_like(like, entry) for entry in entries
    ]
    return torch.stack(filled, dim=1).view(-1, 3, 3)


def _half_sides(size: tuple[int, int]) -> tuple[float, float]:
    """Half the frame's width and height in frame units."""
    height, width = size
    return math.sqrt(width / height), math.sqrt(height / width)


def _grid(matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each pixel of the frame looks, (B, H, W, 2), for (B, 3, 3) from frame to texture."""
    scale = torch.tensor([*_half_sides(size), 1.0], device=matrix.device)
    theta = (matrix * scale)[:, :2]
    return F.affine_grid(theta, [len(matrix), 1, *size], align_corners=False)


def _level_of(pool: Pool, view: Tensor) -> Tensor:
    """The pyramid's level (B,) at which a texture pixel is about as large as one of the frame."""
    side = pool.levels[0].shape[-1]
    height, width = view.shape[1:3]
    corner, right, down = view[:, 0, 0], view[:, 0, -1], view[:, -1, 0]
    across, along = (right - corner) / max(width - 1, 1), (down - corner) / max(height - 1, 1)
    area = (across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]).abs() * (side / 2) ** 2
    return 0.5 * area.clamp_min(1e-6).log2()


def _sample(
    levels: tuple[Tensor, ...],
    numbers: Tensor,
    view: Tensor,
    level: Tensor | None = None,
    *,
    outside: str = "reflection",
) -> Tensor:
    """Looks up textures: (B, C, H, W) float, in [0, 1] for colours, in bytes for labels.

    Args:
        levels: A pyramid of (N, C, S, S) uint8; a single level is sampled as it is.
        numbers: (B,), which textures.
        view: (B, H, W, 2), where to look, in [-1, 1]².
        level: (B,), which level, rounded; coarser ones blur.
        outside: What lies beyond the texture: "reflection" or "zeros".
    """
    scale = 1.0 if level is None else 1 / 255
    if level is None:
        level = torch.zeros(len(numbers), device=numbers.device)
    chosen = (level + 0.4).floor().long().clamp(0, len(levels) - 1)
    result = view.new_empty(len(numbers), levels[0].shape[1], *view.shape[1:3])
    for depth in range(len(levels)):
        rows = (chosen == depth).nonzero()[:, 0]
        if len(rows):
            texture = levels[depth][numbers[rows]].float() * scale
            result[rows] = F.grid_sample(
                texture, view[rows], padding_mode=outside, align_corners=False
            )
    return result
