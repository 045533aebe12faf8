from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fiftyone_hs2s.masks import write_label_map


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two squares, one red and one green, and pictures of three disks; each set has some void."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in (
        "video/made/JPEGImages/two",
        "video/made/Annotations/two",
        "images/made/Images",
        "images/made/Masks",
    ):
        (root / kind).mkdir(parents=True)
    for t in range(10):
        frame, mask = rng.integers(60, 120, (96, 160, 3), dtype=np.uint8), np.zeros((96, 160), np.uint8)
        mask[20:56, 10 + 6 * t : 46 + 6 * t], mask[50:80, 120 - 6 * t : 150 - 6 * t], mask[:, :3] = 1, 2, 255
        frame[mask == 1], frame[mask == 2] = (40, 40, 230), (40, 230, 40)
        cv2.imwrite(str(root / f"video/made/JPEGImages/two/{t:05d}.png"), frame)
        write_label_map(root / f"video/made/Annotations/two/{t:05d}.png", mask)
    for n in range(4):
        frame, mask = rng.integers(60, 120, (120, 160, 3), dtype=np.uint8), np.zeros((120, 160), np.uint8)
        for label, place in enumerate([(30, 40), (80, 70), (125, 40)], 1):
            cv2.circle(mask, place, 22, label, -1)
            frame[mask == label] = np.roll((230, 40, 40), label - 1)
        mask[:2] = 255
        cv2.imwrite(str(root / f"images/made/Images/{n}.png"), frame)
        write_label_map(root / f"images/made/Masks/{n}.png", mask)
    return root
