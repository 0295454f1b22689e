"""A live session: what is learned, what is told, and that nothing flickers or trails."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from depthmask.errors import CaptureError
from depthmask.inference.capture import MOVING_FRAMES, EmptyScene, learn
from depthmask.inference.light import LightMatch, apply_light
from depthmask.inference.live_session import (
    SENTENCES,
    STILL_FRAMES,
    Copies,
    Session,
    smooth,
    step,
)
from depthmask.pictures import Map, Picture

HEIGHT, WIDTH = 240, 320
SIZE = 96, 128


def see(
    background: Picture, image: Picture, tasks: Sequence[str] = ("mask", "depth")
) -> dict[str, Map]:
    """Stands in for the network: what differs by 60 levels is foreground, and near."""
    assert background.shape == image.shape == (*SIZE, 3)
    difference = np.abs(image.astype(np.int16) - background).max(axis=2)
    mask = (difference > 60).astype(np.float32)
    maps = {"mask": mask, "depth": np.where(mask > 0, np.float32(0.3), np.float32(0.8))}
    return {task: maps[task] for task in tasks}


class Watched:
    """The same, and which tasks it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
        self.asked.append(tuple(tasks))
        return see(background, image, tasks)


@pytest.fixture(scope="module")
def scene() -> Picture:
    """A wall with much structure."""
    rng = np.random.default_rng(0)
    rough = rng.integers(40, 200, (HEIGHT // 8, WIDTH // 8, 3)).astype(np.uint8)
    wall = cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wall, dtype=np.uint8)


def noisy(picture: Picture, seed: int, sigma: float = 3.0) -> Picture:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def with_object(picture: Picture, left: int = 120) -> Picture:
    shown = picture.copy()
    shown[80:200, left : left + 70] = (250, 30, 240)
    return shown


def moved(picture: Picture, right: float, down: float) -> Picture:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float64)
    shifted = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(shifted, dtype=np.uint8)


def shrunk(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, SIZE[::-1]), dtype=np.uint8)


@pytest.fixture(scope="module")
def plate(scene: Picture) -> EmptyScene:
    return learn([noisy(scene, seed) for seed in range(15)], see, size=SIZE)


def run(plate: EmptyScene, frames: list[Picture]) -> list[tuple[Session, float, str]]:
    """The session, the share of foreground and the health after each frame."""
    session = Session(plate)
    found: list[tuple[Session, float, str]] = []
    for frame in frames:
        session, sight = step(session, frame, see, size=SIZE)
        found.append((session, float((sight.mask > 0.5).mean()), sight.health))
    return found


def test_the_background_is_the_median_of_its_frames(scene: Picture, plate: EmptyScene) -> None:
    error = np.abs(plate.picture.astype(np.int16) - scene)
    single = np.abs(noisy(scene, 1).astype(np.int16) - scene)
    assert error.mean() < 0.5 * single.mean()
    assert plate.self_check < 0.001
    assert plate.agreement > 0.9


def test_somebody_who_moves_is_not_learned(scene: Picture) -> None:
    frames = [with_object(scene, 60 + 5 * place) for place in range(15)]
    with pytest.raises(CaptureError, match="moved during the capture"):
        learn(frames, see, size=SIZE)


def with_leaves(picture: Picture, seed: int) -> Picture:
    """The right fifth shows one of five patterns of leaves."""
    coarse = np.random.default_rng(seed % 5).integers(0, 2, (24, 6), dtype=np.uint8)
    shown, width = picture.copy(), WIDTH // 5
    leaves = cv2.resize(coarse, (width, HEIGHT), interpolation=cv2.INTER_NEAREST)
    shown[:, -width:] = np.where(leaves[..., None], (40, 110, 30), (150, 200, 120))
    return shown


def test_leaves_that_move_are_learned(scene: Picture) -> None:
    frames = [noisy(with_leaves(scene, seed), seed) for seed in range(MOVING_FRAMES)]
    learned = learn(frames, see, size=SIZE)
    assert learned.candidates and learned.self_check < 0.01
    shown = [noisy(with_leaves(scene, seed), 100 + seed) for seed in range(4)]
    shares = [share for _, share, _ in run(learned, shown)]
    assert max(shares) < 0.03
    ((_, share, _),) = run(learned, [with_object(with_leaves(scene, 2))])
    assert share == pytest.approx(120 * 70 / scene[..., 0].size, rel=0.25)
    still = learn([noisy(with_leaves(scene, 0), seed) for seed in range(15)], see, size=SIZE)
    ((_, share, _),) = run(still, [with_leaves(scene, 2)])
    assert share > 0.05  # what one plate makes of leaves


def test_leaves_move_along_with_the_camera(scene: Picture) -> None:
    frames = [noisy(with_leaves(scene, seed), seed) for seed in range(MOVING_FRAMES)]
    bumped = [moved(with_leaves(scene, seed), 9, 4) for seed in range(12)]
    found = run(learn(frames, see, size=SIZE), bumped)
    assert found[-1][2] == "moved"
    assert found[-1][1] < 0.03


def test_somebody_who_walks_is_not_learned_as_leaves(scene: Picture) -> None:
    frames = [with_object(scene, 5 * place) for place in range(MOVING_FRAMES)]
    with pytest.raises(CaptureError, match="moved during the capture"):
        learn(frames, see, size=SIZE)


def test_what_looks_like_nothing_before_is_not_learned_as_leaves(scene: Picture) -> None:
    """A screen without a signal is like its own photo only."""
    frames = []
    for seed in range(MOVING_FRAMES):
        frame, coarse = scene.copy(), np.random.default_rng(seed).integers(0, 2, (30, 40))
        frame[40:160, 60:220] = 255 * np.kron(coarse, np.ones((4, 4)))[..., None]
        frames.append(frame)
    with pytest.raises(CaptureError, match="moved during the capture"):
        learn(frames, see, size=SIZE)


@pytest.mark.parametrize("change", [0.02, 0.04])
def test_light_that_changes_is_not_learned(scene: Picture, change: float) -> None:
    frames = [(scene * (1 - change * place)).astype(np.uint8) for place in range(15)]
    with pytest.raises(CaptureError, match="light changed"):
        learn(frames, see, size=SIZE)


def test_light_that_changes_a_little_is_no_motion(scene: Picture) -> None:
    factors = 1.15 * np.linspace(0.905, 1.1, 15)  # up to 23 levels in bright parts
    frames = [(scene * factor).astype(np.uint8) for factor in factors]
    assert learn(frames, see, size=SIZE).self_check < 0.02


def test_a_network_that_sees_something_in_the_empty_scene_is_told(scene: Picture) -> None:
    def ghosts(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
        maps = see(background, image)
        maps["mask"][:20] = 1
        return maps

    with pytest.raises(CaptureError, match="was taken for foreground"):
        learn([noisy(scene, seed) for seed in range(15)], ghosts, size=SIZE)


def test_two_frames_are_too_few(scene: Picture) -> None:
    with pytest.raises(CaptureError, match="too few"):
        learn([scene, scene], see, size=SIZE)


def test_an_object_is_seen_and_leaves_nothing_behind(scene: Picture, plate: EmptyScene) -> None:
    frames = [noisy(scene, 20), noisy(with_object(scene), 21), noisy(with_object(scene), 22)]
    frames += [noisy(scene, 23)]
    shares = [share for _, share, _ in run(plate, frames)]
    truth = 120 * 70 / (HEIGHT * WIDTH)
    assert shares[0] == shares[3] == 0
    assert shares[1] == pytest.approx(truth, rel=0.1)
    assert shares[2] == pytest.approx(truth, rel=0.1)


def test_what_moves_leaves_no_trail(scene: Picture, plate: EmptyScene) -> None:
    frames = [with_object(scene, 20 + 25 * place) for place in range(8)]
    session = Session(plate)
    for frame in frames:
        session, sight = step(session, frame, see, size=SIZE)
        now = see(shrunk(scene), shrunk(frame))
        extra = (sight.mask > 0.5) & (now["mask"] < 0.5)
        assert extra.mean() < 0.01


def test_a_network_that_flickers_is_steadied(scene: Picture, plate: EmptyScene) -> None:
    small = shrunk(scene)
    session, rng = Session(plate), np.random.default_rng(5)
    raw, shown = [], []
    for _ in range(20):
        mask = np.clip(0.5 + rng.normal(0, 0.2, SIZE), 0, 1).astype(np.float32)
        session = smooth(session, small, mask, mask)
        assert session.mask is not None
        raw.append(mask)
        shown.append(session.mask)
    assert np.std(shown[5:], axis=0).mean() < 0.6 * np.std(raw, axis=0).mean()


def test_a_session_is_not_changed_by_a_step(scene: Picture, plate: EmptyScene) -> None:
    session, _ = step(Session(plate), scene, see, size=SIZE)
    before = replace(session)
    step(session, with_object(scene), see, size=SIZE)
    assert vars(session) == vars(before)
    again, _ = step(session, with_object(scene), see, size=SIZE)
    assert again.count == 2


def test_other_light_is_taken_out(scene: Picture, plate: EmptyScene) -> None:
    darker = apply_light(scene, LightMatch(np.full(3, 0.45), -1.15, True, ""))
    found = run(plate, [darker, with_object(darker), with_object(darker)])
    assert found[0][1] < 0.01
    assert found[2][1] == pytest.approx(0.11, abs=0.02)
    assert found[2][2] == "good"


def test_a_large_object_does_not_change_the_light(scene: Picture, plate: EmptyScene) -> None:
    """It grows to three quarters of the picture; where it is not, the light is as it was."""
    session = Session(plate)
    for rows in (0, 90, 140, 180, 180):
        frame = scene.copy()
        frame[HEIGHT - rows :] = np.clip(scene[HEIGHT - rows :] * 0.4 + (140, 0, 60), 0, 255)
        session, sight = step(session, frame, see, size=SIZE)
    assert (sight.mask > 0.5).mean() > 0.6
    assert sight.gain.stops == pytest.approx(0, abs=0.05)
    assert sight.health == "good"


def test_another_view_is_not_called_dark(scene: Picture, plate: EmptyScene) -> None:
    """Of another view, no gain is to be expected."""
    darker = (scene * 0.35).astype(np.uint8)
    assert run(plate, [scene, darker])[-1][2] == "dark"
    other = np.ascontiguousarray(darker[::-1, ::-1])
    assert {health for _, _, health in run(plate, [scene] + [other] * 22)} == {"good", "bumped"}


def test_a_small_bump_is_corrected(scene: Picture, plate: EmptyScene) -> None:
    frames = [scene] * 2 + [noisy(moved(scene, 6, -3), seed) for seed in range(12)]
    session, share, health = run(plate, frames)[-1]
    assert health == "moved"
    assert share < 0.01
    assert session.background is not None
    for seed in range(12):
        session, sight = step(session, noisy(scene, seed), see, size=SIZE)
    assert sight.health == "good"
    assert session.background is None


def test_another_view_asks_for_a_new_capture_and_the_old_one_is_well_again(
    scene: Picture, plate: EmptyScene
) -> None:
    other = np.ascontiguousarray(scene[::-1, ::-1])
    found = run(plate, [scene] * 2 + [other] * 22)
    assert found[-1][2] == "bumped"
    assert "Recapture" in SENTENCES["bumped"]
    back = found[-1][0]
    for _ in range(3):
        back, sight = step(back, scene, see, size=SIZE)
    assert sight.health == "good"


def test_a_bump_is_told_after_three_attempts(scene: Picture, plate: EmptyScene) -> None:
    """Registration is tried on the 3rd, 10th and 20th frame of another view."""
    other = np.ascontiguousarray(scene[::-1, ::-1])
    health = [health for _, _, health in run(plate, [other] * 21)]
    assert set(health[:19]) == {"good"} and health[20] == "bumped"


def test_a_large_object_is_no_bump(scene: Picture, plate: EmptyScene) -> None:
    """Enough of the scene is left to see that the camera stands where it stood."""
    frame = scene.copy()
    checks = np.indices((170, WIDTH)).sum(axis=0) // 7 % 2
    frame[70:] = np.where(checks[..., None], (255, 0, 255), (0, 255, 0))
    found = run(plate, [scene, *[frame] * 22])
    assert found[-1][1] > 0.6
    assert {health for _, _, health in found} == {"good"}


def test_an_object_left_in_the_background_is_told(scene: Picture) -> None:
    stood = learn([noisy(with_object(scene), seed) for seed in range(15)], see, size=SIZE)
    assert run(stood, [noisy(scene, 30 + seed) for seed in range(50)])[-1][2] == "swapped"


def test_a_swap_must_be_seen_three_times_in_a_row(scene: Picture) -> None:
    """Every 15th frame is looked at; in the third look, nothing differs from the background."""
    stood = learn([noisy(with_object(scene), seed) for seed in range(15)], see, size=SIZE)
    frames = [scene] * 20 + [with_object(scene)] * 20 + [scene] * 10
    assert "swapped" not in [health for _, _, health in run(stood, frames)]


def test_a_frame_of_another_size_is_told(scene: Picture, plate: EmptyScene) -> None:
    with pytest.raises(CaptureError, match="picture size"):
        step(Session(plate), scene[:100], see, size=SIZE)


def test_each_stage_is_timed(scene: Picture, plate: EmptyScene) -> None:
    _, sight = step(Session(plate), scene, see, size=SIZE)
    assert list(sight.milliseconds) == ["align", "network", "smooth"]
    assert all(time >= 0 for time in sight.milliseconds.values())


def test_a_scene_that_does_not_change_is_not_predicted_again(
    scene: Picture, plate: EmptyScene
) -> None:
    network, session = Watched(), Session(plate)
    for seed in range(10):
        frame = noisy(with_object(scene), seed)
        session, sight = step(session, frame, network, size=SIZE)
    assert len(network.asked) == 1 + STILL_FRAMES
    assert sight.unchanged and (sight.mask > 0.5).mean() == pytest.approx(0.11, abs=0.02)
    session, sight = step(session, with_object(scene, 124), network, size=SIZE)
    assert not sight.unchanged, "it moved by four pixels"
    assert len(network.asked) == 2 + STILL_FRAMES


def test_a_change_that_creeps_is_seen(scene: Picture, plate: EmptyScene) -> None:
    """Each frame differs from the last one by less than the noise."""
    network, session = Watched(), Session(plate)
    for place in range(60):
        session, _ = step(
            session, (scene * (1 - 0.002 * place)).astype(np.uint8), network, size=SIZE
        )
    assert len(network.asked) > 1 + STILL_FRAMES


def test_another_size_is_predicted_though_nothing_moves(scene: Picture, plate: EmptyScene) -> None:
    def any_size(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
        return dict.fromkeys(tasks, np.zeros(image.shape[:2], np.float32))

    session = Session(plate)
    for _ in range(6):
        session, sight = step(session, scene, any_size, size=SIZE)
    assert sight.unchanged
    session, sight = step(session, scene, any_size, size=(64, 96))
    assert not sight.unchanged and sight.mask.shape == (64, 96)


@pytest.mark.parametrize(("every", "asked"), [(1, [2] * 6), (2, [2, 1] * 3), (None, [1] * 6)])
def test_depth_is_predicted_as_often_as_it_is_needed(
    scene: Picture, plate: EmptyScene, every: int | None, asked: list[int]
) -> None:
    network, session = Watched(), Session(plate)
    for place in range(6):
        frame = with_object(scene, 20 + 20 * place)
        session, sight = step(session, frame, network, size=SIZE, depth_every=every)
        assert (sight.depth is None) == (every is None)
    assert [len(tasks) for tasks in network.asked] == asked


def test_depth_that_was_skipped_leaves_no_trail(scene: Picture, plate: EmptyScene) -> None:
    """The object leaves on a frame without depth, and nothing moves on the next one."""
    session = Session(plate)
    for frame in (with_object(scene), scene, scene):
        session, sight = step(session, frame, see, size=SIZE, depth_every=2)
    assert sight.depth is not None and sight.depth.min() == pytest.approx(0.8)


def test_depth_is_predicted_when_it_is_needed_after_all(scene: Picture, plate: EmptyScene) -> None:
    session = Session(plate)
    for every in (None,) * 6 + (1,):
        session, sight = step(session, scene, see, size=SIZE, depth_every=every)
    assert not sight.unchanged and sight.depth is not None


def blinking(picture: Picture, index: int) -> Picture:
    """A lamp in the corner blinks, so that each frame is predicted."""
    shown = picture.copy()
    shown[:12, -12:] = 255 * (index % 2)
    return shown


def test_somebody_who_stands_still_is_not_learned(scene: Picture, plate: EmptyScene) -> None:
    person = with_object(scene)
    # the network misses the legs, which have colours like the wall's
    person[140:200, 120:190] = np.clip(scene[140:200, 120:190].astype(np.int16) + 30, 0, 255)
    frames = [blinking(noisy(person, index), index) for index in range(4)]
    session = Session(plate)
    for index in range(1000):
        session, sight = step(session, frames[index % 4], see, size=SIZE)
        assert not sight.unchanged
    assert session.drift is not None
    rows, columns = slice(32, 80), slice(48, 76)
    assert np.abs(session.drift[rows, columns]).max() < 1


@pytest.mark.parametrize("blinks", [True, False])
def test_light_that_drifts_in_a_part_is_followed(
    scene: Picture, plate: EmptyScene, blinks: bool
) -> None:
    """Elsewhere it stays, so that no gain of the whole picture does."""
    part = np.s_[:, : WIDTH * 2 // 5]

    def strict(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
        difference = cv2.absdiff(background, image).max(axis=2)
        return dict.fromkeys(tasks, (difference > 20).astype(np.float32))

    def shown(picture: Picture, levels: float, index: int) -> Picture:
        lit = picture.copy()
        lit[part] = np.rint(np.clip(picture[part] + levels, 0, 255))
        return blinking(lit, index) if blinks else lit

    session, frames = Session(plate), 400
    for index in range(frames):
        frame = shown(scene, 30 * index / frames, index)
        session, sight = step(session, frame, strict, size=SIZE)
    assert (sight.mask > 0.5).mean() < 0.02
    assert session.drift is not None
    assert session.drift[20:, 10:40].mean() > 20
    assert abs(session.drift[20:, 70:].mean()) < 3
    session, sight = step(session, shown(with_object(scene), 30, 1), strict, size=SIZE)
    assert (sight.mask > 0.5).mean() == pytest.approx(0.11, abs=0.02)


def test_light_that_drifts_leaves_no_trace_of_who_stood_there(
    scene: Picture, plate: EmptyScene
) -> None:
    session = Session(plate)
    for index in range(300):
        lit = np.clip(scene.astype(np.int16) + index // 10, 0, 255).astype(np.uint8)
        session, _ = step(session, blinking(with_object(lit), index), see, size=SIZE)
    assert session.empty is not None
    there = np.s_[34:78, 50:74]
    error = session.empty.small[there].astype(np.int16) - Copies.make(lit, SIZE).small[there]
    assert abs(error.mean()) < 6


def test_a_drift_ends_where_the_camera_moves(scene: Picture, plate: EmptyScene) -> None:
    lit = scene.copy()
    lit[:, :128] = np.clip(scene[:, :128].astype(np.int16) + 8, 0, 255)
    session = run(plate, [blinking(lit, index) for index in range(60)])[-1][0]
    assert session.drift is not None and session.drift[20:, 10:40].mean() > 5
    for index in range(12):
        bumped = noisy(moved(scene, 6, -3), index)
        session, sight = step(session, bumped, see, size=SIZE)
    assert sight.health == "moved"
    assert session.drift is None or np.abs(session.drift).mean() < 2
