"""Whether the installed package fits a downloaded plugin. Imports nothing that an older package may lack."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.version import Version


def check_version(plugin: Path, package: Path) -> None:
    """Refuses a package that is older than the plugin, whose operators it would fail one by one.

    Args:
        plugin: the folder ``fiftyone_hs2s`` that the plugin came with
        package: the folder ``fiftyone_hs2s`` that Python imports

    Raises:
        ImportError: if the package is older
    """
    needed, found = _version(plugin), _version(package)
    if found < needed:
        raise ImportError(
            f"the plugin @hs2s/hs2s is version {needed}, but the installed package fiftyone-hs2s is {found} "
            f"({package}): update it by 'pip install --upgrade fiftyone-hs2s', or uninstall it, since the "
            "plugin brings its own; then restart the App"
        )


def _version(package: Path) -> Version:
    """The version that a package's own file names; before all others where it names none."""
    match = re.search(r'^__version__ = "(.+)"', (package / "__init__.py").read_text(), re.M)
    return Version(match[1] if match else "0")
