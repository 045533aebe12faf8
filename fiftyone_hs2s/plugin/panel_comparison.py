"""The part of the panel that compares evaluations: by sample and by object, with the samples that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.evaluate.compare import compare_evaluations, load_evaluation
from fiftyone_hs2s.dataset.evaluate.comparison import BY, By, Comparison
from fiftyone_hs2s.errors import HS2SError

from .guarded import guarded
from .panel_content import number, put_data
from .panel_events import Rows, Target, go_to, render_table

_MOST = 100
"""Rows that are listed at most."""


@dataclass(frozen=True)
class Differences:
    """What the panel shows of a comparison; the text alone where there is none."""

    text: str
    columns: dict[str, str] = field(default_factory=dict)
    table: Rows = field(default_factory=Rows)


def differences(
    dataset: Samples, keys: Sequence[str], by: By, sort: tuple[str, bool] = ("change", False)
) -> Differences:
    """What to show of evaluations on what all of them scored; or why they cannot be compared.

    Args:
        dataset: the dataset
        keys: the evaluations; the last is compared with the first
        by: what the table has a row for
        sort: the column to sort by, and whether the greatest comes first
    """
    try:
        found = compare_evaluations(dataset, keys, by=by)
        last = load_evaluation(dataset, keys[-1])
    except HS2SError as error:
        return Differences(f"**Not compared**: {error}")
    column, reverse = sort
    rows = found.tables[by]
    column = column if rows and column in rows[0] else "change"
    rows = sorted(rows, key=lambda row: row[column], reverse=reverse)[:_MOST]
    scores = [f"{key}_JF" for key in keys]
    names = {"sample": "Sample"} | ({"object": "Object"} if by == "object" else {})
    columns = names | {"change": "Change"} | dict(zip(scores, keys, strict=True))
    shown = [
        {**{name: row[name] for name in names}, **{name: number(row[name]) for name in scores}}
        | {"change": f"{row['change']:+.3f}"}
        for row in rows
    ]
    targets = [_target(last, row) for row in rows]
    arrow = " ↓" if reverse else " ↑"
    columns[column] += arrow
    return Differences(_summary(found, keys), columns, Rows(shown, targets))


def _target(last: Any, row: dict[str, Any]) -> Target:
    return row["sample_id"], last.worst_frame(row["sample_id"], row.get("object"))


def _summary(found: Comparison, keys: Sequence[str]) -> str:
    first = keys[0]
    lines = ["| evaluation | J | F | J&F | change |", "|---|---|---|---|---|"]
    for row in found.rows:
        scores = (number(row[name]) for name in ("J", "F", "JF"))
        change = "–" if row["name"] == first else f"{row['change']:+.3f}"
        lines.append(f"| {row['name']} | {' | '.join(scores)} | {change} |")
    title = f"**Compared with {first}**, on the {found.rows[0]['objects']} objects that all scored"
    return "\n".join([title, "", *lines, "", *(f"- {note}" for note in found.notes)])


class ComparesEvaluations:
    """The panel's part that compares the chosen evaluation with others, in the grid."""

    @guarded
    def choose_others(self, ctx: foo.ExecutionContext) -> None:
        """Compares with other evaluations."""
        ctx.panel.set_state("others", list(ctx.params.get("value") or []))
        self._refresh(ctx)  # type: ignore[attr-defined]

    @guarded
    def choose_rows(self, ctx: foo.ExecutionContext) -> None:
        """Lists samples, or objects."""
        ctx.panel.set_state("rows", ctx.params.get("value"))
        self._compare(ctx)

    @guarded
    def click_difference(self, ctx: foo.ExecutionContext) -> None:
        """Sorts by a column whose head is clicked, or opens a row's sample at its worst frame."""
        row, column = int(ctx.params["row"]), int(ctx.params["column"])
        if row >= 0:
            sample_id, frame = (ctx.panel.get_state("difference_targets") or [])[row]
            go_to(ctx, (sample_id, frame))
            return
        name = list(ctx.panel.get_state("difference_columns"))[column]
        before, reverse = ctx.panel.get_state("sort") or ("change", False)
        ctx.panel.set_state("sort", [name, name == before and not reverse])
        self._compare(ctx)

    @guarded
    def show_worse(self, ctx: foo.ExecutionContext) -> None:
        """Makes the samples the view where the chosen evaluation is worse than the first of the others."""
        self._show(ctx, "worse")

    @guarded
    def show_better(self, ctx: foo.ExecutionContext) -> None:
        """Makes the samples the view where it is better."""
        self._show(ctx, "better")

    def _show(self, ctx: foo.ExecutionContext, what: str) -> None:
        view = getattr(compare_evaluations(ctx.dataset, self._compared(ctx)), what)()
        if view:
            ctx.ops.set_view(view)
        else:
            ctx.ops.notify(f"No sample is {what}", variant="info")

    def _others(self, ctx: foo.ExecutionContext) -> list[str]:
        """The evaluations to compare the chosen one with, that are still there."""
        chosen, keys = ctx.panel.get_state("eval_key"), ctx.panel.get_state("eval_keys") or []
        return [key for key in ctx.panel.get_state("others") or [] if key in keys and key != chosen]

    def _compared(self, ctx: foo.ExecutionContext) -> list[str]:
        return [*self._others(ctx), str(ctx.panel.get_state("eval_key"))]

    def _compare(self, ctx: foo.ExecutionContext) -> None:
        state, keys = ctx.panel, self._compared(ctx)
        by = state.get_state("rows") or BY[0]
        column, reverse = state.get_state("sort") or ("change", False)
        found = differences(ctx.dataset, keys, by, (column, reverse)) if len(keys) > 1 else Differences("")
        state.set_state("comparison", found.text)
        state.set_state("difference_columns", found.columns)
        state.set_state("difference_targets", found.table.targets)
        put_data(ctx, "differences", found.table.rows)

    def _render_others(self, panel: types.Object, ctx: foo.ExecutionContext, keys: list[str]) -> None:
        chosen = ctx.panel.get_state("eval_key")
        view = types.AutocompleteView(allow_user_input=False, allow_duplicates=False)
        for key in (key for key in keys if key != chosen):
            view.add_choice(key, label=key)
        panel.list("others", types.String(), label="Compare with", view=view, on_change=self.choose_others)

    def _render_comparison(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        if not (text := ctx.panel.get_state("comparison")):
            return
        panel.md(text, name="comparison")
        columns = ctx.panel.get_state("difference_columns")
        if not columns:
            return
        keys = self._compared(ctx)
        rows = types.RadioGroup(orientation="horizontal")
        for by in BY:
            rows.add_choice(by, label=f"By {by}")
        panel.enum("rows", rows.values(), view=rows, default=BY[0], on_change=self.choose_rows)
        render_table(panel, "differences", "", columns, self.click_difference)
        buttons = panel.h_stack("changed", gap=1)
        buttons.btn("worse", label=f"Samples where {keys[-1]} is worse", on_click=self.show_worse)
        buttons.btn("better", label="Better", on_click=self.show_better)
