"""The frames of a clip, one after the other, and the state between them."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from depthmask.backends.base import LockedBackend
from depthmask.inference import live_session
from depthmask.inference.capture import EmptyScene
from depthmask.inference.clip import ClipState, Seen, finish_frame, see_frame
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.steadying import Steadier
from depthmask.inference.transforms import translation, warped
from depthmask.pictures import Map, Picture

SIZE = (64, 96)


class Brighter(LockedBackend):
    """What is 40 levels brighter is foreground."""

    name, precision, device, resolution = "none", "none", "cpu", 64

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        change = (images.astype(np.float32) - backgrounds).max(axis=-1)
        return {"mask": (change > 40).astype(np.float32), "depth": np.full_like(change, 0.5)}


@pytest.fixture
def scene() -> ClipScene:
    rough = np.random.default_rng(0).integers(20, 120, (32, 48, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(rough, (192, 128), interpolation=cv2.INTER_CUBIC), np.uint8)
    return ClipScene(EmptyScene(picture, 0.0, 0.0), None, Steadier(picture), ())


def follow(
    scene: ClipScene, state: ClipState, frames: Sequence[Picture]
) -> tuple[ClipState, list[Seen]]:
    found = []
    for frame in frames:
        state, seen = see_frame(state, scene, frame, Brighter(), size=SIZE)
        found.append(seen)
    return state, found


def test_a_run_goes_on_from_what_is_kept(scene: ClipScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_session, "DRIFT_FRAMES", 2)
    frames = []
    for index in range(8):  # the left half grows brighter, and something moves
        frame = scene.empty.picture.astype(np.int16)
        frame[:, :96] += index
        frame[40:80, 10 * index : 10 * index + 30] = 250
        frames.append(warped(frame.clip(0, 255).astype(np.uint8), translation(2, 1), 128, 192))
    state, _ = follow(scene, ClipState.of(scene), frames[:5])
    assert state.session.drift is not None and np.abs(state.session.drift).max() > 0.5
    again = ClipState.from_arrays(state.to_arrays(), scene, SIZE)
    new = ClipState.of(scene)
    results = [follow(scene, each, frames[5:])[1] for each in (state, again, new)]
    for one, other in zip(results[0], results[1], strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert one.drift is not None and other.drift is not None
        assert np.array_equal(one.drift, other.drift)
    last, fresh = results[0][-1].drift, results[2][-1].drift
    assert last is not None and (fresh is None or not np.array_equal(last, fresh))


def test_a_frame_is_not_mixed_with_those_before(scene: ClipScene) -> None:
    """Smoothing comes later, when the frames that follow are known."""

    class Fails(Brighter):
        def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
            found = super()._run_batch(backgrounds, images)
            return {name: 0 * values for name, values in found.items()}

    frame = scene.empty.picture.copy()
    frame[40:80, 60:100] = 250
    state, (seen,) = follow(scene, ClipState.of(scene), [frame])
    _, after = see_frame(state, scene, frame, Fails(), size=SIZE)
    assert seen.mask.max() == 1 and after.mask.max() == 0


def test_masks_lie_where_the_frame_has_the_object(scene: ClipScene) -> None:
    picture = scene.empty.picture.copy()
    picture[40:80, 60:100] = 250
    frame = warped(picture, translation(5, 3), 128, 192)
    _, (seen,) = follow(scene, ClipState.of(scene), [frame])
    seen = replace(seen, depth=np.where(seen.mask > 0.5, np.float32(0.2), np.float32(0.8)))
    found = finish_frame(scene, seen)
    true = np.zeros((128, 192), bool)
    true[43:83, 65:105] = True
    inside = found.mask > 0.5
    assert (inside & true).sum() / (inside | true).sum() > 0.9
    assert not inside[:, 130:].any() and not inside[:, :40].any()
    assert found.depth is not None
    assert np.array_equal(found.depth < 0.5, inside)
    behind = np.abs(found.background[8:, 112:].astype(int) - frame[8:, 112:])
    assert behind.mean() < 4


def test_where_the_camera_cannot_be_followed_it_stays(scene: ClipScene) -> None:
    frame = warped(scene.empty.picture, translation(5, 3), 128, 192)
    state, seen = follow(scene, ClipState.of(scene), [frame, np.zeros_like(frame)])
    assert state.lost == 1 and np.array_equal(seen[0].transform, seen[1].transform)
