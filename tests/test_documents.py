"""README and pages: short enough to be read, links that lead somewhere, code that is Python."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

from fiftyone_hs2s import __version__

REPO = Path(__file__).parents[1]
PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *REPO.glob("model_zoo/*.md")])
MADE = {"docs/api.md", "docs/shell-reference.md"}  # by docs/site_hooks.py


def test_readme_is_read_in_two_minutes():
    text = (REPO / "README.md").read_text()
    assert len(text.split()) <= 700
    assert len(text.splitlines()) <= 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in link and not link.startswith("#"):
            target = (page.parent / link.partition("#")[0]).resolve()
            assert target.exists() or str(target.relative_to(REPO)) in MADE, f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_examples_are_python_and_their_names_exist(page):
    import fiftyone_hs2s

    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        names = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
        used = {node.attr for node in names if isinstance(node.value, ast.Name) and node.value.id == "hs2s"}
        assert [name for name in sorted(used) if not hasattr(fiftyone_hs2s, name)] == []


def test_every_page_is_in_the_navigation():
    navigation = (REPO / "mkdocs.yml").read_text()
    for page in REPO.glob("docs/*.md"):
        assert f": {page.name}\n" in navigation, page.name


def test_made_pages_name_every_command_and_public_name(monkeypatch):
    pytest.importorskip("mkdocs", reason="the site takes the extra 'docs'")
    monkeypatch.syspath_prepend(REPO / "docs")
    import site_hooks

    import fiftyone_hs2s
    from fiftyone_hs2s.cli.main import COMMANDS

    assert all(f"## hs2s {command}\n" in site_hooks.command_help() for command in COMMANDS)
    api = site_hooks.api()
    assert all(f".{name}\n" in api for name in fiftyone_hs2s.__all__)
    sys.modules.pop("site_hooks")


def test_one_version():
    listed = yaml.safe_load((REPO / "fiftyone.yml").read_text())
    assert listed["version"] == __version__
    cited = yaml.safe_load((REPO / "CITATION.cff").read_text())
    assert cited["version"] == __version__
    assert f"## [{__version__}] - {cited['date-released']}\n" in (REPO / "CHANGELOG.md").read_text()
    assert not re.search(r"^version = ", (REPO / "pyproject.toml").read_text(), re.M), (
        "it comes from the package"
    )


def test_workflows_and_citation_are_yaml_with_what_they_need():
    for path in REPO.glob(".github/workflows/*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        assert all("runs-on" in job and job["steps"] for job in jobs.values()), path
    for path in REPO.glob(".github/ISSUE_TEMPLATE/*.yml"):
        assert "blank_issues_enabled" in (form := yaml.safe_load(path.read_text())) or form["body"]
    assert yaml.safe_load((REPO / "CITATION.cff").read_text())["cff-version"] == "1.2.0"


def test_the_walks_name_what_is_there():
    """Files, and in them or among all the functions and classes that a step names."""
    text = (REPO / "CONTRIBUTING.md").read_text()
    steps = re.findall(r"^\d+\. (.+(?:\n    .+)*)", text.split("## Two walks")[1].split("\n## ")[0], re.M)
    assert len(steps) == 20
    package = REPO / "fiftyone_hs2s"
    everywhere = "\n".join(path.read_text() for path in package.rglob("*.py"))
    for step in steps:
        files = re.findall(r"`([\w/]+\.py)`", step)
        named = re.findall(r"`([A-Za-z_]\w+)(?:\(\))?`", step)
        assert files and named
        here = "\n".join((package / file).read_text() for file in files)
        assert re.search(rf"(?:def|class) {named[0]}\b", here), f"{files} have no {named[0]}"
        assert [name for name in named if not re.search(rf"(?:def|class) {name}\b", everywhere)] == []
