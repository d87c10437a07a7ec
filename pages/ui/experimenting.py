"""Asking for an experiment, watching it run, and reading its report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError, BadInput
from case_studies._story import typeset
from pages.ui import data_sets, narrow, question, shown, state, waiting, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.lab import Lab
    from attnlab_core.report import Report
    from pages.ui.tasks import Task

RECORDED = Path(__file__).resolve().parents[1] / "recorded" / "experiment.json"
SLOT = "experiment"
SIZE = 2**20
KINDS = {
    "evaluate": "Edits",
    "bench": "Explanations",
    "correlate": "Layers",
    "evidence": "Evidence",
}
MEANING = (
    "*Edits*: a task’s score before and after changes of attention. *Explanations*: how faithful methods are, and how well they "
    "agree with what people marked. *Layers*: how far raw attention, rollout and flow agree with blank-out scores and gradients, "
    "layer by layer. *Evidence*: how well methods find marked words, sentences or patches."
)


@dataclass(frozen=True)
class Wanted:
    """What is asked for, as an experiment's JSON; None while something is missing."""

    request: str | None


def ask(name: str) -> Wanted:
    """The boxes; what they ask for."""
    lab = question.ready(name, pictures=None)
    kind = widgets.one_of(
        "Measure", list(KINDS), "measure", "evaluate", format_func=KINDS.__getitem__, help=MEANING
    )
    task, data = data_sets.ask(lab, kind)
    with st.container(horizontal=True):
        limit = st.number_input(
            "Rows",
            4,
            100_000,
            48,
            key="rows",
            bind="query-params",
            width=140,
            help="Drawn at random by the seed, always the same ones.",
        )
        seed = st.number_input("Seed", 0, 10_000, 0, key="draw", bind="query-params", width=110)
    if task is not None:
        data_sets.look(task, int(seed))
        task = data_sets.enough(task, int(limit))
    said: dict[str, Any] = {
        "experiment": kind,
        "task": task,
        "data": data,
        "limit": int(limit),
        "seed": int(seed),
    }
    said |= {"evaluate": _edits, "bench": _bench}.get(str(kind), _plain)(lab)
    ready = task is not None and said.pop("ready", True)
    pressed = st.button("Run", type="primary", icon=":material/play_arrow:", disabled=not ready, key="go")
    if pressed:
        state.drop_task(SLOT)
        state.put("_experiment", (name, json.dumps(said)))
    held = state.get("_experiment")
    return Wanted(held[1] if held and held[0] == name else None)


def _edits(lab: Lab) -> dict[str, Any]:
    """The conditions of an evaluation."""
    from attnlab_core.experiments._conditions import in_layers, layers_from_text, usual

    known = {one.name: one for one in usual(lab)}
    start = ["invert", "sharpen by 2", "smooth, width 1", "uniform"]
    chosen = st.multiselect(
        "Changes of attention",
        list(known),
        [n for n in start if n in known],
        key="conditions",
        bind="query-params",
    )
    text = st.text_input(
        "In layers",
        "all",
        key="layer_sets",
        help="Sets with a semicolon between: all; 0-2; 3-5",
        bind="query-params",
    )
    controls = st.toggle(
        "Beside as much attention moved at random", True, key="with_controls", bind="query-params",
        help="The control: the same share of attention, in the same rows, to tokens drawn at random.",
    )  # fmt: skip
    try:
        sets = [layers_from_text(part) for part in text.split(";") if part.strip()] or [None]
        found = in_layers([known[name] for name in chosen], sets)
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        return {"ready": False}
    if any(one.search for one in found):
        widgets.small("A search for each row takes seconds a row.")
    return {"conditions": [one.to_json() for one in found], "controls": controls, "ready": bool(found)}


def _bench(lab: Lab) -> dict[str, Any]:
    from attnlab_core.methods import methods
    from attnlab_core.metrics import facts, metrics

    start = ["raw_attention", "attention_rollout", "atman", "integrated_gradients", "occlusion"]
    chosen = st.multiselect(
        "Methods", [n for n in methods() if n != "random"], start, key="bench_methods", bind="query-params"
    )
    quick = [n for n in metrics() if not facts(n).slow]
    scores = st.multiselect(
        "Measures",
        quick,
        ["aopc_compr", "aopc_suff", "taucorr_loo"],
        key="bench_metrics",
        bind="query-params",
    )
    said = {"methods": chosen, "metrics": scores, "ready": bool(chosen and scores)}
    if not lab.texts:
        widgets.small(f"To delete a patch is to put {lab.reader.blank('mask')[1]} in its place.")
        return said
    label, ways = "What deleting a word means", ["mask", "remove", "unk", "pad"]
    if lab.pictures:  # which has all its patches
        label, ways = "What deleting a word or patch means", ["mask", "unk", "pad"]
    return {**said, "deletion": st.selectbox(label, ways, key="deletion", bind="query-params")}


def _plain(lab: Lab) -> dict[str, Any]:
    del lab
    return {}


def show(name: str, wanted: Wanted) -> None:
    """The report that was asked for, or the recorded one until then."""
    if wanted.request is None:
        _example()
        return
    task = state.task(SLOT, (name, SLOT, wanted.request), _make(name, wanted.request), SIZE)
    waiting.follow(
        SLOT, task, lambda found: draw(found[0], f"Kept as result {found[1]}." if found[1] else "")
    )


def _example() -> None:
    from attnlab_core.report import report_from_json

    try:
        report = report_from_json(RECORDED.read_text(encoding="utf-8"))
    except (OSError, AttentionLabError):
        widgets.say("info", "Choose data and what to measure, then press Run.")
        return
    st.badge(widgets.plain(f"Recorded on {report.made[:10]}"), icon=":material/history:", color="gray")
    draw(report)


def _make(name: str, request: str) -> Any:
    """The work: measure, and keep the report."""
    backend = state.backend()

    def make(task: Task) -> Any:
        from attnlab_core.experiments import experiment_from_json, run
        from attnlab_core.progress import Pace, watching
        from attnlab_core.report import report_from_json
        from attnlab_core.store import Store

        lab, pace = backend.lab(name).result(), Pace()

        def watch(done: int, total: int) -> None:
            task.phase = f"Rows: {pace(done, total)}"
            task.watch(done, total)

        with watching(watch):
            found = run(experiment_from_json(request), lab)
        report = report_from_json(found.to_json())  # as it is read again: what is not known is None
        try:
            number = Store().add(report)
        except BadInput:
            number = 0  # a result that cannot be kept is shown all the same
        return report, number

    return make


def draw(report: Report, kept: str = "") -> None:
    """What was found, the figures, the tables, and what to mind."""
    from attnlab_core.analysis import findings, headline, html

    st.header(widgets.plain(_title(report)), anchor=False)
    shown.report(report)
    short = headline(report)
    st.markdown(listed(short))
    for number, (caption, chart) in enumerate(
        charts.report_charts(report, dark=state.dark(), width="container")
    ):
        st.altair_chart(chart, theme=None, width="stretch", alt=caption, key=f"report.{number}")
        widgets.small(caption)
    detail = [line for line in findings(report) if line not in short]
    if detail:
        with st.expander("One by one"):
            st.markdown(listed(detail))
    for table, rows in report.tables.items():
        with st.expander(f"Table: {table} ({len(rows):,} rows)", icon=":material/table:"):
            st.dataframe(report.to_frame(table), hide_index=True, width="stretch", key=f"report.{table}")
            narrow.sideways()
    with st.expander("To mind", expanded=True):
        st.markdown("\n".join(f"- {_plain_text(note)}" for note in report.notes))
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, mime, make in (
            ("Page (HTML)", "text/html", lambda: html([report])),
            ("JSON", "application/json", lambda: json.dumps(report.to_json(), ensure_ascii=False, indent=1)),
            ("CSV", "text/csv", lambda: report.to_frame().to_csv(index=False).encode("utf-8-sig")),
        ):
            ending = label.split()[0].lower().replace("page", "html")
            st.download_button(
                label, make, f"attentionlab-{report.experiment}.{ending}", mime, on_click="ignore", key=f"get.report.{ending}",
                icon=":material/download:",
            )  # fmt: skip
        if kept:
            widgets.small(kept)


def _title(report: Report) -> str:
    """What was measured of what, in the words of the control that asks for it."""
    return f"{KINDS.get(report.experiment, report.experiment)}{report.title.removeprefix(report.experiment)}"


def listed(lines: Sequence[str]) -> str:
    """Findings as a list."""
    return "\n".join(f"- {_markdown(line)}" for line in lines)


def _markdown(line: str) -> str:
    """Letter by letter, but for **…**."""
    return "".join(f"**{_plain_text(p)}**" if k % 2 else _spaced(p) for k, p in enumerate(line.split("**")))


def _spaced(part: str) -> str:
    """Plain, with the spaces at both ends kept."""
    head, tail = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{head}{_plain_text(part)}{tail}" if part.strip() else part


def _plain_text(part: str) -> str:
    """Letter by letter, with true minus signs and no line that begins with a percent sign."""
    return widgets.plain(typeset(part)).replace(" %", "\u00a0%")
