"""The rooms of CONTRIBUTING.md: who imports whom."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fiftyone_hs2s"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in (PACKAGE, PACKAGE / "training")  # a link, which rglob does not follow
    for path in folder.rglob("*.py")
}
FLOORS = ("network", "runtime", "tracking", "training", "dataset", "plugin")
"""From the ground up: no room imports one above it."""
NO_FIFTYONE = (
    "network",
    "runtime",
    "tracking",
    "metrics",
    "mask_files",
    "track_files",
    "benchmark",
    "cli",
    "training",
)


def imports(path: Path, module: str, nested: bool = True) -> Iterator[str]:
    """The modules of the package that a file imports; with ``nested``, inside its functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if nested else _at_once(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            prefix = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*prefix, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{source}.{alias.name}" if f"{source}.{alias.name}" in FILES else source


def _at_once(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, without type-checking blocks."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If | ast.Try) and "TYPE_CHECKING" not in ast.unparse(node).split("\n")[0]:
            todo += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else ""


def test_no_file_imports_itself_in_a_circle() -> None:
    graph = {
        module: {name for name in imports(path, module, nested=False) if name in FILES and name != module}
        for module, path in FILES.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)  # raises on a circle


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_run_one_way(module: str) -> None:
    mine = room(module)
    for name in imports(FILES[module], module):
        if mine in NO_FIFTYONE:
            assert name.split(".")[0] != "fiftyone", f"{module} imports FiftyOne"
        if mine in FLOORS and name.startswith("fiftyone_hs2s") and room(name) in FLOORS:
            assert FLOORS.index(room(name)) <= FLOORS.index(mine), (
                f"{module} imports {name}, which is above it"
            )
        if mine == "metrics":
            assert room(name) in ("", "metrics", "mask_files"), f"{module} imports {name}"


def test_no_file_is_a_namesake_of_another() -> None:
    names = Counter(path.name for path in FILES.values() if not path.name.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_files_are_of_one_subject() -> None:
    """At most 300 lines, in the tests as well; longer lines than 110 characters ruff finds."""
    folders = ("fiftyone_hs2s", "training", "tests", "benchmarks", "tools", "docs", "stubs")
    files = [
        path for name in folders for path in (ROOT / name).rglob("*.py*") if path.suffix in (".py", ".pyi")
    ]
    assert len(files) > len(FILES)
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: count for name, count in lengths.items() if count > 300} == {}


def test_contributing_draws_every_room() -> None:
    drawing = (ROOT / "CONTRIBUTING.md").read_text().split("## Layout")[1].split("##")[0]
    drawn = set(re.findall(r"([a-z_]+)/\s", drawing))
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} - drawn == set()


def test_private_names_of_fiftyone_are_in_compat_alone() -> None:
    found = [
        f"{module}: {ast.unparse(node)}"
        for module, path in FILES.items()
        if room(module) in ("dataset", "plugin", "demo") and path.name != "compat.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr) and not _own(node)
    ]
    assert found == []


def _own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "other")
