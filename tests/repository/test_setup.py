"""tools/setup.sh on machines that lack something, played by stubs on PATH."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from depthmask import __version__
from tools import build_site
from tools.browser import find_browser
from tools.reachable import reachable

yaml: Any = importlib.import_module("yaml")  # of Gradio; it has no types
ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "requirements.txt").read_text()
FILES = ("requirements.txt", "requirements.lock", "pyproject.toml")
LIBGL = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"


class Machine:
    """A copy of the set-up in a folder of its own, with commands that only pretend."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.commands = home / "commands"
        for folder in ("tools", "commands", ".venv/bin"):
            (home / folder).mkdir(parents=True)
        for name in ("tools/setup.sh", *FILES):
            shutil.copy(ROOT / name, home / name)
        for name in ("bash", "cat", "cksum", "dirname", "env", "grep", "tail", "touch", "uname"):
            (self.commands / name).symlink_to(shutil.which(name) or "")
        self.stub(".venv/bin/python", 'echo "python $*" >> calls')

    def stub(self, name: str, script: str) -> None:
        path = self.home / name
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["tools/setup.sh", *arguments],
            cwd=self.home,
            env={"PATH": str(self.commands), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def calls(self) -> str:
        path = self.home / "calls"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_packages_are_installed_once(machine: Machine) -> None:
    assert machine.setup().returncode == 0
    assert "pip install" in machine.calls()
    first = machine.calls()
    second = machine.setup()
    assert (second.returncode, second.stderr) == (0, "")
    assert machine.calls() == first


@pytest.mark.parametrize("name", [*FILES, "tools/setup.sh"])
def test_changed_requirements_are_installed_again(machine: Machine, name: str) -> None:
    machine.setup()
    before = machine.calls()
    with (machine.home / name).open("a") as file:
        file.write("# changed\n")
    machine.setup()
    assert machine.calls() != before


def test_tests_get_their_packages_and_a_browser(machine: Machine) -> None:
    machine.setup("dev")
    (line,) = (line for line in machine.calls().splitlines() if "-r requirements.txt" in line)
    assert line.endswith("-r requirements.txt -e .[dev]")
    assert "tools/browser.py --install" in machine.calls()


def test_torch_comes_first_and_as_pinned(machine: Machine) -> None:
    """Without a GPU, the CPU build is asked for before anything can pull in the other."""
    machine.stub(".venv/bin/python", 'echo "python $*" >> calls; [[ "$*" != *"import torch"* ]]')
    told = machine.setup().stderr.splitlines()
    assert [line for line in told if "installing" in line] == [
        "setup: installing packages, a few minutes the first time",
        "setup: installing torch, which is the largest",
        "setup: installing the others",
    ]
    asked = [line for line in machine.calls().splitlines() if "pip install" in line]
    (pin,) = (line for line in TEXT.splitlines() if line.startswith("torch=="))
    assert asked[0].endswith(f"--extra-index-url https://download.pytorch.org/whl/cpu {pin}")
    assert asked[1].endswith("--no-deps --require-hashes -r requirements.lock")
    assert asked[2].endswith("-r requirements.txt")


@pytest.mark.parametrize("file", FILES[:2])
def test_a_failed_installation_is_told_and_tried_again(machine: Machine, file: str) -> None:
    machine.stub(".venv/bin/python", f'[[ "$*" != *"-r {file}"* ]]')
    for _ in range(2):
        result = machine.setup()
        assert result.returncode == 1
        assert "installing failed" in result.stderr


def test_an_old_python_is_told_in_a_sentence(machine: Machine) -> None:
    shutil.rmtree(machine.home / ".venv")
    machine.stub("commands/python3", "exit 1")
    result = machine.setup()
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed" in result.stderr


def test_missing_libraries_are_named_to_who_may_not_install(machine: Machine) -> None:
    machine.stub(".venv/bin/python", f'[[ "$*" != *cv2* ]] || {{ echo "{LIBGL}" >&2; exit 1; }}')
    machine.stub("commands/id", "echo 1000")
    result = machine.setup()
    assert result.returncode == 1
    assert "apt-get install libgl1 libglib2.0-0" in result.stderr


def test_missing_libraries_are_installed_as_root(machine: Machine) -> None:
    machine.stub(
        ".venv/bin/python",
        f'[[ "$*" != *cv2* || -e libraries ]] || {{ echo "{LIBGL}" >&2; exit 1; }}',
    )
    machine.stub("commands/id", "echo 0")
    machine.stub("commands/apt-get", '[[ "$*" != *libgl1* ]] || touch libraries')
    result = machine.setup()
    assert result.returncode == 0, result.stderr
    assert (machine.home / "libraries").exists()


def test_a_host_that_cannot_be_reached_is_no_hang() -> None:
    assert not reachable("http://127.0.0.1:9/", limit_s=5)
    assert not reachable("no address", limit_s=5)


def test_a_host_that_answers_is_reached(tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            assert reachable(f"{address}/", limit_s=60)
            assert not reachable(f"{address}/nothing", limit_s=60)
        finally:
            server.shutdown()
            thread.join()


def test_scripts_can_be_run() -> None:
    for name in ("tools/setup.sh", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK), name


def test_documents_for_hosting_name_what_exists() -> None:
    docker = (ROOT / "Dockerfile").read_text()
    assert "libgl1" in docker and "libglib2.0-0" in docker
    for line in docker.splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert source.startswith("--") or (ROOT / source).exists(), source


def test_the_space_is_static_and_isolated() -> None:
    _, front, text = (ROOT / "deploy" / "space" / "README.md").read_text("utf-8").split("---\n", 2)
    settings = yaml.safe_load(front)
    assert settings["sdk"] == "static"
    assert settings["custom_headers"] == {
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "cross-origin",
    }
    assert len(settings["short_description"]) <= 60  # more is refused
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "`make space`" in text and "depthmask site -o web/space" in makefile


def test_the_workflow_builds_and_publishes_the_static_page() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "site.yml").read_text("utf-8"))
    build, publish = (workflow["jobs"][name] for name in ("build", "publish"))
    commands = [step["run"] for step in build["steps"] if "run" in step]
    assert commands == ["python -m tools.build_site"]
    upload = next(step for step in build["steps"] if "upload-pages" in step.get("uses", ""))
    assert ROOT / upload["with"]["path"] == build_site.DIST
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    # it must run before anything is installed
    bare = [sys.executable, "-S", "-c", "import tools.build_site"]
    assert subprocess.run(bare, cwd=ROOT, capture_output=True).returncode == 0


def test_the_workflow_of_tests_runs_all_and_names_folders_that_exist() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    commands = {
        name: " ".join(step["run"] for step in job["steps"] if "run" in step)
        for name, job in workflow["jobs"].items()
    }
    assert commands["check"] == "make check" and commands["test"] == ".ci/run"
    for folder in re.findall(r"tests/\w+", commands["systems"]):
        assert (ROOT / folder).is_dir(), folder


def test_the_workflow_of_releases_compares_tag_and_version() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    steps = workflow["jobs"]["files"]["steps"]
    command = next(step["run"] for step in steps if step.get("name") == "the tag is the version")
    for tag, code in ((f"v{__version__}", 0), (__version__, 1), ("v9.9.9", 1)):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env={**os.environ, "GITHUB_REF_NAME": tag},
            capture_output=True,
        )
        assert done.returncode == code, tag


def test_tests_take_the_browser_that_has_no_window(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.stub("commands/chromium", "exit 0")
    monkeypatch.setenv("PATH", str(machine.commands))
    monkeypatch.delenv("DEPTHMASK_BROWSER", raising=False)
    whole = str(machine.commands / "chromium")
    assert find_browser() == find_browser(shell=True) == whole
    machine.stub("commands/chromium-headless-shell", "exit 0")
    assert find_browser() == whole
    assert find_browser(shell=True) == f"{whole}-headless-shell"
    (machine.commands / "chromium").unlink()
    assert find_browser() == f"{whole}-headless-shell"
