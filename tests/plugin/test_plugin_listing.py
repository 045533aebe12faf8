"""How FiftyOne lists the plugin: operators, skills, and versions that do not fit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import fiftyone.operators as foo
import fiftyone.plugins as fop
import pytest
import yaml

from fiftyone_hs2s.plugin.version_check import check_version

REPO = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("plugin")
LISTED = yaml.safe_load((REPO / "fiftyone.yml").read_text())
RISKS = {
    "analyze": "low",
    "train": "high",
    "export_tracks": "high",
    "find_similar_tracks": "high",
    "manage_runs": "high",
}


@pytest.mark.parametrize("name", LISTED["operators"])
def test_operator_says_what_it_is(name):
    config = foo.get_operator(f"@hs2s/hs2s/{name}").config
    assert config.label.startswith("HS2S: ")
    assert config.description and config.description[0].isupper()
    for icon in (config.light_icon, config.dark_icon):
        assert (REPO / icon.lstrip("/")).is_file()
    if hasattr(config, "risk_level"):  # FiftyOne 1.14 has none
        assert config.risk_level.value == RISKS.get(name, "medium")


@pytest.mark.skipif(not hasattr(fop, "list_skills"), reason="this FiftyOne has no skills")
def test_skill_is_listed_and_names_operators_that_exist():
    (skill,) = fop.list_skills(plugin="@hs2s/hs2s")
    assert skill.name == LISTED["skills"][0] == Path(skill.path).parent.name
    assert "Use when" in skill.description
    for uri in re.findall(r'"(@hs2s/[^"]+)"', skill.content):
        assert foo.get_operator(uri)


def package(folder: Path, version: str | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f'__version__ = "{version}"\n' if version else "")
    return folder


@pytest.mark.parametrize("older", ["0.9.0", "0.10.0rc1", None])
def test_an_older_package_is_refused(tmp_path, older):
    plugin = package(tmp_path / "plugin", "0.10.0")
    with pytest.raises(
        ImportError, match=r"plugin @hs2s/hs2s is version 0\.10\.0, but the installed package"
    ):
        check_version(plugin, package(tmp_path / "installed", older))


@pytest.mark.parametrize("fits", ["0.10.0", "0.11.0", "0.10.1"])
def test_an_equal_or_newer_package_is_taken(tmp_path, fits):
    check_version(package(tmp_path / "plugin", "0.10.0"), package(tmp_path / "installed", fits))


def test_the_plugin_file_checks_before_it_imports_its_operators(tmp_path):
    installed = package(tmp_path / "site" / "fiftyone_hs2s", "0.0.1")
    entry = REPO / "fiftyone_hs2s" / "plugin" / "__init__.py"
    code = (
        "import importlib.util as u, sys\n"
        f"spec = u.spec_from_file_location('plugin', {str(entry)!r})\n"
        "sys.modules['plugin'] = module = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed.parent)}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode and "installed package fiftyone-hs2s is 0.0.1" in ran.stderr.splitlines()[-1]
