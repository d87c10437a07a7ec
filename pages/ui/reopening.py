"""Opening a session that was saved: it is read, shown for what it is, and opened when the visitor says so."""

from __future__ import annotations

import html
import secrets
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core import __version__, session
from attnlab_core.errors import AttentionLabError, BadInput
from attnlab_core.models import shipped
from pages.ui import links, shown, stack, state, widgets
from pages.ui.backend import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARAMETER = "session"
WITH_EDITS = ("manipulate", "heads", "graph", "next_tokens", "side_by_side")
"""Pages that read the stack of edits, which is one for a whole visit."""
MOST_KEPT = 50
"""Sessions that were opened and wait for their visitors; without the records in them, some kilobytes each."""


class Kept:
    """States of opened sessions by a name nobody can guess; the oldest go first."""

    def __init__(self) -> None:
        self._lock, self._known = threading.Lock(), OrderedDict[str, dict[str, session.State]]()

    def put(self, found: session.Session) -> str:
        """Keep the states of a session; its name."""
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._known[name] = {one.page: one for one in found.pages}
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return name

    def get(self, name: str) -> dict[str, session.State]:
        """The states by page; nothing where the session is not kept any more."""
        with self._lock:
            return dict(self._known.get(name, {}))


@st.cache_resource(show_spinner=False)
def kept() -> Kept:
    """The sessions that visitors of this server opened."""
    return Kept()


def box() -> None:
    """The field to drop a session on, and what is in the one that was dropped."""
    file = st.file_uploader(
        "Open a saved session", ["json"], key="share.open", max_upload_size=session.MOST_BYTES >> 20,
        help="What is set here now is put aside. Nothing in the file is run, and no model is loaded before you say so.",
    )  # fmt: skip
    if file is None:
        return
    try:
        found = read(file.getvalue())
    except AttentionLabError as error:
        widgets.say("error", f"This session cannot be opened. {widgets.told(error)}")
        return
    offer(found, str(file.file_id))


def read(raw: bytes) -> session.Session:
    """A session whose pages are all here.

    Raises:
        BadInput: It does not fit, or names a page that this version has not.
    """
    found = session.read(raw)
    for one in found.pages:
        if one.page not in pages():
            raise BadInput(f"It has a page {one.page[:40]!r}, which this version of AttentionLab has not.")
    return found


def pages() -> Mapping[str, str]:
    """The pages of the app: name → title."""
    import app

    return {entry.name: entry.title for entry in app.PAGES}


def offer(found: session.Session, file: str) -> None:
    """Say what a session holds, and a link that opens it."""
    titles = [pages()[one.page] for one in found.pages]
    widgets.small(f"Saved {found.made[:16].replace('T', ' ') or 'some time ago'} UTC: {', '.join(titles)}.")
    if found.app_version != __version__:
        widgets.say(
            "warning",
            f"It was saved by version {found.app_version}, and this is {__version__}: numbers may differ.",
        )
    if absent := missing(found.models):
        widgets.say(
            "warning",
            f"It uses {', '.join(absent)}, not loaded here. Opening it looks up what that costs, at its source; it is loaded only "
            "when you press Load.",
        )
    name = _named(found, file)
    target = html.escape(address(found, name), quote=True)
    label = html.escape(f"Open this session at {pages()[found.page]}")
    st.html(f"<p style='margin:0'><a href='{target}'>{label}</a></p>")


def _named(found: session.Session, file: str) -> str:
    """The name under which an opened session is kept: one a file."""
    held = state.get("_offered")
    if held is None or held[0] != file or not kept().get(held[1]):
        held = (file, kept().put(found))
        state.put("_offered", held)
    return held[1]


def missing(models: Sequence[str]) -> list[str]:
    """The models that are neither shipped nor loaded on this server."""
    backend = state.backend()
    return [one for one in models if not (one == DEFAULT or one in shipped() or backend.asked(one))]


def address(found: session.Session, name: str) -> str:
    """Where a session is opened: its page, in its state."""
    here = next(one for one in found.pages if one.page == found.page)
    page = "" if here.page == "start" else here.page
    return links.address(st.context.url or "http://127.0.0.1:8501/", page, **_said(here), **{PARAMETER: name})


def _said(of: session.State) -> dict[str, str | list[str]]:
    try:
        return shown.parameters(of)
    except ValueError:  # edits too large for an address are put on the stack on arrival
        return shown.parameters(replace(of, edits=()))


def arrive(page: str) -> None:
    """On the first page of a visit that opens a session: take over what it says of this page and of the others."""
    name = st.query_params.get(PARAMETER)
    if name and state.get("_session") != name:
        states = kept().get(name)
        if page in states:
            state.put("_session", name)
            state.put("_waiting", dict(states))
            state.put("_visits", states)
            _share_out(page, states)
        else:
            widgets.say("info", "This session is not kept any more. Open its file again from the menu Share.")
    (state.get("_waiting") or {}).pop(page, None)


def _share_out(page: str, states: Mapping[str, session.State]) -> None:
    """What all pages have in common and the address of this one does not say: text, model and edits, from the last that had them."""
    here, before = states[page], [one for one in states.values() if one.page != page]
    for key in ("model", "text", "second"):
        said = [value for one in before if (value := getattr(one, key))]
        if not here.text and not getattr(here, key) and said:
            state.put(key, said[-1])
            state.put("_suited", said[-1] if key == "model" else state.get("_suited", DEFAULT))
    edited = [one for one in (*before, here) if one.page in WITH_EDITS]
    if edited and edited[-1].edits and "e" not in _said(here):
        cards = edited[-1].edits
        stack.quietly(
            lambda: state.put("_stack", tuple(stack.unpack(list(cards)))), "The edits of this session"
        )


def beyond(page: str) -> dict[str, str | list[str]] | None:
    """What a link to another page adds while its state in the session waits: all but what the pages have in common."""
    waiting = state.get("_waiting") or {}
    if page not in waiting:
        return None
    return _said(replace(waiting[page], text="", second="", model="", edits=()))
