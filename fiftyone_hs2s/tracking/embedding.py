"""What objects look like to the tracker: features of its encoder, pooled over their masks."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch

from fiftyone_hs2s.tracking.tracker import Tracker


def embed_objects(
    tracker: Tracker, frame: np.ndarray, masks: Mapping[int, np.ndarray]
) -> dict[int, np.ndarray]:
    """Describes objects of one frame by the encoder's features at stride 16, of the picture alone, averaged
    over each mask. Nothing is tracked by it.

    Args:
        tracker: gives the network, and the size at which it sees frames
        frame: uint8 (H, W, 3), RGB
        masks: bool (H, W) by object, each with some pixel

    Returns:
        float32 (C,) by object, with as many channels as the network's stage has (112 for ``hs2s-lite``)
    """
    height, width = tracker.size_for((frame.shape[0], frame.shape[1]))
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    picture = torch.from_numpy(small).to(tracker.device).permute(2, 0, 1)[None].float() / 255
    reduced = tracker.precision != torch.float32
    with torch.inference_mode(), torch.autocast(tracker.device.type, tracker.precision, enabled=reduced):
        image = tracker.network.encode_image(picture)
        features = tracker.network.encoder(image, None)[0][16][0].float().cpu().numpy()
    size = features.shape[:0:-1]  # (w, h), as OpenCV has it
    shares = {
        i: cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for i, mask in masks.items()
    }
    return {i: (features * share).sum((1, 2)) / share.sum() for i, share in shares.items()}
