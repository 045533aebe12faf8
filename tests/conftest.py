"""Keeps FiftyOne to this test run alone: its own database server, folders and settings.

Nothing here imports FiftyOne before a test does.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a background job of a shell; tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Two workers on two cores: more threads only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
DATABASE_PREFIX = "hs2s-test-"
REPO = Path(__file__).resolve().parents[1]
WATCHED_SERVER = (  # ends with its parent, however that ends
    'folder=$1; shift; "$@" >/dev/null & cat >/dev/null; kill $!; wait $!; rm -rf "$folder"'
)
MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 2 << 30
"""A database in memory halves the time of the tests that use one: each new dataset waits for the disk."""


def _start_isolation(root: Path) -> None:
    """Points FiftyOne at folders under `root` and at a database server of its own, until the process ends."""
    os.environ["HS2S_TEST_ROOT"] = str(root)
    os.environ.update(
        HS2S_RUNTIME="torch",  # the others are asked for where they are tested: an export takes a while
        XDG_CACHE_HOME=str(root / "cache"),
        FIFTYONE_DATABASE_VALIDATION="false",
        FIFTYONE_DO_NOT_TRACK="true",
        FIFTYONE_SHOW_PROGRESS_BARS="false",
        FIFTYONE_CONFIG_PATH=str(root / "config.json"),
        FIFTYONE_APP_CONFIG_PATH=str(root / "app_config.json"),
        FIFTYONE_EVALUATION_CONFIG_PATH=str(root / "evaluation_config.json"),
        FIFTYONE_DEFAULT_DATASET_DIR=str(root / "datasets"),
        FIFTYONE_DATASET_ZOO_DIR=str(root / "zoo-datasets"),
        FIFTYONE_MODEL_ZOO_DIR=str(root / "zoo-models"),
        FIFTYONE_PLUGINS_DIR=str(root / "plugins"),
    )
    server = None if os.environ.get("FIFTYONE_DATABASE_URI") else _start_database(root)

    @atexit.register  # before FiftyOne registers its own clean-up, so that this one comes after it
    def clean_up() -> None:
        if server is not None:
            server.communicate()
        shutil.rmtree(root, ignore_errors=True)


def _database_folder(root: Path) -> Path:
    """A new folder: in memory where there is room."""
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > MEMORY_NEEDED:
            return Path(tempfile.mkdtemp(prefix="hs2s-test-", dir=MEMORY))
    folder = root / "database"
    folder.mkdir()
    return folder


def _start_database(root: Path) -> subprocess.Popen | None:
    """Starts the bundled mongod on a free port. Workers that shared FiftyOne's own service would race to
    start it."""
    package = importlib.util.find_spec("fiftyone")
    if package is None or package.origin is None:
        return None
    mongod = Path(package.origin).parent / "db" / "bin" / "mongod"
    if not os.access(mongod, os.X_OK):
        return None
    folder = _database_folder(root)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [mongod, "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    command += ["--wiredTigerCacheSizeGB", "0.5"]
    os.environ["FIFTYONE_DATABASE_URI"] = f"mongodb://127.0.0.1:{port}"
    return subprocess.Popen(["sh", "-c", WATCHED_SERVER, "sh", folder, *command], stdin=subprocess.PIPE)


# While this file is imported, before the conftest of any subfolder and any test module: those may import
# FiftyOne. This happens in the main process first and then in every xdist worker.
os.environ["FIFTYONE_DATABASE_NAME"] = f"{DATABASE_PREFIX}{uuid.uuid4().hex[:12]}"
if "HS2S_TEST_ROOT" not in os.environ:
    _start_isolation(Path(tempfile.mkdtemp(prefix="hs2s-test-")))


def pytest_sessionfinish() -> None:
    """Leaves nothing behind on a server that was there before (FIFTYONE_DATABASE_URI)."""
    if "fiftyone" in sys.modules:
        import fiftyone as fo
        import fiftyone.core.odm as foo

        assert fo.config.database_name.startswith(DATABASE_PREFIX), "this is not the tests' own database"
        foo.drop_database()


@pytest.fixture(scope="session", autouse=True)
def _limit_torch_threads() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of the released network's numbers."""
    return REPO / "tests" / "network" / "parity"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and reference values that lies beside the repository (or at $HS2S_SHARED)."""
    folder = Path(os.environ.get("HS2S_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the reference data folder {folder} (set HS2S_SHARED to where it is)")
    return folder
