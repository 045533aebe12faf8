"""The plugin as ``fiftyone plugins download`` leaves it: a copy of the repository, and no package installed."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from install_kit import REPO, make_environment, run, write_script

CODE = """
import pathlib, sys
from importlib.util import find_spec

def main():
    import fiftyone.operators as foo
    from fiftyone.plugins.context import build_plugin_contexts

    assert find_spec("fiftyone_hs2s") is None, "the package is installed"
    (context,) = (c for c in build_plugin_contexts() if c.name == "@hs2s/hs2s")
    assert context.errors == [], context.errors
    for name in ("propagate", "evaluate", "find_failures", "analyze", "train"):
        assert foo.get_operator(f"@hs2s/hs2s/{name}").config.label
    assert "torch" not in sys.modules, "listing operators takes no torch"
    for name in ("training", "model_zoo", "tests", "benchmarks", "tools", "docs"):
        found = find_spec(name)
        assert found is None or not str(found.origin).startswith(sys.argv[1]), found

    import fiftyone_hs2s.training.api
    from fiftyone_hs2s.processes import run_in_processes
    from fiftyone_hs2s.dataset.train.finetune import presets

    assert {"finetune", "tiny"} <= set(presets())
    weights = fiftyone_hs2s.default_weights("hs2s-lite")
    for path in (fiftyone_hs2s.__file__, fiftyone_hs2s.training.api.__file__, weights):
        assert pathlib.Path(path).is_relative_to(sys.argv[1]), path
    with run_in_processes(fiftyone_hs2s.default_weights, [("hs2s-lite",)], 1) as (future,):
        assert future.result() == weights
    print("as it should be")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def plugin(home, tmp_path) -> Path:
    """The last commit, unpacked by Python's zipfile, as FiftyOne does it: links become files that hold their target."""
    archive = tmp_path / "repository.zip"
    command = ["git", "archive", "--format=zip", "-o", archive, "HEAD"]
    if not (REPO / ".git").exists() or not shutil.which("git") or subprocess.run(command, cwd=REPO).returncode:
        pytest.skip("takes a git clone")
    folder = home / "fiftyone" / "__plugins__" / "hs2s"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment"))


def test_operators_training_and_weights_are_found(environment, home, plugin):
    assert (plugin / "fiftyone_hs2s" / "training").is_file()  # no longer a link
    assert "as it should be" in run(environment, home, "python", write_script(home, CODE), plugin)
