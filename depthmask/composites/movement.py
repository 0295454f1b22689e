"""What moves in the empty scene: foliage, water, flags and curtains, screens, clouds' shadows.

All of it belongs to the background. Each photo shows another moment of it.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.geometry import Size, frame_grid, half_sides, identity
from depthmask.composites.pools import Pool
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import Recipe

_MAP_SIZE = (32, 32)  # of the maps on which regions are drawn, pixels
_COARSE, _FINE = 6, 24  # random values a side of a field of displacements
_MAX_FINE = 0.025  # texture units; larger displacements of the fine field would tear edges
_TEXTURED = 6.0  # standard deviation in grey levels: less is no texture
_ALIKE = 15.0  # levels by which colour and contrast differ at most within one texture


@dataclass(frozen=True)
class Movement:
    """What moves in the scenes of a batch."""

    region: Tensor  # (B, 1, H, W), 0 to 1, places that sway
    sway: Tensor  # (B,), how far, in texture units
    texture: Tensor  # (B, H, W) bool, places that may show another part of their texture
    texture_offset: Tensor  # (B, 2), which part, in texture units
    screen: Tensor  # (B, H, W) bool, where a screen is
    flickers: Tensor  # (B,) bool: the screen changes its brightness alone
    clouds: Tensor  # (B,), share of the light that clouds take

    @classmethod
    def draw(
        cls,
        pool: Pool,
        number: Tensor,
        view: Tensor,
        rng: RandomStreams,
        size: Size,
        recipe: Recipe,
        changes: Tensor,
    ) -> "Movement":
        """Draws which parts of each scene move.

        Args:
            pool: The backgrounds.
            number: (B,) int64, which of them.
            view: (B, 3, 3), from frame to texture.
            rng: A random stream for each sample.
            size: Height and width in pixels.
            recipe: What happens how often.
            changes: (B,) bool. Where it is false, nothing moves.
        """
        grid = frame_grid(view, _MAP_SIZE)
        offset = _draw_offset(rng)
        here, there = _looks(pool, number, grid), _looks(pool, number, grid + offset[:, None, None])
        contrast = here[:, 3:]
        amplitude = rng.log_uniform(0.006, 0.06) * (rng.chance(recipe.sway) & changes)
        edge = rng.log_uniform(2.0, 30.0)
        region = _draw_region(rng, contrast) * edge[:, None, None, None]
        alike = (here - there).abs().amax(dim=1, keepdim=True) < _ALIKE
        dynamic = rng.chance(recipe.dynamic_texture) & changes
        suits = alike & (contrast > _TEXTURED) & dynamic[:, None, None, None]
        # Fine noise gives the border the look of leaves.
        patches = _draw_region(rng, contrast) + 0.5 * rng.normal(1, *_MAP_SIZE)
        patches = torch.where(suits, patches, -1.0)
        region, patches = _enlarged(torch.cat((region, patches), dim=1), size).split(1, dim=1)
        return cls(
            region=region.sigmoid(),
            sway=amplitude,
            texture=patches[:, 0] > 0,
            texture_offset=offset,
            screen=_draw_screen(rng, size, rng.chance(recipe.screen) & changes),
            flickers=rng.chance(0.5),
            clouds=rng.uniform(0.2, 0.6) * (rng.chance(recipe.clouds) & changes),
        )

    def displacement(self, rng: RandomStreams) -> Tensor:
        """Draws where the places of one photo show what they show, (B, H, W, 2) texture units."""
        coarse = smooth_noise(rng, 2, _COARSE, (_FINE, _FINE))
        share = rng.uniform()
        sways = (self.sway * share)[:, None, None, None] * coarse
        rustles = self.sway.clamp_max(_MAX_FINE) * (1 - share)
        flow = sways + rustles[:, None, None, None] * rng.normal(2, _FINE, _FINE)
        size = (self.region.shape[-2], self.region.shape[-1])
        moved = (_enlarged(flow, size) * self.region).movedim(1, -1)
        texture = (self.texture & rng.chance(0.5)[:, None, None])[..., None]
        moved = moved + texture * self.texture_offset[:, None, None]
        shows_else = self.screen & (rng.chance(0.7) & ~self.flickers)[:, None, None]
        return moved + shows_else[..., None] * _draw_offset(rng)[:, None, None]

    def glow(self, rng: RandomStreams) -> Tensor:
        """Draws the brightness of the screen in one photo, (B, 3, H, W): factors, 1 outside."""
        brightness = rng.log_uniform(0.4, 1.6)[:, None] * (1 + rng.symmetric(0.2, each=3))
        return torch.where(self.screen[:, None], brightness[:, :, None, None], 1.0)

    def daylight(self, rng: RandomStreams) -> Tensor:
        """Draws the light that clouds leave to one photo, (B, 1, H, W): factors up to 1."""
        size = (self.screen.shape[-2], self.screen.shape[-1])
        limit, edge = rng.symmetric(0.8), rng.log_uniform(1.5, 12.0)
        noise = smooth_noise(rng, 1, 4, size) - limit[:, None, None, None]
        shadow = (noise * edge[:, None, None, None]).sigmoid()
        return 1 - shadow * self.clouds[:, None, None, None]


def smooth_noise(rng: RandomStreams, channels: int, side: int, size: Size) -> Tensor:
    """Draws noise, (B, channels, H, W), interpolated between side x side random values."""
    return _enlarged(rng.normal(channels, side, side), size)


def _enlarged(values: Tensor, size: Size) -> Tensor:
    """Interpolates (B, C, h, w) to a size, by products that are faster than `F.interpolate`."""
    rows, columns = (
        _interpolation(few, many, values.device)
        for few, many in zip(values.shape[-2:], size, strict=True)
    )
    return rows @ values @ columns.T


@cache
def _interpolation(few: int, many: int, device: torch.device) -> Tensor:
    """The matrix, (many, few), that interpolates linearly between values at equal distances."""
    line = F.interpolate(torch.eye(few)[None], many, mode="linear", align_corners=True)
    return line[0].T.contiguous().to(device)


def _draw_offset(rng: RandomStreams) -> Tensor:
    """Draws how far another part of a picture is from a place, (B, 2) texture units."""
    angle, distance = rng.uniform(0, 2 * math.pi), rng.log_uniform(0.05, 0.6)
    return torch.stack((angle.cos(), angle.sin()), dim=1) * distance[:, None]


def _looks(pool: Pool, number: Tensor, grid: Tensor) -> Tensor:
    """Mean colour and contrast around places, (B, 4, h, w), in levels."""
    assert pool.contrast is not None, "backgrounds have contrast"
    small = torch.cat((pool.levels[-1][number], pool.contrast[number]), dim=1).float()
    return F.grid_sample(small, grid, padding_mode="reflection", align_corners=False)


def _draw_region(rng: RandomStreams, contrast: Tensor) -> Tensor:
    """Draws a part of the scene, (B, 1, h, w), above 0 inside; of some samples where texture is."""
    limit = rng.uniform(-1.2, 1.0)[:, None, None, None]
    deviation, mean = torch.std_mean(contrast, dim=(2, 3), keepdim=True)
    textured = ((contrast - mean) / (deviation + 1)).clamp(-2, 2)
    seeks = (2 * rng.chance(0.6))[:, None, None, None]
    return smooth_noise(rng, 1, 4, _MAP_SIZE) + seeks * textured - limit


def _draw_screen(rng: RandomStreams, size: Size, present: Tensor) -> Tensor:
    """Draws a parallelogram, nearly upright, (B, H, W) bool."""
    positions = frame_grid(identity(len(present), present.device), size)
    half_width, half_height = half_sides(size)
    x = positions[..., 0] - (rng.symmetric(0.9) * half_width)[:, None, None]
    y = positions[..., 1] - (rng.symmetric(0.9) * half_height)[:, None, None]
    slant = rng.symmetric(0.3, each=2)[:, :, None, None]
    half = torch.stack((rng.log_uniform(0.08, 0.6), rng.log_uniform(0.08, 0.45)), dim=1)
    half = half[:, :, None, None]
    inside = ((x + slant[:, 0] * y).abs() < half[:, 0]) & ((y + slant[:, 1] * x).abs() < half[:, 1])
    return inside & present[:, None, None]
