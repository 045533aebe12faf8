"""Video object segmentation for FiftyOne: mask an object once, get its mask on every frame.

The names below are loaded on first use, so that importing this package starts neither FiftyOne nor torch.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HERE = Path(__file__).parent
# In a clone a link to the folder beside this one, which zip files do not keep.
if not (_HERE / "training").is_dir():
    __path__.append(str(_HERE.parent))

if TYPE_CHECKING:  # what is loaded on first use, for editors and type checkers; :data:`_PUBLIC` says the same
    from fiftyone_hs2s.benchmark import BenchmarkResult, run_benchmark
    from fiftyone_hs2s.dataset.dataset_types import DAVISDataset, SAVDataset, YouTubeVOSDataset
    from fiftyone_hs2s.dataset.diagnose.analyze import DatasetAnalysis, analyze
    from fiftyone_hs2s.dataset.diagnose.attention_heatmaps import AttentionReport, attention_heatmaps
    from fiftyone_hs2s.dataset.diagnose.failure_report import FailureReport
    from fiftyone_hs2s.dataset.diagnose.find_failures import find_failures
    from fiftyone_hs2s.dataset.diagnose.suggest_frames import FrameSuggestions, suggest_frames
    from fiftyone_hs2s.dataset.embed.compute_embeddings import EmbeddingReport, compute_embeddings
    from fiftyone_hs2s.dataset.embed.track_patches import find_similar_tracks, track_patches
    from fiftyone_hs2s.dataset.evaluate.compare import (
        compare_evaluations,
        list_evaluations,
        load_evaluation,
    )
    from fiftyone_hs2s.dataset.evaluate.comparison import Comparison
    from fiftyone_hs2s.dataset.evaluate.corrections import evaluate_corrections
    from fiftyone_hs2s.dataset.evaluate.evaluate import evaluate_propagation
    from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
    from fiftyone_hs2s.dataset.export.export_tracks import ExportReport, export_tracks
    from fiftyone_hs2s.dataset.export.segmentations import to_segmentations
    from fiftyone_hs2s.dataset.importing import import_davis, import_sequences
    from fiftyone_hs2s.dataset.label_runs import Run, delete_run, list_runs, rename_run
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel, load_model
    from fiftyone_hs2s.dataset.propagate.propagate import propagate
    from fiftyone_hs2s.dataset.propagate.propagate_object import propagate_object
    from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
    from fiftyone_hs2s.dataset.propagate.repropagate import repropagate
    from fiftyone_hs2s.dataset.train.finetune import FineTuned, finetune
    from fiftyone_hs2s.dataset.workspace import save_workspace
    from fiftyone_hs2s.errors import HS2SError
    from fiftyone_hs2s.metrics import EventOptions
    from fiftyone_hs2s.network import default_weights, register_model
    from fiftyone_hs2s.progress import Progress
    from fiftyone_hs2s.registry import list_models

_PUBLIC = {
    "fiftyone_hs2s.benchmark": ("BenchmarkResult", "run_benchmark"),
    "fiftyone_hs2s.dataset.dataset_types": ("DAVISDataset", "SAVDataset", "YouTubeVOSDataset"),
    "fiftyone_hs2s.dataset.diagnose.analyze": ("DatasetAnalysis", "analyze"),
    "fiftyone_hs2s.dataset.diagnose.attention_heatmaps": ("AttentionReport", "attention_heatmaps"),
    "fiftyone_hs2s.dataset.diagnose.failure_report": ("FailureReport",),
    "fiftyone_hs2s.dataset.diagnose.find_failures": ("find_failures",),
    "fiftyone_hs2s.dataset.embed.compute_embeddings": ("EmbeddingReport", "compute_embeddings"),
    "fiftyone_hs2s.dataset.embed.track_patches": ("find_similar_tracks", "track_patches"),
    "fiftyone_hs2s.dataset.diagnose.suggest_frames": ("FrameSuggestions", "suggest_frames"),
    "fiftyone_hs2s.dataset.evaluate.compare": (
        "compare_evaluations",
        "list_evaluations",
        "load_evaluation",
    ),
    "fiftyone_hs2s.dataset.evaluate.comparison": ("Comparison",),
    "fiftyone_hs2s.dataset.evaluate.corrections": ("evaluate_corrections",),
    "fiftyone_hs2s.dataset.evaluate.evaluate": ("evaluate_propagation",),
    "fiftyone_hs2s.dataset.evaluate.evaluation_results": ("PropagationResults",),
    "fiftyone_hs2s.dataset.export.export_tracks": ("ExportReport", "export_tracks"),
    "fiftyone_hs2s.dataset.export.segmentations": ("to_segmentations",),
    "fiftyone_hs2s.dataset.importing": ("import_davis", "import_sequences"),
    "fiftyone_hs2s.dataset.propagate.model": ("HS2SVideoModel", "load_model"),
    "fiftyone_hs2s.dataset.propagate.propagate": ("propagate",),
    "fiftyone_hs2s.dataset.propagate.propagate_object": ("propagate_object",),
    "fiftyone_hs2s.dataset.propagate.propagation_report": ("PropagationReport",),
    "fiftyone_hs2s.dataset.propagate.repropagate": ("repropagate",),
    "fiftyone_hs2s.dataset.label_runs": ("Run", "delete_run", "list_runs", "rename_run"),
    "fiftyone_hs2s.dataset.train.finetune": ("FineTuned", "finetune"),
    "fiftyone_hs2s.dataset.workspace": ("save_workspace",),
    "fiftyone_hs2s.errors": ("HS2SError",),
    "fiftyone_hs2s.metrics": ("EventOptions",),
    "fiftyone_hs2s.network": ("default_weights", "register_model"),
    "fiftyone_hs2s.progress": ("Progress",),
    "fiftyone_hs2s.registry": ("list_models",),
}
_MODULES = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [
    "AttentionReport",
    "BenchmarkResult",
    "Comparison",
    "DAVISDataset",
    "DatasetAnalysis",
    "EmbeddingReport",
    "EventOptions",
    "ExportReport",
    "FailureReport",
    "FineTuned",
    "FrameSuggestions",
    "HS2SError",
    "HS2SVideoModel",
    "Progress",
    "PropagationReport",
    "PropagationResults",
    "Run",
    "SAVDataset",
    "YouTubeVOSDataset",
    "analyze",
    "attention_heatmaps",
    "compare_evaluations",
    "compute_embeddings",
    "default_weights",
    "delete_run",
    "evaluate_corrections",
    "evaluate_propagation",
    "export_tracks",
    "find_failures",
    "find_similar_tracks",
    "finetune",
    "import_davis",
    "import_sequences",
    "list_evaluations",
    "list_models",
    "list_runs",
    "load_evaluation",
    "load_model",
    "propagate",
    "propagate_object",
    "register_model",
    "rename_run",
    "repropagate",
    "run_benchmark",
    "save_workspace",
    "suggest_frames",
    "to_segmentations",
    "track_patches",
]


def __getattr__(name: str) -> Any:
    if name == "distributed":
        return import_module("fiftyone_hs2s.distributed")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
