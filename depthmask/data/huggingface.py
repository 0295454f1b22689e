"""Depth models of the library `transformers` as teachers."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from depthmask.data.teachers import inverse_from_metres
from depthmask.errors import TeacherError

_INSTALL = "Models of Hugging Face need transformers: pip install -e '.[huggingface]'."
# What the models of each architecture tell. Depth Anything says it in its configuration.
_UNITS = {"dpt": "inverse", "zoedepth": "metres", "glpn": "metres", "depth_pro": "metres"}
_MULTIPLE = 32  # sides that every architecture takes, but those with patches of 14
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # where a model says nothing


class HuggingFaceTeacher:
    """A depth-estimation model, from a folder or by its name on the hub."""

    can_use_gpu = True

    def __init__(self, name: str, unit: str = "") -> None:
        try:
            from transformers import AutoConfig, AutoModelForDepthEstimation
        except ImportError as error:
            raise TeacherError(_INSTALL) from error
        try:
            config = AutoConfig.from_pretrained(name)
            model = AutoModelForDepthEstimation.from_pretrained(name)
        except Exception as error:  # an exception type for each of network, name, format
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            raise TeacherError(f"{name} cannot be loaded as a depth model ({reason}).") from error
        self._unit = unit or _unit_of(config)
        if not self._unit:
            raise TeacherError(f"Say what {name} tells: hf:{name}:inverse or hf:{name}:metres.")
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model: Any = model.eval().to(self._device)
        self._mean, self._deviation, self._side = _preprocessing(name)
        self._multiple = _patch_of(config)

    @torch.no_grad()
    def inverse(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Labels pictures, (B, H, W, 3) to (B, H, W), all at once."""
        height, width = pictures.shape[1:3]
        scale = (self._side or min(height, width)) / min(height, width)
        size = [max(1, round(n * scale / self._multiple)) * self._multiple for n in (height, width)]
        tensor = torch.from_numpy(pictures).to(self._device).permute(0, 3, 1, 2).float() / 255
        tensor = (tensor - tensor.new_tensor(self._mean)[:, None, None]) / tensor.new_tensor(
            self._deviation
        )[:, None, None]
        tensor = F.interpolate(tensor, size, mode="bicubic", align_corners=False)
        found = self._model(pixel_values=tensor).predicted_depth.float()
        inverse = found
        if self._unit == "metres":
            maps = map(inverse_from_metres, found.cpu().numpy())
            inverse = torch.from_numpy(np.stack(list(maps)))
        enlarged = F.interpolate(inverse[:, None], (height, width), mode="bilinear")[:, 0]
        labels: NDArray[np.float32] = enlarged.cpu().numpy()
        return labels


def _unit_of(config: Any) -> str:
    kind = getattr(config, "depth_estimation_type", None)
    if kind in ("relative", "metric"):
        return "metres" if kind == "metric" else "inverse"
    return _UNITS.get(config.model_type, "")


def _patch_of(config: Any) -> int:
    """What the sides must be multiples of."""
    backbone = getattr(config, "backbone_config", None)
    patch = getattr(config, "patch_size", None) or getattr(backbone, "patch_size", None)
    if not isinstance(patch, int):
        return _MULTIPLE
    return patch if _MULTIPLE % patch else _MULTIPLE


def _preprocessing(name: str) -> tuple[tuple[float, ...], tuple[float, ...], int | None]:
    """Mean, deviation and short side that a model wants; read as data, for no image library."""
    from transformers import ImageProcessingMixin

    try:
        told, _ = ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:
        return _MEAN, _DEVIATION, None
    if not told.get("do_normalize", "image_mean" in told):
        return (0.0,) * 3, (1.0,) * 3, _short_side(told)
    mean, deviation = told.get("image_mean") or _MEAN, told.get("image_std") or _DEVIATION
    return tuple(mean), tuple(deviation), _short_side(told)


def _short_side(told: dict[str, Any]) -> int | None:
    size = told.get("size")
    if isinstance(size, dict):
        sides = [size[key] for key in ("height", "width", "shortest_edge") if key in size]
        return min(sides) if sides else None
    return size if isinstance(size, int) else None
