"""The places. Each function models one, and returns what has entered it."""

from pathlib import Path

import bpy

from . import cut_out, furniture, light, materials, shapes, visitors


def living_room() -> shapes.Things:
    """A teddy bear on the rug of a living room in the afternoon sun."""
    _living_room_place()
    light.camera(at=(0.55, -3.0, 1.35), target=(-0.02, 0.7, 0.52), lens=27)
    bear = visitors.teddy(at=(0.02, -0.35, 0.014), turn=18, scale=1.35)
    return shapes.family(bear)


def tidy_room() -> shapes.Things:
    """The same living room from its other corner; nothing enters."""
    _living_room_place()
    light.camera(at=(1.75, -2.6, 1.55), target=(-0.75, 1.0, 0.72), lens=26)
    return []


def study(person: Path) -> shapes.Things:
    """A person before a wall of books; `person` is a square RGBA cut-out."""
    _walls(
        width=3.8,
        front=-2.6,
        back=2.9,
        height=2.6,
        wall=materials.paint(
            (0.46, 0.50, 0.54), roughness=0.9, grain=0.0012, grain_scale=140, uneven=0.02
        ),
        floor=materials.planks((0.42, 0.26, 0.14), (0.24, 0.13, 0.07)),
    )
    _daylight(width=3.8, strength=6.0, from_=(-6.0, -2.6, 4.2))
    furniture.wall_of_books(at=(-0.15, 2.73, 0))
    jug = [(0.045, 0), (0.07, 0.08), (0.03, 0.17), (0.04, 0.2)]
    shapes.lathe(jug, materials.paint((0.65, 0.5, 0.4), roughness=0.4), at=(0.3, 2.7, 1.488))
    furniture.sofa(at=(-1.35, 1.1, 0), turn=90, first=(0.30, 0.24, 0.15), second=(0.22, 0.17, 0.1))
    furniture.floor_lamp(at=(-1.45, 2.35, 0), lit=22)
    furniture.plant(at=(0.75, 1.9, 0.0), seed=6, scale=1.35)
    card = materials.picture(person, cut_out=True)
    bulge = cut_out.relief(person, depth=0.09)

    def wave(u: float, v: float) -> float:
        row, column = round((1 - v) * (bulge.shape[0] - 1)), round(u * (bulge.shape[1] - 1))
        return -float(bulge[row, column])

    visitor = shapes.sheet(
        0.82, 0.82, card, at=(0.088, 0.233, 0.865), turn=(0, 0, 16.7), wave=wave, steps=(128, 128)
    )
    light.camera(at=(0.4, -1.0, 1.45), target=(0.1, 0.0, 1.45), lens=40)
    return [visitor]


def desk() -> shapes.Things:
    """A mug, an apple and a notebook on a desk with a lamp and a laptop."""
    wall = materials.paint(
        (0.66, 0.58, 0.50), roughness=0.9, grain=0.0012, grain_scale=140, uneven=0.02
    )
    shapes.box((4, 0.1, 3), wall, at=(0, 0.52, 0), bevel=0)
    shapes.box(
        (4, 4, 0.1),
        materials.planks((0.4, 0.25, 0.14), (0.25, 0.14, 0.07)),
        at=(0, -1, -0.1),
        bevel=0,
    )
    shapes.box(
        (1.9, 0.8, 0.035),
        materials.wood((0.50, 0.32, 0.17), (0.33, 0.19, 0.095), roughness=0.35),
        at=(0, 0.05, 0.705),
    )
    top = 0.74
    furniture.laptop(at=(-0.30, 0.12, top), turn=14)
    furniture.desk_lamp(at=(0.50, 0.26, top))
    furniture.pile_of_books(at=(0.22, 0.30, top))
    furniture.plant(at=(-0.68, 0.30, top), seed=11, scale=0.42, pot=(0.70, 0.68, 0.62))
    furniture.frame(at=(0.0, 0.455, 1.13), size=(0.5, 0.36), seed=12)
    light.sky((0.7, 0.8, 1.0), 0.25)
    light.panel(
        at=(-1.6, -0.6, 1.8),
        target=(0, 0.1, 0.75),
        size=(1.0, 1.2),
        power=42,
        colour=(0.92, 0.96, 1.0),
    )
    light.camera(at=(0.12, -0.98, 1.27), target=(0.03, 0.06, 0.815), lens=42)
    return shapes.family(
        visitors.mug(at=(0.13, -0.10, top), turn=-30),
        visitors.apple(at=(0.30, -0.16, top)),
        visitors.notebook(at=(-0.07, -0.20, top), turn=14),
    )


def doorstep() -> shapes.Things:
    """Three parcels before a front door, in hard sun."""
    _front_of_house()
    light.sky((0.42, 0.62, 1.0), 0.55)
    light.sun(from_=(-4.2, -4.2, 3.9), target=(0, 0, 0), strength=5.0)
    light.camera(at=(0.75, -3.7, 1.5), target=(-0.10, 0, 0.72), lens=36)
    return shapes.family(
        visitors.parcel((0.52, 0.38, 0.34), at=(0.18, -0.78, 0), turn=9, seed=1),
        visitors.parcel((0.36, 0.28, 0.20), at=(0.14, -0.76, 0.342), turn=-8, seed=2),
        visitors.parcel((0.30, 0.24, 0.16), at=(-0.30, -0.88, 0), turn=-24, seed=3),
    )


def street() -> shapes.Things:
    """A bicycle leaning at a rendered wall, in hard sun."""
    render = materials.paint(
        (0.66, 0.50, 0.30), roughness=0.95, grain=0.006, grain_scale=26, uneven=0.08
    )
    plinth = materials.paint(
        (0.30, 0.29, 0.28), roughness=0.95, grain=0.008, grain_scale=30, uneven=0.1
    )
    cobbles = materials.masonry(
        (0.25, 0.245, 0.24),
        (0.17, 0.165, 0.16),
        (0.07, 0.065, 0.06),
        brick=(0.2, 0.12),
        joint=0.012,
        turn=(0, 0, 90),
        relief=0.03,
    )
    shapes.box((20, 0.3, 6), render, at=(0, 0.15, 0), bevel=0)
    shapes.box((20, 0.36, 0.42), plinth, at=(0, 0.15, 0), bevel=0.01)
    shapes.box((24, 16, 0.1), cobbles, at=(0, -7.9, -0.1), bevel=0)
    furniture.shuttered_window(at=(1.1, 0, 1.15))
    pipe = materials.paint((0.22, 0.23, 0.24), metal=0.8, roughness=0.5)
    shapes.rod([(-1.95, -0.08, 0.05), (-1.95, -0.08, 5)], 0.045, pipe)
    for z in (0.7, 2.2):
        shapes.lathe([(0.055, 0), (0.055, 0.04)], pipe, at=(-1.95, -0.08, z))
    furniture.plant(at=(2.35, -0.32, 0), seed=41, scale=1.0)
    furniture.plant(at=(2.9, -0.38, 0), seed=42, scale=1.3, pot=(0.5, 0.27, 0.17))
    light.sky((0.42, 0.62, 1.0), 0.5)
    light.sun(from_=(-3.6, -3.6, 3.9), target=(0, 0, 0), strength=5.0)
    light.camera(at=(0.6, -4.4, 1.35), target=(0.18, 0, 0.78), lens=39)
    return shapes.family(visitors.bicycle(at=(-0.25, -0.30, 0)))


def _living_room_place() -> None:
    _walls(
        width=4.6,
        front=-3.2,
        back=2.2,
        height=2.6,
        wall=materials.paint(
            (0.60, 0.64, 0.60), roughness=0.9, grain=0.0012, grain_scale=140, uneven=0.02
        ),
        floor=materials.planks((0.50, 0.31, 0.165), (0.27, 0.145, 0.07)),
    )
    _daylight(width=4.6)
    furniture.curtains(left=-2.3, y_near=-0.95, y_far=1.35, colour=(0.78, 0.72, 0.62))
    furniture.sofa(at=(0.05, 1.62, 0), turn=0, first=(0.17, 0.22, 0.27), second=(0.11, 0.15, 0.20))
    shapes.pillow(
        (0.46, 0.16, 0.44),
        materials.cloth((0.62, 0.36, 0.08), (0.5, 0.27, 0.05)),
        at=(-0.72, 1.38, 0.73),
        turn=(-22, 8, 14),
        squareness=0.5,
    )
    shapes.pillow(
        (0.44, 0.15, 0.42),
        materials.cloth((0.66, 0.62, 0.55), (0.55, 0.5, 0.44)),
        at=(0.66, 1.40, 0.72),
        turn=(-20, -6, -10),
        squareness=0.5,
    )
    shapes.box(
        (2.5, 1.7, 0.014),
        materials.stripes(
            [(0.60, 0.55, 0.46), (0.38, 0.17, 0.11), (0.60, 0.55, 0.46), (0.12, 0.15, 0.2)],
            period=0.55,
        ),
        at=(0.05, -0.15, 0),
        bevel=0.005,
    )
    furniture.floor_lamp(at=(1.55, 1.75, 0), lit=14)
    furniture.plant(at=(-1.75, 1.75, 0), seed=3, scale=1.1)
    furniture.frame(at=(-0.42, 2.18, 1.35), size=(0.52, 0.7), seed=5)
    furniture.frame(at=(0.46, 2.18, 1.45), size=(0.7, 0.5), seed=8)
    furniture.low_shelf(at=(2.11, 0.45, 0))


def _front_of_house() -> None:
    """A brick front with a green door and a step, looking along -y over slabs of stone."""
    bricks = materials.masonry((0.34, 0.125, 0.075), (0.23, 0.085, 0.055), (0.42, 0.38, 0.33))
    slabs = materials.masonry(
        (0.33, 0.31, 0.28),
        (0.26, 0.25, 0.235),
        (0.10, 0.095, 0.085),
        brick=(0.6, 0.45),
        joint=0.008,
        turn=(0, 0, 0),
        relief=0.01,
    )
    stone = materials.paint(
        (0.42, 0.40, 0.36), roughness=0.9, grain=0.004, grain_scale=40, uneven=0.12
    )
    shapes.box((14, 0.3, 4.5), bricks, at=(0, 0.15, 0), bevel=0)
    shapes.box((16, 14, 0.1), slabs, at=(0, -6.9, -0.1), bevel=0)
    x = -0.35
    furniture.front_door(at=(x, 0, 0.16))
    shapes.box((1.5, 0.16, 0.2), stone, at=(x, -0.01, 2.42), bevel=0.008)
    shapes.box((1.5, 0.5, 0.14), stone, at=(x, -0.25, 0), bevel=0.012)
    shapes.box(
        (0.8, 0.42, 0.018),
        materials.cloth((0.20, 0.13, 0.07), (0.13, 0.08, 0.045), thread=0.012),
        at=(x, -0.26, 0.14),
        bevel=0.004,
    )
    furniture.wall_lamp(at=(0.62, 0, 1.75))
    furniture.plant(at=(-1.28, -0.38, 0), seed=31, scale=1.15, pot=(0.30, 0.31, 0.32))


def _walls(
    *,
    width: float,
    front: float,
    back: float,
    height: float,
    wall: bpy.types.Material,
    floor: bpy.types.Material,
) -> None:
    """A room from x = -width/2 to width/2, with a window in its left wall at y -0.7 to 1.1."""
    white = materials.paint((0.83, 0.82, 0.80), roughness=0.7)
    depth, middle, left = back - front, (back + front) / 2, -width / 2
    shapes.box((width, depth, 0.1), floor, at=(0, middle, -0.1), bevel=0)
    shapes.box((width, depth, 0.1), white, at=(0, middle, height), bevel=0)
    shapes.box((width + 0.4, 0.2, height), wall, at=(0, back + 0.1, 0), bevel=0)
    shapes.box((width + 0.4, 0.2, height), wall, at=(0, front - 0.1, 0), bevel=0)
    shapes.box((0.2, depth, height), wall, at=(-left + 0.1, middle, 0), bevel=0)
    sill, top, near, far = 0.75, 2.35, -0.7, 1.1
    shapes.box((0.2, near - front, height), wall, at=(left - 0.1, (front + near) / 2, 0), bevel=0)
    shapes.box((0.2, back - far, height), wall, at=(left - 0.1, (far + back) / 2, 0), bevel=0)
    shapes.box((0.2, far - near, sill), wall, at=(left - 0.1, (far + near) / 2, 0), bevel=0)
    shapes.box(
        (0.2, far - near, height - top), wall, at=(left - 0.1, (far + near) / 2, top), bevel=0
    )
    for y in (near, (near + far) / 2, far):
        shapes.box((0.06, 0.06, top - sill), white, at=(left - 0.08, y, sill))
    for z in (sill, (sill + top) / 2 + 0.25, top - 0.05):
        shapes.box((0.06, far - near, 0.05), white, at=(left - 0.08, (far + near) / 2, z))
    shapes.box((0.3, far - near + 0.1, 0.035), white, at=(left, (far + near) / 2, sill - 0.03))
    # Skirting boards.
    shapes.box((width, 0.018, 0.09), white, at=(0, back - 0.009, 0))
    shapes.box((0.018, depth, 0.09), white, at=(left + 0.009, middle, 0))
    shapes.box((0.018, depth, 0.09), white, at=(-left - 0.009, middle, 0))


def _daylight(
    *,
    width: float,
    power: float = 120,
    from_: shapes.Vec = (-6.0, 1.3, 4.7),
    strength: float = 10.0,
) -> None:
    """Sun and sky through the left window, and what the rest of the flat sends back."""
    light.sky((0.62, 0.78, 1.0), 1.2)
    light.sun(from_=from_, target=(0, 0.2, 0), strength=strength, size=1.0)
    left = -width / 2
    light.panel(
        at=(left - 0.3, 0.2, 1.6),
        target=(0, 0.2, 1.0),
        size=(1.8, 1.6),
        power=power,
        colour=(0.86, 0.93, 1.0),
    )
    light.panel(
        at=(0.6, -2.2, 2.5),
        target=(0.2, 1.0, 0.3),
        size=(2.0, 1.2),
        power=16,
        colour=(1.0, 0.94, 0.86),
    )
