"""Makes the plugin known to FiftyOne: a link in its plugins folder."""

from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import fiftyone.plugins as fop

from fiftyone_hs2s.errors import HS2SError

NAME = "@hs2s/hs2s"
_FOLDERS = (
    Path(__file__).parent / "installed",  # in an installed wheel
    Path(__file__).parents[2],  # in a clone
)


def plugin_folder() -> Path:
    """The folder with the plugin's ``fiftyone.yml``.

    Raises:
        HS2SError: if there is none
    """
    found = next((folder for folder in _FOLDERS if (folder / "fiftyone.yml").is_file()), None)
    if found is None:
        raise HS2SError("the plugin's fiftyone.yml is missing: install fiftyone-hs2s again")
    return found


def install_plugin() -> Path:
    """Links the plugin of this package into FiftyOne's plugins folder, where it is not there yet.

    Returns:
        the link

    Raises:
        HS2SError: if FiftyOne has another copy of the plugin, or something else of that name
        OSError: if the link cannot be made
    """
    source = plugin_folder().resolve()
    for plugin in fop.list_plugins(enabled="all"):
        if plugin.name == NAME:
            if Path(plugin.directory).resolve() == source:
                return Path(plugin.directory)
            raise HS2SError(
                f"FiftyOne has the plugin {NAME} already, in {plugin.directory}: remove that first"
            )
    link = Path(fo.config.plugins_dir) / "hs2s"
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():  # to a package that is gone, or FiftyOne would have listed it
        link.unlink()
    if link.exists():
        raise HS2SError(f"{link} is something else: move it away, then install the plugin again")
    link.symlink_to(source, target_is_directory=True)
    return link
