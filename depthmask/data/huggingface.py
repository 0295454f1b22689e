"""Depth models of the library `transformers` as teachers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from depthmask.data.teachers import inverse_from_metres
from depthmask.errors import TeacherError

_INSTALL = (
    "Models of Hugging Face need transformers: pip install 'depthmask[huggingface]', in a checkout "
    "pip install -e '.[huggingface]'."
)
# Units of architectures whose configuration does not tell.
_UNITS = {"dpt": "inverse", "zoedepth": "metres", "glpn": "metres", "depth_pro": "metres"}


class HuggingFaceTeacher:
    """A depth-estimation model that labels pictures.

    Args:
        name: A folder, or the model's name on the hub.
        unit: "inverse" or "metres"; "" takes it from the model.

    Raises:
        TeacherError: transformers or the model is missing, or the model does not tell its unit.
    """

    can_use_gpu = True

    def __init__(self, name: str, unit: str = "") -> None:
        try:
            from transformers import AutoImageProcessor, AutoModelForDepthEstimation
        except ImportError as error:
            raise TeacherError(_INSTALL) from error
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(name)  # type: ignore[no-untyped-call]
            model: Any = AutoModelForDepthEstimation.from_pretrained(name)
        except Exception as error:  # each of network, name and format has its exception types
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise TeacherError(
                f"{name} cannot be loaded as a depth model ({reason}). Check the name and the "
                "network connection, or give a folder."
            ) from error
        self._unit = unit or _unit_of(model.config)
        if not self._unit:
            raise TeacherError(
                f"{name} does not tell its unit; write hf:{name}:inverse or hf:{name}:metres."
            )
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)

    @torch.no_grad()
    def inverse(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Labels pictures of one size: RGB (B, H, W, 3) to inverse depth (B, H, W)."""
        sizes = [pictures.shape[1:3]] * len(pictures)
        entry = self._processor(images=list(pictures), return_tensors="pt").to(self._device)
        options = {"target_sizes": sizes}
        if self._model.config.model_type == "zoedepth":
            options["source_sizes"] = sizes  # with which it removes the padding it added
        outputs = self._model(**entry)
        found = self._processor.post_process_depth_estimation(outputs, **options)
        maps = [one["predicted_depth"].float().cpu().numpy() for one in found]
        return np.stack(list(map(inverse_from_metres, maps)) if self._unit == "metres" else maps)


def _unit_of(config: Any) -> str:
    """The unit that a model's configuration tells, "" if none."""
    told = {"relative": "inverse", "metric": "metres"}  # of Depth Anything
    kind = getattr(config, "depth_estimation_type", None)
    return told.get(kind or "", "") or _UNITS.get(config.model_type, "")
