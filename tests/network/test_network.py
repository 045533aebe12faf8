"""All variants build and run; the streaming form gives the numbers of the clip form."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2S, HS2SConfig, State, available_models, build_network
from fiftyone_hs2s.network.convlstm import CELLS, TanhConvLSTMCell

VARIANTS = ("hs2s", "hs2s_sim", "s2s", "s2s_first", "s2s_previous")


def slim(name: str, **changes: object) -> HS2SConfig:
    """A preset with the widths of a toy, so that the paper's form runs in a moment."""
    blocks = [[16, 8]] * len(HS2SConfig.preset(name).decoder)
    widths = {"width": 8, "skip_width": 8, "merge_width": 8, "global_convolution_width": 8, "key_width": 8}
    return HS2SConfig.from_dict({**HS2SConfig.preset(name).to_dict(), **widths, "decoder": blocks, **changes})


def clip(
    batch: int = 2, length: int = 4, size: tuple[int, int] = (64, 96)
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(batch, length, 1, *size)
    masks[..., 16:40, 24:64] = 1
    return torch.rand(batch, length, 3, *size, generator=generator), masks


def certain(network: HS2S) -> None:
    """Makes it see an object nearly everywhere, so that every frame is worth remembering."""
    torch.nn.init.constant_(network.decoder.segmentation_branch.bias, 4.0)


@pytest.mark.parametrize("size", ["lite", "resnet50"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_builds_runs_and_learns(variant: str, size: str) -> None:
    config = slim(f"{variant}-{size}")
    network = build_network(config).eval()
    frames, masks = clip()
    logits = network(frames, masks[:, 0])
    assert logits.shape == (2, 3, 1, 64, 96)
    logits.square().mean().backward()
    unused = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not unused
    assert (network.merge is None) == (not config.references)


@pytest.mark.parametrize(
    "name", ["hs2s-lite", "hs2s-lite-shared", "hs2s_sim-lite", "s2s-lite", "hs2s-resnet50"]
)
def test_streaming_equals_the_clip_form(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(slim(name, memory_every=1)).eval()
    certain(network)
    frames, masks = clip()
    with torch.inference_mode():
        expected = network(frames, masks[:, 0])
        state = network.start(network.encode_image(frames[:, 0]), masks[:, 0])
        for t in range(1, 4):
            logits, state = network.step(network.encode_image(frames[:, t]), state)
            torch.testing.assert_close(logits, expected[:, t - 1], atol=1e-5, rtol=1e-4)


def test_objects_of_one_frame_equal_each_object_alone() -> None:
    torch.manual_seed(0)
    network = build_network(slim("hs2s-lite")).eval()
    frames, masks = clip(batch=1)
    both = torch.cat([masks[:, 0], masks[:, 0].flip(-1)])
    with torch.inference_mode():
        images = [network.encode_image(frames[:, t]) for t in range(4)]
        alone = [network.start(images[0], both[i : i + 1]) for i in range(2)]
        joined = State.cat(alone)
        for image in images[1:]:
            logits, joined = network.step(image, joined)
            for i in range(2):
                single, alone[i] = network.step(image, alone[i])
                torch.testing.assert_close(logits[i : i + 1], single, atol=1e-5, rtol=1e-4)
        picked, _ = network.step(images[1], joined.select([1]))
        again, _ = network.step(images[1], alone[1])
    torch.testing.assert_close(picked, again, atol=1e-5, rtol=1e-4)
    assert len(joined) == 2


def test_frames_in_between_are_remembered_when_due_and_the_oldest_go() -> None:
    torch.manual_seed(0)
    network = build_network(slim("hs2s-lite", memory_frames=2, memory_every=2)).eval()
    certain(network)
    frames, masks = clip(batch=1, length=8)
    cells = 4 * 6
    with torch.inference_mode():
        images = [network.encode_image(frames[:, t]) for t in range(8)]
        state = network.start(images[0], masks[:, 0])
        _, (first, _) = state.first["first"]
        kept = {}
        for t in range(1, 8):
            _, state = network.step(images[t], state)
            kept[t] = list(state.recalled[0].split(cells, 2))
        keys = {t: 0.7 * network.skip_merge.matchers["first"]._project(images[t].key) for t in (2, 4, 6)}
    # The step to t + 1 is the first to read frame t.
    expected = {2: [first, first], 3: [first, keys[2]], 5: [keys[2], keys[4]], 7: [keys[4], keys[6]]}
    for t, frames_kept in expected.items():
        for got, want in zip(kept[t], frames_kept, strict=True):
            torch.testing.assert_close(got, want)


def test_nothing_is_remembered_of_a_mask_that_is_in_doubt() -> None:
    torch.manual_seed(0)
    network = build_network(slim("hs2s-lite", memory_every=1)).eval()
    frames, masks = clip(batch=2)
    with torch.inference_mode():
        state = network.start(network.encode_image(frames[:, 0]), masks[:, 0])
        before = state.recalled
        _, state = network.step(network.encode_image(frames[:, 1]), state)
        state.masks = torch.stack([masks[0, 1] * 0.7, masks[1, 1] * 0.9])
        _, state = network.step(network.encode_image(frames[:, 2]), state)
    assert torch.equal(state.recalled[0][0], before[0][0])
    assert not torch.equal(state.recalled[0][1], before[0][1])


def test_copies_of_the_first_frame_change_nothing() -> None:
    frames, masks = clip()
    results = []
    for memory_frames in (0, 3):
        torch.manual_seed(0)
        network = build_network(slim("hs2s-lite", memory_frames=memory_frames)).eval()
        with torch.inference_mode():
            results.append(network(frames, masks[:, 0]))  # four frames: none is due
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("changes", [{"references": ["previous"]}, {"skip_merge": "global_convolution"}])
def test_memory_frames_need_something_that_reads_them(changes: dict) -> None:
    with pytest.raises(HS2SError, match="memory_frames"):
        slim("hs2s-lite", **changes)


def test_the_state_does_not_grow() -> None:
    network = build_network(slim("hs2s-lite", memory_every=2)).eval()
    certain(network)
    frames, masks = clip(batch=1)

    def floats(state: State) -> int:
        tensors = [x for levels in state.first.values() for level in levels for x in level]
        return sum(
            x.numel()
            for x in [state.masks, *tensors, *state.recalled, *(x for m in state.memories for x in m)]
        )

    with torch.inference_mode():
        state = network.start(network.encode_image(frames[:, 0]), masks[:, 0])
        sizes = set()
        for t in range(6):
            _, state = network.step(network.encode_image(frames[:, t % 4]), state)
            sizes.add(floats(state))
    assert len(sizes) == 1


def test_the_bounded_cell_stays_bounded_where_the_others_grow() -> None:
    frames, masks = clip(batch=1, length=2)
    largest = {}
    for cell in CELLS:
        torch.manual_seed(0)
        network = build_network(slim("hs2s-lite", cell=cell)).eval()
        network.memory.conv.bias.data.fill_(4.0)  # gates wide open: it remembers all
        with torch.inference_mode():
            state = network.start(network.encode_image(frames[:, 0]), masks[:, 0])
            for _ in range(60):
                _, state = network.step(network.encode_image(frames[:, 1]), state)
        largest[cell] = [x.abs().max().item() for x in state.memories[0]]
    assert min(largest["paper"]) > 20
    assert 5 < max(largest["decay"]) <= 10
    assert largest["tanh"][0] <= 1 < 5 < largest["tanh"][1]
    assert max(largest["bounded"]) <= 1


def test_the_tanh_cell_is_the_usual_lstm() -> None:
    cell, reference = TanhConvLSTMCell(3, 2, 1), torch.nn.LSTMCell(3, 2)
    order = [0, 1, 3, 2]  # torch has i, f, g, o
    weight = (
        torch.cat([reference.weight_ih, reference.weight_hh], 1).unflatten(0, (4, 2))[order].flatten(0, 1)
    )
    bias = (reference.bias_ih + reference.bias_hh).unflatten(0, (4, 2))[order].flatten()
    cell.conv.load_state_dict({"weight": weight[:, :, None, None], "bias": bias})
    x, h, c = torch.rand(5, 3), torch.rand(5, 2), torch.rand(5, 2)
    expected = reference(x, (h, c))
    actual = cell(x[..., None, None], (h[..., None, None], c[..., None, None]))
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one[..., 0, 0], other)


def test_the_reset_period_starts_the_memory_again() -> None:
    torch.manual_seed(0)
    network = build_network(slim("hs2s-lite", reset_period=2)).eval()
    frames, masks = clip(batch=1)
    with torch.inference_mode():
        state = network.start(network.encode_image(frames[:, 0]), masks[:, 0])
        ages = []
        for t in range(1, 4):
            _, state = network.step(network.encode_image(frames[:, t]), state)
            ages.append(state.age.item())
    assert ages == [1, 2, 1]


def test_teacher_forcing_replaces_the_networks_own_mask() -> None:
    torch.manual_seed(0)
    network = build_network(slim("hs2s-lite")).eval()
    frames, masks = clip()
    forced = torch.tensor([[False, True, False, False], [False, False, False, False]])
    with torch.inference_mode():
        free = network(frames, masks)
        mixed = network(frames, masks, teacher_forcing=forced)
    torch.testing.assert_close(mixed[:, 0], free[:, 0])
    torch.testing.assert_close(mixed[1], free[1])
    assert not torch.allclose(mixed[0, 1], free[0, 1])


@pytest.mark.parametrize("memory_frames", [0, 3])
def test_frames_that_carry_the_state_change_no_result_and_get_no_gradient(memory_frames: int) -> None:
    torch.manual_seed(0)
    network = build_network(slim("hs2s-lite", memory_frames=memory_frames)).eval()
    certain(network)
    frames, masks = clip(length=6)
    frames.requires_grad_()
    logits = network(frames, masks, memory_every=1)
    later = network(frames, masks, memory_every=1, learn_last=2)
    torch.testing.assert_close(later, logits[:, -2:])
    (whole,) = torch.autograd.grad(logits[:, -2:].sum(), frames)
    (part,) = torch.autograd.grad(later.sum(), frames)
    assert whole.abs().sum((0, 2, 3, 4)).min() > 0
    # The first frame is a reference of all others; the last that carries is the previous one of those learned
    # from.
    reached = part.abs().sum((0, 2, 3, 4)) > 0
    assert reached.tolist() == [True, False, False, True, True, True]


def test_lite_is_light() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = build_network("hs2s-lite").eval()
    frame, mask = torch.rand(1, 3, 256, 448), torch.zeros(1, 1, 256, 448)
    with torch.inference_mode():
        _, state = network.step(network.encode_image(frame), network.start(network.encode_image(frame), mask))
        with FlopCounterMode(display=False) as counter:
            network.step(network.encode_image(frame), state)
    assert counter.get_total_flops() / 2 <= 8e9


def test_sides_that_are_no_multiples_of_32_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        build_network(slim("hs2s-lite")).encode_image(torch.rand(1, 3, 60, 96))


def test_unknown_names_and_settings_are_refused_with_the_near_ones() -> None:
    with pytest.raises(HS2SError, match="did you mean 'hs2s-lite'"):
        build_network("hs2s-light")
    with pytest.raises(HS2SError, match="did you mean 'backbone'"):
        HS2SConfig.from_dict({"backbones": "resnet50"})
    with pytest.raises(HS2SError, match="efficientnet_lite0"):
        HS2SConfig(backbone="vgg")
    assert {"hs2s-lite", "hs2s-resnet50"} <= set(available_models())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory_frames": 10**9}, "'memory_frames' cannot be 1000000000: .* 100"),
        ({"width": 10**9}, "'width' cannot be 1000000000"),
        ({"width": 0}, "'width' cannot be 0"),
        ({"width": "wide"}, "'width' cannot be 'wide': .* integer"),
        ({"width": True}, "'width' cannot be True: give a number"),
        ({"kernel": 4}, "the size of a kernel must be odd"),
        ({"mean": [0.5, 0.5]}, r"lack mean\.2"),
        ({"std": [0, 1, 1]}, "'std' must be above 0"),
        ({"decoder": []}, "at least 1 item"),
        ({"decoder": [[64, -1]]}, r"'decoder\.0\.1' cannot be -1"),
        ({"references": ["first", "first"]}, "one twice"),
        ({"references": "first"}, "'references' cannot be 'first'"),
        ({3: 4}, "Unknown network setting 3"),
        (["width"], r"names with values, not \['width'\]"),
    ],
)
def test_settings_of_other_types_or_out_of_bounds_are_refused(values: object, message: str) -> None:
    with pytest.raises(HS2SError, match=message):
        HS2SConfig.from_dict(values)


def test_a_configuration_is_checked_where_it_is_changed() -> None:
    config = HS2SConfig.preset("hs2s-lite")
    assert HS2SConfig.from_dict(config.to_dict()) == config
    with pytest.raises(HS2SError, match="'skip_width' cannot be -1"):
        dataclasses.replace(config, skip_width=-1)
