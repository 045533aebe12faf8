"""What ``stubs/`` says of FiftyOne, for mypy, is true of the FiftyOne that is installed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

STUBS = Path(__file__).resolve().parents[1] / "stubs"
FILES = sorted(STUBS.rglob("*.pyi"))
DYNAMIC = ("__getattr__", "__setattr__")
"""How stubs say that users have attributes of their own there."""


def module(path: Path) -> str:
    return ".".join(path.relative_to(STUBS).with_suffix("").parts).removesuffix(".__init__")


def functions(body: list[ast.stmt], owner: Any, name: str) -> Iterator[tuple[str, Any, ast.FunctionDef]]:
    """The functions of a stub with what they stand for; None where it is missing."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            found = getattr(owner, node.name, None)
            assert found is not None or node.name.startswith("_"), f"{name} has no {node.name}"
            if found is not None:
                yield from functions(node.body, found, f"{name}.{node.name}")
        elif isinstance(node, ast.FunctionDef) and node.name not in DYNAMIC:
            yield f"{name}.{node.name}", getattr(owner, node.name, None), node


@pytest.mark.parametrize("path", FILES, ids=module)
def test_names_and_arguments_are_those_of_fiftyone(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for name, found, node in functions(tree.body, import_module(module(path)), module(path)):
        assert found is not None, f"there is no {name}"
        if isinstance(found, property) or any(ast.unparse(d) == "property" for d in node.decorator_list):
            continue
        theirs = inspect.signature(found).parameters
        free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in theirs.values())
        said = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
        unknown = {*said} - {*theirs, "self", "cls"}
        assert free or not unknown, f"{name} takes no {unknown}"
        required = {
            p.name for p in theirs.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
        }
        assert required - {"self"} <= {*said}, f"{name} needs {required - {*said}}"


def test_what_is_imported_from_fiftyone_is_there() -> None:
    tree = ast.parse((STUBS / "fiftyone" / "__init__.pyi").read_text())
    fiftyone = import_module("fiftyone")
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert [name for name in names if name and not hasattr(fiftyone, name)] == []
