"""What a wheel gets besides the package's own files. An editable install finds all of it in the clone."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLUGIN = "fiftyone_hs2s/plugin/installed"
FILES = {
    "model_zoo/README.md": "fiftyone_hs2s/weights/README.md",  # the model cards
    "model_zoo/hs2s-lite-open.md": "fiftyone_hs2s/weights/hs2s-lite-open.md",
    "fiftyone.yml": f"{PLUGIN}/fiftyone.yml",
    "assets": f"{PLUGIN}/assets",
    "skills": f"{PLUGIN}/skills",
    "tools/plugin_entry.py": f"{PLUGIN}/fiftyone_hs2s/plugin/__init__.py",  # where fiftyone.yml says it is
}


class WheelFiles(BuildHookInterface):
    """Adds the model cards to the weights, and the folder that ``hs2s plugin install`` links."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"].update(FILES)
