from __future__ import annotations

from pathlib import Path

import pytest

SIZE = (64, 96)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The graphs of hs2s-lite for small pictures, as the shell exports them: start and step."""
    from fiftyone_hs2s.cli.main import main

    step = tmp_path_factory.mktemp("export") / "lite.onnx"
    assert main(["export", "hs2s-lite", str(step), "--size", f"{SIZE[0]}x{SIZE[1]}"]) == 0
    return step.with_suffix(".start.onnx"), step
