"""What ``import fiftyone_hs2s`` gives."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fiftyone_hs2s

TREE = ast.parse(Path(fiftyone_hs2s.__file__).read_text())


def test_editors_see_what_is_loaded_on_first_use() -> None:
    (block,) = (node for node in TREE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == fiftyone_hs2s._MODULES
    assert sorted(typed) == sorted(fiftyone_hs2s.__all__)
    assert (Path(fiftyone_hs2s.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", fiftyone_hs2s.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(fiftyone_hs2s, name)
    assert value.__doc__
    assert name in dir(fiftyone_hs2s)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'fiftyone_hs2s' has no attribute 'no_such_name'"):
        fiftyone_hs2s.no_such_name  # noqa: B018


def test_importing_it_brings_neither_fiftyone_nor_torch() -> None:
    code = "import sys, fiftyone_hs2s; print({'fiftyone', 'torch', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
