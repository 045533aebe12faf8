"""The package, where it is not installed: FiftyOne copies the folder of a model source alone."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import eta.core.utils as etau
import eta.core.web as etaw
from fiftyone.utils.github import GitHubRepository

logger = logging.getLogger(__name__)

_PATH = Path("fiftyone_hs2s", "plugin", "path")
"""What a copy of the repository has for the path: the package alone."""


def find_package(source: Path) -> None:
    """Lets Python find the package: an installed one, or the one of the repository that the model source was
    registered from, which is downloaded into its folder once.

    Args:
        source: the folder of the model source, with the manifest in which FiftyOne keeps the URL

    Raises:
        ImportError: if it is not installed and cannot be downloaded
    """
    if find_spec("fiftyone_hs2s") is not None:
        return
    repository = source / "repository"
    if not repository.is_dir():
        url = json.loads((source / "manifest.json").read_text()).get("url")
        try:
            _download(url, repository)
        except Exception as error:  # whatever fails on the way to it
            raise ImportError(
                f"the HS2S zoo models need the package fiftyone-hs2s, which {url or 'a folder without a URL'}"
                f" did not give ({error}): install it with `pip install` from the repository that this model"
                " source comes from"
            ) from error
    sys.path.append(str(repository / _PATH))


def _download(url: str | None, repository: Path) -> None:
    """Downloads the repository as FiftyOne did, and keeps what holds the package."""
    if not url:
        raise ValueError("it was not registered")
    logger.info("Downloading the package fiftyone-hs2s from %s", url)
    with tempfile.TemporaryDirectory(dir=repository.parent, prefix=".hs2s-") as folder:
        if "github" in url:
            GitHubRepository(url).download(folder)
        else:
            archive = Path(folder, url.rsplit("/", 1)[-1])
            etaw.download_file(url, path=str(archive), quiet=True)
            etau.extract_archive(str(archive))
        found = next(Path(folder).rglob(str(_PATH)), None)
        if found is None:
            raise ValueError("there is no package in it")
        shutil.move(found.parents[2], repository)
