"""The paper's losses (eq. 11, 12) and those of objects that compete; void pixels (255) never count."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from fiftyone_hs2s.masks import VOID
from fiftyone_hs2s.network.aggregation import Meeting
from fiftyone_hs2s.network.decoder import BORDER_CLASSES

BORDER = (BORDER_CLASSES - 2) // 2  # distances in pixels that have a class of their own, on either side


def split_objects(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Splits the label maps of clips into their objects.

    Args:
        masks: uint8 (B, T, 1, H, W): 0 background, 1..K the objects of the clip, 255 ignore

    Returns:
        the clip of each object, (N,) ascending; its number there, (N,); and its masks, uint8 (N, T, 1, H, W):
        1 object, 255 ignore
    """
    counts = [int(label_map[label_map != VOID].amax()) for label_map in masks]
    clip = torch.repeat_interleave(torch.arange(len(masks)), torch.tensor(counts)).to(masks.device)
    numbers = torch.cat([torch.arange(1, count + 1) for count in counts]).to(masks.device)
    own = masks[clip]
    return clip, numbers, torch.where(own == VOID, own, (own == numbers.view(-1, 1, 1, 1, 1)).to(own.dtype))


def balanced_bce(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Balanced binary cross-entropy of OSVOS: foreground weighs |Y-|/|Y|, background the rest (eq. 11).

    Balanced over all the pictures together, as released: balanced by itself, a picture in which the object is
    hidden would weigh nothing.

    Args:
        logits: (N, 1, H, W)
        masks: uint8 (N, 1, H, W), 1 object, 255 ignore

    Returns:
        the mean over pixels and pictures
    """
    valid, truth = masks != VOID, (masks == 1).to(logits.dtype)
    count = valid.sum().clamp(min=1)
    foreground = (truth * valid).sum() / count
    weight = torch.where(truth > 0, 1 - foreground, foreground) * valid
    return F.binary_cross_entropy_with_logits(logits, truth, weight, reduction="sum") / count


def bce(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Plain binary cross-entropy; arguments as for :func:`balanced_bce`."""
    valid, truth = (masks != VOID).to(logits.dtype), (masks == 1).to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, truth, valid, reduction="none")
    return losses.sum() / valid.sum().clamp(min=1)


def soft_jaccard(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """1 - intersection over union of the probabilities, mean over pictures; 1 is added to both areas."""
    valid, truth = (masks != VOID).to(logits.dtype), (masks == 1).to(logits.dtype)
    probability = logits.sigmoid() * valid
    both = (probability * truth).sum((1, 2, 3))
    either = (probability + truth * valid).sum((1, 2, 3)) - both
    return (1 - (both + 1) / (either + 1)).mean()


def log_jaccard(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The released script's Jaccard term: -log of the soft intersection over union of all pictures
    together."""
    valid, truth = (masks != VOID).to(logits.dtype), (masks == 1).to(logits.dtype)
    probability = logits.sigmoid() * valid
    both = (probability * truth).sum()
    either = (probability + truth * valid).sum() - both
    return -((both + 1) / (either + 1)).log()


def competition(
    logits: torch.Tensor, masks: torch.Tensor, meeting: Meeting, hardest: float = 1.0
) -> torch.Tensor:
    """Cross-entropy over the objects of a clip and its background, after the tracker's soft aggregation.

    Args:
        logits: (N, 1, H, W)
        masks: uint8 (N, 1, H, W), 1 object, 255 ignore
        meeting: which of the N are in one frame
        hardest: share of the pixels of each frame, those of the greatest loss, that count (STCN, XMem: 0.15)

    Returns:
        the mean over these pixels and the frames
    """
    margins, _ = meeting.compete(logits)
    own = meeting.table(masks, 0)
    target = ((own == 1) * torch.arange(1, own.shape[1] + 1, device=own.device).view(1, -1, 1, 1)).amax(1)
    target[(own == VOID).any(1)] = VOID
    losses = F.cross_entropy(
        torch.cat([torch.zeros_like(margins[:, :1]), margins], 1), target, ignore_index=VOID, reduction="none"
    ).flatten(1)
    if hardest < 1:
        return losses.topk(max(1, int(hardest * losses.shape[1])), dim=1).values.mean()
    return losses.sum() / (target != VOID).sum().clamp(min=1)


def border_loss(border_logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the border classes (eq. 12).

    Args:
        border_logits: (N, 42, H, W)
        classes: uint8 (N, H, W) of :func:`border_classes`, 255 ignore
    """
    return F.cross_entropy(border_logits, classes.long(), ignore_index=VOID)


def border_classes(mask: np.ndarray) -> np.ndarray:
    """Class of each pixel by its signed distance d to the object's border, bins of one pixel, cut at 20.

    Outside: 20 - d for d = 1..20, further out 0. Inside: 21 + d for d = 1..20, further in 41. Fractions of a
    pixel do not count, as released.

    Args:
        mask: uint8 (H, W), 1 is the object

    Returns:
        int64 (H, W) in 0..41
    """
    inside = (mask == 1).astype(np.uint8)
    if not inside.any():
        return np.zeros(mask.shape, np.int64)
    out = _distance(1 - inside)
    into = _distance(inside) if not inside.all() else np.full(mask.shape, BORDER, np.float32)
    classes = np.where(inside, BORDER + 1 + np.minimum(into, BORDER), BORDER - np.minimum(out, BORDER))
    return classes.astype(np.int64)


def _distance(region: np.ndarray) -> np.ndarray:
    return np.floor(cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def weighted_loss(
    weights: dict[str, float],
    logits: torch.Tensor,
    border: torch.Tensor | None,
    masks: torch.Tensor,
    clip: torch.Tensor | None = None,
    hardest: float = 1.0,
    classes: torch.Tensor | None = None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Sums the named losses.

    Args:
        weights: {name: weight}; names are ``balanced_bce``, ``bce``, ``soft_jaccard``, ``log_jaccard``,
            ``border`` and ``competition``. The paper's mix is
            ``{balanced_bce: 0.8, border: 0.2}``, the released script's
            ``{log_jaccard: 0.2, balanced_bce: 0.6, border: 0.2}``
        logits: (N, T, 1, H, W)
        border: (N, T, 42, H, W) or None
        masks: uint8 (N, T, 1, H, W)
        clip: (N,) the clip of each object, ascending; None for one object each
        hardest: see :func:`competition`
        classes: uint8 (N, T, H, W) of :func:`border_classes`, for ``border``

    Returns:
        the sum, and the value of each part
    """
    clip = torch.arange(len(logits), device=logits.device) if clip is None else clip
    # time first, so that the objects of a frame lie beside each other
    logits, masks = logits.transpose(0, 1).flatten(0, 1), masks.transpose(0, 1).flatten(0, 1)
    terms = {
        "balanced_bce": balanced_bce,
        "bce": bce,
        "soft_jaccard": soft_jaccard,
        "log_jaccard": log_jaccard,
    }
    parts = {name: terms[name](logits, masks) for name in weights if name in terms}
    if weights.get("competition"):
        times = torch.arange(len(logits) // len(clip), device=clip.device)
        frames = (times[:, None] * (clip.max() + 1) + clip).flatten()
        parts["competition"] = competition(logits, masks, Meeting(frames), hardest)
    if weights.get("border"):
        if border is None or classes is None:
            raise ValueError("The loss 'border' needs a network with a border head, and border classes")
        parts["border"] = border_loss(
            border.transpose(0, 1).flatten(0, 1), classes.transpose(0, 1).flatten(0, 1)
        )
    total = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
    return total, {name: float(value.detach()) for name, value in parts.items()}
