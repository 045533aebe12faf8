"""Stands on the path for the package that this file lies in, and replaces itself by it when it is imported.

A downloaded plugin is a copy of the whole repository: with that on the path, the App, and the processes that
it starts, would find ``training``, ``tests`` and ``tools`` there too, where users have packages of these
names.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
_SPEC = spec_from_file_location(
    __name__, _PACKAGE / "__init__.py", submodule_search_locations=[str(_PACKAGE)]
)
assert _SPEC is not None and _SPEC.loader is not None
sys.modules[__name__] = module_from_spec(_SPEC)
_SPEC.loader.exec_module(sys.modules[__name__])
