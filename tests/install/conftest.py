from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fiftyone_fixtures import dataset, video  # noqa: F401
from install_kit import REPO, make_environment


@pytest.fixture
def home(tmp_path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def url(tmp_path) -> Iterator[str]:
    """The last commit as a zip file, as GitHub gives it, on a web server of this machine."""
    if not (REPO / ".git").exists():
        pytest.skip("takes a git clone")
    git = ["git", "-c", "safe.directory=*", "archive", "--format=zip", "--prefix=fiftyone-hs2s-main/"]
    subprocess.run([*git, "-o", tmp_path / "hs2s.zip", "HEAD"], cwd=REPO, check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hs2s.zip"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """Without the package."""
    return make_environment(tmp_path_factory.mktemp("environment"))
