"""What mkdocs adds to these pages: files kept elsewhere in the repository, public names, the help of each
command."""

from __future__ import annotations

import argparse
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
BORROWED = {
    "model-card.md": "model_zoo/README.md",
    "model-card-open.md": "model_zoo/hs2s-lite-open.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "training-reference.md": "training/configs/hs2s-lite.yaml",
}
PICTURES = {f"images/{name}.png": f"model_zoo/{name}.png" for name in ("failures", "before_after")}
_SITE_PATHS = {source: page for page, source in {**BORROWED, **PICTURES}.items()}
_LINK = re.compile(r"(?<=\]\()([^)#:\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the borrowed pages and pictures, and the page with every command's help."""
    for page, source in BORROWED.items():
        text = (ROOT / source).read_text()
        if source.endswith(".yaml"):
            text = f"# A training configuration, explained\n\n`{source}`:\n\n```yaml\n{text}```\n"
        files.append(File.generated(config, page, content=_relink(text, posixpath.dirname(source))))
    for picture, source in PICTURES.items():
        files.append(File.generated(config, picture, content=(ROOT / source).read_bytes()))
    files.append(File.generated(config, "shell-reference.md", content=command_help()))
    files.append(File.generated(config, "api.md", content=api()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the pages in ``docs/`` to files outside lead to their pages on the site."""
    return markdown if page.file.src_uri in BORROWED else _relink(markdown, "docs")


API = """\
# Python API

Everything under *Names of the package* is there after `import fiftyone_hs2s as hs2s`. What the caller can fix
raises `HS2SError`, a sentence that names the thing and the fix.

## Names of the package

"""
CORE = (
    "network.weights.load_network",
    "tracking.tracker.Tracker",
    "tracking.between.track_between",
)  # without FiftyOne


def api() -> str:
    """The page of all public names, from their docstrings."""
    import fiftyone_hs2s as hs2s

    places = {name: module for module, names in hs2s._PUBLIC.items() for name in names}
    public = [f"::: {places[name]}.{name}\n\n" for name in sorted(places, key=str.lower)]
    core = [f"::: fiftyone_hs2s.{name}\n\n" for name in CORE]
    spread = "## On many machines\n\n::: fiftyone_hs2s.distributed\n\n"
    return API + "".join(public) + spread + "## Without FiftyOne\n\n" + "".join(core)


def command_help() -> str:
    """The help of ``hs2s`` and of each of its commands, as a page."""
    from fiftyone_hs2s.cli.main import build_parser

    return "# Every command and option\n\n" + "".join(_help(build_parser()))


def _help(parser: argparse.ArgumentParser) -> list[str]:
    parts = [f"## {parser.prog}\n\n```text\n{parser.format_help()}```\n\n"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parts += [part for each in action.choices.values() for part in _help(each)]
    return parts


def _relink(markdown: str, folder: str) -> str:
    """Replaces relative links that leave ``docs/`` by those of the site; ``folder``: that of the file."""

    def replace(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        return _SITE_PATHS.get(
            path, posixpath.relpath(path, "docs") if path.startswith("docs/") else match[1]
        )

    return _LINK.sub(replace, markdown)
