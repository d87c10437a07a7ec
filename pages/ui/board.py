"""The shared task on a page: the board is opened, a round, a track and a split are chosen, and the round is told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import shown, state, widgets

if TYPE_CHECKING:
    from attnlab_core.rounds import Round
    from attnlab_core.rounds.board import Board, RoundEntry

TRACKS = {
    "explain": "*Explain*: scores of tokens, judged by what the model does without the highest ones.",
    "edit": "*Edit*: changes of attention that make more answers right.",
    "discover": "*Discover*: a claim about an effect, tested on sentences drawn after it was submitted.",
}
STATES = {
    "new": "not open yet",
    "open": "open",
    "frozen": "frozen",
    "closed": "closed",
}
TIES = (
    "A rank is one more than the number of rows that are better beyond chance. One row is better than another if the 95 % interval of "
    "their difference, over the same resamples of the sentences, lies above zero; of two claims, which have sentences of their own, if "
    "their intervals do not overlap. Rows that chance alone could put in another order share a rank, written 2=, and their order "
    "within it says nothing."
)
CURE = "Start the database, or set ATTENTIONLAB_DB to another one and start the app anew."


@dataclass(frozen=True)
class Chosen:
    """What is looked at."""

    board: Board
    entry: RoundEntry
    round: Round
    track: str
    split: str


@st.cache_resource(show_spinner="Opening the leaderboard …", max_entries=4)
def _opened(url: str) -> Board:
    from attnlab_core.rounds._shipped import ship
    from attnlab_core.rounds.board import Board

    made = Board(url or None)
    if not made.rounds():
        ship(made)
    return made


def opened() -> Board:
    """The board of this server; where it has no round, with the one that is shipped.

    Raises:
        BadInput: The database does not answer.
    """
    return _opened(os.environ.get("ATTENTIONLAB_DB", ""))


def trouble(error: BaseException) -> None:
    """A line where the database does not answer, and a button to try again."""
    widgets.say("error", f"{widgets.told(error)} {CURE}")
    st.button("Try again", on_click=_opened.clear, icon=":material/refresh:", key="board.again")


def guarded(draw: Callable[[], None]) -> None:
    """Draw a part of the page; where the database does not answer meanwhile, say so instead."""
    from attnlab_core.errors import BadInput

    try:
        draw()
    except BadInput as error:
        trouble(error)


@st.cache_data(max_entries=16, show_spinner=False)
def _round(_board: Board, where: str, name: str) -> Round:
    del where
    return _board.round(name)


def choose() -> Chosen | None:
    """The boxes for round, track and split; None, with a line that says so, where there is no round.

    Raises:
        BadInput: The database does not answer.
    """
    board = opened()
    entries = {entry.name: entry for entry in board.rounds()}
    if not entries:
        widgets.say("info", f"There is no round in {board.name}. Make one: python -m attnlab_core task new.")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Round", list(entries), key="round", bind="query-params", width=260)
        entry = entries[name or next(iter(entries))]
        track = widgets.one_of(
            "Track", [one.capitalize() for one in entry.tracks], "track", entry.tracks[0].capitalize(),
            help="\n\n".join(TRACKS[one] for one in entry.tracks),
        )  # fmt: skip
        split = "Public"
        if entry.state == "closed":
            split = widgets.one_of(
                "Split", ["Hidden", "Public"], "split", "Hidden",
                help="The hidden split decides. The public one was scored at once, and could be tuned to.",
            )  # fmt: skip
    shown.holds(options={"round": (entry.name,)})
    return Chosen(board, entry, _round(board, board.id, entry.name), track.lower(), split.lower())


def about(of: Chosen) -> None:
    """The round in a few lines."""
    st.header(widgets.plain(of.round.title), anchor=False)
    lines = [said for said in (of.round.about, goal(of.round, of.track), facts(of)) if said]
    for line in lines:
        st.markdown(widgets.plain(line))
    shown.board().notes[of.round.title] = [*lines, TIES]


def facts(of: Chosen) -> str:
    """Model, sentences, state, dates and limits."""
    model, hidden = of.round.model, len(of.round.hidden)
    parts = (("revision", "revision"), ("weights", "digest"))
    exactly = "".join(f", {word} {str(model[part])[:12]}" for word, part in parts if model.get(part))
    said = [
        f"Model {model['name']}{exactly}.",
        f"{len(of.round.rows) - hidden} public and {hidden} hidden sentences.",
        f"The round is {STATES[of.entry.state]}{_dates(of.entry)}{_changed(of)}.",
        f"A team has {of.round.per_day} submissions to a track within 24 hours.",
    ]
    if of.entry.state != "closed":
        said.append("The hidden split is scored and shown when the round is closed.")
    return " ".join(said)


def _dates(entry: RoundEntry) -> str:
    from attnlab_core.rounds._round import moment

    words = []
    for said, verb in ((entry.opens, "from"), (entry.closes, "until")):
        when = moment(said, verb)
        if when is not None:
            words.append(f"{verb} {when:%Y-%m-%d %H:%M} UTC")
    verb = "took" if entry.state == "closed" or _over(entry) else "takes"
    return f"; it {verb} submissions {' '.join(words)}" if words else ""


def _changed(of: Chosen) -> str:
    """When the organiser changed the dates last; nothing where they are the first."""
    last = of.board.dates(of.entry.name)[1:][-1:]
    return "".join(f"; its dates were changed on {one.since[:16].replace('T', ' ')} UTC" for one in last)


def _over(entry: RoundEntry) -> bool:
    from attnlab_core.rounds._round import moment

    closes = moment(entry.closes, "closes")
    return closes is not None and datetime.now(UTC) >= closes


def goal(round_: Round, track: str) -> str:
    """What a track is about in this round."""
    settings = round_.settings(track)
    if track == "explain":
        more = " Words that a person marked are known." if settings.get("marked") else ""
        return f"Scores for the tokens of every sentence, of both splits, say what the model’s answer rests on.{more}"
    if track == "discover":
        return (
            f"A claim says which way an edit moves the right answer’s probability. It is tested on {settings['draws']} sentences drawn "
            f"after it came. Suites: {', '.join(settings['suites'])}."
        )
    kinds = ", ".join(kind or "all" for kind in settings["kinds"])
    aim = (
        f"More right answers among sentences of the kinds: {kinds}."
        if settings["goal"] == "accuracy"
        else f"The same accuracy for sentences of both kinds: {kinds}."
    )
    return (
        f"{aim} A sentence whose edited attention lies beyond percentile {settings['percentile']:g} of plausibility counts as not "
        "edited."
    )


def wipe(*keys: str) -> None:
    """Forget what was typed in boxes of this visit."""
    for key in keys:
        state.put(key, "")
