"""A background is moved where that helps, left alone where it does not, and nothing raises."""

from typing import Any

import cv2
import numpy as np
import pytest

from depthmask.inference import movement, registration
from depthmask.inference.registration import (
    NO_BETTER,
    NO_MATCH,
    NOT_REGISTERED,
    TOO_FAR,
    TOO_SMALL,
    register,
    warp,
)
from depthmask.pictures import Map, Picture

HEIGHT, WIDTH = 240, 320


def scene(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Picture:
    """Blocks of all sizes and greys: corners everywhere."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 120, np.uint8)
    for _ in range(150):
        x, y = rng.integers(0, width), rng.integers(0, height)
        across, down = rng.integers(5, 60, 2)
        picture[y : y + down, x : x + across] = rng.integers(20, 235, 3)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), dtype=np.uint8)


def moved(picture: Picture, x: float, y: float = 0.0, turn: float = 0.0) -> Picture:
    """The picture after it has gone x pixels to the right, y down, and turned by degrees."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    matrix[:, 2] += np.array([x, y])
    return np.asarray(
        cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        ),
        dtype=np.uint8,
    )


def with_block(picture: Picture) -> tuple[Picture, Map]:
    """A checked block, a fifth of the picture, and its mask."""
    image, mask = picture.copy(), np.zeros(picture.shape[:2], np.float32)
    checks = np.indices((140, 120)).sum(axis=0) // 9 % 2
    image[60:200, 100:220] = np.where(checks[..., None], (250, 60, 20), (20, 30, 90))
    mask[60:200, 100:220] = 1
    return image, mask


def test_a_moved_camera_is_found() -> None:
    image = scene()
    found = register(moved(image, 6, -4, turn=1), image)
    assert found.accepted and found.reason == ""
    assert found.shift == pytest.approx(np.hypot(6, 4), rel=0.1)
    assert found.after > 0.9 > found.before
    assert 0.9 < found.overlap < 1
    aligned = warp(moved(image, 6, -4, turn=1), found, HEIGHT, WIDTH)
    inside = np.s_[20:-20, 20:-20]
    assert np.abs(aligned[inside].astype(int) - image[inside]).mean() < 3


@pytest.mark.parametrize("known", [True, False])
def test_what_has_entered_does_not_mislead(known: bool) -> None:
    image, mask = with_block(scene())
    found = register(moved(scene(), 5), image, foreground=mask if known else None)
    assert found.accepted and found.shift == pytest.approx(5, abs=0.3)
    still = register(scene(), image, foreground=mask if known else None)
    assert not still.accepted and still.reason == ""


def test_a_pair_at_rest_is_recognised_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "goodFeaturesToTrack", lambda *_, **__: pytest.fail("searched"))
    rng = np.random.default_rng(0)
    noisy = np.rint(scene() * 0.8 + rng.normal(0, 3, scene().shape)).clip(0, 255).astype(np.uint8)
    for image in (noisy, with_block(scene())[0]):
        found = register(scene(), image)
        assert not found.accepted and found.reason == "" and found.shift < 0.2
        assert found.before == found.after > 0.8


@pytest.mark.parametrize("shift", [1, 5])
def test_an_object_over_half_of_the_picture_does_not_pull(shift: float) -> None:
    image = scene()
    image[40:, 100:] = scene(seed=4)[40:, 100:]
    found = register(moved(scene(), shift), image)
    assert found.accepted and found.homography is not None
    corners = np.array([[[0, 0]], [[WIDTH, 0]], [[WIDTH, HEIGHT]], [[0, HEIGHT]]], np.float64)
    back = cv2.perspectiveTransform(corners + np.array((shift, 0)), found.homography)
    assert np.linalg.norm(back - corners, axis=-1).max() < 0.7


def test_all_pixels_are_correlated_where_corners_are_few() -> None:
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    waves = 120 + 50 * np.sin(x / 12) * np.cos(y / 10) + 30 * np.sin((x + y) / 15)
    image = np.repeat(waves[..., None].astype(np.uint8), 3, axis=2)
    found = register(moved(image, 3), image)
    assert found.accepted and found.shift == pytest.approx(3, abs=0.3)


def test_parallax_is_sought_only_where_corners_stray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "find_parallax", lambda *_: pytest.fail("sought"))
    image, _ = with_block(scene())
    assert register(moved(scene(), 6, -4, turn=1), image).accepted


def test_a_quarter_of_a_pixel_is_left_alone() -> None:
    found = register(moved(scene(), 0.25), scene())
    assert not found.accepted and found.reason == "" and found.homography is None
    assert found.shift == pytest.approx(0.25, abs=0.1)


def test_another_size_is_measured_in_pixels_of_the_image() -> None:
    large = scene(480, 640)
    small = np.asarray(cv2.resize(large, (320, 240), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    for background, image, shift in ((moved(large, 12), small, 6), (moved(small, 6), large, 12)):
        found = register(background, image)
        assert found.accepted and found.shift == pytest.approx(shift, rel=0.1)
        height, width = image.shape[:2]
        aligned = warp(background, found, height, width)
        inside = np.s_[20:-20, 20:-20]
        assert np.abs(aligned[inside].astype(int) - image[inside]).mean() < 6


def test_sizes_that_do_not_divide_evenly() -> None:
    image = scene(1001, 1337)
    found = register(moved(image, 12), image)
    assert found.accepted and found.homography is not None
    corner = found.homography @ (1336 + 12, 1000, 1)
    assert corner[:2] / corner[2] == pytest.approx([1336, 1000], abs=0.7)


def test_portrait_and_landscape_share_their_middle() -> None:
    whole = scene(400, 400)
    image, background = whole[50:350], whole[:, 50:350]
    found = register(background, image)
    height, width = image.shape[:2]
    # the background is narrower than the image: it is enlarged to cover it
    assert found.accepted
    aligned = warp(background, found, height, width)
    assert np.abs(aligned[60:-60, 60:-60].astype(int) - image[60:-60, 60:-60]).mean() < 5


def test_exposure_does_not_matter() -> None:
    darker = (moved(scene(), 7) * 0.6).astype(np.uint8)
    assert register(darker, scene()).shift == pytest.approx(7, abs=0.3)


@pytest.mark.parametrize(
    ("background", "image", "reason"),
    [
        (scene(seed=1), scene(seed=2), (NO_MATCH, NO_BETTER)),
        (np.full((90, 120, 3), 130, np.uint8), np.full((90, 120, 3), 90, np.uint8), None),
        (np.zeros((90, 120, 3), np.uint8), scene(), None),
        (scene(1, 1), scene(1, 1), (TOO_SMALL,)),
        (scene(1, 1), scene(), (TOO_SMALL,)),
        (scene(), scene(1, 500), (TOO_SMALL,)),
        (scene(40_000, 2), scene(), (TOO_SMALL,)),
        (scene(240, 320), scene(320, 240, seed=3), None),
        (np.repeat(scene()[..., :1], 3, axis=2), scene(seed=5), None),
    ],
)
def test_what_cannot_be_aligned_is_left_alone_with_a_reason(
    background: Picture, image: Picture, reason: tuple[str, ...] | None
) -> None:
    found = register(background, image)
    assert not found.accepted and found.homography is None
    assert found.reason if reason is None else found.reason in reason
    assert found.overlap == 1 and found.before == found.after
    assert np.isfinite([found.shift, found.before]).all()


def test_nothing_raises() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        pictures = []
        for height, width in rng.integers(1, 150, (2, 2)):
            levels = rng.integers(0, 256, (height, width, 3))
            levels[:, : rng.integers(0, width + 1)] = rng.integers(0, 256)
            levels[: rng.integers(0, height + 1)] //= rng.integers(1, 200)
            pictures.append(levels.astype(np.uint8))
        found = register(*pictures)
        if found.accepted:
            warp(pictures[0], found, *pictures[1].shape[:2])


def test_noise_is_not_aligned_to_noise() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert not register(*pictures).accepted


def test_too_far() -> None:
    whole = scene(240, 600)
    found = register(np.ascontiguousarray(whole[:, :320]), np.ascontiguousarray(whole[:, 160:480]))
    assert not found.accepted and found.reason


def test_a_background_that_covers_little_of_the_image_is_refused() -> None:
    """The camera went back: the background shows the middle of what the image shows."""
    image = scene(480, 640)
    middle = np.asarray(cv2.resize(image[140:340, 187:453], (640, 480)), dtype=np.uint8)
    found = register(middle, image)
    assert not found.accepted and found.reason
    most = np.asarray(cv2.resize(image[70:410, 93:547], (640, 480)), dtype=np.uint8)
    assert register(most, image).accepted


def test_a_strip_of_the_image_is_too_little() -> None:
    for rows, reason in ((slice(95, 145), TOO_FAR), (slice(80, 160), "")):
        found = register(np.ascontiguousarray(scene()[rows]), scene())
        assert (found.accepted, found.reason) == (not reason, reason)


def test_the_same_picture_needs_no_alignment() -> None:
    found = register(scene(), scene())
    assert not found.accepted and found.reason == ""
    assert found.before == pytest.approx(1) and found.shift == pytest.approx(0, abs=0.02)


def test_uncovered_edges_are_continued() -> None:
    background, image = moved(scene(), -20), scene()
    found = register(background, image)
    aligned = warp(background, found, HEIGHT, WIDTH)
    assert found.accepted and found.overlap == pytest.approx(1 - 20 / WIDTH, abs=0.01)
    assert aligned.min() > 5  # no black strip


def test_only_an_accepted_registration_warps() -> None:
    with pytest.raises(AssertionError, match="accepted"):
        warp(scene(), NOT_REGISTERED, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("rows", "columns", "scale"),
    [
        (slice(30, 210), slice(None), 1.0),  # 16:9 of 4:3
        (slice(30, 210), slice(None), 1.7),
        (slice(None), slice(92, 228), 1.0),  # a portrait
        (slice(24, 216), slice(32, 288), 1.25),  # zoomed
        (slice(0, 200), slice(60, 320), 1.0),  # a corner
    ],
)
def test_framing_is_no_movement(rows: slice, columns: slice, scale: float) -> None:
    image, _ = with_block(scene())
    background = np.asarray(cv2.resize(scene()[rows, columns], None, fx=scale, fy=scale), np.uint8)
    found = register(background, image)
    assert found.accepted and found.shift < 1
    shown = scene()[rows, columns].size / scene().size
    assert found.overlap == pytest.approx(shown, abs=0.02)
    aligned = warp(background, found, HEIGHT, WIDTH)[rows, columns][8:-8, 8:-8]
    assert np.abs(aligned.astype(int) - scene()[rows, columns][8:-8, 8:-8]).mean() < 5


def test_a_photo_upside_down_is_refused() -> None:
    found = register(np.ascontiguousarray(scene()[::-1, ::-1]), scene())
    assert not found.accepted and found.reason


def test_a_crop_that_keeps_the_middle_needs_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "goodFeaturesToTrack", lambda *_, **__: pytest.fail("searched"))
    found = register(np.ascontiguousarray(scene()[30:210]), scene())
    assert found.accepted and found.homography is not None
    assert found.homography / found.homography[2, 2] == pytest.approx(
        np.array([[1, 0, 0], [0, 1, 30], [0, 0, 1]]), abs=1e-6
    )


def test_bars_do_not_mislead() -> None:
    background, image = moved(scene(), 7), scene()
    background[:30] = background[-30:] = 0
    image[:, :25] = image[:, -25:] = 0
    found = register(background, image)
    assert found.accepted and found.homography is not None
    point = found.homography @ (107, 100, 1)
    assert point[:2] / point[2] == pytest.approx([100, 100], abs=0.5)


@pytest.mark.parametrize("zoom", [0.9, 1.1])
def test_a_hand_held_camera_is_followed(zoom: float) -> None:
    """It goes a tenth of the width, turns by 5 degrees, and comes closer or leaves."""
    large, middle = scene(480, 640), (320, 240)
    matrix = cv2.getRotationMatrix2D(middle, 5, zoom)
    matrix[:, 2] += (32, 10)
    whole = cv2.warpAffine(large, matrix, (640, 480), flags=cv2.INTER_CUBIC)
    inside = np.s_[120:360, 160:480]
    image, _ = with_block(np.ascontiguousarray(large[inside]))
    found = register(np.ascontiguousarray(whole[inside]), image)
    assert found.accepted and found.homography is not None
    points = np.array([[[160, 120]], [[100, 80]], [[220, 160]]], np.float64)
    corner = np.array([160, 120])
    there = cv2.transform(points + corner, matrix) - corner
    back = cv2.perspectiveTransform(there, found.homography)
    assert np.abs(back - points).max() < 0.7


def test_the_movement_that_fits_best_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corners that were followed may agree on a wrong movement."""
    image = scene()
    background = moved(image, 9)
    right = movement._from_tracks
    calls: list[bool] = []

    def wrong_first(*args: Any) -> movement.Found | None:
        calls.append(True)
        found = right(*args)
        if len(calls) > 1 or found is None:
            return found
        return found._replace(
            transform=found.transform + np.array([[0, 0, 6], [0, 0, 3], [0, 0, 0]])
        )

    monkeypatch.setattr(movement, "_from_tracks", wrong_first)
    found = register(background, image)
    assert len(calls) > 1 and found.shift == pytest.approx(9, abs=0.3)
