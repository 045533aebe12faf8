"""The plugin as ``fiftyone plugins download`` leaves it: a copy of the repository, nothing installed."""

from __future__ import annotations

from install_kit import run, write_script

CODE = """
import pathlib, sys
from importlib.util import find_spec

def main():
    import fiftyone.operators as foo
    import fiftyone.plugins as fop
    from fiftyone.plugins.context import build_plugin_contexts

    folder = pathlib.Path(fop.download_plugin(sys.argv[1])["@hs2s/hs2s"]).resolve()
    assert (folder / "fiftyone_hs2s" / "training").is_file(), "unpacking turns the link into a file"
    assert find_spec("fiftyone_hs2s") is None, "the package is installed"
    (context,) = (c for c in build_plugin_contexts() if c.name == "@hs2s/hs2s")
    assert context.errors == [], context.errors
    for name in ("propagate", "evaluate", "find_failures", "analyze", "train"):
        assert foo.get_operator(f"@hs2s/hs2s/{name}").config.label
    assert "torch" not in sys.modules, "listing operators takes no torch"
    for name in ("training", "model_zoo", "tests", "benchmarks", "tools", "docs"):
        found = find_spec(name)
        assert found is None or not str(found.origin).startswith(str(folder)), found

    import fiftyone_hs2s.training.api
    from fiftyone_hs2s.dataset.train.finetune import presets
    from fiftyone_hs2s.processes import Processes

    assert {"finetune", "tiny"} <= set(presets())
    weights = fiftyone_hs2s.default_weights("hs2s-lite")
    for path in (fiftyone_hs2s.__file__, fiftyone_hs2s.training.api.__file__, weights):
        assert pathlib.Path(path).is_relative_to(folder), path
    (result,) = Processes(1).results({"a task": "its result"}.get, ["a task"])
    assert result.value == "its result", "other processes find the package too"
    print("as it should be")

if __name__ == "__main__":
    main()
"""


def test_operators_training_and_weights_are_found(environment, home, url):
    assert "as it should be" in run(environment, home, "python", write_script(home, CODE), url)
