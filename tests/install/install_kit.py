"""Virtual environments that show what a user has who installed the package in one of several ways."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def make_environment(folder: Path, wheel: Path | None = None) -> Path:
    """A virtual environment with a wheel, and with this one's packages but for editable ones, such as
    ours. FiftyOne needs setuptools' distutils, which Python 3.12 has no more."""
    venv.create(folder, with_pip=wheel is not None)
    if wheel is not None:  # first: what pip finds installed it may remove
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], env=_environment(), check=True)
    site_packages = next((folder / "lib").glob("python*")) / "site-packages"
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    shims = [shim.read_text() for path in paths for shim in Path(path).glob("distutils-precedence.pth")]
    (site_packages / "packages.pth").write_text("\n".join([*paths, *shims]))
    return folder


def run(environment: Path, home: Path, *command: object) -> str:
    """Runs a command of a virtual environment in an empty home; returns what it prints."""
    program, *arguments = map(str, command)
    done = subprocess.run(
        [str(environment / "bin" / program), *arguments],
        cwd=home,
        env={**_environment(), "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def write_script(home: Path, text: str) -> Path:
    """A script, which processes that it starts can import."""
    path = home / "script.py"
    path.write_text(text)
    return path


def _environment() -> dict[str, str]:
    """This process's, without what finds packages, and without the folders that the tests share: FiftyOne's
    are in the home."""
    return {
        key: value
        for key, value in os.environ.items()
        if key not in {"PYTHONPATH", "VIRTUAL_ENV"}
        and not (key.startswith("FIFTYONE_") and key.endswith("_DIR"))
    }
