"""A prediction as a textured mesh: a GLB file in which foreground and scene are separate nodes.

The scene has no holes: behind the foreground it has the background photo and the depth from around.
Depth is 0.5 / (r + 0.5), where r is inverse distance up to scale and shift. The shift is not known,
so depth itself is taken as the distance. The angle of view is not known either and is assumed.
"""

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from depthmask.pictures import Map, Mask, Picture
from depthmask.render.views import at_most, cutout, spread

if TYPE_CHECKING:
    import trimesh

Points = npt.NDArray[np.float32]
Faces = npt.NDArray[np.int64]

FOREGROUND, SCENE = "foreground", "scene"  # names of the nodes and of their meshes
VIEW_ANGLE = 60.0  # of view, along the longest side, in degrees
MESH_SIDE = 256  # points along the longest side
TEXTURE_SIDE = 1600  # pixels along the longest side
MIN_ALPHA = 0.02  # below this alpha nothing is drawn
BORDER_SHARE = (
    0.012  # width of the slope between foreground and scene, as a share of the longest side
)
MIN_GAP_SHARE = (
    0.02  # from the foreground to what is behind it, at least, as a share of the distance
)
MAX_COMPONENTS = 50  # that are looked at one by one
MAX_RELIEF_SHARE = (
    0.3  # of a thing's width; of the bear in examples/: 0.35 in truth, 2.4 by the network
)
MAX_SLOPE_SHARE = 0.08  # triangles whose corners differ by more of their distance are a torn edge


def build_scene(
    image: Picture, mask: Map, depth: Map, *, background: Picture | None = None
) -> "trimesh.Scene":
    """Makes meshes of a prediction.

    Args:
        image: (H, W, 3), uint8, RGB.
        mask: (H, W), in [0, 1].
        depth: (H, W), in (0, 1].
        background: (H, W, 3), uint8, RGB, in the image's frame; without it, the image.

    Returns:
        Nodes "scene" and, unless the mask is empty, "foreground". The camera stood at the origin
        and looked along -z, y is up, and depth 1 is at distance 1.
    """
    # only here: it takes as long to load as all that this module does
    import trimesh

    image, mask, depth = (
        at_most(image, TEXTURE_SIDE),
        at_most(mask, TEXTURE_SIDE),
        at_most(depth, TEXTURE_SIDE),
    )
    inside = mask > 0.5
    near, far = _layers(depth, inside)
    behind = image if background is None else at_most(background, TEXTURE_SIDE)
    scene = trimesh.Scene()
    _add(scene, SCENE, _mesh(far, None), Image.fromarray(behind))
    if inside.any():
        mesh = _mesh(near, mask > MIN_ALPHA)
        _add(scene, FOREGROUND, mesh, Image.fromarray(_compact_cutout(image, mask)))
    return scene


def to_glb(scene: "trimesh.Scene") -> bytes:
    """Makes the content of a GLB file, glTF 2.0, of what `build_scene` made."""
    from trimesh.exchange.gltf import export_glb

    return bytes(export_glb(scene, tree_postprocessor=_unlit))


def relief_layers(depth: Map, mask: Map, side: int) -> tuple[Map, Map]:
    """Depth of foreground and scene as grids: (H, W) and (H, W), in [0, 1] -> two (h, w).

    Each is known everywhere. Their longest side has at most `side` points.
    """
    side_seen = 2 * side  # enough for the border, and quick
    depth, mask = at_most(depth, side_seen), at_most(mask, side_seen)
    near, far = _layers(depth, mask > 0.5)
    return at_most(near, side), at_most(far, side)


def _layers(depth: Map, inside: Mask) -> tuple[Map, Map]:
    """Splits depth into that of the foreground, extended beyond its border, and that behind it.

    A network's depth is a slope along the border, so values there are left out. The scene is kept
    behind the foreground.
    """
    if not inside.any():
        return depth, depth
    reach = max(1, round(BORDER_SHARE * max(depth.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    flat = inside.astype(np.uint8)
    core, around = cv2.erode(flat, disc) > 0, cv2.dilate(flat, disc) > 0
    near = spread(_shallow(depth, inside), core if core.any() else inside)
    far = spread(depth, ~around)
    far = np.where(around, cv2.blur(far, (2 * reach + 1, 2 * reach + 1)), far)
    return near, np.where(around, np.maximum(far, near * (1 + MIN_GAP_SHARE)), far).astype(
        np.float32
    )


def _shallow(depth: Map, inside: Mask) -> Map:
    """Makes each object of the foreground at most `MAX_RELIEF_SHARE` of its width deep.

    The network predicts an object's distance well and its relief several times too large, which
    stretches an object into rays that lead away from the camera.
    """
    result = depth.copy()
    count, things = cv2.connectedComponents(inside.astype(np.uint8))
    for thing in range(1, min(count, MAX_COMPONENTS)):
        part = things == thing
        values = depth[part]
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
        width = math.sqrt(values.size) / max(depth.shape) * _reach() * middle
        scale = min(1.0, float(MAX_RELIEF_SHARE * width / max(high - low, 1e-6)))
        result[part] = middle + scale * (np.clip(values, low, high) - middle)
    return result


def _reach() -> float:
    """Width of what is seen at distance 1."""
    return 2 * math.tan(math.radians(VIEW_ANGLE / 2))


def _add(
    scene: "trimesh.Scene", name: str, mesh: tuple[Points, Points, Faces], texture: Image.Image
) -> None:
    from trimesh import Trimesh
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    points, corners, faces = mesh
    see_through = texture.mode == "RGBA"
    texture.format = "PNG" if see_through else "JPEG"
    material = PBRMaterial(
        name=name,
        baseColorTexture=texture,
        metallicFactor=0.0,
        roughnessFactor=1.0,
        alphaMode="MASK" if see_through else "OPAQUE",
        alphaCutoff=0.5 if see_through else None,
        doubleSided=True,
    )
    visual = TextureVisuals(uv=corners, material=material)
    part = Trimesh(vertices=points, faces=faces, visual=visual, process=False)
    scene.add_geometry(part, geom_name=name, node_name=name)


def _unlit(tree: dict[str, Any]) -> None:
    """Asks viewers to show the photo without lighting: it has its own light."""
    for material in tree.get("materials", []):
        material.setdefault("extensions", {})["KHR_materials_unlit"] = {}
    tree["extensionsUsed"] = [*tree.get("extensionsUsed", []), "KHR_materials_unlit"]


def _compact_cutout(image: Picture, mask: Map) -> Picture:
    """A cut-out that is black where it is transparent, so that its PNG is small."""
    near = np.asarray(cv2.dilate((mask > MIN_ALPHA).astype(np.uint8), np.ones((9, 9), np.uint8)))
    return cutout(np.where(near[..., None] > 0, image, np.uint8(0)), mask)


def _mesh(depth: Map, wanted: Mask | None) -> tuple[Points, Points, Faces]:
    """Points (N, 3), their places on the texture (N, 2) in [0, 1], and triangles (M, 3).

    Squares of the grid without a wanted corner are left out, and so are torn ones.
    """
    height, width = depth.shape
    grid = at_most(depth, MESH_SIDE)
    rows, columns = grid.shape
    across, down = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    longest = max(height, width)
    reach = _reach()
    x = (across - 0.5) * reach * width / longest * grid
    y = (0.5 - down) * reach * height / longest * grid
    points = np.stack([x, y, -grid], axis=-1).reshape(-1, 3).astype(np.float32)
    corners = np.stack([across, 1 - down], axis=-1).reshape(-1, 2).astype(np.float32)
    faces = _faces(rows, columns)
    keep = np.ptp(points[faces, 2], axis=1) <= MAX_SLOPE_SHARE * -points[faces, 2].mean(axis=1)
    if wanted is None:
        keep[:] = True  # the scene is to have no holes
    else:
        # the share of each point's square that is wanted: what is thinner than a square stays
        part = cv2.resize(wanted.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        keep &= cv2.dilate(part, np.ones((3, 3), np.uint8)).reshape(-1)[faces].max(axis=1) > 0
    used, faces = np.unique(faces[keep], return_inverse=True)
    return points[used], corners[used], faces.reshape(-1, 3)


def _faces(rows: int, columns: int) -> Faces:
    """Two triangles for each square of a grid, seen from the front anticlockwise: (M, 3)."""
    index = np.arange(rows * columns).reshape(rows, columns)
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    top_left, bottom_left, bottom_right, top_right = (corner.ravel() for corner in corners)
    first = np.stack([top_left, bottom_left, bottom_right], axis=1)
    return np.concatenate([first, np.stack([top_left, bottom_right, top_right], axis=1)])
