"""What stands in a place from the start: furniture, lamps, plants, books."""

import math

import numpy as np

from . import light, materials, shapes

BRASS = (0.75, 0.52, 0.22)
BOOK_COLOURS = (
    (0.45, 0.08, 0.06),
    (0.05, 0.12, 0.25),
    (0.55, 0.42, 0.2),
    (0.1, 0.2, 0.13),
    (0.6, 0.58, 0.52),
    (0.05, 0.05, 0.06),
    (0.5, 0.25, 0.08),
)


def plant(
    *, at: shapes.Vec, seed: int, scale: float = 1.0, pot: materials.Colour = (0.62, 0.30, 0.18)
) -> None:
    """A pot plant about 1.1 m high."""
    clay = materials.paint(pot, roughness=0.85, grain=0.002, uneven=0.12)
    soil = materials.paint((0.03, 0.02, 0.015), roughness=1.0, grain=0.02)
    s = scale
    shapes.lathe(
        [
            (0.13 * s, 0),
            (0.17 * s, 0.28 * s),
            (0.185 * s, 0.28 * s),
            (0.19 * s, 0.34 * s),
            (0.165 * s, 0.34 * s),
            (0.16 * s, 0.29 * s),
        ],
        clay,
        at=at,
    )
    shapes.lathe([(0.16 * s, 0.30 * s), (0.0, 0.31 * s)], soil, at=at)
    leaf = materials.paint((0.055, 0.16, 0.04), roughness=0.38, uneven=0.25)
    x, y, z = at
    shapes.leafy(
        at=(x, y, z + 0.28 * s),
        material=leaf,
        leaves=26,
        length=0.62 * s,
        width=0.14 * s,
        seed=seed,
        stem=0.25 * s,
    )


def books(*, at: shapes.Vec, length: float, seed: int, turn: float = 0.0) -> None:
    """A row of standing books, along x before turning; `at` is the middle of the row."""
    rng = np.random.default_rng(seed)
    paper = materials.paint((0.75, 0.7, 0.6), roughness=0.9)
    parts: shapes.Things = []
    x = -length / 2
    while x < length / 2 - 0.05:
        thick, high = rng.uniform(0.018, 0.045), rng.uniform(0.19, 0.26)
        deep = rng.uniform(0.14, 0.18)
        cover = materials.paint(BOOK_COLOURS[rng.integers(len(BOOK_COLOURS))])
        middle = x + thick / 2
        parts.append(shapes.box((thick, deep, high), cover, at=(middle, 0, 0), bevel=0.003))
        block = (thick - 0.006, deep - 0.004, 0.004)
        parts.append(shapes.box(block, paper, at=(middle, 0.002, high - 0.002), bevel=0))
        x += thick + 0.002
    shapes.group(parts, at=at, turn=turn)


def pile_of_books(*, at: shapes.Vec) -> None:
    """Three books lying on each other, about 0.09 m high."""
    paper = materials.paint((0.75, 0.7, 0.6))
    rows = (
        ((0.24, 0.17, 0.035), 0.0, 4, (0.08, 0.14, 0.2)),
        ((0.22, 0.16, 0.028), 0.036, -9, (0.5, 0.1, 0.06)),
        ((0.19, 0.14, 0.022), 0.065, 6, (0.6, 0.5, 0.3)),
    )
    parts: shapes.Things = []
    for (width, depth, height), z, angle, colour in rows:
        turn = (0, 0, angle)
        cover = materials.paint(colour)
        parts.append(
            shapes.box((width, depth, height), cover, at=(0, 0, z), turn=turn, bevel=0.003)
        )
        block = (width - 0.004, depth - 0.01, height - 0.008)
        parts.append(shapes.box(block, paper, at=(0.004, -0.006, z + 0.004), turn=turn, bevel=0))
    shapes.group(parts, at=at)


def low_shelf(*, at: shapes.Vec) -> None:
    """A shelf 1.3 m long and 0.8 m high along y, with books, a vase and a bowl."""
    oak = materials.wood((0.52, 0.35, 0.19), (0.36, 0.22, 0.11))
    x, y, z = at
    for height in (0.06, 0.42, 0.78):
        shapes.box((0.34, 1.3, 0.03), oak, at=(x, y, z + height))
    for side in (-0.63, 0.63):
        shapes.box((0.34, 0.03, 0.78), oak, at=(x, y + side, z + 0.02))
    books(at=(x + 0.01, y - 0.05, z + 0.45), length=0.9, seed=4, turn=-90)
    books(at=(x + 0.01, y + 0.25, z + 0.09), length=0.6, seed=9, turn=-90)
    vase = [(0.05, 0), (0.085, 0.09), (0.08, 0.16), (0.035, 0.24), (0.045, 0.28)]
    white = materials.paint((0.70, 0.66, 0.58), roughness=0.3)
    shapes.lathe(vase, white, at=(x - 0.01, y + 0.4, z + 0.81))
    bowl = [(0.07, 0), (0.1, 0.05), (0.09, 0.06), (0.05, 0.02)]
    blue = materials.paint((0.1, 0.2, 0.25), roughness=0.2)
    shapes.lathe(bowl, blue, at=(x - 0.01, y - 0.25, z + 0.81))


def wall_of_books(*, at: shapes.Vec) -> None:
    """Shelves 3.4 m wide and 2.2 m high, half full, their front looking along -y."""
    walnut = materials.wood((0.30, 0.17, 0.09), (0.15, 0.08, 0.04))
    upright = materials.wood((0.30, 0.17, 0.09), (0.15, 0.08, 0.04), turn=(0, 90, 0))
    x, y, z = at
    for side in (-1.7, -0.85, 0.0, 0.85, 1.7):
        shapes.box((0.03, 0.3, 2.22), upright, at=(x + side, y, z))
    heights = [0.35 + 0.37 * index for index in range(6)]
    for height in heights:
        shapes.box((3.4, 0.3, 0.028), walnut, at=(x, y, z + height))
    middles = (-1.3, -0.45, 0.4, -1.25, -0.4, 0.45, -1.35, -0.35)
    lengths = (0.7, 0.5, 0.75, 0.55, 0.75, 0.5, 0.6, 0.55)
    for index, (middle, length) in enumerate(zip(middles * 2, lengths * 2, strict=True)):
        place = (x + middle, y + 0.01, z + heights[index // 3] + 0.028)
        books(at=place, length=length, seed=20 + index)


def frame(*, at: shapes.Vec, size: tuple[float, float], seed: int, turn: float = 0.0) -> None:
    """A framed abstract print on a wall in the x-z plane (before turning)."""
    rng = np.random.default_rng(seed)
    width, height = size
    edge = materials.wood((0.5, 0.33, 0.18), (0.3, 0.18, 0.09))
    parts = [
        shapes.box(
            (width, 0.02, height),
            materials.paint((0.82, 0.8, 0.75), roughness=0.9),
            at=(0, 0.012, 0),
            bevel=0,
        ),
        shapes.box((width, 0.028, 0.025), edge, at=(0, 0, -0.025), bevel=0.003),
        shapes.box((width, 0.028, 0.025), edge, at=(0, 0, height), bevel=0.003),
        shapes.box(
            (0.025, 0.03, height + 0.05), edge, at=(-width / 2 - 0.0125, 0, -0.025), bevel=0.003
        ),
        shapes.box(
            (0.025, 0.03, height + 0.05), edge, at=(width / 2 + 0.0125, 0, -0.025), bevel=0.003
        ),
    ]
    shades = [(0.55, 0.2, 0.1), (0.08, 0.16, 0.22), (0.65, 0.45, 0.15), (0.25, 0.3, 0.22)]
    for index in range(4):
        radius = rng.uniform(0.1, 0.2) * min(size)
        x, z = rng.uniform(-0.22, 0.22) * width, (0.5 + rng.uniform(-0.22, 0.22)) * height
        disc = shapes.lathe(
            [(radius, 0), (radius, 0.0004)],
            materials.paint(shades[index], roughness=0.9),
            at=(x, -0.0005 * (index + 1), z),
            turn=(90, 0, 0),
        )
        disc.scale = (1.0, rng.uniform(0.6, 1.4), 1.0)
        parts.append(disc)
    shapes.group(parts, at=at, turn=turn)


def sofa(*, at: shapes.Vec, turn: float, first: materials.Colour, second: materials.Colour) -> None:
    """A three-seater, 2.1 m wide; its front looks along -y before turning."""
    stuff = materials.cloth(first, second)
    legs = materials.wood((0.35, 0.2, 0.1), (0.2, 0.1, 0.05))
    parts = [
        shapes.pillow((2.0, 0.86, 0.24), stuff, at=(0, 0, 0.26), squareness=0.12),
        shapes.pillow((0.2, 0.9, 0.5), stuff, at=(-1.0, 0, 0.38), squareness=0.25),
        shapes.pillow((0.2, 0.9, 0.5), stuff, at=(1.0, 0, 0.38), squareness=0.25),
        shapes.pillow((2.0, 0.2, 0.62), stuff, at=(0, 0.38, 0.5), squareness=0.2),
    ]
    for x in (-0.6, 0.0, 0.6):
        parts.append(shapes.pillow((0.63, 0.7, 0.2), stuff, at=(x, -0.06, 0.44), squareness=0.28))
        parts.append(
            shapes.pillow(
                (0.62, 0.22, 0.5), stuff, at=(x, 0.24, 0.70), turn=(-12, 0, 0), squareness=0.36
            )
        )
    for x in (-0.9, 0.9):
        for y in (-0.34, 0.34):
            parts.append(shapes.lathe([(0.016, 0), (0.026, 0.15)], legs, at=(x, y, 0)))
    shapes.group(parts, at=at, turn=turn)


def curtains(*, left: float, y_near: float, y_far: float, colour: materials.Colour) -> None:
    """A pair of thin curtains at a left wall."""
    stuff = materials.translucent(colour, share=0.45)

    def folds(u: float, v: float) -> float:
        return (0.035 - 0.01 * v) * math.sin(38 * u + 0.5 * v) + 0.012 * math.sin(71 * u)

    for y in (y_near, y_far):
        place = (left + 0.12, y, 0.08)
        shapes.sheet(0.5, 2.35, stuff, at=place, turn=(0, 0, 90), steps=(120, 8), wave=folds)
    pole = [(left + 0.12, y_near - 0.4, 2.46), (left + 0.12, y_far + 0.4, 2.46)]
    shapes.rod(pole, 0.012, materials.paint((0.1, 0.1, 0.1)))


def floor_lamp(*, at: shapes.Vec, lit: float) -> None:
    """A standing lamp 1.65 m high; `lit` is its power in watts."""
    metal = materials.paint((0.12, 0.11, 0.1), metal=1.0, roughness=0.35)
    x, y, _ = at
    shapes.lathe(
        [(0.15, 0), (0.15, 0.015), (0.13, 0.025), (0.012, 0.028), (0.012, 1.45)], metal, at=at
    )
    shapes.lathe(
        [(0.2, 1.35), (0.15, 1.65)], materials.translucent((0.85, 0.78, 0.66), share=0.5), at=at
    )
    light.bulb(at=(x, y, 1.5), power=lit)


def desk_lamp(*, at: shapes.Vec) -> None:
    """A lit lamp with a jointed arm and a conical shade, 0.5 m high."""
    enamel = materials.paint((0.05, 0.13, 0.12), roughness=0.25, clearcoat=0.5)
    brass = materials.paint(BRASS, metal=1.0, roughness=0.3)
    parts = [
        shapes.lathe(
            [(0.085, 0), (0.085, 0.012), (0.075, 0.02), (0.01, 0.024)], enamel, at=(0, 0, 0)
        ),
        shapes.rod([(0, 0, 0.02), (0.07, 0.02, 0.22), (-0.06, -0.02, 0.44)], 0.006, brass),
        shapes.lathe(
            [
                (0.018, 0.09),
                (0.03, 0.075),
                (0.045, 0.04),
                (0.085, -0.03),
                (0.083, -0.032),
                (0.04, 0.035),
            ],
            enamel,
            at=(-0.085, -0.04, 0.42),
            turn=(14, 26, 0),
        ),
    ]
    shapes.group(parts, at=at, turn=0)
    x, y, z = at
    light.bulb(at=(x - 0.085, y - 0.04, z + 0.41), power=5, radius=0.022)


def laptop(*, at: shapes.Vec, turn: float) -> None:
    """An open laptop with a page of text on its screen."""
    shell = materials.paint((0.45, 0.46, 0.48), metal=0.9, roughness=0.35, uneven=0.01)
    key = materials.paint((0.03, 0.03, 0.035), roughness=0.6)
    parts = [shapes.box((0.32, 0.22, 0.014), shell, at=(0, 0, 0), bevel=0.005)]
    for row in range(5):
        for column in range(13):
            parts.append(
                shapes.box(
                    (0.0185, 0.0165, 0.003),
                    key,
                    at=(-0.1302 + 0.0217 * column, 0.075 - 0.02 * row, 0.0135),
                    bevel=0.001,
                )
            )
    parts.append(
        shapes.box(
            (0.1, 0.06, 0.001),
            materials.paint((0.38, 0.39, 0.41), metal=0.8, roughness=0.3),
            at=(0, -0.068, 0.0136),
            bevel=0,
        )
    )
    parts.append(
        shapes.box((0.32, 0.009, 0.21), shell, at=(0, 0.112, 0.012), turn=(-18, 0, 0), bevel=0.004)
    )
    screen = materials.glow((0.10, 0.22, 0.33), 0.9)
    parts.append(shapes.sheet(0.302, 0.186, screen, at=(0, 0.1105, 0.024), turn=(-18, 0, 0)))

    def on_screen(
        width: float, height: float, x: float, rise: float, ahead: float, shade: float
    ) -> None:
        tilt = math.radians(18)
        y, z = 0.1105 + rise * math.sin(tilt) - ahead, 0.024 + rise * math.cos(tilt)
        parts.append(
            shapes.sheet(
                width, height, materials.glow((shade,) * 3, 0.9), at=(x, y, z), turn=(-18, 0, 0)
            )
        )

    on_screen(0.13, 0.17, 0.0, 0.008, 0.0006, 0.8)
    for index in range(8):
        on_screen(
            (0.09, 0.1, 0.07, 0.1)[index % 4],
            0.004,
            -0.003 * (index % 2),
            0.03 + 0.016 * index,
            0.0012,
            0.12,
        )
    shapes.group(parts, at=at, turn=turn)


def wall_lamp(*, at: shapes.Vec) -> None:
    """A lantern on a bracket at a wall that looks along -y."""
    black = materials.paint((0.02, 0.02, 0.022), roughness=0.45)
    parts = [
        shapes.box((0.09, 0.03, 0.18), black, at=(0, -0.015, -0.09)),
        shapes.rod([(0, -0.02, 0.02), (0, -0.12, 0.06), (0, -0.14, 0.03)], 0.009, black),
        shapes.lathe(
            [(0.005, 0.04), (0.09, -0.02), (0.085, -0.03)], black, at=(0, -0.14, 0.02), steps=6
        ),
        shapes.lathe(
            [(0.07, -0.03), (0.05, -0.2), (0.0, -0.2)],
            materials.paint((0.7, 0.7, 0.66), roughness=0.2),
            at=(0, -0.14, 0.02),
            steps=6,
        ),
        shapes.lathe([(0.055, -0.2), (0.045, -0.22)], black, at=(0, -0.14, 0.02), steps=6),
    ]
    shapes.group(parts, at=at)


def front_door(*, at: shapes.Vec) -> None:
    """A green panelled door in a white frame, looking along -y; `at` is the foot of its middle."""
    green = materials.paint((0.035, 0.12, 0.085), roughness=0.28, clearcoat=0.4, uneven=0.05)
    white = materials.paint((0.74, 0.73, 0.70), roughness=0.4, uneven=0.03)
    brass = materials.paint(BRASS, metal=1.0, roughness=0.25)
    parts = [
        shapes.box((1.0, 0.05, 2.12), green, at=(0, -0.01, 0), bevel=0.002),
        shapes.pillow((0.055, 0.055, 0.055), brass, at=(0.42, -0.075, 0.96), squareness=1.0),
        shapes.box((0.26, 0.012, 0.05), brass, at=(0, -0.045, 0.86), bevel=0.003),
        shapes.box((1.18, 0.09, 0.1), white, at=(0, -0.02, 2.18)),
    ]
    for side in (-1, 1):
        parts.append(shapes.box((0.09, 0.09, 2.2), white, at=(0.545 * side, -0.02, -0.02)))
        for z, high in ((0.18, 0.62), (0.92, 0.98)):
            x = 0.24 * side
            parts.append(shapes.box((0.36, 0.02, high), green, at=(x, -0.034, z), bevel=0.012))
            inner = (0.28, 0.02, high - 0.08)
            parts.append(shapes.box(inner, green, at=(x, -0.044, z + 0.04), bevel=0.010))
    shapes.group(parts, at=at)


def shuttered_window(*, at: shapes.Vec) -> None:
    """A window with open louvred shutters, looking along -y; `at` is the foot of its middle."""
    white = materials.paint((0.76, 0.75, 0.72), roughness=0.5)
    blue = materials.paint((0.06, 0.16, 0.20), roughness=0.5, uneven=0.08)
    stone = materials.paint((0.30, 0.29, 0.28), roughness=0.95, grain=0.008, grain_scale=30)
    glass = materials.paint((0.03, 0.04, 0.05), roughness=0.05)
    parts = [
        shapes.box((1.06, 0.05, 1.3), white, at=(0, 0, 0)),
        shapes.box((0.94, 0.06, 1.18), glass, at=(0, 0, 0.06), bevel=0),
        shapes.box((0.05, 0.08, 1.2), white, at=(0, 0, 0.05)),
        shapes.box((1.0, 0.075, 0.04), white, at=(0, 0, 0.6)),
        shapes.box((1.25, 0.22, 0.06), stone, at=(0, -0.03, -0.06)),
    ]
    for x in (-0.8, 0.8):
        parts.append(shapes.box((0.5, 0.04, 1.34), blue, at=(x, -0.03, -0.02)))
        for index in range(22):
            place = (x, -0.055, 0.04 + 0.056 * index)
            slat = shapes.box((0.42, 0.03, 0.035), blue, at=place, turn=(35, 0, 0), bevel=0.002)
            parts.append(slat)
    shapes.group(parts, at=at)
