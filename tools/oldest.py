#!/usr/bin/env python3
"""Prints requirements that pin each lower bound of pyproject.toml: what CI tests as the oldest versions."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text()


def oldest_versions(project: str) -> list[str]:
    """``name==version`` of every dependency with a lower bound; those without one follow from these."""
    (dependencies,) = re.findall(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)
    return [f"{name}=={bound}.*" for name, bound in re.findall(r'"([\w-]+)>=([\d.]+)"', dependencies)]


if __name__ == "__main__":
    print("\n".join(oldest_versions(PROJECT)))
