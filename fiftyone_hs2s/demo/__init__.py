"""The demo: a clip that the project itself makes, tracked, scored and shown.

Run it by ``python -m fiftyone_hs2s.demo``.
"""

from __future__ import annotations
