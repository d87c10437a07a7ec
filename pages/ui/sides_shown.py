"""What two sides come to: their answers, their explanations on one scale, their attention, and how far all that differs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError, BadInput, Cancelled
from pages.ui import panels, shown, sides_asked, state, waiting, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from attnlab_core.methods import Attribution
    from attnlab_core.pairs import Compared, Patterns
    from attnlab_core.targets import Target
    from pages.ui.sides import Side

Sides = tuple["Side", "Side"]
UNITS = {"words": "word", "tokens": "token", "sentences": "sentence"}


def document(both: Sides, **more: Any) -> dict[str, Any]:
    """The record of both runs, with more."""
    from attnlab_core import record

    return {"a": record.of_run(both[0].run), "b": record.of_run(both[1].run), **more}


def titled(both: Sides) -> str:
    """The two texts, or the one, for the heading of a picture."""
    texts = dict.fromkeys(side.run.prompt.text[:60] for side in both)
    return " / ".join(texts)


def predictions(both: Sides) -> None:
    """The same answers in A and B, and the difference in points."""
    import pandas as pd

    one, two = sides_asked.answers(both)
    names = list(dict.fromkeys([*one, *two]))
    frame = pd.DataFrame(
        {"answer": names, "a": [one.get(n) for n in names], "b": [two.get(n) for n in names]}
    ).astype({"a": "float64", "b": "float64"})  # fmt: skip
    frame = frame.assign(difference=frame["a"] - frame["b"])
    panels.heading(
        "The answers", "answers", lambda: charts.pair_probability_chart(one, two, title=titled(both)), frame,
        lambda: document(both),
    )  # fmt: skip
    if len({side.run.lab.task for side in both}) > 1:
        widgets.small("The two models answer different questions, so there is no difference to take.")
    st.html(charts.pair_bars(one, two, dark=state.dark()))
    shown.figure("answers", body=lambda: charts.pair_bars(one, two))


def explanations(both: Sides) -> None:
    """Both explanations: computed in the background, then drawn."""
    st.header("The explanations", anchor=False)
    targets, remark = sides_asked.targets(both)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        by = widgets.one_of(
            "Show",
            list(UNITS),
            "by",
            "words",
            help="Scores of the tokens of a word or a sentence are added up.",
        )
        alike = both[0].method == both[1].method
        scale = widgets.one_of(
            "Scale", ["scores", "shares"], "scale", "scores", disabled=not alike,
            help="*Scores*: as computed; two of one method can be compared as they are. *Shares*: each side is divided by its own strongest "
            "word, which is the only way to compare two methods.",
        )  # fmt: skip
    if remark:
        widgets.say("info", remark)
    shares = scale == "shares" or not alike
    shown.methods(*dict.fromkeys(side.method for side in both))
    asked = [
        (replace(side.asked, target=target), side.method) for side, target in zip(both, targets, strict=True)
    ]
    key = (both[0].asked.model, "sides", *asked)
    task = state.task("sides", key, lambda work: _explain(work, both, targets))
    waiting.follow("sides", task, lambda found: _draw(both, found, UNITS[by], shares))


def _explain(task: Any, both: Sides, targets: Sequence[Target]) -> list[Attribution]:
    found = []
    for side, target in zip(both, targets, strict=True):
        task.phase = f"Explaining {side.letter}"
        try:
            found.append(state.backend().attribution(replace(side.asked, target=target), side.method, {}))
        except Cancelled:
            raise
        except AttentionLabError as error:
            raise BadInput(f"{side.letter}: {widgets.told(error)}") from error
    return found


def _draw(both: Sides, found: list[Attribution], by: str, shares: bool) -> None:
    from attnlab_core.pairs import compare

    compared, dark = compare(*found, by=by, shares=shares), state.dark()
    targets = (found[0].target, found[1].target)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{widgets.plain(_said(found))}**", width="content")
        widgets.downloads(
            "explanations", lambda: charts.pair_chart(compared, title=titled(both)), compared.frame,
            lambda: document(
                both, attributions=[one.to_json() for one in found], differences=compared.frame.to_dict("records")
            ),
        )  # fmt: skip
    shown.figure("explanations", title="The explanations")
    st.html(charts.pair_legend(compared, targets, dark=dark) + charts.pair_strips(compared, dark=dark))
    shown.explained(found)
    shown.figure(
        "explanations",
        body=lambda: charts.pair_legend(compared, targets) + charts.pair_strips(compared),
    )
    if compared.sizes:
        widgets.small(
            "One method takes sides and the other does not, so sizes are compared, without their signs."
        )
    if targets[0] != targets[1]:
        widgets.small(
            "A and B explain different answers: a plus in one row is not the same claim as a plus in the other."
        )
    for one, side in zip(found, both, strict=True):
        if one is found[0] or found[0].aggregation != one.aggregation or found[0].notes != one.notes:
            widgets.small(f"{side.letter}: {panels.remarks([one])[one.method]}")
    agreement(compared)
    with st.expander("Table: all scores", icon=":material/table:"):
        table(compared.frame, both)


def _said(found: Sequence[Attribution]) -> str:
    labels = list(dict.fromkeys(one.label for one in found))
    return " and ".join(labels)


def agreement(compared: Compared) -> None:
    """How far the two agree, and what that does not say."""
    found = compared.agreement
    if not found.words:
        widgets.say("info", "The two texts share no word, so nothing can be compared word by word.")
        return
    if math.isnan(found.spearman):
        order = "Too few shared words, or all alike, to compare their order."
    else:
        order = f"Spearman’s rank correlation over {found.words} shared: {charts.number(found.spearman, signed=True)}."
    top = f"Of the {found.top} strongest, {len(found.shared)} {'is' if len(found.shared) == 1 else 'are'} the same"
    named = f" ({', '.join(found.shared)})" if found.shared else ""
    st.markdown(
        f"**Agreement.** {widgets.plain(order)} {widgets.plain(top + named)}; by chance it would be {found.by_chance:.1f} on average.",
    )
    widgets.small(
        "Only the order is compared, over what both texts have. That two explanations agree does not make either right, and with "
        "few words high and low values come about by chance."
    )


def table(frame: pd.DataFrame, both: Sides) -> None:
    """The numbers behind the words."""
    from attnlab_core.prompt import named

    def number(value: float) -> str:
        return "–" if math.isnan(value) else f"{value:+.4g}".replace("-", "−")

    rows = []
    for row in frame.to_dict("records"):
        only = next((s.letter for s in both if math.isnan(row["b" if s.letter == "A" else "a"])), "")
        rows.append(
            (
                named(row["text"], row["number"]), f"only in {only}" if only else "both",
                *(number(row[name]) for name in ("score_a", "score_b", "a", "b", "difference")),
            )
        )  # fmt: skip
    head = ["Word", "In", "Score A", "Score B", "A as compared", "B as compared", "A − B"]
    widgets.table(head, rows, "Scores of A and B and their differences")


def attention(both: Sides) -> None:
    """Both patterns on one scale, and their difference where the words are the same."""
    from attnlab_core.pairs import patterns

    found = patterns(both[0].run, both[1].run, both[0].place, both[1].place)
    frames, texts = _cells(found)
    same = both[0].asked == both[1].asked and both[0].place == both[1].place
    if same:  # nothing that attention depends on was set apart
        frames = {"A": frames["A"]}
    top = max(max(frame["weight"].tolist()) for name, frame in frames.items() if name in ("A", "B")) or 1e-6
    maps = {}
    for name, frame in frames.items():
        reach = top if name != "A − B" else max(map(abs, frame["weight"]), default=0.0) or 1e-6
        if len(frame):
            maps[name] = charts.attention_chart(
                frame,
                list(texts[name]),
                signed=name == "A − B",
                top=reach,
                dark=state.dark(),
                title="A and B" if same else name,
            )
    whole = _whole(frames, texts)
    panels.heading(
        f"Attention: {_where(both)}", "attention", lambda: panels.side_by_side(maps), whole,
        lambda: document(both, by=found.by, cells=whole.to_dict("records")),
    )  # fmt: skip
    rows = max(frames[name]["query"].nunique() for name in maps)
    size: dict[str, Any] = {"width": "container", "height": 150 + 20 * rows}
    for column, (name, made) in zip(st.columns(3, gap="small"), maps.items(), strict=False):
        with column:
            st.altair_chart(
                made.properties(**size), theme=None, alt=f"Attention, {name}; the table below has the numbers"
            )
    if same:
        widgets.small("Model, text, edits and head are the same in A and B, and so is the attention.")
    else:
        _about(found, frames)
    with st.expander("Table: attention", icon=":material/table:"):
        st.dataframe(whole, hide_index=True, width="stretch")


def _where(both: Sides) -> str:
    said = [
        f"layer {layer}, {'mean of all heads' if head is None else f'head {head}'}"
        for layer, head in (s.place for s in both)
    ]
    return said[0] if said[0] == said[1] else f"A {said[0]}; B {said[1]}"


def _about(found: Patterns, frames: dict[str, pd.DataFrame]) -> None:
    lines = ["A and B have one scale; A − B has its own, without colour at 0."]
    if found.by == "word":
        lines.append(
            "The two models cut words into different pieces, so words are compared: what the pieces of a word get is added up, what "
            "they give is averaged."
        )
    counts = [len(texts) for texts in found.texts]
    if not found.pairs:
        lines.append("The texts share no word, so there is no difference to draw.")
    elif len(found.pairs) < max(counts):
        lines.append(
            f"The difference covers the {len(found.pairs)} places that both texts have; what went to the others is in A or B alone."
        )
    if max(counts) > panels.MOST_TOKENS:
        lines.append(f"Of long texts, the {panels.MOST_TOKENS} places that get the most attention are drawn.")
    widgets.small(" ".join(lines))


def _cells(found: Patterns) -> tuple[dict[str, pd.DataFrame], dict[str, tuple[str, ...]]]:
    """The cells that are drawn, and what the places of each are called."""
    import numpy as np
    import pandas as pd

    frames = {}
    arrays = {"A": found.first, "B": found.second, "A − B": found.difference}
    for name, values in arrays.items():
        kept = np.sort(np.argsort(-values.abs().sum(0).numpy(), kind="stable")[: panels.MOST_TOKENS])
        query, key = (axis.ravel() for axis in np.meshgrid(kept, kept, indexing="ij"))
        weights = values.numpy()[query, key].round(6) if len(kept) else []
        frames[name] = pd.DataFrame({"query": query, "key": key, "weight": weights})
    shared = tuple(found.texts[0][a] for a, _ in found.pairs)
    return frames, {"A": found.texts[0], "B": found.texts[1], "A − B": shared}


def _whole(frames: dict[str, pd.DataFrame], texts: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    import pandas as pd

    parts = [
        frame.assign(
            side=name,
            attends=[texts[name][k] for k in frame["query"]],
            attended_to=[texts[name][k] for k in frame["key"]],
        )
        for name, frame in frames.items()
    ]
    whole = pd.concat(parts, ignore_index=True)
    return whole.reindex(columns=["side", "attends", "attended_to", "weight"])
