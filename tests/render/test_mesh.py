"""GLB files: two parts that can be told apart, in the right places, seen the right way round."""

import io
from typing import Any

import numpy as np
import pytest
import trimesh

from depthmask.render.mesh import FOREGROUND, SCENE, build_scene, to_glb
from tests.conftest import HEIGHT, WIDTH, Pair


def write_glb(*pair: Any, **more: Any) -> bytes:
    return to_glb(build_scene(*pair, **more))


def load(content: bytes) -> trimesh.Scene:
    scene = trimesh.load_scene(io.BytesIO(content), file_type="glb")
    assert isinstance(scene, trimesh.Scene)
    return scene


@pytest.fixture(scope="module")
def scene(pair: Pair) -> trimesh.Scene:
    mask = pair.true_mask.astype(np.float32)
    return load(write_glb(pair.image, mask, pair.true_depth, background=pair.background))


def test_foreground_and_scene_are_separate_nodes(scene: trimesh.Scene) -> None:
    assert set(scene.graph.nodes_geometry) == {FOREGROUND, SCENE}
    assert set(scene.geometry) == {FOREGROUND, SCENE}


def test_the_scene_is_whole(scene: trimesh.Scene) -> None:
    mesh = scene.geometry[SCENE]
    assert len(mesh.vertices) == HEIGHT * WIDTH
    assert len(mesh.faces) == 2 * (HEIGHT - 1) * (WIDTH - 1)
    assert -mesh.vertices[:, 2].max() >= 0.39, "the foreground's depth is gone from the scene"


def test_the_foreground_stands_where_it_is_seen(scene: trimesh.Scene, pair: Pair) -> None:
    mesh = scene.geometry[FOREGROUND]
    assert np.allclose(mesh.vertices[:, 2], -0.3, atol=1e-6)
    # back on the image, by the same camera
    reach = 2 * np.tan(np.radians(30))
    columns = (mesh.vertices[:, 0] / 0.3 / reach + 0.5) * (WIDTH - 1)
    assert columns.min() == pytest.approx(30, abs=3)
    assert columns.max() == pytest.approx(54, abs=3)
    assert mesh.vertices[:, 1].min() < 0, "the block stands in the lower half: y is up"


def test_the_scene_stays_behind_the_foreground(pair: Pair) -> None:
    """Even where the network says that the wall is nearer than the block before it."""
    mask = pair.true_mask.astype(np.float32)
    depth = np.where(pair.true_mask, np.float32(0.6), np.float32(0.4))
    built = build_scene(pair.image, mask, depth, background=pair.background)
    points = built.geometry[SCENE].vertices
    inside = points.reshape(HEIGHT, WIDTH, 3)[pair.true_mask]
    assert -inside[:, 2].max() > 0.6


def test_triangles_face_the_camera(scene: trimesh.Scene) -> None:
    normals = scene.geometry[FOREGROUND].face_normals
    assert (normals[:, 2] > 0).all()


def test_textures_are_the_two_photos(scene: trimesh.Scene) -> None:
    def texture(name: str) -> np.ndarray:
        return np.asarray(scene.geometry[name].visual.material.baseColorTexture)

    assert texture(FOREGROUND).shape == (HEIGHT, WIDTH, 4)
    assert texture(FOREGROUND)[40, 40].tolist() == [230, 180, 40, 255]
    assert texture(FOREGROUND)[5, 5, 3] == 0
    assert abs(texture(SCENE)[40, 40].astype(int) - (230, 180, 40)).max() > 50


def test_an_empty_mask_has_no_foreground(pair: Pair) -> None:
    scene = load(write_glb(pair.image, np.zeros((HEIGHT, WIDTH), np.float32), pair.true_depth))
    assert set(scene.graph.nodes_geometry) == {SCENE}


def test_a_thing_thinner_than_the_grid_is_there() -> None:
    mask = np.zeros((900, 1200), np.float32)
    mask[200:700, 600] = 1
    content = write_glb(np.zeros((900, 1200, 3), np.uint8), mask, np.full_like(mask, 0.5))
    mesh = load(content).geometry[FOREGROUND]
    longest = 0.5 * 2 * np.tan(np.radians(30))  # what 60 degrees see of distance 0.5
    assert np.ptp(mesh.vertices[:, 1]) == pytest.approx(500 / 1200 * longest, abs=0.015)


def test_viewers_are_asked_to_leave_the_light_alone(pair: Pair) -> None:
    mask = pair.true_mask.astype(np.float32)
    assert b"KHR_materials_unlit" in write_glb(pair.image, mask, pair.true_depth)


def test_large_pictures_make_files_of_a_bounded_size() -> None:
    noise = np.random.default_rng(0).random((900, 1200)).astype(np.float32)
    depth = (0.5 + noise / 4).astype(np.float32)
    content = write_glb(np.zeros((900, 1200, 3), np.uint8), np.zeros_like(noise), depth)
    assert len(content) < 4_000_000


def test_a_thing_is_no_deeper_than_a_share_of_its_width(pair: Pair) -> None:
    mask = pair.true_mask.astype(np.float32)
    slope = np.linspace(0.1, 0.5, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, axis=1)
    depth = np.where(pair.true_mask, slope, pair.true_depth)
    mesh = load(write_glb(pair.image, mask, depth)).geometry[FOREGROUND]
    assert np.ptp(mesh.vertices[:, 2]) < 0.1
    assert -mesh.vertices[:, 2].mean() == pytest.approx(np.median(depth[pair.true_mask]), abs=0.02)
