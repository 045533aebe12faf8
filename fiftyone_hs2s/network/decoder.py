"""The decoder after its merge layers, and the heads (eq. 10)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

BORDER_CLASSES = 42  # 20 distances inside, 20 outside, and the two open ends (HS2S.md section 4)


class DecoderBlock(nn.Module):
    """[concat skip -> 1x1 relu -> bilinear x2 -> kxk relu]."""

    def __init__(self, inputs: int, skip: int, mixed: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs + skip, mixed, 1)
        self.conv = nn.Conv2d(mixed, outputs, kernel, padding=kernel // 2)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(
            torch.relu(self._mix(x, skip)), scale_factor=2, mode="bilinear", align_corners=False
        )
        return torch.relu(self.conv(x))

    def _mix(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        if skip.shape[0] == x.shape[0]:
            return self.mix(torch.cat([x, skip], 1))
        # A skip that all objects share is mixed once, not once an object.
        split = x.shape[1]
        return F.conv2d(x, self.mix.weight[:, :split], self.mix.bias) + F.conv2d(
            skip, self.mix.weight[:, split:]
        )


class Decoder(nn.Module):
    """From the merged features at stride 32 to one logit a pixel.

    Args:
        inputs: channels of the merged features at stride 32
        skips: channels of the skip of each block, from stride 32 up
        blocks: (mixed, output) channels of each block
        kernel: kernel size of the blocks
        border_head: whether border classes are predicted and mixed into the logit
    """

    def __init__(
        self,
        inputs: int,
        skips: list[int],
        blocks: tuple[tuple[int, int], ...],
        kernel: int,
        border_head: bool,
    ) -> None:
        super().__init__()
        widths = [inputs, *(outputs for _, outputs in blocks)]
        self.blocks = nn.ModuleList(
            DecoderBlock(widths[i], skips[i], mixed, outputs, kernel)
            for i, (mixed, outputs) in enumerate(blocks)
        )
        self.border_classifier: nn.Conv2d | None = None
        if border_head:
            self.border_classifier = nn.Conv2d(widths[-1], BORDER_CLASSES, 3, padding=1)
            self.segmentation_branch = nn.Conv2d(widths[-1], BORDER_CLASSES, 3, padding=1)
            self.merge = nn.Conv2d(2 * BORDER_CLASSES, 1, 1)
        else:
            self.segmentation_branch = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: torch.Tensor, skips: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns logits (N, 1, H, W) at full size, and border logits (N, 42, H, W) or None."""
        for block, skip in zip(self.blocks, skips, strict=True):
            x = block(x, skip)
        border = None
        logits = self.segmentation_branch(x)
        if self.border_classifier is not None:
            border = self.border_classifier(x)
            logits = self.merge(torch.relu(torch.cat([border, logits], 1)))
        scale = 2 ** (5 - len(self.blocks))
        return _upsample(logits, scale), None if border is None else _upsample(border, scale)


def _upsample(x: torch.Tensor, scale: int) -> torch.Tensor:
    return x if scale == 1 else F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
