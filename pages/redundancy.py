"""The redundancy study, and another picture with both maps, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import question, shell, shown, state, story, waiting, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from attnlab_core.methods import Attribution
    from pages.ui.tasks import Task

NAME, MODEL = "redundancy", "shapes-vit"
SLOT = "redundancy"
LIKE = 0.8  # the cosine of the second map where no record says which was chosen


def another() -> None:
    """A picture of the study's kind by its seed: both maps, and what suppressing whole copies does to the answer."""
    from case_studies._redundancy_measure import FIRST

    st.divider()
    st.header("Try another picture", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input(
            "Seed", FIRST, FIRST + 99_999, FIRST, key="drawn", bind="query-params", width=160,
            help="Chooses the shape, its place and the clutter.",
        )  # fmt: skip
        copies = widgets.one_of("Copies", [1, 2], "copies", 2)
        like = st.slider(
            "Alike from a cosine of", 0.0, 1.0, chosen(), 0.05, key="like", bind="query-params", width=240
        )
        st.page_link(
            shell.page("images"), label="Pictures of your own: Images", icon=":material/image:",
            query_params={"picture": "two stars alike"},
        )  # fmt: skip
    if question.arriving(MODEL, pictures=True) is None:
        return
    asked = (MODEL, SLOT, int(seed), int(copies or 2), float(like))
    task = state.task(SLOT, asked, lambda task: _made(task, *asked[2:]), 2**18)
    waiting.follow(SLOT, task, _drawn)


def chosen() -> float:
    """The cosine that the record's pilot half chose."""
    from case_studies import _story

    record = _story.recorded(NAME)
    return LIKE if record is None else float(record["figures"]["chosen"])


def _made(task: Task, seed: int, copies: int, like: float) -> dict[str, Any]:
    """The picture's run, both maps, and what is left of the shape without some patches."""
    from attnlab_core.pictures import Picture
    from attnlab_core.prompt import Prompt
    from attnlab_core.shapes import KINDS, scene
    from case_studies._redundancy_measure import example

    task.phase = "Suppressing patches"
    kind = KINDS[seed % len(KINDS)]
    drawn = scene(seed, [kind], copies=copies)
    run = state.backend().run(Question(MODEL, Prompt(image=Picture.of(drawn.pixels))))
    shown_as = {"run": run, "kind": kind, "name": drawn.shapes[0].name, "like": like}
    return shown_as | example(run, kind, drawn, like)


def _drawn(found: dict[str, Any]) -> None:
    """Both maps side by side on scales of their own, and the probabilities below."""
    run, maps, kind = found["run"], found["maps"], found["kind"]
    titles = ("One patch at a time", f"Patches alike, cosine from {found['like']:g}")
    st.markdown(
        f"Drawn: {widgets.plain(found['name'])}. The model says **{widgets.plain(run.prediction)}**. What speaks for “{kind}”, each map over its own "
        "strongest patch:"
    )
    st.html(charts.legend(kind, signed=True, unsigned=False, dark=state.dark()))
    with st.container(horizontal=True, gap="medium"):
        _map("The picture", maps[0], run, veil=0.0)
        for title, one in zip(titles, maps, strict=True):
            _map(title, one, run)
    rows = [[name, f"{100 * p:.1f} %"] for name, p in found["rows"]]
    widgets.table(
        ["Suppressed", f"Probability of “{kind}”"],
        rows,
        f"The probability of {kind} when parts are suppressed",
    )
    shown.explained(maps)
    shown.figure(
        "example", title="Another picture", text=f"Drawn: {found['name']}. One patch at a time; {titles[1].lower()}.",
        charts=tuple(lambda one=one: charts.picture_map(_frame(one), run.prompt.image, run.tokens) for one in maps),
    )  # fmt: skip
    shown.numbers("example", _frame(maps[0]))


def _frame(one: Attribution) -> Any:
    return charts.score_frame([one], "token", False, True)


def _map(title: str, one: Attribution, run: Any, veil: float = 0.8) -> None:
    """The picture with a map over it; without a veil the picture alone."""
    frame = _frame(one)
    best = ", ".join(frame.nlargest(3, "score")["text"])
    with st.container(width=charts.MAP_SIDE + 24, gap=None):
        st.markdown(f"**{title}**")
        st.altair_chart(
            charts.picture_map(frame, run.prompt.image, run.tokens, veil=veil, dark=state.dark()),
            theme=None, width="content", alt=f"{title}: the strongest patches are {best}" if veil else title,
        )  # fmt: skip


shell.ensure(__file__)
story.page(NAME)
another()
