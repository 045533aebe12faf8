"""The panel: where masks are good, where they fail, and the way there."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.categories import Categories

from fiftyone_hs2s.dataset.evaluate.compare import list_evaluations, load_evaluation
from fiftyone_hs2s.dataset.evaluate.corrections import corrected_key
from fiftyone_hs2s.dataset.frame_paths import field_name

from .guarded import guarded
from .panel_comparison import ComparesEvaluations
from .panel_content import Overview, overview, put_data
from .panel_curves import SampleCurves, at_frame, newest_that_scored, sample_curves
from .panel_events import ListsEvents, dataset_events, go_to, open_number, video_id

_HELP = """Scores of propagated masks. Click a bar to see its samples; a dot, a row or an event opens a sample
at the frame where the mask is worst. In an open sample see J and F of each frame; a click on a curve goes
there."""
_FIRST_STEPS = """**There is no evaluation yet.** Propagate masks, then score them against ground truth with
*HS2S: evaluate masks*. Without ground truth *HS2S: find failures* still finds suspicious frames."""
_NAME = "hs2s_panel"
_PLOT = {"displayModeBar": False}  # its buttons cover the titles
_PLOTS = ("histogram", "time", "scatter")


class HS2SPanel(ComparesEvaluations, ListsEvents, foo.Panel):
    """Shows an evaluation in the grid, and one sample's scores in the modal."""

    @property
    def config(self) -> foo.PanelConfig:
        return foo.PanelConfig(
            name=_NAME,
            label="HS2S",
            icon="/assets/icon-light.svg",
            light_icon="/assets/icon-light.svg",
            dark_icon="/assets/icon-dark.svg",
            surfaces="grid modal",
            category=Categories.ANALYZE,
            help_markdown=_HELP,
            allow_multiple=False,
        )

    @guarded
    def on_load(self, ctx: foo.ExecutionContext) -> None:
        """Shows the last choice, or the newest evaluation."""
        self._refresh(ctx)
        self._beside_video(ctx)

    @guarded
    def on_change_dataset(self, ctx: foo.ExecutionContext) -> None:
        """Shows the newest evaluation of the dataset that was opened."""
        self._refresh(ctx)

    @guarded
    def on_change_view(self, ctx: foo.ExecutionContext) -> None:
        """The App says this also when samples were evaluated, and at each step of an open video's player."""
        if not ctx.current_sample:
            self._refresh(ctx)

    @guarded
    def on_change_current_sample(self, ctx: foo.ExecutionContext) -> None:
        """The App tells this the panel beside the grid, too, which the open sample covers."""
        if not _is_covered(ctx):
            self._refresh(ctx)
        self._beside_video(ctx)

    @guarded
    def choose(self, ctx: foo.ExecutionContext) -> None:
        """Shows another evaluation."""
        key = ctx.params.get("value")
        ctx.panel.set_state("eval_key", key)
        # The choice holds, also if it did not score this.
        ctx.panel.set_state("open_sample", ctx.current_sample)
        ctx.panel.set_state("picked", {"key": key, "instead_of": _beside_grid(ctx).get("eval_key")})
        self._refresh(ctx)

    @guarded
    def reload(self, ctx: foo.ExecutionContext) -> None:
        """Looks for evaluations that were made, changed or deleted in the meantime."""
        if ctx.dataset is not None:
            ctx.dataset.reload()
        self._refresh(ctx)

    @guarded
    def show_bar(self, ctx: foo.ExecutionContext) -> None:
        """Makes the samples of the clicked bar the view."""
        found = overview(ctx.dataset, str(ctx.panel.get_state("eval_key")))
        bar = ctx.params.get("id")
        place = int(bar) if bar is not None else int(ctx.params.get("idx") or 0)
        if found.members[place]:
            ctx.ops.set_view(ctx.dataset.select(found.members[place]))

    @guarded
    def show_object(self, ctx: foo.ExecutionContext) -> None:
        """Opens the sample of the clicked dot at the object's worst frame."""
        sample_id, _, place = str(ctx.params.get("id") or "").partition("/")
        if sample_id:
            results = load_evaluation(ctx.dataset, str(ctx.panel.get_state("eval_key")))
            go_to(ctx, (sample_id, results.worst_frame(sample_id, results.objects[int(place)]["name"])))

    @guarded
    def follow(self, ctx: foo.ExecutionContext) -> None:
        """Starts to follow the video's position, on the timeline that the first rendering made."""
        ctx.panel.set_state("followed", ctx.current_sample)

    @guarded
    def show_all(self, ctx: foo.ExecutionContext) -> None:
        """Leaves the view."""
        ctx.ops.clear_view()

    def _beside_video(self, ctx: foo.ExecutionContext) -> None:
        """Puts the open sample's panel beside the video, by ``assets/open_sample.js``, which also moves the
        playhead in Annotate."""
        if ctx.current_sample and ctx.panel.get_state("eval_keys"):
            own = {} if _is_covered(ctx) else {"panel_id": ctx.panel_id}
            ctx.trigger("@hs2s/hs2s/beside_video", params=own)

    def _refresh(self, ctx: foo.ExecutionContext) -> None:
        state = ctx.panel
        keys = list_evaluations(ctx.dataset) if ctx.dataset is not None else []
        self._choose_corrected(ctx, keys)
        state.set_state("eval_keys", keys)
        chosen = state.get_state("eval_key")
        if ctx.current_sample and ctx.current_sample != state.get_state("open_sample"):
            state.set_state("open_sample", ctx.current_sample)
            chosen = self._choose_for_sample(ctx, keys)
        if chosen not in keys:
            chosen = keys[-1] if keys else None
        state.set_state("eval_key", chosen)
        state.set_state("subject", [ctx.current_sample, chosen])
        if chosen is None:
            self._show_nothing(ctx)
            return
        config = load_evaluation(ctx.dataset, chosen).config
        state.set_state("fields", {"pred_field": config.pred_field, "gt_field": config.gt_field})
        if ctx.current_sample:
            if state.get_state("others") is None:
                state.set_state("others", _beside_grid(ctx).get("others"))
            self._show_sample(ctx, sample_curves(ctx.dataset, chosen, video_id(ctx), self._others(ctx)))
        else:
            self._show_overview(ctx, overview(ctx.dataset, chosen))
            self._list_events(ctx, dataset_events(ctx.dataset, field=field_name(config.pred_field)))
            self._compare(ctx)

    def _choose_corrected(self, ctx: foo.ExecutionContext, keys: list[str]) -> None:
        """Takes the evaluation of corrections that was made meanwhile, beside the one that they correct."""
        before, chosen = ctx.panel.get_state("newest"), ctx.panel.get_state("eval_key")
        newest = [keys[-1], str(ctx.dataset.get_evaluation_info(keys[-1]).timestamp)] if keys else None
        ctx.panel.set_state("newest", newest)
        if before and newest and newest != before and chosen != newest[0] == corrected_key(str(chosen)):
            ctx.panel.set_state("eval_key", newest[0])
            ctx.panel.set_state("others", [chosen])

    def _show_nothing(self, ctx: foo.ExecutionContext) -> None:
        """What there is without an evaluation: the events that were found without ground truth."""
        ctx.panel.set_state("shown", "nothing")
        ctx.panel.set_state("message", _FIRST_STEPS)
        ctx.panel.set_state("fields", None)
        if ctx.dataset is not None:
            opened = video_id(ctx) if ctx.current_sample else None
            self._list_events(ctx, dataset_events(ctx.dataset, opened))

    def _choose_for_sample(self, ctx: foo.ExecutionContext, keys: list[str]) -> str | None:
        """The last choice, mostly made beside the grid, or the newest evaluation that scored the sample where
        that one did not.
        """
        kept, picked = _beside_grid(ctx).get("eval_key"), ctx.panel.get_state("picked") or {}
        if picked and picked["instead_of"] == kept:
            kept = picked["key"]
        else:
            ctx.panel.set_state("picked", None)
        kept = kept if kept in keys else keys[-1] if keys else None
        if kept is None or sample_curves(ctx.dataset, kept, video_id(ctx)).traces:
            return kept
        return newest_that_scored(ctx.dataset, video_id(ctx)) or kept

    def _show_sample(self, ctx: foo.ExecutionContext, found: SampleCurves) -> None:
        ctx.panel.set_state("shown", "sample")
        ctx.panel.set_state("followed", None)  # the curves come with the playhead where a sample opens
        ctx.panel.set_state("message", found.headline)
        ctx.panel.set_state("layouts", {"curves": found.layout})
        put_data(ctx, "curves", at_frame(found.traces, open_number(ctx)))
        self._list_events(ctx, found.events)
        signature = f"{ctx.panel.get_state('eval_key')} {ctx.current_sample}"
        put_data(ctx, "playhead", {"frames": found.frames, "signature": signature})

    def _show_overview(self, ctx: foo.ExecutionContext, found: Overview) -> None:
        ctx.panel.set_state("shown", "overview")
        ctx.panel.set_state("message", found.headline)
        ctx.panel.set_state("table_text", found.table)
        ctx.panel.set_state("layouts", found.layouts)
        for name in _PLOTS:
            put_data(ctx, name, found.traces[name])

    @guarded
    def _catch_up(self, ctx: foo.ExecutionContext) -> None:
        """Shows what is open where the App has put the state of another sample back, which it does where it
        answers a change of a field with the panel as it was before.
        """
        subject = ctx.panel.get_state("subject")
        now = [ctx.current_sample, ctx.panel.get_state("eval_key")]
        if subject is not None and subject != now and not _is_covered(ctx):
            self._refresh(ctx)

    def render(self, ctx: foo.ExecutionContext) -> types.Property:
        self._catch_up(ctx)
        panel = types.Object()
        keys = ctx.panel.get_state("eval_keys") or []
        if keys:
            view = types.DropdownView()
            for key in keys:
                view.add_choice(key, label=key)
            panel.enum("eval_key", view.values(), label="Evaluation", view=view, on_change=self.choose)
        shown = ctx.panel.get_state("shown")
        if shown != "nothing" and len(keys) > 1:
            self._render_others(panel, ctx, keys)
        panel.md(ctx.panel.get_state("message") or _FIRST_STEPS, name="headline")
        if shown == "overview":
            self._render_comparison(panel, ctx)
            self._render_overview(panel, ctx)
        elif shown == "sample":
            self._render_sample(panel, ctx)
        self._render_events(panel, ctx)
        self._render_buttons(panel, ctx)
        return types.Property(panel)

    def _render_buttons(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        """Buttons to operators, with the evaluation's fields filled in."""
        fields = ctx.panel.get_state("fields") or {}
        prediction = {"pred_field": fields["pred_field"]} if fields else {}
        key = {"eval_key": ctx.panel.get_state("eval_key")} if fields else {}

        def button(name: str, label: str, operator: str, params: dict[str, Any]) -> None:
            panel.btn(name, label=label, on_click=f"@hs2s/hs2s/{operator}", prompt=True, params=params)

        if ctx.current_sample:
            self._render_moves(panel, ctx)
            label = {"label_field": fields["pred_field"]} if fields else {}
            button("redo", "Propagate corrections", "repropagate", label | key)
            button("attention", "Where objects look", "show_attention", {})
            button("similar", "Find similar tracks", "find_similar_tracks", {})
        else:
            button("evaluate", "Evaluate masks", "evaluate", fields)
            button("failures", "Find failures", "find_failures", prediction | key)
            button("manage", "Manage runs", "manage_runs", {})
        panel.btn("reload", label="Refresh", on_click=self.reload)

    def _render_overview(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        layouts = ctx.panel.get_state("layouts") or {}
        clicks = {"histogram": {"on_click": self.show_bar}, "scatter": {"on_click": self.show_object}}
        for name in _PLOTS:
            panel.plot(name, layout=layouts.get(name, {}), config=_PLOT, **clicks.get(name, {}))
        panel.md(ctx.panel.get_state("table_text") or "", name="table")
        panel.btn("show_all", label="Show all samples", on_click=self.show_all)

    def _render_sample(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        layouts = ctx.panel.get_state("layouts") or {}
        if layouts.get("curves"):
            panel.plot("curves", layout=layouts["curves"], config=_PLOT, on_click=self.click_curve)
            self._render_playhead(panel, ctx)

    def _render_playhead(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        """Lets the playhead follow the open sample.

        The App's player of groups of images keeps a timeline to follow. That of videos tells one of a known
        name where it is, but does not make it. Making one takes a player, which stays out of sight and, as it
        would also take the keys that control the video, only until ``follow()``.
        """
        name = f"timeline-{ctx.current_sample}" if ctx.dataset.media_type == "video" else None
        if name is None or ctx.panel.get_state("followed") == ctx.current_sample:
            panel.obj("playhead", view=types.FrameLoaderView(timeline_name=name, target="curves[0].x"))
            return
        hidden = panel.grid("hidden", componentsProps={"container": {"sx": {"display": "none"}}})
        hidden.obj("timeline", view=types.TimelineView(timeline_name=name, total_frames=1))
        panel.obj("soon", view=types.TimerView(timeout=300, on_timeout=self.follow))


def _panel_beside_grid(ctx: foo.ExecutionContext) -> dict[str, Any]:
    """The panel that this user has open beside the grid, with its id and state, as the App sends it along."""
    spaces = [ctx.request_params.get("spaces") or {}]
    for space in spaces:
        if space.get("type") == _NAME:
            return space
        spaces += space.get("children") or []
    return {}


def _is_covered(ctx: foo.ExecutionContext) -> bool:
    """Whether it is that panel that asks, and an open sample covers it."""
    return bool(ctx.current_sample) and _panel_beside_grid(ctx).get("component_id") == ctx.panel_id


def _beside_grid(ctx: foo.ExecutionContext) -> dict[str, Any]:
    """The state of that panel."""
    return (_panel_beside_grid(ctx).get("state") or {}).get("state") or {}
