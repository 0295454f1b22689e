"""OpenVINO without the part of it that reports to its makers."""

import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> Any:
    """Imports OpenVINO, but not its model converter.

    `import openvino` imports the converter as well, which takes longer than all else, and sends
    an event to Google Analytics each time. OpenVINO does without where it cannot be imported.
    Whoever wants it later imports `openvino.tools.ovc`.

    Raises:
        ImportError: OpenVINO is missing.
    """
    hide = "openvino" not in sys.modules
    if hide:
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # Python's way to forbid one
    try:
        import openvino
    finally:
        if hide:
            sys.modules.pop(_CONVERTER, None)
    return openvino
