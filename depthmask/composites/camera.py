"""What a camera does to two pictures of one scene: exposure, white balance, blur, noise, JPEG."""

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.random_streams import Draws
from depthmask.composites.recipe import Lens
from depthmask.data.codec import jpeg_damage


def photograph(
    background: Tensor, image: Tensor, draws: Draws, lens: Lens, changes: Tensor
) -> tuple[Tensor, Tensor]:
    """Takes both pictures, (B, 3, H, W) in [0, 1], with one camera that changes in between.

    Where `changes`, (B,) bool, is false, the camera is perfect, and only renders colours its way.
    """
    background, image = _render(background, image, draws, lens)
    changed = draws.chance(0.8)[:, None, None, None]
    before = _sense(_expose(background, draws, lens, changed), draws, lens)
    after = _sense(image.clamp(0, 1), draws, lens)
    changes = changes[:, None, None, None]
    return torch.where(changes, before, background), torch.where(changes, after, image)


def _render(background: Tensor, image: Tensor, draws: Draws, lens: Lens) -> tuple[Tensor, Tensor]:
    """Gives both pictures the brightness, the cast and the depth of colour of one camera."""
    gain = draws.log_uniform(0.6, 1.25)[:, None] * (1 + draws.signed(lens.tint, each=3))
    colour = torch.where(draws.chance(lens.pale), draws.log_uniform(0.25, 1.5), 1.0)
    gain, colour = gain[:, :, None, None], colour[:, None, None, None]

    def render(picture: Tensor) -> Tensor:
        picture = picture * gain
        grey = picture.mean(dim=1, keepdim=True)
        # not cut at 1: another exposure may bring highlights back
        return (grey + colour * (picture - grey)).clamp_min(0)

    return render(background), render(image)


def _expose(picture: Tensor, draws: Draws, lens: Lens, changed: Tensor) -> Tensor:
    gain = (1 + draws.signed(lens.gain))[:, None] * (1 + draws.signed(lens.white_balance, each=3))
    gamma = (1 + draws.signed(lens.gamma))[:, None, None, None]
    offset = draws.signed(lens.offset)[:, None, None, None]
    exposed = (picture * gain[:, :, None, None]).clamp(1e-4, 1) ** gamma + offset
    return torch.where(changed, exposed, picture).clamp(0, 1)


def _sense(picture: Tensor, draws: Draws, lens: Lens) -> Tensor:
    """Blur or sharpening, sensor noise and compression, each in some of the pictures."""
    blur = draws.uniform() * draws.chance(lens.blur) - draws.uniform() * draws.chance(
        lens.sharpening
    )
    picture = picture + blur[:, None, None, None] * (_blurred(picture) - picture)

    level = draws.uniform() ** 2 * lens.noise_level * draws.chance(lens.noise)
    noise = draws.noise(*picture.shape[1:])
    # Cameras that scale or denoise leave grain that is coarser than a pixel.
    grain = torch.where(draws.chance(0.4)[:, None, None, None], 2 * _blurred(noise), noise)
    picture = (picture + level[:, None, None, None] * grain).clamp(0, 1)

    damaged = draws.chance(lens.jpeg)
    step = draws.log_uniform(3.0, 30.0)
    rows = damaged.nonzero()[:, 0]
    if len(rows):
        picture = picture.index_copy(0, rows, jpeg_damage(picture[rows], step[rows]))
    return (picture * 255).round() / 255


def _blurred(picture: Tensor) -> Tensor:
    """A 3x3 binomial blur. Sums of shifted pictures: twice as fast as a convolution on a CPU."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16
