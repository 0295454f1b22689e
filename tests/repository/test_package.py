"""The package as a whole: what it exports, and which way its modules import each other."""

import subprocess
import sys
from pathlib import Path

import pytest

import depthmask


def run(program: str) -> str:
    """Runs a program in an interpreter of its own and returns what it prints."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def loaded_by(modules: str, among: list[str]) -> str:
    return run(f"import sys, {modules}\nprint(*[m for m in {among} if m in sys.modules])").strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["torch", "openvino", "numpy", "cv2", "PIL", "gradio", "safetensors"]
    assert loaded_by("depthmask, depthmask.cli.main", heavy) == ""


def test_imports_run_one_way() -> None:
    above = ["depthmask.data", "depthmask.training.trainer", "depthmask.app", "gradio"]
    modules = "depthmask.inference.predictor, depthmask.evaluation.sequences, depthmask.inference.live_session, depthmask.render.video"
    assert loaded_by(modules, above) == ""


def test_no_torch_is_needed_to_predict(exported_checkpoint: Path, pair_folder: Path) -> None:
    """The command, with ground truth, and what the app does with a pair."""
    files = {name: str(pair_folder / f"{name}.png") for name in ("background", "image")}
    truth = {f"true_{name}": str(pair_folder / f"{name}.png") for name in ("mask", "depth")}
    program = (
        "import sys\n"
        "from depthmask.cli.main import main\n"
        "from depthmask.inference.predictor import Predictor\n"
        "from depthmask.app.photos.analysis import Convention, DroppedFiles, analyse\n"
        "from depthmask.app.prediction_cache import Shelf\n"
        "import depthmask.inference.live_session, depthmask.render.video, depthmask.render.mesh, depthmask.app\n"
        f"options = ['--checkpoint', {str(exported_checkpoint)!r}, '--backend', 'openvino']\n"
        f"files, truth = {files}, {truth}\n"
        "truths = ['--true-mask', truth['true_mask'], '--true-depth', truth['true_depth']]\n"
        f"folder = ['-o', {str(pair_folder / 'out')!r}]\n"
        "assert main(['predict', *files.values(), *folder, *options, *truths]) == 0\n"
        f"predictor = Predictor({str(exported_checkpoint)!r}, backend='openvino')\n"
        "found = analyse(predictor, Shelf(), DroppedFiles(**files, **truth), Convention(align=True))\n"
        "assert found.iou is not None and found.rmse is not None, found.message\n"
        "print('torch' in sys.modules)\n"
    )
    assert run(program).splitlines()[-1] == "False"


def test_the_package_exports_what_it_says() -> None:
    assert depthmask.__all__ == sorted(depthmask.__all__)
    for name in depthmask.__all__:
        assert getattr(depthmask, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = depthmask.nonsense


def test_opencv_without_its_libraries_says_what_to_install() -> None:
    check = (
        "import sys, builtins\n"
        "real = builtins.__import__\n"
        "def broken(name, *rest):\n"
        "    if name == 'cv2':\n"
        "        raise ImportError('libGL.so.1: cannot open shared object file')\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = broken\n"
        "try:\n"
        "    import depthmask.render.views\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    printed = run(check)
    assert "libGL.so.1" in printed
    assert "apt-get install libgl1 libglib2.0-0" in printed
