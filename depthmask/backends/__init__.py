"""What runs the network, behind one protocol: torch, OpenVINO or ONNX Runtime.

A library is imported when its backend is made, and torch not at all where another one serves:
those two run a graph, which `python -m depthmask export` writes beside a checkpoint.
"""

from depthmask.backends.base import Backend, BatchBackend, GraphInfo
from depthmask.backends.select import backend_names, graph_of, make_backend

__all__ = [
    "Backend",
    "BatchBackend",
    "GraphInfo",
    "backend_names",
    "graph_of",
    "make_backend",
]
