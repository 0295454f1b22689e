"""Foreground mask and dense depth from two photos: the empty scene, and with something in it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depthmask.errors import CheckpointError, DepthmaskError, PictureError
    from depthmask.evaluation.sequences import evaluate_folder
    from depthmask.inference.predictor import Prediction, Predictor
    from depthmask.pictures import read_picture

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "DepthmaskError",
    "PictureError",
    "Prediction",
    "Predictor",
    "evaluate_folder",
    "read_picture",
]

_MODULES = {
    "CheckpointError": "errors",
    "DepthmaskError": "errors",
    "PictureError": "errors",
    "Prediction": "inference.predictor",
    "Predictor": "inference.predictor",
    "evaluate_folder": "evaluation.sequences",
    "read_picture": "pictures",
}


def __getattr__(name: str) -> object:
    """Imports an exported name on first use: `import depthmask` itself loads nothing heavy."""
    if name not in _MODULES:
        raise AttributeError(f"module 'depthmask' has no attribute {name!r}")
    return getattr(import_module(f"depthmask.{_MODULES[name]}"), name)
