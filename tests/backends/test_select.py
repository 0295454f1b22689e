"""What is asked of the processor: OpenCV first, then Linux."""

from pathlib import Path

import cv2
import pytest

from depthmask.backends import select


@pytest.mark.parametrize(
    ("opencv", "flags", "expected"),
    [
        (True, None, True),
        (False, None, False),
        (False, "flags : sse avx2 avx_vnni_int8", False),
        (False, "flags : sse avx2 avx_vnni sha_ni", True),
    ],
)
def test_products_of_bytes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    opencv: bool,
    flags: str | None,
    expected: bool,
) -> None:
    monkeypatch.setattr(cv2, "checkHardwareSupport", lambda feature: opencv)
    monkeypatch.setattr(select, "CPU_INFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    assert select.multiplies_bytes() is expected


def test_opencv_agrees_with_linux() -> None:
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        pytest.skip("not Linux")
    flags = set(file.read_text().split())
    assert select.multiplies_bytes() == bool(flags & {"avx512_vnni", "avx_vnni"})
