"""Dataclasses as schemas: what fits is read, anything else is said in a clause."""

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, NamedTuple

import pytest

from depthmask.schema import Among, Count, SchemaError, Unicode, Within, from_json, from_plain


class Row(NamedTuple):
    height: Annotated[int, Within(2, 9)]
    wide: bool = False


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Within(0, 1)]


@dataclass(frozen=True)
class Header:
    name: Annotated[str, Within(1, 8), Among("pack", "graph")]
    count: Count
    rows: Annotated[tuple[Row, ...], Within(1, 3)]
    inner: Inner
    side: Annotated[int, Within(8, 16)] | None = None
    scores: dict[str, float] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)
    file: str = ""
    title: Annotated[str, Unicode()] = ""


GOOD = {"name": "pack", "count": 3, "rows": [[2, True], [9]], "inner": {"share": 1}, "side": None}
READ = Header("pack", 3, (Row(2, True), Row(9)), Inner(1.0))


def test_what_fits_is_read() -> None:
    assert from_json(json.dumps(GOOD), Header) == READ
    assert from_json(json.dumps(asdict(READ)), Header) == READ
    more = GOOD | {"side": 8, "scores": {"iou": 0.5}, "more": {"a": [{"b": None}]}}
    found = from_plain(more, Header)
    assert (found.side, found.scores, found.more) == (8, {"iou": 0.5}, {"a": [{"b": None}]})
    assert from_plain(GOOD | {"file": "\udcfe"}, Header).file == "\udcfe", "a name that is no UTF-8"


@pytest.mark.parametrize(
    ("name", "value", "clause"),
    [
        ("name", "zip", 'name must be pack or graph, not "zip"'),
        ("name", "", "name must be from 1 to 8"),
        ("name", None, "name must be a text, not null"),
        ("name", "\ud800", "name must be a text in Unicode"),
        ("file", "\ud800", "file must be a text in Unicode"),
        ("title", "\udcfe", "title must be a text in Unicode"),
        ("count", -1, "count must be from 0"),
        ("count", 2**63, "count must be a number of at most 64 bits, not a huge number"),
        ("count", 1.0, "count must be a whole number"),
        ("count", True, "count must be a whole number"),
        ("rows", [], "rows must be from 1 to 3"),
        ("rows", None, "rows must be a list"),
        ("rows", [[1]], r"rows\[0\].height must be from 2 to 9, not 1"),
        ("rows", [[2, 1]], r"rows\[0\].wide must be true or false"),
        ("rows", [[2, True, 3]], r"rows\[0\] must be 2 values"),
        ("rows", [[]], r"rows\[0\].height is missing"),
        ("inner", {}, "inner.share is missing"),
        ("inner", [], "inner must be a group of fields"),
        ("inner", {"share": "x"}, "inner.share must be a number"),
        ("inner", {"share": 10**400}, "inner.share must be a number"),
        ("side", 7, "side must be from 8 to 16"),
        ("scores", {"iou": None}, "iou must be a number"),
        ("colour", 1, 'there is no field "colour"'),
    ],
)
def test_what_does_not_fit_is_said(name: str, value: object, clause: str) -> None:
    with pytest.raises(SchemaError, match=clause):
        from_json(json.dumps(GOOD | {name: value}), Header)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, '{"count": NaN}', "9" * 5000, b"\xff\xfe{", '{"name": "pack"}'],
)
def test_what_is_no_header_is_refused(text: str | bytes) -> None:
    with pytest.raises(SchemaError):
        from_json(text, Header)


def test_free_fields_are_not_nested_for_ever() -> None:
    text = json.dumps(GOOD)[:-1] + ', "more": {"a": ' + "[" * 20 + "]" * 20 + "}}"
    with pytest.raises(SchemaError, match="a is nested too deeply"):
        from_json(text, Header)


def test_values_that_are_no_json_are_named_by_their_type() -> None:
    with pytest.raises(SchemaError, match="count must be a whole number, not set"):
        from_plain(GOOD | {"count": set()}, Header)
    with pytest.raises(SchemaError, match="a holds what is no text"):
        from_plain(GOOD | {"more": {"a": [set()]}}, Header)
    with pytest.raises(SchemaError, match="there is no field 3"):
        from_plain(GOOD | {3: 4}, Header)
