"""Ships a model's weights: ``python tools/ship_weights.py FILE NAME --license TERMS [--description TEXT]``.

Writes FILE in half precision to ``model_zoo/weights/NAME.safetensors`` under the name NAME, which is that of
a preset, and the model's entry to ``model_zoo/manifest.json``. All forms, lists and the help find it there.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.network import load_network, save_weights

ZOO = Path(__file__).resolve().parents[1] / "model_zoo"
MOST_BYTES = 17_000_000


def ship(
    weights: Path, name: str, license_terms: str, description: str | None = None, zoo: Path = ZOO
) -> Path:
    """Puts weights and manifest entry into the zoo's folder.

    Args:
        weights: of the preset ``name``, or of another preset of the same network
        name: the model
        license_terms: what the manifest says of them
        description: for the manifest; None for the present one, or that of hs2s-lite
        zoo: the folder

    Returns:
        the shipped file

    Raises:
        HS2SError: if the weights do not fit, or are larger than 17 MB in half precision
    """
    target = zoo / "weights" / f"{name}.safetensors"
    network = load_network(name, weights)
    bytes_needed = 2 * sum(tensor.numel() for tensor in network.state_dict().values())
    if bytes_needed > MOST_BYTES:
        raise HS2SError(
            f"{weights} takes {bytes_needed / 1e6:.0f} MB in half precision: at most 17 MB are shipped"
        )
    save_weights(network, target, half=True)
    manifest = json.loads((zoo / "manifest.json").read_text())
    _enter(manifest["models"], target, license_terms, description)
    write_text(zoo / "manifest.json", json.dumps(manifest, indent=4) + "\n")
    return target


def _enter(models: list[dict[str, Any]], file: Path, license_terms: str, description: str | None) -> None:
    """Updates the model's entry, or adds one after the others with weights."""
    names = [model["base_filename"] for model in models]
    if file.name not in names:
        models.insert(
            1, {**models[0], "base_name": f"hs2s/{file.stem}-video-torch", "base_filename": file.name}
        )
        names.insert(1, file.name)
    entry = models[names.index(file.name)]
    entry["license"], entry["size_bytes"] = license_terms, file.stat().st_size
    entry["description"] = description or entry["description"]
    entry["date_added"] = f"{datetime.date.today()} 00:00:00"


def main() -> None:
    """Ships what the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, metavar="FILE")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--license", required=True, metavar="TERMS")
    parser.add_argument("--description", metavar="TEXT")
    args = parser.parse_args()
    print(ship(args.weights, args.name, args.license, args.description))


if __name__ == "__main__":
    main()
