"""Opens the demo's dataset in the FiftyOne App, with the plugin of this repository."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import fiftyone as fo
import fiftyone.plugins as fop

REPO = Path(__file__).resolve().parents[2]


def open_app(dataset: fo.Dataset, workspace: fo.Space) -> None:
    """Serves the App until it is interrupted; opens a browser if there is a screen."""
    with tempfile.TemporaryDirectory(prefix="hs2s-plugins-") as folder:
        _offer_plugin(Path(folder))
        screen = sys.platform != "linux" or bool(
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        )
        address = fo.config.default_app_address or "127.0.0.1"
        session = fo.launch_app(dataset, spaces=workspace, address=address, remote=not screen)
        print(f"\nThe App is at {session.url} (Ctrl-C ends it)", flush=True)
        session.wait(-1)


def _offer_plugin(folder: Path) -> None:
    """Shows the plugin in this checkout to the App beside the user's own, without installing it for good."""
    if not (REPO / "fiftyone.yml").exists() or "@hs2s/hs2s" in fop.list_plugins(enabled=True):
        return
    (folder / "hs2s").symlink_to(REPO)
    if fo.config.plugins_dir and Path(fo.config.plugins_dir).is_dir():
        (folder / "own").symlink_to(fo.config.plugins_dir)
    fo.config.plugins_dir = os.environ["FIFTYONE_PLUGINS_DIR"] = str(folder)
