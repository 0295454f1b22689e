"""What comes into a place between the two photos. Each is returned as one group."""

import math

import bpy
import numpy as np

from . import materials, shapes


def teddy(*, at: shapes.Vec, turn: float, scale: float) -> bpy.types.Object:
    """A sitting teddy bear with fur; about 0.62 m high at scale 1."""
    fur = materials.paint((0.36, 0.19, 0.085), roughness=0.8, uneven=0.1)
    pale = materials.paint((0.58, 0.42, 0.26), roughness=0.8, uneven=0.1)
    black = materials.paint((0.012, 0.010, 0.01), roughness=0.12)
    red = materials.cloth((0.5, 0.03, 0.03), (0.4, 0.02, 0.02), thread=0.002)
    # Material, size, place, turn. Right and left are mirrored: x and the turns about y and z.
    middle = (
        (fur, (0.34, 0.28, 0.36), (0, 0, 0.20), (0, 0, 0)),
        (fur, (0.29, 0.26, 0.26), (0, -0.02, 0.47), (0, 0, 0)),
        (pale, (0.135, 0.12, 0.10), (0, -0.135, 0.445), (0, 0, 0)),
        (black, (0.05, 0.035, 0.034), (0, -0.196, 0.468), (0, 0, 0)),
        (red, (0.035, 0.04, 0.035), (0, -0.175, 0.345), (0, 0, 0)),
    )
    mirrored = (
        (fur, (0.105, 0.06, 0.105), (0.115, 0.0, 0.575), (0, 25, 0)),
        (pale, (0.065, 0.03, 0.065), (0.115, -0.024, 0.575), (0, 25, 0)),
        (fur, (0.11, 0.11, 0.27), (0.185, -0.08, 0.235), (38, -24, 0)),
        (fur, (0.135, 0.30, 0.135), (0.125, -0.19, 0.075), (0, 0, 18)),
        (pale, (0.115, 0.035, 0.13), (0.172, -0.33, 0.085), (10, 0, 18)),
        (black, (0.030, 0.022, 0.032), (0.062, -0.135, 0.512), (0, 0, 0)),
        (red, (0.10, 0.035, 0.06), (0.055, -0.165, 0.345), (0, 14, 0)),
    )
    rows: list[tuple[bpy.types.Material, shapes.Vec, shapes.Vec, shapes.Vec]] = [*middle]
    for stuff, size, (x, y, z), (a, b, c) in mirrored:
        rows += [(stuff, size, (s * x, y, z), (a, s * b, s * c)) for s in (-1, 1)]
    parts: shapes.Things = []
    for stuff, size, place, angles in rows:
        parts.append(shapes.pillow(size, stuff, at=place, turn=angles, squareness=1.0))
        if stuff in (fur, pale):
            _fur(parts[-1], length=0.022 if stuff is fur else 0.014, seed=len(parts))
    return shapes.group(parts, at=at, turn=turn, scale=scale)


def _fur(thing: bpy.types.Object, *, length: float, seed: int) -> None:
    """Short plush all over an object; the number of hairs follows its surface."""
    area = sum(face.area for face in thing.data.polygons)
    hair = thing.modifiers.new("fur", "PARTICLE_SYSTEM").particle_system
    hair.seed = seed
    settings = hair.settings
    settings.type, settings.count, settings.hair_length = "HAIR", int(area * 16000) + 100, length
    settings.use_advanced_hair = True
    settings.normal_factor, settings.factor_random, settings.tangent_factor = (
        length * 0.2,
        length * 0.12,
        length * 0.05,
    )
    settings.child_type, settings.rendered_child_count = "INTERPOLATED", 10
    settings.roughness_2, settings.roughness_endpoint = 0.008, 0.006
    settings.radius_scale, settings.root_radius, settings.tip_radius = 0.0012, 0.5, 0.15


def mug(*, at: shapes.Vec, turn: float) -> bpy.types.Object:
    """A mug of coffee, 94 mm high; its handle along x before turning."""
    glaze = materials.paint((0.06, 0.20, 0.36), roughness=0.15, uneven=0.12, clearcoat=0.6)
    coffee = materials.paint((0.035, 0.014, 0.006), roughness=0.06, uneven=0.2)
    outline = [
        (0.034, 0),
        (0.038, 0.004),
        (0.041, 0.02),
        (0.042, 0.09),
        (0.0415, 0.094),
        (0.0395, 0.094),
        (0.039, 0.09),
        (0.038, 0.012),
        (0.0, 0.01),
    ]
    handle = [(x * 0.85 + 0.041, 0.0, z + 0.049) for x, _, z in shapes.arc(0.029, -90, 90)]
    parts = [
        shapes.lathe(outline, glaze, at=(0, 0, 0)),
        shapes.lathe([(0.0388, 0.08), (0.0388, 0.0802)], coffee, at=(0, 0, 0)),
        shapes.rod(handle, 0.0055, glaze),
    ]
    return shapes.group(parts, at=at, turn=turn)


def apple(*, at: shapes.Vec) -> bpy.types.Object:
    """A red apple with a stalk."""
    angles = np.linspace(-math.pi / 2, math.pi / 2, 28)
    # A circle dented at both poles.
    outline = [
        (
            float(0.040 * math.cos(a) ** 0.75),
            float(
                0.036
                + 0.036 * math.sin(a)
                - 0.013 * math.exp(-((math.cos(a) / 0.33) ** 2)) * math.copysign(1, a)
            ),
        )
        for a in angles
    ]
    outline[0], outline[-1] = (0.0, outline[0][1]), (0.0, outline[-1][1])
    nodes = materials.Nodes("apple")
    where = nodes.coordinates(scale=(1, 1, 0.25))
    skin = nodes.mix(nodes.noise(where, 22.0, detail=5.0), (0.42, 0.012, 0.012), (0.46, 0.10, 0.03))
    nodes.set(nodes.surface, Base_Color=skin, Roughness=0.25, Coat_Weight=0.3)
    stalk = shapes.rod(
        [(0, 0, 0.052), (0.003, 0, 0.066), (0.009, 0.002, 0.078)],
        0.0014,
        materials.paint((0.12, 0.07, 0.03)),
    )
    return shapes.group(
        [shapes.lathe(outline, nodes.material, at=(0, 0, 0)), stalk], at=at, turn=20
    )


def notebook(*, at: shapes.Vec, turn: float) -> bpy.types.Object:
    """A closed notebook, 15 x 21 cm, with a pencil on it."""
    cover, page = (
        materials.cloth((0.52, 0.10, 0.08), (0.42, 0.07, 0.06), thread=0.001),
        materials.paint((0.8, 0.77, 0.68), roughness=0.9),
    )
    parts = [
        shapes.box((0.15, 0.21, 0.002), cover, at=(0, 0, 0), bevel=0.0008),
        shapes.box((0.146, 0.204, 0.012), page, at=(0.001, 0, 0.002), bevel=0.0006),
        shapes.box((0.15, 0.21, 0.002), cover, at=(0, 0, 0.014), bevel=0.0008),
        shapes.box(
            (0.008, 0.212, 0.0008),
            materials.paint((0.02, 0.02, 0.02)),
            at=(0.055, 0, 0.0158),
            bevel=0,
        ),
    ]
    yellow = materials.paint((0.75, 0.45, 0.05), roughness=0.35)
    parts.append(
        shapes.lathe(
            [(0.0036, 0), (0.0036, 0.15), (0.0008, 0.168)],
            yellow,
            at=(-0.05, -0.07, 0.0196),
            turn=(-90, 0, -25),
            steps=6,
        )
    )
    return shapes.group(parts, at=at, turn=turn)


def parcel(size: shapes.Vec, *, at: shapes.Vec, turn: float, seed: int) -> bpy.types.Object:
    """A cardboard box with tape along its top and a label on its front."""
    rng = np.random.default_rng(seed)
    shade = rng.uniform(0.85, 1.1)
    nodes = materials.Nodes("cardboard")
    streaks = nodes.noise(nodes.coordinates(scale=(1, 1, 14)), 6.0, detail=3.0)
    pale = (0.40 * shade, 0.26 * shade, 0.145 * shade)
    dark = (0.34 * shade, 0.215 * shade, 0.115 * shade)
    tone = nodes.mix(streaks, pale, dark)
    nodes.set(nodes.surface, Base_Color=tone, Roughness=0.85)
    tape = materials.paint((0.42, 0.29, 0.16), roughness=0.2, uneven=0.08)
    width, depth, height = size
    parts = [
        shapes.box(size, nodes.material, at=(0, 0, 0), bevel=0.007),
        shapes.box((width + 0.001, 0.05, 0.0012), tape, at=(0, 0, height), bevel=0),
    ]
    for x in (-width / 2, width / 2):
        parts.append(shapes.box((0.0012, 0.05, 0.09), tape, at=(x, 0, height - 0.09), bevel=0))
    corner = (width * 0.14, -depth / 2, height * 0.35)
    parts += _label(min(0.16, height * 0.7), at=corner, rng=rng)
    return shapes.group(parts, at=at, turn=turn)


def _label(width: float, *, at: shapes.Vec, rng: np.random.Generator) -> shapes.Things:
    """A printed label: four lines of an address over a bar code."""
    paper = materials.paint((0.8, 0.79, 0.76), roughness=0.7)
    ink = materials.paint((0.03, 0.03, 0.03), roughness=0.7)
    x, y, z = at
    size = (width, 0.001, width * 0.66)
    parts = [shapes.box(size, paper, at=(x, y - 0.0005, z), bevel=0)]
    for index, length in enumerate((0.6, 0.45, 0.55, 0.3)):
        place = (x - width * 0.12, y - 0.001, z + width * (0.52 - 0.09 * index))
        parts.append(shapes.box((width * length, 0.001, width * 0.035), ink, at=place, bevel=0))
    for index in range(18):
        bar = width * rng.uniform(0.008, 0.028)
        place = (x + width * (0.045 * index - 0.4), y - 0.001, z + width * 0.05)
        parts.append(shapes.box((bar, 0.001, width * 0.16), ink, at=place, bevel=0))
    return parts


def bicycle(*, at: shapes.Vec) -> bpy.types.Object:
    """A town bicycle along x with a crate, its front to the right, leaning back a little."""
    lacquer = materials.paint((0.50, 0.035, 0.03), roughness=0.2, clearcoat=0.8, uneven=0.02)
    steel = materials.paint((0.6, 0.6, 0.6), metal=1.0, roughness=0.22)
    rear, front, cranks = (-0.50, 0.0, 0.345), (0.56, 0.0, 0.345), (-0.06, 0.0, 0.29)
    seat, fork, post = (-0.22, 0.0, 0.78), (0.40, 0.0, 0.70), (-0.245, 0.0, 0.86)
    parts = _wheel(rear, steel) + _wheel(front, steel) + _drive(cranks, rear, steel) + _crate(steel)
    tubes = ((seat, fork, 0.016), (cranks, fork, 0.019), (cranks, post, 0.016))
    for start, stop, radius in (*tubes, (fork, (0.34, 0.0, 0.89), 0.019)):
        parts.append(shapes.rod([start, stop], radius, lacquer))
    for y in (-0.05, 0.05):
        for start, stop in ((cranks, rear), (seat, rear), (fork, front)):
            parts.append(shapes.rod([start, (stop[0], y, stop[2])], 0.009, lacquer))
    parts.append(shapes.rod([post, (-0.262, 0, 0.93)], 0.012, steel))
    parts.append(shapes.rod([(0.34, 0, 0.89), (0.325, 0, 0.97)], 0.012, steel))
    leather = materials.paint((0.22, 0.10, 0.045), roughness=0.4)
    parts.append(shapes.pillow((0.27, 0.17, 0.07), leather, at=(-0.26, 0, 0.955), squareness=0.8))
    half = [(0.33, 0.0, 0.97), (0.35, 0.12, 1.0), (0.30, 0.25, 1.02), (0.22, 0.28, 1.0)]
    for side in (-1, 1):
        bar = [(x, side * y, z) for x, y, z in half]
        parts.append(shapes.rod(bar, 0.011, steel))
        grip = [(0.26, side * 0.269, 1.01), (0.15, side * 0.286, 0.985)]
        parts.append(shapes.rod(grip, 0.016, leather))
    parts.append(shapes.pillow((0.07, 0.07, 0.07), steel, at=(0.44, 0, 0.86), squareness=0.8))
    holder = shapes.group(parts, at=at)
    holder.rotation_euler = (math.radians(-11), 0, 0)
    return holder


def _wheel(centre: shapes.Vec, steel: bpy.types.Material) -> shapes.Things:
    rubber = materials.paint((0.018, 0.018, 0.018), roughness=0.8)
    tyre = shapes.arc(0.325, 0, 354, steps=60)
    rim = shapes.arc(0.300, 0, 354, steps=60)
    guard = shapes.arc(0.36, 20, 185)
    parts = [
        shapes.rod(tyre, 0.020, rubber, at=centre, closed=True),
        shapes.rod(rim, 0.010, steel, at=centre, closed=True),
        shapes.rod([(0, -0.04, 0), (0, 0.04, 0)], 0.018, steel, at=centre),
        shapes.rod(guard, 0.013, steel, at=centre),
    ]
    for index in range(28):
        angle, side = 2 * math.pi * index / 28, 0.03 if index % 2 else -0.03
        # Spokes leave the hub tangentially, forwards and backwards by turns.
        lead = angle + (0.25 if index % 4 < 2 else -0.25)
        start = (0.018 * math.cos(lead), side, 0.018 * math.sin(lead))
        stop = (0.295 * math.cos(angle), 0.0, 0.295 * math.sin(angle))
        parts.append(shapes.rod([start, stop], 0.0013, steel, at=centre))
    return parts


def _drive(cranks: shapes.Vec, rear: shapes.Vec, steel: bpy.types.Material) -> shapes.Things:
    black = materials.paint((0.018, 0.018, 0.018), roughness=0.8)
    x, _, z = cranks
    ring = [(0.09, -0.004), (0.09, 0.004)]
    parts = [shapes.lathe(ring, steel, at=(x, -0.06, z), turn=(90, 0, 0))]
    for y, reach in ((-0.075, 0.12), (0.06, -0.12)):
        parts.append(shapes.rod([(x, y, z), (x + reach, y, z - reach)], 0.009, steel))
    parts.append(shapes.box((0.09, 0.09, 0.02), black, at=(x + 0.12, -0.12, z - 0.13)))
    for rise in (0.085, -0.085):
        chain = [(x, -0.06, z + rise), (rear[0], -0.06, rear[2] + 0.4 * rise)]
        parts.append(shapes.rod(chain, 0.005, black))
    return parts


def _crate(steel: bpy.types.Material) -> shapes.Things:
    """A carrier over the rear wheel with a wooden crate on it."""
    slats = materials.wood((0.50, 0.34, 0.18), (0.36, 0.22, 0.11))
    parts = [shapes.box((0.38, 0.26, 0.01), slats, at=(-0.52, 0, 0.742), bevel=0.002)]
    for y in (-0.06, 0.06):
        rail = [(-0.24, y, 0.735), (-0.68, y, 0.735), (-0.50, y, 0.345)]
        parts.append(shapes.rod(rail, 0.006, steel))
    for z in (0.75, 0.82, 0.89):
        for y in (-0.13, 0.13):
            parts.append(shapes.box((0.38, 0.012, 0.055), slats, at=(-0.52, y, z), bevel=0.002))
        for x in (-0.71, -0.33):
            parts.append(shapes.box((0.012, 0.26, 0.055), slats, at=(x, 0, z), bevel=0.002))
    return parts
