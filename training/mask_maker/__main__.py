"""Trains the mask maker: ``python -m fiftyone_hs2s.training.mask_maker --data FOLDER --out
weights.safetensors``.

FOLDER holds sets of pictures, ``images/<set>/{Images,Masks}`` and ``open/<set>/{Images,Masks}``, and of
videos, ``video/<set>/{JPEGImages,Annotations}/<sequence>``, of which every fifth frame is taken; the
development split is left out. It resumes from ``<out>.pt`` if that is there. The loss is binary cross-entropy
and 1 - soft Jaccard; what is written is the running mean of the weights (0.999), in half precision.
"""

from __future__ import annotations

import argparse
import copy
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from fiftyone_hs2s.files import new_file
from fiftyone_hs2s.masks import list_label_maps
from fiftyone_hs2s.network.mask_maker import MaskMakerNetwork
from fiftyone_hs2s.training.data.pictures import list_pictures
from fiftyone_hs2s.training.losses import bce, soft_jaccard
from fiftyone_hs2s.training.mask_maker.examples import Stored, examples, store
from fiftyone_hs2s.training.pretrained import load_lite0

HELD_OUT = ("bus", "dance-jump", "hockey", "lucia", "mallard-fly", "scooter-gray", "schoolgirls")
MOST = 1200
"""Objects that are kept of a set."""
NOT_OBJECTS = ("BSDS500-regions", "Caltech101")
"""Sets whose masks are regions, or drawings."""

logger = logging.getLogger(__name__)


def read_sets(data: Path, rng: np.random.Generator) -> dict[str, list[Stored]]:
    """The objects of every set, by its name."""
    sets = {}
    for folder in sorted([*data.glob("images/*/"), *data.glob("open/*/")]):
        if folder.name not in NOT_OBJECTS and (folder / "Masks").is_dir():
            sets[folder.name] = store(list_pictures(folder), rng, MOST)
    for folder in sorted(data.glob("video/*/")):
        sets[folder.name] = store(_frames(folder), rng, MOST)
    for name, stored in sets.items():
        logger.info("%s: %d objects", name, len(stored))
    return {name: stored for name, stored in sets.items() if stored}


def _frames(folder: Path) -> list[tuple[Path, Path]]:
    """Every fifth frame of the videos of a set."""
    found = []
    for sequence in sorted((folder / "Annotations").iterdir()):
        if sequence.name in HELD_OUT:
            continue
        images = {path.stem: path for path in (folder / "JPEGImages" / sequence.name).iterdir()}
        paths = list(list_label_maps(sequence).values())[::5]
        found += [(images[path.stem], path) for path in paths if path.stem in images]
    return found


def batches(
    sets: list[list[Stored]], side: int, size: int, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Views (N, 3, H, W) in 0..1, hints (N, 3, H, W), masks uint8 (N, 1, H, W)."""
    drawn = examples(sets, side, rng)
    while True:
        views, hints, masks = (
            np.stack(part) for part in zip(*(next(drawn) for _ in range(size)), strict=True)
        )
        view = torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255
        yield view, torch.from_numpy(hints), torch.from_numpy(masks)[:, None]


def main() -> None:
    """Trains, logs, saves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=192, help="of the views that it is trained on, pixels")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    rng = np.random.default_rng(args.seed)
    torch.manual_seed(args.seed)
    network = MaskMakerNetwork()
    load_lite0(list(network.stages))
    mean = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=args.rate, weight_decay=1e-4)
    state, start = args.out.with_suffix(".pt"), 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        start = saved["step"]
        network.load_state_dict(saved["network"])
        mean.load_state_dict(saved["mean"])
        optimizer.load_state_dict(saved["optimizer"])
        rng = np.random.default_rng([args.seed, start])
    drawn = batches(list(read_sets(args.data, rng).values()), args.side, args.batch, rng)
    totals, since = np.zeros(2), time.perf_counter()
    for step in range(start, args.steps):
        rate = args.rate * min(1.0, (step + 1) / 300) * 0.5 * (1 + np.cos(np.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        view, hints, masks = next(drawn)
        logits = network(view, hints)
        jaccard = soft_jaccard(logits, masks)
        loss = bce(logits, masks) + jaccard
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(0.999, step / (step + 20))
            for ours, theirs in zip(mean.parameters(), network.parameters(), strict=True):
                ours.lerp_(theirs, 1 - decay)
        totals += loss.item(), 1 - jaccard.item()
        if (step + 1) % 100 == 0:
            seconds, since = (time.perf_counter() - since) / 100, time.perf_counter()
            logger.info("step %d: loss %.3f, soft J %.3f, %.2f s a step", step + 1, *(totals / 100), seconds)
            totals[:] = 0
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            values = {"step": step + 1, "network": network.state_dict(), "mean": mean.state_dict()}
            with new_file(state) as part:
                torch.save(values | {"optimizer": optimizer.state_dict()}, part)
            with new_file(args.out) as part:
                part.write_bytes(save({key: value.half() for key, value in mean.state_dict().items()}))


if __name__ == "__main__":
    main()
