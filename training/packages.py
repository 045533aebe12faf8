"""What training needs beyond the package's own requirements: the extra ``train``."""

from __future__ import annotations

from importlib.util import find_spec

from fiftyone_hs2s.errors import HS2SError

PACKAGES = ("accelerate", "tensorboard")


def check_packages() -> None:
    """Makes sure that training can run.

    Raises:
        HS2SError: if packages are missing; says how to get them
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise HS2SError(
            f"training needs {' and '.join(missing)}: run `pip install {' '.join(missing)}`, and restart the"
            " App if it is open"
        )
