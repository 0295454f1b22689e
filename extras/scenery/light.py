"""Lamps, skies and the camera of a scene. Lengths are metres, z is up, angles are degrees."""

import math

import bpy
from mathutils import Vector

from .materials import Colour
from .shapes import Vec


def aim(thing: bpy.types.Object, *, at: Vec, target: Vec) -> None:
    """Puts a camera or lamp at a point and turns it towards another."""
    thing.location = at
    thing.rotation_euler = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y").to_euler()


def sun(
    *,
    from_: Vec,
    target: Vec,
    strength: float,
    colour: Colour = (1, 0.93, 0.82),
    size: float = 0.53,
) -> None:
    """Parallel light; `size` is its angular diameter in degrees (the real sun: 0.53)."""
    lamp = bpy.data.lights.new("sun", "SUN")
    lamp.energy, lamp.color, lamp.angle = strength, colour, math.radians(size)
    thing = bpy.data.objects.new("sun", lamp)
    bpy.context.collection.objects.link(thing)
    aim(thing, at=from_, target=target)


def panel(
    *, at: Vec, target: Vec, size: tuple[float, float], power: float, colour: Colour = (1, 1, 1)
) -> None:
    """A soft rectangular light in watts, unseen by the camera: the sky in a window."""
    lamp = bpy.data.lights.new("panel", "AREA")
    lamp.shape, lamp.size, lamp.size_y = "RECTANGLE", size[0], size[1]
    lamp.energy, lamp.color = power, colour
    thing = bpy.data.objects.new("panel", lamp)
    thing.visible_camera = False
    bpy.context.collection.objects.link(thing)
    aim(thing, at=at, target=target)


def bulb(
    *, at: Vec, power: float, colour: Colour = (1.0, 0.72, 0.42), radius: float = 0.03
) -> None:
    """A lamp's bulb in watts."""
    lamp = bpy.data.lights.new("bulb", "POINT")
    lamp.energy, lamp.color, lamp.shadow_soft_size = power, colour, radius
    thing = bpy.data.objects.new("bulb", lamp)
    thing.location = at
    bpy.context.collection.objects.link(thing)


def sky(colour: Colour, strength: float) -> None:
    """An even sky in every direction."""
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    node = world.node_tree.nodes["Background"]
    node.inputs["Color"].default_value, node.inputs["Strength"].default_value = (
        (*colour, 1.0),
        strength,
    )
    bpy.context.scene.world = world


def camera(
    *, at: Vec, target: Vec, lens: float, focus: float | None = None, f_stop: float = 8.0
) -> None:
    """The photographer; `lens` is a 36 mm film's focal length, `focus` metres (none: all sharp)."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_fit, data.sensor_width = lens, "AUTO", 36.0
    if focus is not None:
        data.dof.use_dof, data.dof.focus_distance, data.dof.aperture_fstop = True, focus, f_stop
    thing = bpy.data.objects.new("camera", data)
    bpy.context.collection.objects.link(thing)
    aim(thing, at=at, target=target)
    bpy.context.scene.camera = thing
