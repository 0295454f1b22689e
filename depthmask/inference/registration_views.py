"""Small grey copies of two photos, and how well they fit when one is laid on the other."""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.inference.parallax import MIN_DIFFERENCE_LEVELS, Plane
from depthmask.inference.transforms import Transform, between, fit, scaled, warped
from depthmask.pictures import Map, Mask, Picture

REGISTRATION_SIDE = 640  # pixels, longest side of the copies that are compared


@dataclass(frozen=True, eq=False)
class Laid:
    """The background as a transform lays it on the image."""

    covered: Mask  # (H, W): which pixels of the image it covers
    fine: Map  # (H, W): its fine structure
    unchanged: Plane  # (H, W): 255 where the photos have the same fine structure, 0 elsewhere


@dataclass(frozen=True, eq=False)
class Views:
    """Both photos in small and grey."""

    background: Plane  # (h, w)
    image: Plane  # (H, W)
    usable: Plane  # (H, W), 255 where no foreground is known
    start: Transform  # given background -> given image, the camera at rest
    to_background: Transform  # from the given background to its copy
    to_image: Transform  # from the given image to its copy
    laid: dict[bytes, Laid] = field(default_factory=dict)  # what `lay` returned, by transform

    @classmethod
    def make(
        cls, background: Picture, image: Picture, foreground: Map | None, start: Transform
    ) -> "Views":
        rows, columns = background.shape[:2]
        height, width = image.shape[:2]
        scale = min(1.0, REGISTRATION_SIDE / max(height, width))
        image_copy = scaled(to_grey(image), scale)
        cover = fit(rows, columns, height, width)
        # as large as it will be in the frame, but never larger than it is
        background_copy = scaled(to_grey(background), min(1.0, cover[0, 0] * scale))
        usable = np.full(image_copy.shape, 255, np.uint8)
        if foreground is not None:
            size = (image_copy.shape[1], image_copy.shape[0])
            known = cv2.resize(foreground, size, interpolation=cv2.INTER_AREA)
            usable[np.asarray(known) > 0.5] = 0
        to_background = between(background.shape, background_copy.shape)
        to_image = between(image.shape, image_copy.shape)
        return cls(background_copy, image_copy, usable, start, to_background, to_image)

    @cached_property
    def fine(self) -> Map:
        """Fine structure of the image, (H, W)."""
        return fine_structure(self.image)

    @property
    def still(self) -> Transform:
        """From background to image, the camera at rest."""
        return self.to_image @ self.start @ np.linalg.inv(self.to_background)

    def half(self) -> "Views":
        """The same in half the size."""
        background, image, usable = (
            scaled(plane, 0.5) for plane in (self.background, self.image, self.usable)
        )
        smaller = between(self.background.shape, background.shape)
        to_image = between(self.image.shape, image.shape)
        return Views(
            background,
            image,
            np.where(usable > 254, usable, 0).astype(np.uint8),
            self.start,
            smaller @ self.to_background,
            to_image @ self.to_image,
        )

    def lay(self, transform: Transform) -> Laid:
        """Lays the background on the image."""
        key = transform.tobytes()
        if key not in self.laid:
            self.laid[key] = self._lay(transform)
        return self.laid[key]

    def _lay(self, transform: Transform) -> Laid:
        height, width = self.image.shape
        whole = np.full(self.background.shape, 255, np.uint8)
        covered = np.asarray(cv2.warpPerspective(whole, transform, (width, height))) > 254
        fine = fine_structure(self.warped(transform))
        difference = cv2.blur(cv2.absdiff(fine, self.fine), (9, 9))
        # a sixteenth of the pixels have the same median
        limit = max(MIN_DIFFERENCE_LEVELS, 2.5 * float(np.median(difference[::4, ::4])))
        unchanged = np.where(difference < limit, self.usable, 0).astype(np.uint8)
        return Laid(covered, fine, unchanged)

    def warped(self, transform: Transform) -> Plane:
        return warped(self.background, transform, *self.image.shape)

    def score(self, laid: Laid, other: Laid) -> float:
        """Correlation of fine structure, in [-1, 1], where both overlap; 0 if there is none.

        Fine structure is compared because brightness may differ. Pixels that fit in neither are
        foreground and do not count.
        """
        counts = laid.covered & other.covered & ((laid.unchanged | other.unchanged) > 0)
        number = np.count_nonzero(counts)
        if number < 2:
            return 0.0
        first, second = (np.where(counts, fine, 0) for fine in (laid.fine, self.fine))
        energy = float(np.sqrt(np.vdot(first, first) * np.vdot(second, second)))
        return float(np.vdot(first, second)) / energy if energy > 1e-3 * number else 0.0

    def drift(self, laid: Laid) -> float:
        """How far unchanged fine structure is off, in pixels of the image, mean over the frame.

        It is one step of Lucas and Kanade (1981) for an affine movement, right for less than
        a pixel of the copies. Infinite where there is not enough structure to tell.
        """
        counts = (laid.covered & (laid.unchanged > 0)).astype(np.float32)
        height, width = counts.shape
        x = np.linspace(-1, 1, width, dtype=np.float32)
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        right, down = (
            cv2.Sobel(laid.fine, cv2.CV_32F, *axis, scale=1 / 8) * counts
            for axis in ((1, 0), (0, 1))
        )
        planes = [slope * place for slope in (right, down) for place in (np.float32(1), x, y)]
        slopes = np.stack(planes).reshape(6, -1)
        behind, before = (laid.fine * counts).ravel(), (self.fine * counts).ravel()
        gain = float(before @ behind) / max(float(behind @ behind), 1e-6)
        try:
            found = np.linalg.solve(slopes @ slopes.T * gain, slopes @ (before - gain * behind))
        except np.linalg.LinAlgError:
            return float("inf")
        x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9))
        moved = found.reshape(2, 3) @ np.stack([np.ones_like(x), x, y]).reshape(3, -1)
        return float(np.linalg.norm(moved, axis=0).mean() / self.to_image[0, 0])

    def distance(self, transform: Transform) -> float:
        """Mean distance, in pixels of the image, from where the camera at rest puts a pixel."""
        points = _grid(*self.image.shape)
        moved = cv2.perspectiveTransform(points, transform @ np.linalg.inv(self.still))
        return float(np.linalg.norm(moved - points, axis=-1).mean() / self.to_image[0, 0])

    def movement(self, transform: Transform) -> float:
        """The same from the closest place where a scaled and cropped picture may lie.

        Two photos of one camera at rest may be framed differently: one frame then holds the other
        along each axis. What remains is movement of the camera.
        """
        points = _grid(*self.background.shape)
        moved = cv2.perspectiveTransform(points, transform)
        middle = moved.mean(axis=0)
        centred = points - points.mean(axis=0)
        # no framing turns a picture upside down
        scale = max(0.0, float(np.vdot(centred, moved - middle) / np.vdot(centred, centred)))
        size, frame = (np.array(plane.shape[::-1]) for plane in (self.background, self.image))
        play = np.abs(frame - scale * size) / 2
        off = middle - (frame - 1) / 2
        remaining = moved - middle - scale * centred + off - np.clip(off, -play, play)
        return float(np.linalg.norm(remaining, axis=-1).mean() / self.to_image[0, 0])

    def at_full_size(self, transform: Transform) -> Transform:
        """The same transform between the pictures as they were given."""
        full = np.linalg.inv(self.to_image) @ transform @ self.to_background
        return full / full[2, 2]


def to_grey(picture: Picture) -> Plane:
    """(H, W, 3) uint8 -> (H, W) uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))


def fine_structure(plane: Plane) -> Map:
    """Structure finer than about 15 pixels and coarser than noise: (H, W) uint8 -> float32."""
    values = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.0)
    return np.asarray(values - cv2.blur(values, (15, 15)))


def _grid(height: int, width: int) -> npt.NDArray[np.float64]:
    """Points spread over a picture, (81, 1, 2)."""
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    return np.stack((x, y), axis=-1).reshape(-1, 1, 2)
