"""``hs2s plugin install``: FiftyOne finds the plugin of this package, and no other is replaced."""

from __future__ import annotations

import shutil
from pathlib import Path

import fiftyone as fo
import fiftyone.plugins as fop
import pytest

from fiftyone_hs2s.cli.main import main

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def plugins(monkeypatch, tmp_path) -> Path:
    folder = tmp_path / "not there yet" / "plugins"
    monkeypatch.setattr(fo.config, "plugins_dir", str(folder))
    return folder


def test_it_is_linked_once(plugins, capsys):
    for _ in range(2):
        assert main(["plugin", "install"]) == 0
        assert capsys.readouterr().out == f"@hs2s/hs2s: {plugins / 'hs2s'}. Restart the App if it is open\n"
    assert [path.resolve() for path in plugins.iterdir()] == [REPO]
    assert "train" in fop.get_plugin("@hs2s/hs2s").operators


def test_a_link_to_what_is_gone_is_replaced(plugins):
    plugins.mkdir(parents=True)
    (plugins / "hs2s").symlink_to(plugins / "gone")
    assert main(["plugin", "install"]) == 0
    assert (plugins / "hs2s").resolve() == REPO


def test_another_copy_stays(plugins, capsys):
    copy = plugins / "downloaded"
    copy.mkdir(parents=True)
    shutil.copy(REPO / "fiftyone.yml", copy)
    assert main(["plugin", "install"]) == 2
    assert (
        f"FiftyOne has the plugin @hs2s/hs2s already, in {copy}: remove that first" in capsys.readouterr().err
    )
    assert list(plugins.iterdir()) == [copy]


def test_a_folder_of_that_name_stays(plugins, capsys):
    (plugins / "hs2s").mkdir(parents=True)
    assert main(["plugin", "install"]) == 2
    assert f"{plugins / 'hs2s'} is something else: move it away" in capsys.readouterr().err
