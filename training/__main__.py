"""``python -m fiftyone_hs2s.training``, in a clone ``python -m training``: as ``hs2s train``."""

from __future__ import annotations

import sys

from fiftyone_hs2s.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
