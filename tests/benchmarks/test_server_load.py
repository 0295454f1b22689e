"""The load of the server: a short one, on the page as users start it."""

import re
import sys

import pytest

from benchmarks import server_load


@pytest.mark.slow
def test_visitors_are_served_and_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--visitors", "3", "--live", "1", "--minutes", "0.1"]
    monkeypatch.setattr(sys, "argv", ["server_load.py", *options])
    server_load.main()
    told = capsys.readouterr().out
    alone, busy = re.findall(
        r"^(?:one|3) visitors?\D.*?(\d+) +(\d+) +([\d.]+)s", told, re.MULTILINE
    )
    assert int(alone[0]) == server_load.ALONE and int(busy[0]) > 0
    assert alone[1] == busy[1] == "0", "nobody is refused"
    assert float(re.findall(r"memory: .*, (\d+) at most", told)[0]) > 100
    assert re.search(r"disk: \d+ MB at first", told) and "ratio of the medians" in told
