"""Shapes for a scene in Blender. Lengths are metres, z is up, angles are degrees."""

import math
from collections.abc import Callable, Sequence

import bpy
import numpy as np

Vec = tuple[float, float, float]
Things = list[bpy.types.Object]


def clear() -> None:
    """Starts from an empty file, so that a scene never inherits anything from the last one."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def mesh(
    name: str,
    vertices: Sequence[Sequence[float]],
    faces: Sequence[Sequence[int]],
    material: bpy.types.Material,
    *,
    smooth: bool = True,
) -> bpy.types.Object:
    """Makes an object of explicit vertices and faces."""
    data = bpy.data.meshes.new(name)
    data.from_pydata([tuple(v) for v in vertices], [], [tuple(f) for f in faces])
    data.materials.append(material)
    data.shade_smooth() if smooth else data.shade_flat()
    thing = bpy.data.objects.new(name, data)
    bpy.context.collection.objects.link(thing)
    return thing


def place(
    thing: bpy.types.Object, *, at: Vec = (0, 0, 0), turn: Vec = (0, 0, 0)
) -> bpy.types.Object:
    """Puts an object at a position with Euler angles in degrees, and returns it."""
    thing.location = at
    thing.rotation_euler = [math.radians(angle) for angle in turn]
    return thing


def group(parts: Things, *, at: Vec, turn: float = 0.0, scale: float = 1.0) -> bpy.types.Object:
    """Moves parts together."""
    holder = bpy.data.objects.new("group", None)
    bpy.context.collection.objects.link(holder)
    for part in parts:
        part.parent = holder
    holder.scale = (scale,) * 3
    return place(holder, at=at, turn=(0, 0, turn))


def family(*holders: bpy.types.Object) -> Things:
    """All that groups hold."""
    return [child for holder in holders for child in holder.children_recursive]


def box(
    size: Vec,
    material: bpy.types.Material,
    *,
    at: Vec,
    turn: Vec = (0, 0, 0),
    bevel: float = 0.006,
) -> bpy.types.Object:
    """A box standing on `at` (the centre of its underside), edges rounded by `bevel` metres."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    vertices = [
        (sx * x, sy * y, h) for h in (0, z) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    faces = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    thing = place(mesh("box", vertices, faces, material, smooth=bevel > 0), at=at, turn=turn)
    if bevel > 0:
        modifier = thing.modifiers.new("bevel", "BEVEL")
        modifier.width, modifier.segments, modifier.harden_normals = bevel, 3, True
    return thing


def pillow(
    size: Vec,
    material: bpy.types.Material,
    *,
    at: Vec,
    turn: Vec = (0, 0, 0),
    squareness: float = 0.35,
) -> bpy.types.Object:
    """A superellipsoid centred on `at`: 1 is an ellipsoid, towards 0 it becomes a box."""
    n_u, n_v = 48, 32

    def power(value: float) -> float:
        return math.copysign(abs(value) ** squareness, value)

    vertices = []
    for v in range(n_v + 1):
        lat = math.pi * (v / n_v - 0.5)
        for u in range(n_u):
            lon = 2 * math.pi * u / n_u
            # The height is rounder than the outline, as a stuffed cushion is.
            ring = power(math.cos(lat))
            height = math.copysign(abs(math.sin(lat)) ** max(squareness, 0.6), math.sin(lat))
            vertices.append(
                (
                    size[0] / 2 * ring * power(math.cos(lon)),
                    size[1] / 2 * ring * power(math.sin(lon)),
                    size[2] / 2 * height,
                )
            )
    faces = [
        (v * n_u + u, v * n_u + (u + 1) % n_u, (v + 1) * n_u + (u + 1) % n_u, (v + 1) * n_u + u)
        for v in range(n_v)
        for u in range(n_u)
    ]
    return place(mesh("pillow", vertices, faces, material), at=at, turn=turn)


def lathe(
    profile: Sequence[tuple[float, float]],
    material: bpy.types.Material,
    *,
    at: Vec,
    turn: Vec = (0, 0, 0),
    steps: int = 64,
) -> bpy.types.Object:
    """Turns a profile of (radius, height) around z: cups, vases, lamps, legs."""
    vertices = [
        (r * math.cos(2 * math.pi * s / steps), r * math.sin(2 * math.pi * s / steps), h)
        for r, h in profile
        for s in range(steps)
    ]
    faces = [
        (
            p * steps + s,
            p * steps + (s + 1) % steps,
            (p + 1) * steps + (s + 1) % steps,
            (p + 1) * steps + s,
        )
        for p in range(len(profile) - 1)
        for s in range(steps)
    ]
    faces_closed: list[Sequence[int]] = list(faces)
    for ring, (radius, _) in ((0, profile[0]), (len(profile) - 1, profile[-1])):
        if radius > 0:
            faces_closed.append([ring * steps + s for s in range(steps)])
    thing = place(mesh("lathe", vertices, faces_closed, material), at=at, turn=turn)
    modifier = thing.modifiers.new("edges", "EDGE_SPLIT")
    modifier.split_angle = math.radians(40)
    return thing


def rod(
    points: Sequence[Vec],
    radius: float,
    material: bpy.types.Material,
    *,
    at: Vec = (0, 0, 0),
    turn: Vec = (0, 0, 0),
    closed: bool = False,
) -> bpy.types.Object:
    """A round tube along points: handles, cables, frames, stems."""
    curve = bpy.data.curves.new("rod", "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", radius, 4
    curve.use_fill_caps = True
    spline = curve.splines.new("POLY")
    spline.points.add(len(points) - 1)
    for point, position in zip(spline.points, points, strict=True):
        point.co = (*position, 1.0)
    spline.use_cyclic_u = closed
    spline.use_smooth = True
    curve.materials.append(material)
    thing = bpy.data.objects.new("rod", curve)
    bpy.context.collection.objects.link(thing)
    return place(thing, at=at, turn=turn)


def arc(radius: float, start: float, stop: float, *, steps: int = 40) -> list[Vec]:
    """Points of a circular arc in the x-z plane, angles in degrees from the x axis."""
    angles = np.radians(np.linspace(start, stop, steps))
    return [(radius * math.cos(a), 0.0, radius * math.sin(a)) for a in angles]


def sheet(
    width: float,
    height: float,
    material: bpy.types.Material,
    *,
    at: Vec,
    turn: Vec = (0, 0, 0),
    wave: Callable[[float, float], float] = lambda u, v: 0.0,
    steps: tuple[int, int] = (1, 1),
) -> bpy.types.Object:
    """An upright sheet with texture coordinates, in the x-z plane; `at` its lower edge's middle.

    `wave(u, v)` moves it along y (metres), u and v in [0, 1]: curtains, leaves, pictures.
    """
    n_u, n_v = steps
    vertices = [
        ((u / n_u - 0.5) * width, wave(u / n_u, v / n_v), v / n_v * height)
        for v in range(n_v + 1)
        for u in range(n_u + 1)
    ]
    row = n_u + 1
    faces = [
        (v * row + u, v * row + u + 1, (v + 1) * row + u + 1, (v + 1) * row + u)
        for v in range(n_v)
        for u in range(n_u)
    ]
    thing = mesh("sheet", vertices, faces, material)
    layer = thing.data.uv_layers.new()
    for loop in thing.data.loops:
        v, u = divmod(loop.vertex_index, row)
        layer.data[loop.index].uv = (u / n_u, v / n_v)
    return place(thing, at=at, turn=turn)


def leafy(
    *,
    at: Vec,
    material: bpy.types.Material,
    leaves: int,
    length: float,
    width: float,
    seed: int,
    droop: float = 0.5,
    stem: float = 0.3,
) -> None:
    """A pot plant's foliage: arching leaves around a centre, lower ones leaning out further."""
    rng = np.random.default_rng(seed)
    for index in range(leaves):
        share = (index + 0.5) / leaves
        size = length * rng.uniform(0.75, 1.1)
        lean = math.radians(15 + 50 * share + rng.uniform(-8, 8))
        bend = droop * rng.uniform(0.7, 1.3)
        steps = 10
        vertices, faces = [], []
        for s in range(steps + 1):
            t = s / steps
            out = stem * share * 0.2 + size * (math.sin(lean) * t + bend * 0.35 * t * t)
            up = stem * (1 - share) + size * (math.cos(lean) * t - bend * 0.6 * t**2.5)
            half = width / 2 * math.sin(math.pi * min(0.03 + 0.97 * t, 1.0)) ** 0.8
            # A leaf is folded along its middle rib; flat ones look like paper.
            vertices += [
                (out, -half, up + half * 0.35),
                (out, 0.0, up),
                (out, half, up + half * 0.35),
            ]
        for s in range(steps):
            for side in (0, 1):
                a = 3 * s + side
                faces.append((a, a + 1, a + 4, a + 3))
        spin = index * 137.5 + rng.uniform(-15, 15)
        place(mesh("leaf", vertices, faces, material), at=at, turn=(0, 0, spin))
