"""Renders a Blender scene to arrays: linear light, depth, and the coverage of objects."""

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quality:
    """How much work a picture gets."""

    width: int  # pixels
    height: int  # pixels
    samples: int  # light paths a pixel, before the denoiser
    threads: int = 1


def render_light(quality: Quality, *, seed: int) -> tuple[Floats, Floats]:
    """Renders the scene as it stands.

    Returns:
        (H, W, 3) linear light, unbounded; (H, W) distance along the optical axis in metres
        (about 1e10 where nothing is hit).
    """
    scene = _prepare(quality, seed=seed)
    cycles = scene.cycles
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.sample_clamp_indirect = 6, 3, 4.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.render.film_transparent = False
    layer = scene.view_layers[0]
    layer.use_pass_z = True
    image, depth = _passes(scene, {"Image": 3, "Depth": 1})
    return image, depth


def render_coverage(quality: Quality, things: Iterable[bpy.types.Object], *, seed: int) -> Floats:
    """Renders how much of each pixel the given objects cover, in [0, 1], shape (H, W).

    All other objects hide them as they do in the picture, and leave a hole where they are in front.
    """
    scene = _prepare(quality, seed=seed)
    chosen = set(things)
    for thing in scene.objects:
        thing.is_holdout = thing not in chosen
    scene.cycles.use_denoising, scene.cycles.max_bounces = False, 0
    scene.cycles.transparent_max_bounces = 32
    scene.render.film_transparent = True
    (image,) = _passes(scene, {"Image": 4})
    for thing in scene.objects:
        thing.is_holdout = False
    return image[..., 3]


def nudge_camera(quality: Quality, pixels: tuple[float, float]) -> None:
    """Turns the camera by about `pixels` (right, down), as a hand does between two shots."""
    camera = bpy.context.scene.camera
    per_pixel = 36.0 / camera.data.lens / max(quality.width, quality.height)
    camera.rotation_mode = "XYZ"
    turn = camera.rotation_euler.to_matrix()
    step = Euler((math.atan(pixels[1] * per_pixel), -math.atan(pixels[0] * per_pixel), 0.0))
    camera.rotation_euler = (turn @ step.to_matrix()).to_euler()


def _prepare(quality: Quality, *, seed: int) -> bpy.types.Scene:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.seed = "CPU", quality.samples, seed
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.04
    scene.render.threads_mode, scene.render.threads = "FIXED", quality.threads
    scene.render.resolution_x, scene.render.resolution_y = quality.width, quality.height
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Raw"
    return scene


def _passes(scene: bpy.types.Scene, wanted: dict[str, int]) -> tuple[Floats, ...]:
    """Renders, and reads passes (name -> channels) back as arrays with the first row on top."""
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers = tree.nodes.new("CompositorNodeRLayers")
    with tempfile.TemporaryDirectory() as folder:
        output = tree.nodes.new("CompositorNodeOutputFile")
        output.base_path = folder
        output.format.file_format, output.format.color_depth = "OPEN_EXR", "32"
        output.format.color_mode = "RGBA"
        output.file_slots.clear()
        for name in wanted:
            output.file_slots.new(name)
            tree.links.new(layers.outputs[name], output.inputs[name])
        bpy.ops.render.render()
        return tuple(
            _read(next(Path(folder).glob(f"{name}*.exr")), n) for name, n in wanted.items()
        )


def _read(path: Path, channels: int) -> Floats:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    upright = pixels.reshape(height, width, 4)[::-1]
    return np.ascontiguousarray(upright[..., 0] if channels == 1 else upright[..., :channels])
