"""A plate put together from several photos of the empty scene, as predictions from them use it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 5  # pixels, side of the square that is compared
CLOSE_LEVELS = 4  # by which the first photo differs from an image by noise alone
_MAX_LEVEL = 255


def closest_plate(photos: Sequence[Tensor], image: Tensor) -> Tensor:
    """Takes each pixel from the photo that differs least from an image in the square around it.

    Of photos that differ alike, the first is taken; it is also taken where it differs by less than
    `CLOSE_LEVELS`. It is `closest` and `assemble` of `depthmask.inference.background`, in batches.

    Args:
        photos: (B, 3, H, W), 0 to 1, each; at most 255.
        image: (B, 3, H, W), 0 to 1, in the same light.
    """
    if len(photos) == 1:
        return photos[0]
    shown, count = _levels(image), len(photos)
    distances = [_distance(_levels(photo), shown) for photo in photos]
    distances[0] = distances[0].where(distances[0] >= CLOSE_LEVELS, 0)
    keys = [distance * count + at for at, distance in enumerate(distances)]
    choice = torch.stack(keys).amin(dim=0) % count
    plate = photos[0]
    for at, photo in enumerate(photos[1:], start=1):
        plate = torch.where(choice == at, photo, plate)
    return plate


def _levels(picture: Tensor) -> Tensor:
    return (picture.clamp(0, 1) * _MAX_LEVEL).round()


def _distance(photo: Tensor, image: Tensor) -> Tensor:
    """Mean over a square of the largest difference among the channels, whole, (B, 1, H, W)."""
    differs = (photo - image).abs().amax(dim=1, keepdim=True)
    padded = F.pad(differs, (WINDOW // 2,) * 4, mode="reflect")
    # a sum of whole numbers is exact in any order
    total = F.avg_pool2d(padded, WINDOW, stride=1, divisor_override=1)
    return (total / WINDOW**2).round()
