"""What training keeps of a clip for the backward pass, in GB for each frame and clip, with and without
checkpointing.

Counts the tensors that autograd saves, on any machine: python benchmarks/training_memory.py [--model
hs2s-resnet50]
"""

from __future__ import annotations

import argparse

import torch

from fiftyone_hs2s.network import HS2S, build_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="hs2s-resnet50")
    parser.add_argument("--size", nargs=2, type=int, default=(256, 448), metavar=("H", "W"))
    args = parser.parse_args()
    network = build_network(args.model).train()
    parameters = sum(parameter.nbytes for parameter in network.parameters()) / 1e9
    print(f"weights, gradients and Adam's two averages: {4 * parameters:.1f} GB in float32")
    for checkpointing in (False, True):
        one, two = (saved_gb(network, length, args.size, checkpointing) for length in (2, 3))
        print(
            f"checkpointing {checkpointing}: {two - one:.3f} GB a frame and clip, {2 * one - two:.3f} GB a"
            " clip"
        )


def saved_gb(network: HS2S, length: int, size: tuple[int, int], checkpointing: bool) -> float:
    """What is saved of one clip of so many frames, in GB of float32."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # alive, so that no address is used twice

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    frames, masks = torch.rand(1, length, 3, *size), torch.rand(1, length, 1, *size)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(frames, masks, return_border=True, checkpointing=checkpointing)
    return sum(storage.nbytes() for address, storage in kept.items() if address not in own) / 1e9


if __name__ == "__main__":
    main()
