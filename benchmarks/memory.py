"""What this process has in memory."""

import math
import os
from pathlib import Path


def held() -> float:
    """Megabytes (10^6 bytes) in memory now; NaN where the system does not tell."""
    statistics = Path("/proc/self/statm")
    if not statistics.is_file():
        return math.nan
    return int(statistics.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
