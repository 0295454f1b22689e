"""The load of the server: a short one, on the page as users start it."""

import re
import sys

import numpy as np
import pytest

from benchmarks import server_load
from depthmask.pictures import mask_png
from tests.conftest import Pair


@pytest.mark.slow
def test_visitors_are_served_and_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--visitors", "3", "--live", "1", "--slow", "2", "--minutes", "0.1"]
    monkeypatch.setattr(sys, "argv", ["server_load.py", *options])
    server_load.main()
    told = capsys.readouterr().out
    alone, busy, after = re.findall(
        r"^(?:one|3) visitors?\D.*?(\d+) +(\d+) +([\d.]+)s", told, re.MULTILINE
    )
    assert int(alone[0]) == int(after[0]) == server_load.ALONE and int(busy[0]) > 0
    assert alone[1] == busy[1] == after[1] == "0", "nobody is refused"
    assert "masks of another visitor: 0\n" in told
    assert float(re.findall(r"memory: .*, (\d+) MB at most", told)[0]) > 100
    assert re.search(r"disk: \d+ .* MB at most", told) and "ratio of the medians" in told


def test_a_mask_of_another_is_noticed(pair: Pair) -> None:
    wanted = server_load.Pair(pair.background, pair.image, pair.true_mask)
    mine, other = (next(server_load.cropped([wanted], columns, 1)) for columns in (1, 2))
    content = mask_png(mine.mask.astype(np.float32))
    assert server_load.belongs(content, mine) and not server_load.belongs(content, other)
    elsewhere = server_load.Pair(mine.background, mine.image, np.roll(mine.mask, 20, axis=1))
    assert not server_load.belongs(content, elsewhere)
