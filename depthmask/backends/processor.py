"""What instructions this CPU has, as far as backends are chosen by them."""

from pathlib import Path

import cv2

_AVX512_VNNI = 24  # CV_CPU_AVX_512VNNI of OpenCV's cvdef.h, which Python has no name for
_FLAGS = Path("/proc/cpuinfo")


def multiplies_bytes() -> bool:
    """Whether the CPU multiplies and sums bytes in one step (VNNI): int8 is then fastest.

    OpenCV knows that of servers everywhere; of newer desktop CPUs (AVX-VNNI) only Linux tells.
    """
    if cv2.checkHardwareSupport(_AVX512_VNNI):
        return True
    return _FLAGS.is_file() and "avx_vnni" in _FLAGS.read_text().split()
