"""In a wheel, the entry file of the plugin's folder: a copy of it lies there beside ``fiftyone.yml``."""

from __future__ import annotations

from fiftyone_hs2s.plugin import register

__all__ = ["register"]
