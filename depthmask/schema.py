"""Reads JSON from files into dataclasses: every field has its type and range before it is used.

A dataclass is its own schema. `Annotated` adds ranges to the types of its fields:

    side: Annotated[int, Within(16, 2048)]
    names: Annotated[tuple[str, ...], Within(1, 1000)]  # from 1 to 1000 of them
"""

import json
import sys
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

T = TypeVar("T")

_MAX_INTEGER = 2**63 - 1  # what torch and numpy count with
_MAX_NESTING = 16  # lists in lists, of a field that may hold anything
_JSON_TYPES = (str, int, float, bool, NoneType, list, dict)
_MAX_SHOWN = 40  # characters of a wrong value in a message


class SchemaError(ValueError):
    """A text is not JSON of the wanted form; the message is a clause without a full stop."""


@dataclass(frozen=True)
class Within:
    """The range of a number, or of the length of a text or list; both ends belong to it."""

    least: float
    most: float

    def holds(self, value: Any) -> bool:
        size = value if isinstance(value, int | float) else len(value)
        return self.least <= size <= self.most

    def __str__(self) -> str:
        return f"from {self.least:,} to {self.most:,}"


class Among:
    """The values that there are."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def holds(self, value: Any) -> bool:
        return value in self._values

    def __str__(self) -> str:
        return " or ".join(map(str, self._values))


class Unicode:
    """Text that UTF-8 can write; the names of some files are none."""

    def holds(self, value: Any) -> bool:
        return _can_encode(value, "strict")

    def __str__(self) -> str:
        return "a text in Unicode"


Count = Annotated[int, Within(0, _MAX_INTEGER)]


def from_json(text: str | bytes, kind: type[T]) -> T:
    """Reads JSON as a dataclass.

    Raises:
        SchemaError: The text is not JSON, or a field is missing, unknown, or of another type or
            range.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        raise SchemaError("it is not JSON") from error
    return from_plain(value, kind)


def from_plain(value: object, kind: type[T]) -> T:
    """Turns what `json.loads` gives into a dataclass; errors as `from_json`."""
    converted: T = _convert(value, kind, "")
    return converted


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and infinities, which are Python's own and not JSON


def _convert(value: Any, kind: Any, place: str) -> Any:
    """Checks a value, and turns lists and dicts into what the type asks for."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        converted = _convert(value, arguments[0], place)
        for rule in arguments[1:]:
            if not rule.holds(converted):
                raise _wrong(value, place, str(rule))
        return converted
    if origin in (Union, UnionType):  # of a type and None
        (other,) = (argument for argument in arguments if argument is not NoneType)
        return None if value is None else _convert(value, other, place)
    if is_dataclass(kind):
        return _convert_fields(value, kind, place)
    if origin in (tuple, list):
        items = _expect(value, list, place)
        return origin(_convert(v, arguments[0], f"{place}[{n}]") for n, v in enumerate(items))
    if origin is dict:
        entries = _expect(value, dict, place).items()
        return {_convert(k, arguments[0], place): _convert(v, arguments[1], k) for k, v in entries}
    if issubclass(kind, tuple):  # a NamedTuple, which JSON has as a list
        names = kind._fields
        items = _expect(value, list, place)
        if len(items) > len(names):
            raise _wrong(value, place, f"{len(names)} values")
        return _convert_fields(dict(zip(names, items, strict=False)), kind, place)
    return _convert_scalar(value, kind, place)


def _convert_fields(value: object, kind: Any, place: str) -> Any:
    given = _expect(value, dict, place)
    known = _field_types(kind)
    if unknown := given.keys() - known.keys():
        raise SchemaError(f"there is no field {_shown(min(unknown, key=str))}")
    for name in known.keys() - given.keys():
        if name in _required(kind):
            raise SchemaError(f"{_joined(place, name)} is missing")
    values = {n: _convert(value, known[n], _joined(place, n)) for n, value in given.items()}
    return kind(**values)


def _convert_scalar(value: Any, kind: type, place: str) -> Any:
    if kind is object:
        _check_free(value, place)
        return value
    if kind is float:
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:  # nor NaN
            raise _wrong(value, place, "a number")
        return value  # an int stays one, so that it is written again as it was
    _expect(value, kind, place)
    if kind is str and not _can_encode(value, "surrogateescape"):
        raise _wrong(value, place, "a text in Unicode")
    if kind is int and abs(value) > _MAX_INTEGER:
        raise _wrong(value, place, "a number of at most 64 bits")
    return value


def _can_encode(text: str, errors: str) -> bool:
    """Whether UTF-8 can write it: JSON may name halves of characters.

    With "surrogateescape", so may names of files that are no UTF-8, as Python has them.
    """
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError:
        return False
    return True


def _expect(value: Any, kind: type, place: str) -> Any:
    words = {int: "a whole number", str: "a text", bool: "true or false", list: "a list"}
    if type(value) is not kind:  # not isinstance: True is an int
        raise _wrong(value, place, words.get(kind, "a group of fields"))
    return value


def _wrong(value: object, place: str, wanted: str) -> SchemaError:
    return SchemaError(f"{place or 'the whole'} must be {wanted}, not {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return f"{len(value):,} {'values' if isinstance(value, list) else 'fields'}"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}...")
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        return "a huge number"
    is_scalar = value is None or isinstance(value, int | float)
    return json.dumps(value) if is_scalar else type(value).__name__


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _check_free(value: object, place: str) -> None:
    """Checks a value that may be anything that JSON has; without recursion, which has an end."""
    level = [value]
    for _ in range(_MAX_NESTING):
        if any(type(v) not in _JSON_TYPES for v in level):
            raise SchemaError(f"{place} holds what is no text, number, list or group of fields")
        lists = [v for v in level if isinstance(v, list)]
        lists += [list(v.values()) for v in level if isinstance(v, dict)]
        level = [one for values in lists for one in values]
    if level:
        raise SchemaError(f"{place} is nested too deeply")


@cache
def _field_types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _required(kind: Any) -> frozenset[str]:
    if is_dataclass(kind):
        without = (f for f in fields(kind) if f.default is f.default_factory is MISSING)
        return frozenset(field.name for field in without)
    return frozenset(kind._fields) - frozenset(kind._field_defaults)
