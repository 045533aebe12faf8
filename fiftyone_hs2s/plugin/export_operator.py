"""The operator that exports masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.export.export_tracks import FORMATS, SERVER_FORMATS
from fiftyone_hs2s.dataset.fields import check_field
from fiftyone_hs2s.errors import HS2SError

from . import forms
from .execution import Outcome, execute, named
from .work import MaskOperator, Samples, field_choice, target

_FORMATS = {
    "davis": "DAVIS: folders of indexed PNGs",
    "youtube-vos": "YouTube-VOS: folders of indexed PNGs and meta.json",
    "sa-v": "SA-V: a folder of PNGs for each object, which may overlap",
    "youtube-vis": "YouTube-VIS: JSON with a track an annotation",
    "coco": "COCO: JSON with a frame an image",
    "mots": "MOTS: text files",
    "cvat": "CVAT for video: XML with polygons",
    "overlay": "Overlay videos in the App's colors",
    "davis2017-zip": "Zip file for the server of DAVIS 2017 test-dev",
    "mose-zip": "Zip file for the server of MOSE",
    "youtube-vos-zip": "Zip file for the server of YouTube-VOS",
    "lvos-zip": "Zip file for the server of LVOS",
}
_WITHOUT_MEDIA = ("mots", "overlay", *SERVER_FORMATS)


class ExportTracks(MaskOperator):
    """Exports masks to folders and files of other tools."""

    name = "export_tracks"
    label = "HS2S: export masks"
    risk = "high"
    description = "Write masks as files of other tools, for evaluation servers, or as videos"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        params = ctx.params
        field_choice(inputs, ctx.target_view(), "label_field", "Masks", "The field to export")
        forms.choice(
            inputs, "format", {name: _FORMATS[name] for name in FORMATS}, "Format", "davis", required=True
        )
        note = "A folder on the machine of the App's server, made if there is none"
        inputs.str("export_dir", required=True, label="Folder", description=note)
        chosen = params.get("format") or "davis"
        inputs.int(
            "every",
            default=1,
            min=1,
            label="Every n-th frame",
            description="1 for all frames, 5 for every fifth",
        )
        if chosen in SERVER_FORMATS:
            note = "The data set's root: what is in its JPEGImages must be there. Empty for no check"
            inputs.str("like", label="Data set", description=note)
        if chosen not in _WITHOUT_MEDIA:
            what = "Copy the videos, too" if chosen == "cvat" else "Write the frames as JPEG files, too"
            inputs.bool("export_media", default=False, label="Media", description=what)
        note = "Number objects from 1 whatever their index, for formats that take small numbers only"
        inputs.bool("renumber", default=False, label="Renumber", description=note)
        note = "Replace the files of an earlier export"
        inputs.bool("overwrite", default=False, label="Overwrite", description=note)
        if params.get("export_dir") and not Path(params["export_dir"]).is_absolute():
            raise HS2SError(f"the folder {params['export_dir']!r} is not absolute: give its whole path")

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        def outcome(report: Any) -> Outcome:
            return Outcome(str(report), named(ctx.dataset, [*report.problems, *report.notes]))

        yield from execute(ctx, "Export masks", lambda report: _export(ctx, report), outcome)

    def __call__(
        self,
        samples: Samples,
        label_field: str,
        export_dir: str,
        format: str = "davis",
        delegate: bool = False,
        **params: Any,
    ) -> Any:
        """Runs the operator from Python; arguments as in ``export_tracks()``.

        Args:
            samples: the samples
            label_field: the field with the masks
            export_dir: the folder
            format: name of the format
            delegate: whether to queue the work instead of doing it now
            **params: ``every``, ``like``, ``export_media``, ``renumber``, ``overwrite``

        Returns:
            the operator's result
        """
        label_field = forms.field_prefix(samples) + check_field(samples, label_field, "label")
        params |= {
            "label_field": label_field,
            "export_dir": str(Path(export_dir).resolve()),
            "format": format,
        }
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _export(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import export_tracks

    params, format = ctx.params, ctx.params.get("format") or "davis"
    return export_tracks(
        ctx.target_view(),
        params["label_field"],
        params["export_dir"],
        format,
        every=int(params.get("every") or 1),
        like=(params.get("like") or None) if format in SERVER_FORMATS else None,
        export_media=bool(params.get("export_media")) and format not in _WITHOUT_MEDIA,
        renumber=bool(params.get("renumber")),
        overwrite=bool(params.get("overwrite")),
        progress=progress,
    )
