"""Taking part: an example, a document that is checked or submitted, a team and its key, and what became of it.

The key is held by its box alone, and where it is shown once until that is confirmed: it is in no address, session, report or log.
"""

from __future__ import annotations

import html
import json
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core.errors import AttentionLabError, BadInput
from pages.ui import board, board_work, state, widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from attnlab_core.rounds import Round
    from attnlab_core.rounds.board import Board, Entry
    from pages.ui.board import Chosen

MEGABYTES = 8
SHOWN = 20
"""Submissions of a team in the list, the newest ones."""
KEY, TEAM, TEXT = "board.key", "board.team", "board.text"
SAID, NEW, SENT = "_board_said", "_board_new", "_board_sent"
CLOSED = {
    "new": "It takes submissions once the organiser opens it.",
    "frozen": "It takes none at the moment; the organiser may open it again.",
    "closed": "It takes no more. To hold a round of your own: python -m attnlab_core task new.",
}
NOTHING = "Choose a file or paste a document first."


def show(of: Chosen) -> None:
    """The part of the page for those who take part.

    Raises:
        BadInput: The database does not answer.
    """
    st.header("Submit", anchor=False)
    if of.entry.state == "open":
        document, team = st.columns(2, gap="large")
        with document:
            _document(of)
        with team:
            _team()
            _send(of)
    else:
        widgets.say("info", f"The round is {board.STATES[of.entry.state]}. {CLOSED[of.entry.state]}")
        if of.entry.submissions:
            widgets.small(
                "To see what your team submitted, type its name; to take something back, its key too."
            )
            _team(new=False)
    _said()
    _mine(of)


def _document(of: Chosen) -> None:
    st.markdown(
        "A submission is one JSON document. Nothing that it says of its own quality counts: every figure is computed here. Begin with "
        "the example."
    )
    st.download_button(
        f"Example ({of.track})", partial(_example, of.board, of.round, of.track), f"{of.entry.name}-{of.track}-example.json",
        "application/json", on_click="ignore", icon=":material/download:", key="board.example",
    )  # fmt: skip
    turn = state.get("_board_turn", 0)
    st.file_uploader(
        "Your document", ["json"], key=f"board.file.{turn}", max_upload_size=MEGABYTES,
        help="Plain JSON, not packed. It is read as data; nothing in it is run.",
    )  # fmt: skip
    st.text_area(
        "Or paste it", key=TEXT, height=110, placeholder="{ … }", help="It is read where no file is chosen."
    )


def _example(made_by: Board, round_: Round, track: str) -> str:
    """An example; scores of tokens are taken from a baseline where one is there, since making them runs the model."""
    from attnlab_core.rounds import example, template

    title, about = "My submission", "What was tried, and why. Plain text."
    if track == "explain":
        for entry in made_by.submissions(round_.name, track=track):
            if entry.baseline:
                content = made_by.document(entry.number).content
                said = template(round_, track, content, title, about)
                return json.dumps(said, ensure_ascii=False, indent=1)
    return json.dumps(example(round_, track), ensure_ascii=False, indent=1)


def _team(*, new: bool = True) -> None:
    st.text_input("Team", key=TEAM, max_chars=40, help="Shown in the table.")
    st.text_input(
        "Key", type="password", key=KEY, autocomplete="off",
        help="Shown once when a team is registered. It is never part of a link, a session file or a report.",
    )  # fmt: skip
    with st.container(horizontal=True):
        if new:
            st.button(
                "New team", on_click=_register, icon=":material/group_add:", key="board.new",
                help="Registers the name above and shows its key once.",
            )  # fmt: skip
        st.button("Forget the key", on_click=_forget, icon=":material/key_off:", key="board.forget")
    fresh = state.get(NEW)
    if fresh:
        with st.container(border=True, key="board-key"):
            st.markdown(
                f"The key of **{widgets.plain(fresh[0])}**. Copy it now: it is shown this once, and only a hash of it is kept."
            )
            st.code(fresh[1], language=None, wrap_lines=True)
            st.button("I have copied it", on_click=state.put, args=(NEW, None), key="board.copied")


def _send(of: Chosen) -> None:
    with st.container(horizontal=True):
        st.button(
            "Check", on_click=_check, args=(of,), icon=":material/fact_check:", key="board.check",
            help="Names everything that is wrong with the document. Nothing is sent or kept.",
        )  # fmt: skip
        st.button(
            "Submit", type="primary", on_click=_submit, args=(of,), icon=":material/send:", key="board.submit",
            help="It is checked, kept and scored. It counts as one of the day, even if it is withdrawn.",
        )  # fmt: skip


def _given() -> bytes | str | None:
    """The document: the file, else what was pasted."""
    file = state.get(f"board.file.{state.get('_board_turn', 0)}")
    if file is not None:
        return file.getvalue()
    return str(state.get(TEXT) or "").strip() or None


def _say(kind: str, text: str, lines: tuple[str, ...] = ()) -> None:
    state.put(SAID, (kind, text, lines))


def _answered(do: Callable[[], None]) -> None:
    """What a press does; what is wrong is said, with every problem of a document."""
    from attnlab_core.rounds import Refused

    try:
        do()
    except Refused as error:
        many = "one thing is" if len(error.problems) == 1 else "some things are"
        _say("error", f"Nothing was sent: {many} wrong.", error.problems)
    except AttentionLabError as error:
        _say("error", widgets.told(error))


def _check(of: Chosen) -> None:
    from attnlab_core.rounds import read

    def do() -> None:
        raw = _given()
        if raw is None:
            _say("info", NOTHING)
            return
        found = read(raw, of.round)
        _say("info", f"Nothing is wrong with {found.title!r} for the track {found.track}. Nothing was sent.")

    _answered(do)


def _submit(of: Chosen) -> None:
    def do() -> None:
        raw, team = _given(), _called()
        if raw is None:
            if (state.get(SAID) or ("",))[0] != "sent":  # a second press of the same
                _say("info", NOTHING)
            return
        if not team or not state.get(KEY):
            _say("info", "Give the name of your team and its key, or register a new team.")
            return
        number = of.board.submit(of.entry.name, team, str(state.get(KEY)).strip(), raw)
        state.put(SENT, (team, number))
        state.put("_board_turn", state.get("_board_turn", 0) + 1)  # the field lets go of the file
        board.wipe(TEXT)
        board_work.hand_over(of.board, number)
        _say("sent", f"It is kept as submission {number} and waits to be scored.")

    _answered(do)


def _register() -> None:
    def do() -> None:
        name = _called()
        if not name:
            _say("info", "Type a name for the team first.")
            return
        key = board.opened().register(name)
        state.put(NEW, (name, key))
        state.put(KEY, key)
        state.put(SAID, None)

    _answered(do)


def _called() -> str:
    return str(state.get(TEAM) or "").strip()


def _forget() -> None:
    board.wipe(KEY)
    state.put(NEW, None)
    state.put(SAID, None)


def _said() -> None:
    said = state.get(SAID)
    if not said:
        return
    kind, text, lines = said
    widgets.say("info" if kind == "sent" else kind, text)
    if lines:
        items = "".join(f"<li><bdi>{html.escape(line)}</bdi></li>" for line in lines)
        st.html(
            "<div role='region' tabindex='0' aria-label='What is wrong' style='max-height:18rem;overflow:auto'>"
            f"<ul style='overflow-wrap:anywhere;margin:0'>{items}</ul></div>"
        )


def _mine(of: Chosen) -> None:
    """The submissions of the team that is typed, or that something was sent for in this visit."""
    team = _called() or (state.get(SENT) or ("",))[0]
    if not team:
        return
    entries = of.board.submissions(of.entry.name, team=team)[::-1][:SHOWN]
    if not entries:
        return
    st.subheader(f"Submissions of {widgets.plain(entries[0].team)}", anchor=False)
    waits = _waits(entries)
    st.fragment(_list, run_every=1.0 if waits else None)(of, team, waits)
    kept = [str(one.number) for one in entries if one.status != "withdrawn"]
    if kept:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if state.get("board.gone") not in kept:
                state.put("board.gone", None)
            st.selectbox(
                "Take back", kept, index=None, key="board.gone", placeholder="Number", width=160,
                help="It leaves the table and is scored no more. It still counts as one of its day.",
            )  # fmt: skip
            st.button(
                "Withdraw", on_click=_withdraw, args=(of,), icon=":material/undo:", key="board.withdraw"
            )


def _waits(entries: list[Entry]) -> tuple[int, ...]:
    return tuple(one.number for one in entries if one.status in ("queued", "running"))


def _list(of: Chosen, team: str, began: tuple[int, ...]) -> None:
    """The list; drawn again while something is at work, and the whole page once that is done."""

    def draw() -> None:
        entries = of.board.submissions(of.entry.name, team=team)[::-1][:SHOWN]
        widgets.table(
            ("Number", "Track", "Title", "Came", "State"),
            [(e.number, e.track, e.title, e.made[:16].replace("T", " "), _state(e)) for e in entries],
            "Submissions of the team",
        )
        for one in entries:
            if one.status == "running" and one.total:
                st.progress(
                    min(1.0, one.done / one.total),
                    text=f"Submission {one.number}: {one.done} of {one.total} sentences",
                )
        if began and (why := board_work.keep(of.board)):
            widgets.say("warning", why)
        if _waits(entries) != began:
            st.rerun()

    board.guarded(draw)


def _state(entry: Entry) -> str:
    if entry.status == "running" and entry.total:
        return f"running, {entry.done} of {entry.total}"
    if entry.status == "queued" and entry.reason:
        return f"queued again: {entry.reason}"
    return f"refused: {entry.reason}" if entry.status == "refused" else entry.status


def _withdraw(of: Chosen) -> None:
    def do() -> None:
        number, team = state.get("board.gone"), _called()
        if not number:
            _say("info", "Choose the number of a submission first.")
            return
        if not team or not state.get(KEY):
            raise BadInput("Give the team's name and its key: only the team can take a submission back.")
        of.board.withdraw(int(number), team, str(state.get(KEY)).strip())
        _say("info", f"Submission {number} is withdrawn.")

    _answered(do)
