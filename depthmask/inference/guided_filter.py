"""Guided filter: a map is told locally as a linear function of guides that can be seen in detail.

He, Sun and Tang, "Guided image filtering", 2013. The function may be fitted on small maps and
applied to large guides: He and Sun, "Fast guided filter", 2015, https://arxiv.org/abs/1505.00996
"""

import cv2
import numpy as np

from depthmask.pictures import Map

JITTER = 1e-3  # added to the guides' variance: changes below its root are noise, not structure


def mean_around(values: Map, radius: int) -> Map:
    """Means over windows of 2 * radius + 1 pixels a side: (H, W) or (H, W, C) -> the same shape."""
    side = 2 * radius + 1
    mean = cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean, np.float32).reshape(values.shape)


def fit_guides(guides: Map, target: Map, radius: int) -> Map:
    """Fits, around each pixel, target = sum(weight * guide) + offset.

    Args:
        guides: (C, H, W), about in [0, 1].
        target: (H, W).
        radius: Of the windows, in pixels; a pixel's fit depends on twice as many around it.

    Returns:
        (C + 1, H, W): the weights, and the offset last.
    """
    count = len(guides)
    means = [mean_around(guide, radius) for guide in guides]
    target_mean = mean_around(target, radius)
    matrix: list[list[Map]] = [
        [_covariance(guides[i], guides[j], means[i], means[j], radius) for j in range(i + 1)]
        for i in range(count)
    ]
    right = [
        _covariance(guide, target, mean, target_mean, radius)
        for guide, mean in zip(guides, means, strict=True)
    ]
    for i in range(count):
        matrix[i][i] += np.float32(JITTER)
    fit = _solve(matrix, right)
    offset = target_mean - sum(weight * mean for weight, mean in zip(fit, means, strict=True))
    return np.stack([mean_around(plane, radius) for plane in (*fit, offset)])


def apply_guides(fit: Map, guides: Map) -> Map:
    """Applies a fit, (C + 1, H, W), to guides, (C, H, W): -> (H, W), not clipped."""
    total = fit[-1].copy()
    for weight, guide in zip(fit[:-1], guides, strict=True):
        total += weight * guide
    return total


def _covariance(one: Map, other: Map, one_mean: Map, other_mean: Map, radius: int) -> Map:
    return mean_around(one * other, radius) - one_mean * other_mean


def _solve(matrix: list[list[Map]], right: list[Map]) -> list[Map]:
    """Solves one small symmetric system a pixel by Cholesky's method, planes at a time.

    Args:
        matrix: The lower triangle, row by row, of (H, W) each; overwritten.
        right: The right-hand side.
    """
    count = len(right)
    for i in range(count):
        for j in range(i + 1):
            rest = matrix[i][j].copy()
            for k in range(j):
                rest -= matrix[i][k] * matrix[j][k]
            if i == j:  # what rounding leaves of a flat window may be below 0
                matrix[i][i] = np.sqrt(np.maximum(rest, np.float32(JITTER / 2)))
            else:
                matrix[i][j] = rest / matrix[j][j]
    forward: list[Map] = []
    for i in range(count):
        rest = right[i].copy()
        for k in range(i):
            rest -= matrix[i][k] * forward[k]
        forward.append(rest / matrix[i][i])
    solution: list[Map] = [forward[0]] * count
    for i in reversed(range(count)):
        rest = forward[i].copy()
        for k in range(i + 1, count):
            rest -= matrix[k][i] * solution[k]
        solution[i] = rest / matrix[i][i]
    return solution
