"""What ``import fiftyone_hs2s`` gives."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType

import pytest

import fiftyone_hs2s

TREE = ast.parse(Path(fiftyone_hs2s.__file__).read_text())


def test_editors_see_what_is_loaded_on_first_use() -> None:
    (block,) = (
        node for node in TREE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == fiftyone_hs2s._MODULES
    assert sorted(typed) == sorted(fiftyone_hs2s.__all__)
    assert (Path(fiftyone_hs2s.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", fiftyone_hs2s.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(fiftyone_hs2s, name)
    assert value.__doc__
    assert name in dir(fiftyone_hs2s)


def test_every_public_method_says_what_it_does() -> None:
    """Of functions and classes ruff says so; overriding methods take the words of what they override."""
    silent = []
    for found in pkgutil.walk_packages(fiftyone_hs2s.__path__, "fiftyone_hs2s."):
        if found.name.endswith("__main__") or ".plugin.path" in found.name:
            continue
        if found.name.startswith("fiftyone_hs2s.training.synthetic") and find_spec("pybullet") is None:
            continue  # the extra for it is not for every Python
        module = import_module(found.name)
        for name, value in vars(module).items():
            if name.startswith("_") or not inspect.isclass(value) or value.__module__ != module.__name__:
                continue
            silent += [
                f"{module.__name__}.{name}.{method}"
                for method, function in vars(value).items()
                if not method.startswith("_")
                and isinstance(function, FunctionType | property | classmethod | staticmethod)
                and not inspect.getdoc(getattr(value, method))
            ]
    assert silent == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'fiftyone_hs2s' has no attribute 'no_such_name'"):
        fiftyone_hs2s.no_such_name  # noqa: B018


def test_what_is_for_clusters_is_a_module_of_its_own() -> None:
    code = "import fiftyone_hs2s as hs2s; print(sorted(n for n in dir(hs2s.distributed) if n[0].islower()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"propagate", "evaluate_propagation", "find_failures"} <= set(ast.literal_eval(done.stdout))


def test_importing_it_brings_neither_fiftyone_nor_torch() -> None:
    code = "import sys, fiftyone_hs2s; print({'fiftyone', 'torch', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


RESULTS = [
    "BenchmarkResult",
    "Comparison",
    "DatasetAnalysis",
    "FailureReport",
    "FineTuned",
    "PropagationReport",
    "PropagationResults",
]


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_printed_and_given_as_a_table(name: str) -> None:
    result = getattr(fiftyone_hs2s, name)
    assert result.print.__doc__ and result.to_dataframe.__doc__


def test_a_report_of_a_propagation_tells_of_every_sample(capsys: pytest.CaptureFixture) -> None:
    report = fiftyone_hs2s.PropagationReport(
        ["a"], {"b": "it ends early"}, {"c": "no mask"}, ["d"], {"e": "process 7"}
    )
    table = report.to_dataframe()
    assert list(table.itertuples(index=False, name=None)) == [
        ("a", "complete", ""),
        ("b", "incomplete", "it ends early"),
        ("c", "failed", "no mask"),
        ("d", "skipped", ""),
        ("e", "claimed", "process 7"),
    ]
    report.print()
    head, *rest = capsys.readouterr().out.splitlines()
    assert head == "1 tracked, 1 incomplete, 1 failed, 1 finished before, 1 left to another run"
    assert rest == ["c: no mask", "b: it ends early", "e: process 7"]
    assert fiftyone_hs2s.PropagationReport().to_dataframe().empty


def test_a_report_of_failures_lists_the_worst_first(capsys: pytest.CaptureFixture) -> None:
    row = {"sample_id": "s1", "kind": "lost", "object": "cat", "first": 4, "last": 9, "severity": 0.5}
    events = [{**row, "explanation": "gone"}, {**row, "kind": "drift", "severity": 0.9, "explanation": "off"}]
    report = fiftyone_hs2s.FailureReport("events", events)
    report.print()
    printed = capsys.readouterr().out
    assert printed.index("drift") < printed.index("lost")
    assert list(report.to_dataframe()["kind"]) == ["lost", "drift"]
    assert list(report.plot().data[0].y) == [1, 1]
    assert fiftyone_hs2s.FailureReport("events").to_dataframe().empty
