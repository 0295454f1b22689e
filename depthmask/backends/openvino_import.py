"""OpenVINO and NNCF without the parts of them that report to their makers."""

import sys
from importlib import import_module
from typing import Any


def import_openvino() -> Any:
    """Imports OpenVINO, but not its model converter.

    `import openvino` imports the converter as well, which takes longer than all else, and sends
    an event to Google Analytics each time. OpenVINO does without where it cannot be imported.
    Whoever wants it later imports `openvino.tools.ovc`.

    Raises:
        ImportError: OpenVINO is missing.
    """
    return _import_without("openvino", "openvino.tools.ovc")


def import_nncf() -> Any:
    """Imports NNCF, but not what sends an event each time it is used; NNCF does without.

    Raises:
        ImportError: NNCF or OpenVINO is missing.
    """
    import_openvino()
    return _import_without("nncf", "openvino_telemetry")


def _import_without(name: str, unwanted: str) -> Any:
    if name in sys.modules:  # too late
        return import_module(name)
    before = sys.modules.get(unwanted)
    sys.modules[unwanted] = None  # type: ignore[assignment]  # Python's way to forbid one
    try:
        return import_module(name)
    finally:
        if before is None:
            sys.modules.pop(unwanted)
        else:
            sys.modules[unwanted] = before
