"""Who can reach the page, and how they are told."""

import ipaddress
from io import BytesIO, TextIOWrapper
from urllib.parse import urlsplit

import pytest

from depthmask.app import Serving
from depthmask.app.serve import lan_url, qr_code, remarks

HERE = "http://0.0.0.0:7861/"


def test_other_computers_are_told_an_address_they_can_use() -> None:
    assert lan_url(Serving(), "http://127.0.0.1:7861/") is None
    assert lan_url(Serving(host="192.168.1.2"), HERE) == "http://192.168.1.2:7861/"
    assert lan_url(Serving(host="fd00::2"), HERE) == "http://[fd00::2]:7861/"
    everywhere = Serving(host="0.0.0.0")
    found = lan_url(everywhere, HERE)
    if found is not None:  # this computer has a network
        host = ipaddress.ip_address(urlsplit(found).hostname or "")
        assert not host.is_unspecified and not host.is_loopback
        assert any(found in line for line in remarks(everywhere, HERE, None))


def test_another_port_than_the_usual_one_is_told() -> None:
    assert remarks(Serving(), "http://127.0.0.1:7860/", None) == []
    (line,) = remarks(Serving(), "http://127.0.0.1:7861/", None)
    assert "7860" in line
    assert remarks(Serving(port=7861), "http://127.0.0.1:7861/", None) == []


def test_a_terminal_gets_a_qr_code_if_it_can_show_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", TextIOWrapper(BytesIO(), encoding="utf-8"))
    drawn = qr_code("http://192.168.1.2:7861/")
    assert drawn.count("\n") > 10 and set(drawn) <= set("█▀▄ \n")
    assert qr_code("http://192.168.1.3:7861/") != drawn
    monkeypatch.setattr("sys.stdout", TextIOWrapper(BytesIO(), encoding="ascii"))
    assert qr_code("http://192.168.1.2:7861/") == ""
