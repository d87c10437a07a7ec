"""What lasts: the backend for the whole server, and what one visitor has set. Nothing else keeps state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import links, visitors
from pages.ui.backend import DEFAULT, Backend

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pages.ui.backend import Job, Question
    from pages.ui.tasks import Task

RECORDED = Path(__file__).resolve().parents[1] / "recorded" / "start.json"
SENTENCE = "There is nothing to dislike here."


@st.cache_resource(show_spinner=False)
def backend() -> Backend:
    """The one backend of this server; asking for it starts the loading of the default model."""
    made = Backend(delay=0.3)
    made.lab(DEFAULT)
    return made


@st.cache_resource(show_spinner=False)
def recorded() -> dict[str, Any] | None:
    """The finding that was recorded beforehand, for the time until the model is there."""
    try:
        return json.loads(RECORDED.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def dark() -> bool:
    """Whether the visitor's theme is dark."""
    return st.context.theme.type == "dark"


def put(key: str, value: Any) -> None:
    """Set something of this visitor's."""
    st.session_state[key] = value


def begin(key: str, value: Any) -> None:
    """Set something of this visitor's that was not set yet."""
    st.session_state.setdefault(key, value)


def drop(key: str) -> None:
    """Forget something of this visitor's, in the address, too."""
    st.session_state.pop(key, None)
    st.query_params.pop(key, None)


def get(key: str, default: Any = None) -> Any:
    """Something of this visitor's."""
    return st.session_state.get(key, default)


def bound(key: str) -> Any:
    """What a widget that is bound to the address says, although it may not be drawn now."""
    return st.session_state.get(key) or st.query_params.get(key)


def job(question: Question, todo: dict[str, dict[str, Any]]) -> Job:
    """This visitor's job for a question; another question stops the one before."""
    wanted = (question, json.dumps(todo, sort_keys=True, default=str))
    held = st.session_state.get("_job")
    if held is None or held[0] != wanted or held[1].left:
        if held is not None:
            held[1].stop.set()
        held = (wanted, backend().start(question, todo, visitors.presence()))
        st.session_state["_job"] = held
    return held[1]


def task(slot: str, key: tuple[Hashable, ...], make: Callable[[Task], Any], size: int = 65536) -> Task:
    """This visitor's long work of one kind; another question stops the one before."""
    held: Task | None = st.session_state.get(f"_task_{slot}")
    if held is None or held.key != key or held.left:
        if held is not None:
            held.stop.set()
        held = backend().begin(key, make, size, visitors.presence())
        st.session_state[f"_task_{slot}"] = held
    return held


def drop_task(slot: str) -> None:
    """Stop and forget this visitor's work of one kind, so that the next look starts it anew."""
    held: Task | None = st.session_state.pop(f"_task_{slot}", None)
    if held is not None:
        held.stop.set()


def restart() -> None:
    """Forget this visitor's job, so that the next look starts it anew."""
    st.session_state.pop("_job", None)


def enter(page: str) -> None:
    """Note which page is drawn; coming from another one, a link is opened again although it was opened before."""
    if st.session_state.get("_page") != page:
        st.session_state["_page"] = page
        for key in [key for key in st.session_state if str(key).startswith("_opened_")]:
            del st.session_state[key]


def opened(parameter: str) -> Any:
    """What the link held that this visit came with, once; None afterwards, and for a link that makes no sense."""
    packed = st.query_params.get(parameter, "")
    if not packed or st.session_state.get(f"_opened_{parameter}") == packed:
        return None
    st.session_state[f"_opened_{parameter}"] = packed
    value = links.unpack(packed)
    if value is None:
        st.toast("This link is damaged. The page starts without what it held.", icon=":material/link_off:")
    return value


def link(page: str, **parameters: Any) -> str:
    """The address that reopens what is given."""
    return links.address(st.context.url or "http://127.0.0.1:8501/", page, **parameters)
