"""The package as a whole: what it exports, and which way its modules import each other."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import depthmask

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(program: str) -> str:
    """Runs a program in an interpreter of its own and returns what it prints."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def loaded_by(modules: str, among: list[str]) -> str:
    return run(f"import sys, {modules}\nprint(*[m for m in {among} if m in sys.modules])").strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["torch", "openvino", "numpy", "cv2", "PIL", "gradio", "safetensors", "matplotlib"]
    assert loaded_by("depthmask, depthmask.cli.main", heavy) == ""


def test_importing_the_page_leaves_the_files_of_gradio_alone() -> None:
    program = (
        "import gc, pathlib, sys\n"
        "refused = []\n"
        "pathlib.Path.write_text = lambda path, *arguments, **options: refused.append(path)\n"
        "import depthmask.app, gradio, gradio.component_meta as meta\n"
        "meta.create_or_modify_pyi(gradio.HTML, 'HTML', [])\n"
        "print(refused, gc.isenabled())\n"
    )
    assert run(program).split() == ["[]", "True"]


def test_importing_the_page_leaves_out_what_it_never_uses() -> None:
    program = (
        "import sys, depthmask.app, gradio.caching\n"
        "left_out = 'pandas', 'httpx._main'\n"
        "before = [name for name in left_out if name in sys.modules]\n"
        "import pandas\n"
        "print(before, gradio.caching.pd.DataFrame is pandas.DataFrame)\n"
    )
    assert run(program).split() == ["[]", "True"]


def test_imports_run_one_way() -> None:
    above = ["depthmask.data", "depthmask.training.trainer", "depthmask.app", "gradio"]
    modules = (
        "depthmask.inference.predictor, depthmask.evaluation.sequences, "
        "depthmask.inference.live_session, depthmask.render.mesh"
    )
    assert loaded_by(modules, above) == ""


@pytest.mark.slow
def test_no_torch_is_needed_to_predict(exported_checkpoint: Path, pair_folder: Path) -> None:
    """The command, with ground truth, and what the app does with a pair."""
    files = {name: str(pair_folder / f"{name}.png") for name in ("background", "image")}
    truth = {f"true_{name}": str(pair_folder / f"{name}.png") for name in ("mask", "depth")}
    program = (
        "import sys\n"
        "from depthmask.cli.main import main\n"
        "from depthmask.inference.predictor import Predictor\n"
        "from depthmask.app.photos.analysis import Convention, analyse\n"
        "from depthmask.app.photos.dropped import DroppedFiles\n"
        "from depthmask.app.prediction_cache import PredictionCache\n"
        "import depthmask.inference.live_session\n"
        "import depthmask.render.mesh, depthmask.app\n"
        f"options = ['--checkpoint', {str(exported_checkpoint)!r}, '--backend', 'openvino']\n"
        f"files, truth = {files}, {truth}\n"
        "truths = ['--true-mask', truth['true_mask'], '--true-depth', truth['true_depth']]\n"
        f"folder = ['-o', {str(pair_folder / 'out')!r}]\n"
        "assert main(['predict', *files.values(), *folder, *options, *truths]) == 0\n"
        f"predictor = Predictor({str(exported_checkpoint)!r}, backend='openvino')\n"
        "dropped = DroppedFiles(**files, **truth)\n"
        "found = analyse(predictor, PredictionCache(), dropped, Convention(align=True))\n"
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


def test_opencv_without_its_libraries_says_what_to_install(pair_folder: Path) -> None:
    check = (
        "import sys, builtins\n"
        "real = builtins.__import__\n"
        "def broken(name, *rest):\n"
        "    if name == 'cv2':\n"
        "        raise ImportError('libGL.so.1: cannot open shared object file')\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = broken\n"
        "from depthmask.cli.main import main\n"
        f"sys.stderr, photo = sys.stdout, {str(pair_folder / 'image.png')!r}\n"
        "print(main(['predict', photo, photo, '-o', 'out']))\n"
    )
    printed, code = run(check).splitlines()
    assert code == "2"
    assert "libGL.so.1" in printed
    assert "apt-get install libgl1 libglib2.0-0" in printed


def test_the_pins_of_the_app_lie_within_the_bounds_of_the_package() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = {pin.name: pin for pin in map(Requirement, (x for x in lines if x[:1] not in "# "))}
    bounds = [Requirement(text) for text in PROJECT["dependencies"]]
    assert {bound.name for bound in bounds} == set(pins)
    for bound in bounds:
        (pin,) = pins[bound.name].specifier
        assert pin.operator == "==" and bound.specifier.contains(pin.version), bound
        assert str(bound.marker) == str(pins[bound.name].marker)


def test_the_lock_holds_the_pins_of_the_app_with_hashes() -> None:
    entries = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text())[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    locked = {Requirement(entry.partition(" \\\n")[0]) for entry in entries}
    found = {f"{each.name}{each.specifier}" for each in locked}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line[:1] not in "# "]
    assert {f"{pin.name}{pin.specifier}" for pin in pins if pin.name != "torch"} <= found
    assert not any(each.name.startswith(("torch", "nvidia", "cuda")) for each in locked)


def test_development_pins_lie_within_the_bounds_of_the_extras() -> None:
    extras = PROJECT["optional-dependencies"]
    pins = {pin.name: pin for pin in map(Requirement, extras["dev"])}
    for name, texts in extras.items():
        for bound in map(Requirement, texts):
            if name not in ("dev", "mcp", "camera"):
                (pin,) = pins[bound.name].specifier
                assert bound.specifier.contains(pin.version), bound


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed, without what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation"]
    wheels = tmp_path_factory.mktemp("wheels")
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", wheels, ROOT], check=True)
    (wheel,) = wheels.glob("depthmask-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder, wheel], check=True)
    return folder


@pytest.fixture
def first_port_taken() -> Iterator[None]:
    with socket.socket() as taken:
        with suppress(OSError):  # by somebody else
            taken.bind(("127.0.0.1", 7860))
            taken.listen()
        yield


def start_installed(installed: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the installed command in a folder, where no checkout is."""
    return subprocess.Popen(
        [sys.executable, installed / "bin" / "depthmask", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(installed), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_installed_command_predicts_the_installed_examples(
    installed: Path, tmp_path: Path
) -> None:
    example = installed / "depthmask" / "examples" / "teddy"
    photos = [str(example / f"{name}.jpg") for name in ("background", "image")]
    process = start_installed(
        installed,
        tmp_path,
        "predict",
        *photos,
        "-o",
        "out",
        "--true-mask",
        str(example / "mask.png"),
    )
    printed, _ = process.communicate(timeout=180)
    assert process.returncode == 0
    assert json.loads(printed)["iou"] > 0.8
    assert (tmp_path / "out" / "cutout.png").is_file()
    assert (installed / "depthmask" / "py.typed").is_file()


@pytest.mark.slow
def test_the_installed_command_serves_the_page_on_the_first_free_port(
    installed: Path, tmp_path: Path, first_port_taken: None
) -> None:
    process = start_installed(installed, tmp_path, "demo")
    watchdog = threading.Timer(180, process.kill)  # which ends the reading below
    watchdog.start()
    try:
        assert process.stdout is not None
        address = next(
            found[0]
            for line in process.stdout
            if (found := re.search(r"http://127\.0\.0\.1:\d+/", line))
        )
        assert 7860 < int(address.rstrip("/").rpartition(":")[2]) < 7960
        with urllib.request.urlopen(address, timeout=60) as response:
            assert response.status == 200
            page = response.read().decode()
        assert "teddy" in page and '"label":"Live"' in page, "the examples and the tabs"
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()
