#!/usr/bin/env python3
"""Prints requirements that pin each lower bound of pyproject.toml: what CI tests as the oldest versions.

FiftyOne before 1.22.1 does not start with a graphql-core that is newer than itself, and does not say so to
pip.
"""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text()


def oldest_versions(project: str) -> list[str]:
    """``name==version`` of every dependency with a lower bound, and what these forgot to ask for."""
    (dependencies,) = re.findall(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)
    bounds = re.findall(r'"([\w-]+)>=([\d.]+)(?:,<[\d.]+)?"', dependencies)
    return [f"{name}=={bound}.*" for name, bound in bounds] + ["graphql-core<3.3"]


if __name__ == "__main__":
    print("\n".join(oldest_versions(PROJECT)))
