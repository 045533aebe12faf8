"""HS2S: the network of the paper (eq. 5 to 10), its variants and its light form, from one configuration."""

from __future__ import annotations

import torch
from torch import nn

from fiftyone_hs2s.network.aggregation import Meeting
from fiftyone_hs2s.network.backbones import BACKBONES, STRIDES
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.network.convlstm import CELLS, ConvLSTMCell, Memory
from fiftyone_hs2s.network.decoder import Decoder
from fiftyone_hs2s.network.encoders import Encoder, ImageFeatures, ImageTrunk, expand
from fiftyone_hs2s.network.initializer import Initializer
from fiftyone_hs2s.network.merge import MergeLayer, Prepared, Reference
from fiftyone_hs2s.network.recalled import is_due, recall, with_recalled
from fiftyone_hs2s.network.recompute import recompute
from fiftyone_hs2s.network.state import References, State


class HS2S(nn.Module):
    """Hybrid sequence-to-sequence video object segmentation.

    Two ways to run it, with the same numbers: :meth:`forward` on clips (training), and :meth:`encode_image`,
    :meth:`start` and :meth:`step` frame by frame (tracking), in memory that does not grow with the video.

    Args:
        config: what the network is made of
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: HS2SConfig) -> None:
        super().__init__()
        self.config = config
        # On the CPU even where the weights are not made yet ("meta"): no file brings these.
        for name, value in (("mean", config.mean), ("std", config.std)):
            constant = torch.tensor(value, device="cpu").view(1, 3, 1, 1)
            self.register_buffer(name, constant, persistent=False)
        channels = BACKBONES[config.backbone].channels
        self.trunk = ImageTrunk(config) if config.shared_trunk else None
        self.encoder = Encoder(config, with_mask=config.encoder_mask)
        self.reference_encoder = Encoder(config) if config.references else None
        self.memory = CELLS[config.cell](config.width, config.width, config.kernel)
        self.skip_memory: ConvLSTMCell | None = None
        if config.skip_width:
            self.skip_memory = CELLS[config.cell](channels[4], config.skip_width, config.skip_kernel)
        self.initializer = Initializer(config) if config.initializer else None
        self.merge: MergeLayer | None = None
        self.skip_merge: MergeLayer | None = None
        if config.references:
            self.merge = MergeLayer(config.merge, config.width, config.width, channels[4], config)
            if config.skip_width:
                self.skip_merge = MergeLayer(
                    config.skip_merge, channels[4], config.skip_width, channels[4], config
                )
        self.decoder = self._build_decoder(channels)

    def _build_decoder(self, channels: tuple[int, ...]) -> Decoder:
        config = self.config
        merged = config.merge_width if config.references else config.width
        skip_merged = (
            (config.merge_width if config.references else config.skip_width) if config.skip_width else 0
        )
        shared = [width for _, width in config.image_decoder[1:]]
        skips = [channels[5], channels[4] + skip_merged, *(shared or [channels[3], channels[2]]), channels[1]]
        return Decoder(merged, skips, config.decoder, config.decoder_kernel, config.border_head)

    def forward(
        self,
        frames: torch.Tensor,
        masks: torch.Tensor,
        teacher_forcing: torch.Tensor | None = None,
        return_border: bool = False,
        memory_every: int | None = None,
        learn_last: int | None = None,
        clip: torch.Tensor | None = None,
        checkpointing: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor | None]:
        """Segments clips, one object each or several that compete.

        Args:
            frames: (B, T, 3, H, W) float RGB in 0..1; H and W multiples of 32
            masks: (N, 1, H, W) or (N, T, 1, H, W) in 0..1, the objects on the first frame or on all frames
            teacher_forcing: (N, T) bool, where the truth of frame t (instead of the network's own mask) is
                what the step to t + 1 sees; needs masks of all frames. None: own masks throughout, as in
                tracking
            memory_every: in place of the configuration's: clips are short
            return_border: also return the border logits (B, T-1, 42, H, W), None without a border head
            learn_last: only the last so many frames are learned from: those between the first and them carry
                the state on, and are not kept. None: all but the first
            clip: (N,) the clip of each object, ascending; None for one object each. Those of a clip see each
                other as the configuration says (``others``, ``feedback``)
            checkpointing: compute each step again in the backward pass instead of keeping what is in it

        Returns:
            logits (N, T-1, 1, H, W) of frames 2 to T, or of the last ``learn_last``
        """
        if masks.ndim == 4:
            masks = masks[:, None]
        meeting = Meeting(clip if clip is not None else torch.arange(len(masks), device=masks.device))
        # Frame by frame: all at once would not fit the caches, and is slower on a CPU.
        others = meeting.others(masks[:, 0]) if self.config.others else None
        state = self.start(self._encode_clips(frames[:, 0], clip), masks[:, 0], others)
        outputs, borders = [], []
        for t in range(1, frames.shape[1]):
            if checkpointing:
                logits, border, state = recompute(
                    self._clip_step, self, frames[:, t], clip, state, memory_every
                )
            else:
                logits, border, state = self._clip_step(frames[:, t], clip, state, memory_every)
            own, others = self.feed_back(logits, meeting)
            if teacher_forcing is not None:
                forced = teacher_forcing[:, t].view(-1, 1, 1, 1)
                own = torch.where(forced, masks[:, t], own)
                if others is not None:
                    others = torch.where(forced, meeting.others(masks[:, t]), others)
            state.masks, state.others = own, others
            if learn_last is not None and t < frames.shape[1] - learn_last:
                state = state.detached()
            else:
                outputs.append(logits)
                borders += [] if border is None else [border]
        stacked = torch.stack(outputs, 1)
        if not return_border:
            return stacked
        return stacked, torch.stack(borders, 1) if borders else None

    def feed_back(self, logits: torch.Tensor, meeting: Meeting) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the next step sees of N objects: their last masks, and where the others of their clip are.

        Args:
            logits: (N, 1, H, W)
            meeting: which of them meet

        Returns:
            masks and others, each (N, 1, H, W) in 0..1; no others where the network does not look at them
        """
        share = self.config.feedback == "share"
        if not (share or self.config.others):
            return logits.sigmoid(), None
        shares = meeting.shares(logits)
        return shares if share else logits.sigmoid(), meeting.others(shares) if self.config.others else None

    def _clip_step(
        self, frames: torch.Tensor, clip: torch.Tensor | None, state: State, memory_every: int | None
    ) -> tuple[torch.Tensor, torch.Tensor | None, State]:
        return self._step(self._encode_clips(frames, clip), state, memory_every)

    def _encode_clips(self, frames: torch.Tensor, clip: torch.Tensor | None) -> ImageFeatures:
        """The features of a frame of each clip, once for each of its objects."""
        image = self.encode_image(frames)
        return image if clip is None else image.select(clip)

    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        """Computes what all objects of a frame share.

        Args:
            frame: (B, 3, H, W) float RGB in 0..1; H and W multiples of 32

        Raises:
            ValueError: if H or W is no multiple of 32
        """
        if frame.shape[-2] % 32 or frame.shape[-1] % 32:
            raise ValueError(
                f"The network takes sides that are multiples of 32, not {tuple(frame.shape[-2:])}"
            )
        x = (frame - self.mean) / self.std
        return ImageFeatures(x, {}, None) if self.trunk is None else self.trunk(x)

    def start(self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None = None) -> State:
        """Starts N objects on a frame: x~_0 (eq. 6) and the first recurrent state (eq. 5).

        Args:
            image: features of the frame, of batch 1 or N
            masks: (N, 1, H, W) in 0..1
            others: (N, 1, H, W) in 0..1, the sum of the masks of the other objects there; None for none
        """
        references = self._encode_references(image, masks, others, self.config.references)
        first = {name: levels for name, levels in references.items() if name == "first"}
        age = torch.zeros(masks.shape[0], dtype=torch.long, device=masks.device)
        recalled: Prepared = ()
        # The first frame again and again: attention reads it as if it were there once.
        if self.config.memory_frames:
            recalled = tuple(x.repeat(1, 1, self.config.memory_frames) for x in first["first"][1])
        return State(
            image, masks, first, references, self._start_memories(image, masks), age, recalled, others
        )

    def step(self, image: ImageFeatures, state: State) -> tuple[torch.Tensor, State]:
        """Advances N objects by one frame (eq. 7 to 10).

        Args:
            image: features of the new frame
            state: from :meth:`start` or the last step, with the others as they are now; it is not changed

        Returns:
            logits (N, 1, H, W) and the state after the frame, whose masks are their sigmoid
        """
        logits, _, state = self._step(image, state)
        return logits, state

    def _step(
        self, image: ImageFeatures, state: State, memory_every: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, State]:
        references, recalled = state.previous, state.recalled
        if references is None:
            later = tuple(name for name in self.config.references if name == "previous" or recalled)
            references = self._encode_references(state.image, state.masks, state.others, later)
            if recalled:
                key, value = references["first"][1]
                due = is_due(state, memory_every or self.config.memory_every)
                recalled = recall(recalled, (key * self.config.memory_trust, value), due)
        references = {**references, **with_recalled(state.first, recalled)}
        memories, age = self._reset_old(state)
        features, x = self.encoder(image, state.masks if self.config.encoder_mask else None, state.others)
        count = state.masks.shape[0]  # no len(), which would fix the number in an exported graph
        features = {stride: expand(feature, count) for stride, feature in features.items()}
        memories = self._remember(features[16], expand(x, count), memories)
        logits, border = self._decode(image, features, references, memories)
        return logits, border, State(image, logits.sigmoid(), state.first, None, memories, age + 1, recalled)

    def _encode_references(
        self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None, names: tuple[str, ...]
    ) -> References:
        """Encodes (image, masks) once and prepares it for each of the references ``names``."""
        if self.reference_encoder is None or self.merge is None or not names:
            return {}
        features, x = self.reference_encoder(image, masks, others)
        deep = Reference(x, image.key, masks, others)
        fine = Reference(features[16], image.key, masks, others)
        references: References = {}
        for name in names:
            levels = [self.merge.prepare(name, deep)]
            levels += [self.skip_merge.prepare(name, fine)] if self.skip_merge is not None else []
            references[name] = tuple(
                tuple(expand(tensor, masks.shape[0]) for tensor in level) for level in levels
            )
        return references

    def _start_memories(self, image: ImageFeatures, masks: torch.Tensor) -> tuple[Memory, ...]:
        if self.initializer is not None:
            return self.initializer(image, masks)
        count, _, height, width = masks.shape
        cells = [(self.memory, 32)] + ([(self.skip_memory, 16)] if self.skip_memory is not None else [])
        like = image.joint
        return tuple(cell.start(like.new_empty(count, 1, height // s, width // s)) for cell, s in cells)

    def _reset_old(self, state: State) -> tuple[tuple[Memory, ...], torch.Tensor]:
        """Starts the recurrent state of objects again whose period is over."""
        period = self.config.reset_period
        if not period:
            return state.memories, state.age
        keep = state.age < period
        mask = keep.view(-1, 1, 1, 1)
        return tuple((h * mask, c * mask) for h, c in state.memories), state.age * keep

    def _remember(
        self, skip: torch.Tensor, x: torch.Tensor, memories: tuple[Memory, ...]
    ) -> tuple[Memory, ...]:
        after = (self.memory(x, memories[0]),)
        return after if self.skip_memory is None else (*after, self.skip_memory(skip, memories[1]))

    def _decode(
        self,
        image: ImageFeatures,
        features: dict[int, torch.Tensor],
        references: References,
        memories: tuple[Memory, ...],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        x = memories[0][0]
        if self.merge is not None:
            x = self.merge({name: levels[0] for name, levels in references.items()}, x, image.key)
        fine = features[16]
        if self.skip_memory is not None:
            matched = memories[1][0]
            if self.skip_merge is not None:
                matched = self.skip_merge(
                    {n: levels[1] for n, levels in references.items()}, matched, image.key
                )
            fine = torch.cat([fine, matched], 1)
        skips = {**image.skips, **features, 16: fine}
        strides = STRIDES[:0:-1][: len(self.config.decoder)]
        return self.decoder(x, [skips[stride] for stride in strides])


def build_network(name_or_config: str | HS2SConfig) -> HS2S:
    """Builds a network with random weights.

    Args:
        name_or_config: name of a preset (:func:`available_models`) or a configuration

    Raises:
        HS2SError: if there is no such preset
    """
    config = HS2SConfig.preset(name_or_config) if isinstance(name_or_config, str) else name_or_config
    return HS2S(config)
