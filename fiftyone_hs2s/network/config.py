"""Configuration of the network: every variant of the paper is a setting, none a copy of the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.backbones import BACKBONES
from fiftyone_hs2s.network.convlstm import CELLS
from fiftyone_hs2s.settings import Number, Share, Size, Whole, check_names, from_mapping, read_yaml, settings

PRESETS = Path(__file__).parent / "presets"
MERGE_KINDS = ("global_convolution", "cosine")
SKIP_MERGE_KINDS = (*MERGE_KINDS, "attention")
REFERENCES = ("first", "previous")
FEEDBACKS = ("own", "share")
WHAT = "network setting"

Width = Annotated[Whole, Field(le=8192)]
Kernel = Annotated[Size, Field(le=31)]
Channel = tuple[Number, Number, Number]


@settings(WHAT)
class HS2SConfig:
    """What the network is made of (HS2S.md sections 2 and 3). The defaults are the paper's network.

    Attributes:
        name: name of the model, kept with its weights
        backbone: one of :data:`BACKBONES`; the encoder and the reference encoder have this form and their own
            weights
        mask_stage: the backbone stage after which the mask joins the picture (0: in the stem, as in the
            paper). The stages before it see the picture alone: with ``shared_trunk`` they run once a frame
            for all objects and both encoders. 5: the whole backbone runs once a frame; the mask joins its
            output at stride 16 and is taken to stride 32 from there
        mask_width: channels of a mask on its way to where it joins, unless it does in the stem
        image_decoder: (mixed, output) channels of the blocks that bring the backbone's output from stride 32
            up, once a frame for all objects; with ``mask_stage`` 5. What they give at strides 8 and 4 are the
            decoder's skips in place of the backbone's
        shared_trunk: whether those stages are shared, and their outputs serve as the decoder's skips there
        encoder_mask: whether the encoder sees y_{t-1} besides x_t (eq. 8); the plain S2S sees the frame only
        others: whether each object's encoders and its attention also see where the other objects of the frame
            are: the sum of their masks, joined where its own mask joins
        feedback: what an object's step sees as its last mask, one of :data:`FEEDBACKS`: ``"own"``, as it is
            by itself, or ``"share"``, what is left of it after the objects competed
        initializer: whether h_0 and c_0 come from an initializer network (eq. 1) instead of zeros (eq. 5)
        width: channels of x~ and of the ConvLSTM at stride 32
        cell: ``"paper"`` (sigmoid g, relu output: the state can grow without bound), ``"decay"`` (the same,
            but a tenth of c fades each frame), ``"tanh"`` (the usual ConvLSTM: tanh g and output, so that c
            can grow but not the output) or ``"bounded"`` (tanh g, forget and input gate sum to one: the state
            stays in (-1, 1) however long the video)
        kernel: kernel size of the ConvLSTM at stride 32
        skip_width: channels of the ConvLSTM at stride 16 (the skip memory), 0 for none
        skip_kernel: its kernel size
        reset_period: frames after which the recurrent state starts again from zero, 0 for never
        references: which references the merge layer reads: ``"first"`` (x~_0), ``"previous"`` (x~_{t-1}),
            both or none
        memory_frames: how many frames between the first and the previous one the merge layer at stride 16
            reads along with the first, a constant number however long the video; 0 as in the paper
        memory_trust: factor on the similarity to those frames, at most 1: their masks are the network's own
            guesses, so they must look more alike than the first frame, whose mask was given
        memory_every: a frame is remembered when an object has been followed for a multiple of so many frames
        merge: kind of the merge layer at stride 32, one of :data:`MERGE_KINDS`
        skip_merge: kind of the merge layer at stride 16, one of :data:`SKIP_MERGE_KINDS`
        merge_width: channels that a merge layer gives
        global_convolution_width: channels between the two halves of a global convolution
        key_width: channels of the keys of ``"cosine"`` and ``"attention"``
        decoder: (mixed, output) channels of each decoder block, from stride 32 up; five blocks end at full
            size, four at stride 2 (their logits are upsampled)
        decoder_kernel: kernel size of the decoder's convolutions
        border_head: whether the border classification head exists (eq. 12)
        mean, std: normalization of the RGB input
    """

    name: Annotated[str, Field(max_length=100)] = "hs2s-resnet50"
    backbone: str = "resnet50"
    mask_stage: Whole = 0
    shared_trunk: bool = False
    mask_width: Size = 64
    image_decoder: Annotated[tuple[tuple[Size, Size], ...], Field(max_length=3)] = ()
    encoder_mask: bool = True
    others: bool = False
    feedback: str = "own"
    initializer: bool = False
    width: Size = 1024
    cell: str = "paper"
    kernel: Kernel = 3
    skip_width: Width = 1024
    skip_kernel: Kernel = 5
    reset_period: int = 0
    references: tuple[str, ...] = ("first", "previous")
    memory_frames: Annotated[Whole, Field(le=100)] = 0
    memory_trust: Share = 0.7
    memory_every: Size = 5
    merge: str = "global_convolution"
    skip_merge: str = "global_convolution"
    merge_width: Size = 512
    global_convolution_width: Size = 256
    key_width: Size = 256
    decoder: Annotated[tuple[tuple[Size, Size], ...], Field(min_length=1, max_length=5)] = (
        (1024, 512),
        (512, 256),
        (256, 128),
        (128, 64),
        (64, 64),
    )
    decoder_kernel: Kernel = 5
    border_head: bool = True
    mean: Channel = (0.485, 0.456, 0.406)
    std: Channel = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        for key, known in (("backbone", BACKBONES), ("cell", CELLS), ("merge", MERGE_KINDS)):
            check_names([getattr(self, key)], known, key)
        check_names([self.skip_merge], SKIP_MERGE_KINDS, "skip_merge")
        check_names(self.references, REFERENCES, "reference")
        check_names([self.feedback], FEEDBACKS, "feedback")
        if len(set(self.references)) < len(self.references):
            raise HS2SError(f"Model {self.name!r}: 'references' names one twice")
        if not all(kernel % 2 for kernel in (self.kernel, self.skip_kernel, self.decoder_kernel)):
            raise HS2SError(f"Model {self.name!r}: the size of a kernel must be odd")
        if min(self.std) <= 0:
            raise HS2SError(f"Model {self.name!r}: 'std' must be above 0")
        if self.reset_period < 0:
            raise HS2SError(f"Model {self.name!r}: 'reset_period' must be a number of frames, or 0 for never")
        if not 0 <= self.mask_stage <= 5 or (self.shared_trunk and self.mask_stage == 0):
            raise HS2SError(
                f"Model {self.name!r}: 'mask_stage' must be 0 to 5, and at least 1 with 'shared_trunk'"
            )
        if self.image_decoder and (self.mask_stage < 5 or len(self.image_decoder) < 3):
            raise HS2SError(
                f"Model {self.name!r}: 'image_decoder' has three blocks, and takes 'mask_stage' 5"
            )
        if self.skip_merge == "attention" and not self.shared_trunk:
            raise HS2SError(
                f"Model {self.name!r}: 'attention' reads keys of the picture alone; set 'shared_trunk'"
            )
        if self.memory_frames and ("first" not in self.references or self.skip_merge == "global_convolution"):
            raise HS2SError(
                f"Model {self.name!r}: 'memory_frames' are read like the first frame, by 'attention' or"
                " 'cosine' at stride 16; without that set it to 0"
            )

    @classmethod
    def from_dict(cls, values: Any) -> HS2SConfig:
        """Builds a configuration from plain values.

        Raises:
            HS2SError: names the first value that is unknown, of another type, or out of bounds
        """
        return from_mapping(cls, values, WHAT)

    def to_dict(self) -> dict:
        """Returns plain values, the inverse of :meth:`from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def preset(cls, name: str) -> HS2SConfig:
        """Loads the preset of this name.

        Raises:
            HS2SError: if there is none; names the near ones
        """
        if name not in available_models():
            raise HS2SError(f"Unknown model {name!r}; {did_you_mean(name, available_models(), 3)}")
        values = read_yaml(PRESETS / f"{name}.yaml") or {}
        base = values.pop("base", None)
        inherited = cls.preset(base).to_dict() if base else {}
        return cls.from_dict({**inherited, **values, "name": name})


def available_models() -> list[str]:
    """Returns the names of the presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))
