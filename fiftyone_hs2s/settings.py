"""Typed settings: dataclasses that check their values, and the YAML and JSON that these come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, TypeVar

import pydantic
import yaml
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import ErrorDetails
from typing_extensions import dataclass_transform

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import read_text

T = TypeVar("T")
_SHORT = Repr()


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("give a number")
    return value


Whole = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=10**9)]
"""A whole number from 0."""
Size = Annotated[int, BeforeValidator(_no_bool), Field(ge=1, le=8192)]
"""A number from 1 of what memory grows with: channels, frames, clips."""
Number = Annotated[float, BeforeValidator(_no_bool)]
"""A finite number; also as text, as which YAML reads 1e-4."""
Unbounded = Annotated[float, Field(gt=0, allow_inf_nan=True), BeforeValidator(_no_bool)]
"""A number above 0, or infinity."""
Share = Annotated[Number, Field(ge=0, le=1)]
"""A number in 0..1."""


@dataclass_transform(frozen_default=True)
def settings(what: str) -> Callable[[type[T]], type[T]]:
    """Makes a frozen dataclass that converts its values to its fields' types and checks them.

    What does not fit is an :class:`HS2SError`, from ``dataclasses.replace()`` too.

    Args:
        what: what one of the settings is called in messages, such as "training setting"
    """

    def make(cls: type[T]) -> type[T]:
        config = ConfigDict(extra="forbid", allow_inf_nan=False, str_max_length=4096)
        made: Any = pydantic.dataclasses.dataclass(frozen=True, config=config)(cls)
        validate = made.__init__

        def __init__(self: Any, *args: Any, **values: Any) -> None:
            try:
                validate(self, *args, **values)
            except pydantic.ValidationError as error:
                raise _to_sentence(error.errors(include_url=False), what) from None

        made.__init__ = __init__
        return made

    return make


def from_mapping(cls: type[T], values: Any, what: str) -> T:
    """Makes settings from plain values, as they were read from a file.

    Raises:
        HS2SError: if a value is unknown, missing, of another type or out of bounds; names the first
    """
    if not isinstance(values, dict):
        raise HS2SError(f"{what[:1].upper()}{what[1:]}s are names with values, not {_SHORT.repr(values)}")
    check_names(values, cls.__dataclass_fields__, what)  # type: ignore[attr-defined]
    return cls(**values)


def check_names(names: Iterable[Any], known: Iterable[str], what: str) -> None:
    """Makes sure that names are known.

    Raises:
        HS2SError: if one is not; says which is near
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise HS2SError(f"Unknown {what} {_SHORT.repr(name)}; {did_you_mean(name, known)}")


def parse_yaml(text: str, source: str) -> Any:
    """Reads YAML.

    Args:
        text: the YAML
        source: where it is from, for the message

    Raises:
        HS2SError: if it is none
    """
    try:
        return yaml.safe_load(text)
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # ValueError: 2000-99-99
        raise HS2SError(f"{source} is not valid YAML ({_one_line(error)})") from error


def read_yaml(path: Path) -> Any:
    """Reads a YAML file.

    Raises:
        HS2SError: if it cannot be read, or is none
    """
    return parse_yaml(read_text(path), str(path))


def parse_json(text: str, source: str) -> Any:
    """Reads JSON, as :func:`parse_yaml` does YAML."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HS2SError(f"{source} is not valid JSON ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _to_sentence(problems: list[ErrorDetails], what: str) -> HS2SError:
    """The first problem; one that a check of several settings found is in its own words already."""
    cause = problems[0].get("ctx", {}).get("error")
    if isinstance(cause, HS2SError):
        return cause
    places = {".".join(map(str, problem["loc"])): problem["type"] for problem in problems}
    if missing := [place for place, kind in places.items() if kind == "missing"]:
        return HS2SError(f"The {what}s lack {', '.join(missing)}")
    place = next(iter(places))
    reason = str(cause or problems[0]["msg"])
    return HS2SError(
        f"The {what} {place!r} cannot be {_SHORT.repr(problems[0]['input'])}:"
        f" {reason[:1].lower()}{reason[1:]}"
    )
