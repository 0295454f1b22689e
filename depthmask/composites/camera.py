"""What a camera does to two photos of one scene: exposure, white balance, blur, noise, JPEG."""

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import Lens
from depthmask.data.codec import jpeg_damage


def photograph(
    background: Tensor, image: Tensor, rng: RandomStreams, lens: Lens, changes: Tensor
) -> tuple[Tensor, Tensor]:
    """Takes both photos with one camera, whose settings may change in between.

    Args:
        background: (B, 3, H, W), RGB, 0 to 1.
        image: The same of the scene with the objects.
        rng: A random stream for each sample.
        lens: How strongly the camera changes its photos.
        changes: (B,) bool. Where it is false, both photos get the camera's colours and nothing
            else: no noise, no compression, no change in between.

    Returns:
        The background and the image. Rounded to 8 bits where `changes` is true.
    """
    background, image = _render(background, image, rng, lens)
    exposure_changes = rng.chance(0.8)[:, None, None, None]
    before = _sense(_expose(background, rng, lens, exposure_changes), rng, lens)
    after = _sense(image.clamp(0, 1), rng, lens)
    changes = changes[:, None, None, None]
    return torch.where(changes, before, background), torch.where(changes, after, image)


def _render(
    background: Tensor, image: Tensor, rng: RandomStreams, lens: Lens
) -> tuple[Tensor, Tensor]:
    """Gives both photos the same brightness, colour cast and saturation."""
    gain = rng.log_uniform(0.6, 1.25)[:, None] * (1 + rng.symmetric(lens.tint, each=3))
    saturation = torch.where(rng.chance(lens.pale), rng.log_uniform(0.25, 1.5), 1.0)
    gain, saturation = gain[:, :, None, None], saturation[:, None, None, None]

    def render(picture: Tensor) -> Tensor:
        picture = picture * gain
        grey = picture.mean(dim=1, keepdim=True)
        # No upper limit: `_expose` may bring highlights back.
        return (grey + saturation * (picture - grey)).clamp_min(0)

    return render(background), render(image)


def _expose(picture: Tensor, rng: RandomStreams, lens: Lens, changes: Tensor) -> Tensor:
    """Changes exposure, white balance, contrast and black level where `changes` is true."""
    gain = 1 + rng.symmetric(lens.gain)
    white_balance = 1 + rng.symmetric(lens.white_balance, each=3)
    gamma = (1 + rng.symmetric(lens.gamma))[:, None, None, None]
    offset = rng.symmetric(lens.offset)[:, None, None, None]
    gains = (gain[:, None] * white_balance)[:, :, None, None]
    exposed = (picture * gains).clamp(1e-4, 1) ** gamma + offset
    return torch.where(changes, exposed, picture).clamp(0, 1)


def _sense(picture: Tensor, rng: RandomStreams, lens: Lens) -> Tensor:
    """Adds blur or sharpening, sensor noise and compression, each to some of the photos."""
    blur = rng.uniform() * rng.chance(lens.blur)
    blur = blur - rng.uniform() * rng.chance(lens.sharpening)
    picture = picture + blur[:, None, None, None] * (_blurred(picture) - picture)

    level = rng.uniform() ** 2 * lens.noise_level * rng.chance(lens.noise)
    noise = rng.normal(*picture.shape[1:])
    # Cameras that scale or denoise leave grain that is coarser than a pixel.
    grain = torch.where(rng.chance(0.4)[:, None, None, None], 2 * _blurred(noise), noise)
    picture = (picture + level[:, None, None, None] * grain).clamp(0, 1)

    compressed = rng.chance(lens.jpeg)
    step = rng.log_uniform(3.0, 30.0)
    rows = compressed.nonzero()[:, 0]
    if len(rows):
        picture = picture.index_copy(0, rows, jpeg_damage(picture[rows], step[rows]))
    return (picture * 255).round() / 255


def _blurred(picture: Tensor) -> Tensor:
    """Blurs by a 3x3 binomial kernel; twice as fast as a convolution on a CPU."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16
