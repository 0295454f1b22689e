"""Procedural materials. Colours are linear RGB in [0, 1], lengths metres."""

import math
from collections.abc import Sequence
from pathlib import Path

import bpy

from .shapes import Vec

Colour = tuple[float, float, float]


class Nodes:
    """Builds one material's node graph; sockets are found by name."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.surface = self.tree.nodes["Principled BSDF"]

    def add(self, kind: str, **inputs: object) -> bpy.types.Node:
        """Adds a node; `inputs` are values or sockets, underscores stand for spaces."""
        node = self.tree.nodes.new(kind)
        self.set(node, **inputs)
        return node

    def set(self, node: bpy.types.Node, **inputs: object) -> None:
        """Gives a node's inputs values, or links sockets to them."""
        for key, value in inputs.items():
            socket = node.inputs[key.replace("_", " ")]
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            elif isinstance(value, tuple) and len(value) == 3 and socket.type == "RGBA":
                socket.default_value = (*value, 1.0)
            else:
                socket.default_value = value

    def mix(self, factor: object, first: object, second: object) -> bpy.types.NodeSocket:
        """Blends two colours."""
        node = self.add("ShaderNodeMixRGB", Fac=factor, Color1=first, Color2=second)
        return node.outputs["Color"]

    def coordinates(self, *, scale: Vec = (1, 1, 1), turn: Vec = (0, 0, 0)) -> bpy.types.NodeSocket:
        """Object coordinates in metres, scaled."""
        source = self.add("ShaderNodeTexCoord").outputs["Object"]
        mapping = self.add("ShaderNodeMapping", Vector=source)
        mapping.inputs["Scale"].default_value = scale
        mapping.inputs["Rotation"].default_value = [math.radians(a) for a in turn]
        return mapping.outputs["Vector"]

    def number(self, operation: str, *values: object) -> bpy.types.NodeSocket:
        """Computes with numbers or sockets: MULTIPLY, DIVIDE, MULTIPLY_ADD, PINGPONG, ..."""
        return self._compute("ShaderNodeMath", operation, values)

    def vector(self, operation: str, *values: object) -> bpy.types.NodeSocket:
        """Computes with vectors or sockets."""
        return self._compute("ShaderNodeVectorMath", operation, values)

    def _compute(self, kind: str, operation: str, values: Sequence[object]) -> bpy.types.NodeSocket:
        node = self.tree.nodes.new(kind)
        node.operation = operation
        for socket, value in zip(node.inputs, values, strict=False):
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return node.outputs[0]

    def noise(self, vector: object, scale: float, *, detail: float = 4.0) -> bpy.types.NodeSocket:
        """Fractal noise in [0, 1]."""
        return self.add("ShaderNodeTexNoise", Vector=vector, Scale=scale, Detail=detail).outputs[
            "Fac"
        ]

    def bump(self, height: bpy.types.NodeSocket, *, depth: float, strength: float = 0.5) -> None:
        """Roughens the surface by a height in metres times `depth`."""
        node = self.add("ShaderNodeBump", Height=height, Strength=strength, Distance=depth)
        self.tree.links.new(node.outputs["Normal"], self.surface.inputs["Normal"])


def paint(
    colour: Colour,
    *,
    roughness: float = 0.5,
    metal: float = 0.0,
    grain: float = 0.0,
    grain_scale: float = 60.0,
    uneven: float = 0.06,
    clearcoat: float = 0.0,
) -> bpy.types.Material:
    """One slightly uneven colour: plaster, lacquer, metal, ceramic; `grain` is a bump, metres."""
    nodes = Nodes("paint")
    where = nodes.coordinates()
    dark = tuple(c * (1 - 2 * uneven) for c in colour)
    colours = nodes.mix(nodes.noise(where, 3.0), colour, dark)
    nodes.set(
        nodes.surface,
        Base_Color=colours,
        Roughness=roughness,
        Metallic=metal,
        Coat_Weight=clearcoat,
    )
    if grain:
        nodes.bump(nodes.noise(where, grain_scale), depth=grain)
    return nodes.material


def wood(
    light: Colour,
    dark: Colour,
    *,
    turn: Vec = (0, 0, 0),
    scale: float = 1.0,
    roughness: float = 0.4,
) -> bpy.types.Material:
    """Wood whose grain runs along the object's x axis, or along where `turn` takes it."""
    nodes = Nodes("wood")
    where = nodes.coordinates(scale=(0.7 * scale, 9 * scale, 9 * scale), turn=turn)
    fibres = nodes.noise(where, 4.0, detail=5.0)
    colours = nodes.mix(fibres, dark, light)
    nodes.set(nodes.surface, Base_Color=colours, Roughness=roughness)
    nodes.bump(fibres, depth=0.002, strength=0.25)
    return nodes.material


def planks(
    light: Colour, dark: Colour, *, width: float = 0.14, length: float = 1.6
) -> bpy.types.Material:
    """A floor of staggered boards along x, each of its own shade."""
    nodes = Nodes("planks")
    where = nodes.coordinates()
    boards = nodes.add("ShaderNodeTexBrick", Vector=where, Scale=1.0)
    boards.offset, boards.squash = 0.37, 1.0
    nodes.set(boards, Color1=(0.0, 0.0, 0.0), Color2=(1.0, 1.0, 1.0), Mortar=(0.0, 0.0, 0.0))
    nodes.set(boards, Mortar_Size=0.0016, Mortar_Smooth=0.3, Brick_Width=length, Row_Height=width)
    # The board's random shade also shifts the grain, so that it does not run on across a joint.
    shade = boards.outputs["Color"]
    along = nodes.coordinates(scale=(0.8, 9, 9))
    apart = nodes.vector("MULTIPLY_ADD", shade, (8.0, 12.0, 4.0), along)
    fibres = nodes.noise(apart, 3.0, detail=5.0)
    tint = nodes.number("MULTIPLY", shade, 0.55)
    grained = nodes.mix(nodes.mix(0.6, fibres, tint), light, dark)
    colours = nodes.mix(boards.outputs["Fac"], grained, (0.03, 0.02, 0.012))
    nodes.set(
        nodes.surface, Base_Color=colours, Roughness=nodes.mix(fibres, (0.28,) * 3, (0.45,) * 3)
    )
    groove = nodes.number("MULTIPLY", boards.outputs["Fac"], -1.0)
    nodes.bump(groove, depth=0.003, strength=0.6)
    return nodes.material


def masonry(
    first: Colour,
    second: Colour,
    mortar: Colour,
    *,
    brick: tuple[float, float] = (0.23, 0.075),
    joint: float = 0.006,
    turn: Vec = (-90, 0, 0),
    relief: float = 0.012,
    stagger: float = 0.5,
    roughness: float = 0.9,
) -> bpy.types.Material:
    """Bricks, tiles or paving slabs; `turn` lays the pattern (default: on an x-z wall)."""
    nodes = Nodes("masonry")
    where = nodes.coordinates(turn=turn)
    rough = nodes.noise(where, 45.0, detail=4.0)
    # Edges that wander a little: perfectly straight joints are what gives a rendering away.
    wander = nodes.add("ShaderNodeTexNoise", Vector=where, Scale=14.0, Detail=3.0).outputs["Color"]
    shaken = nodes.vector("MULTIPLY_ADD", wander, (0.006, 0.006, 0.0), where)
    wall = nodes.add("ShaderNodeTexBrick", Vector=shaken, Scale=1.0, Mortar_Size=joint)
    wall.offset = stagger
    nodes.set(wall, Color1=first, Color2=second, Mortar=mortar, Mortar_Smooth=0.15)
    nodes.set(wall, Brick_Width=brick[0], Row_Height=brick[1], Bias=0.0)
    stains = nodes.noise(where, 2.2, detail=4.0)
    dirty = nodes.add("ShaderNodeMixRGB", Fac=0.55, Color1=wall.outputs["Color"])
    dirty.blend_type = "MULTIPLY"
    nodes.set(dirty, Color2=nodes.mix(stains, (1.25, 1.22, 1.2), (0.42, 0.42, 0.42)))
    speckled = nodes.add("ShaderNodeMixRGB", Fac=0.35, Color1=dirty.outputs["Color"])
    speckled.blend_type = "OVERLAY"
    nodes.set(speckled, Color2=rough)
    nodes.set(nodes.surface, Base_Color=speckled.outputs["Color"], Roughness=roughness)
    grit = nodes.number("MULTIPLY", rough, 0.35)
    height = nodes.number("MULTIPLY_ADD", wall.outputs["Fac"], -1.0, grit)
    nodes.bump(height, depth=relief, strength=0.8)
    return nodes.material


def cloth(
    first: Colour, second: Colour, *, thread: float = 0.004, turn: Vec = (0, 0, 0)
) -> bpy.types.Material:
    """Woven stuff: a soft two-tone mottling, a weave in the bump, and a sheen."""
    nodes = Nodes("cloth")
    where = nodes.coordinates(turn=turn)
    weave = nodes.noise(nodes.coordinates(scale=(1, 1, 1)), 0.8 / thread, detail=2.0)
    mottled = nodes.mix(nodes.noise(where, 18.0, detail=3.0), first, second)
    colours = nodes.mix(weave, mottled, tuple(0.6 * c for c in second))
    nodes.set(nodes.surface, Base_Color=colours, Roughness=0.95, Sheen_Weight=0.3)
    nodes.bump(weave, depth=thread * 0.6, strength=0.6)
    return nodes.material


def stripes(colours: Sequence[Colour], *, period: float, axis: int = 0) -> bpy.types.Material:
    """Woven stripes of equal width along one axis: rugs and blankets."""
    nodes = Nodes("stripes")
    where = nodes.coordinates()
    parts = nodes.add("ShaderNodeSeparateXYZ", Vector=where)
    wobble = nodes.noise(where, 40.0)
    position = nodes.number("MULTIPLY_ADD", wobble, 0.008, parts.outputs[axis])
    unit = nodes.number("DIVIDE", nodes.number("PINGPONG", position, period), period)
    ramp_node = nodes.add("ShaderNodeValToRGB", Fac=unit)
    ramp = ramp_node.color_ramp
    ramp.interpolation = "CONSTANT"
    for index, colour in enumerate(colours):
        stop = ramp.elements[index] if index < 2 else ramp.elements.new(0.5)
        stop.position, stop.color = index / len(colours), (*colour, 1.0)
    weave = nodes.noise(where, 180.0, detail=2.0)
    shaded = nodes.mix(nodes.noise(where, 260.0), ramp_node.outputs["Color"], (0.05, 0.045, 0.04))
    faded = nodes.mix(0.35, ramp_node.outputs["Color"], shaded)
    nodes.set(nodes.surface, Base_Color=faded, Roughness=1.0, Sheen_Weight=0.2)
    nodes.bump(weave, depth=0.006, strength=0.8)
    return nodes.material


def picture(path: Path, *, roughness: float = 0.6, cut_out: bool = False) -> bpy.types.Material:
    """An image on a sheet; with `cut_out` its alpha is the outline."""
    nodes = Nodes("picture")
    texture = nodes.add("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(path))
    texture.extension = "CLIP" if cut_out else "EXTEND"
    nodes.set(
        nodes.surface,
        Base_Color=texture.outputs["Color"],
        Roughness=roughness,
        Specular_IOR_Level=0.0,
    )
    if cut_out:
        nodes.set(nodes.surface, Alpha=texture.outputs["Alpha"])
    return nodes.material


def glow(colour: Colour, strength: float) -> bpy.types.Material:
    """A surface that shines by itself: bulbs, screens."""
    nodes = Nodes("glow")
    nodes.set(
        nodes.surface, Base_Color=(0.0, 0.0, 0.0), Emission_Color=colour, Emission_Strength=strength
    )
    return nodes.material


def translucent(colour: Colour, *, share: float = 0.6) -> bpy.types.Material:
    """Thin stuff that light passes: curtains, lamp shades, leaves in the sun."""
    nodes = Nodes("translucent")
    diffuse = nodes.add("ShaderNodeBsdfDiffuse", Color=colour)
    through = nodes.add("ShaderNodeBsdfTranslucent", Color=colour)
    both = nodes.add("ShaderNodeMixShader", Fac=share)
    nodes.tree.links.new(diffuse.outputs[0], both.inputs[1])
    nodes.tree.links.new(through.outputs[0], both.inputs[2])
    nodes.tree.links.new(both.outputs[0], nodes.tree.nodes["Material Output"].inputs["Surface"])
    return nodes.material
