"""What a camera does to light: exposure, noise, tone curve, JPEG; and the truth beside it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Exposure:
    """One shot's settings."""

    seed: int
    gain: float = 1.0  # linear light is multiplied by this
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # per channel, white balance
    noise: float = 0.006  # standard deviation of read noise, linear, full scale 1
    jpeg: int = 92


def develop(light: Floats, exposure: Exposure) -> NDArray[np.uint8]:
    """Turns linear light (H, W, 3) into a photo, uint8 RGB."""
    rng = np.random.default_rng(exposure.seed)
    signal = light * exposure.gain * np.asarray(exposure.balance, np.float32)
    signal = signal + 0.012 * _glow(signal)
    # Photon noise grows with the square root of the light; a phone's own denoiser leaves it soft.
    spread = np.sqrt(exposure.noise**2 + 2.5e-4 * np.clip(signal, 0, 1))
    grain = rng.standard_normal(signal.shape, np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.6
    noisy = np.clip(signal + spread * grain, 0, None)
    return np.round(255 * _tone(noisy)).astype(np.uint8)


def write_photo(path: Path, photo: NDArray[np.uint8], *, jpeg: int) -> None:
    """Writes a photo as JPEG."""
    if not cv2.imwrite(str(path), photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg]):
        raise OSError(f"could not write {path}")


def write_mask(path: Path, coverage: Floats) -> None:
    """Writes coverage in [0, 1] as 8-bit PNG."""
    cv2.imwrite(str(path), np.round(255 * np.clip(coverage, 0, 1)).astype(np.uint8))


def write_depth(path: Path, depth: Floats) -> None:
    """Writes depth in [0, 1] as 16-bit PNG, value = round(65535 * depth)."""
    values = np.round(65535 * np.clip(depth, 0, 1)).astype(np.uint16)
    cv2.imwrite(str(path), values, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def relative_depth(distance: Floats, empty_distance: Floats) -> Floats:
    """Puts distances (metres along the optical axis) on the scale which the empty scene sets.

    The project's convention, see `depthmask.depth`; sky has inverse depth 0.
    """
    inverse, empty = (
        np.where(z < 1e6, 1 / np.maximum(z, 1e-3), 0.0) for z in (distance, empty_distance)
    )
    q2, q98 = np.percentile(empty, (2, 98))
    ratio = np.maximum((inverse - q2) / (q98 - q2), 0)
    return (1 / (1 + 2 * ratio)).astype(np.float32)


def _glow(signal: Floats) -> Floats:
    """Veiling light around very bright places, as every lens has."""
    spread = signal.shape[1] / 40
    return np.asarray(cv2.GaussianBlur(np.clip(signal, 0, 4), (0, 0), spread), np.float32)


def _tone(signal: Floats) -> Floats:
    """sRGB with a soft shoulder instead of hard clipping, and a little contrast."""
    knee = 0.6
    over = np.maximum(signal - knee, 0)
    shouldered = np.minimum(signal, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    encoded = np.where(
        shouldered <= 0.0031308, 12.92 * shouldered, 1.055 * shouldered ** (1 / 2.4) - 0.055
    )
    smooth = encoded * encoded * (3 - 2 * encoded)
    return np.clip(encoded + 0.25 * (smooth - encoded), 0, 1).astype(np.float32)
