"""A visitor of the app without a browser: speaks with the server as Streamlit's own script does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

BOXES = ("text_input", "text_area")


class Visitor:
    """One visit, from opening a page to leaving.

    Args:
        address: of the app.
        page: its name; the first page where left out.
        query: parameters of the address.
    """

    def __init__(self, address: str, page: str = "", **query: str) -> None:
        self._url, self._page, self._hash, self._query = address + page, page, "", query
        self._values: dict[str, str] = {}
        self._drawn: dict[tuple[int, ...], Any] = {}
        self._again: dict[str, tuple[float, float]] = {}
        self._socket = connect(
            f"ws://{urlsplit(address).netloc}/_stcore/stream", subprotocols=[Subprotocol("streamlit")], max_size=None,
        )  # fmt: skip
        self._run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def elements(self, kind: str) -> Iterator[Any]:
        """What of a kind is drawn now, from top to bottom."""
        return (
            getattr(one, kind) for _, one in sorted(self._drawn.items()) if one.WhichOneof("type") == kind
        )

    def type(self, text: str) -> None:
        """Type into the page's box for the text."""
        boxes = [box for kind in BOXES for box in self.elements(kind) if box.label in ("Text", "Sentence")]
        if not boxes:
            raise RuntimeError(
                f"{self._url} has no box for a text; it says: {' '.join(self.failures()) or 'no error'}."
            )
        (box,) = boxes
        self._values[box.id] = self._query["text"] = text
        self._run()

    def press(self, begins: str) -> None:
        """Press the button whose label begins so."""
        (button,) = (one for one in self.elements("button") if one.label.startswith(begins))
        self._run(pressed=button.id)

    def verdict(self) -> str:
        """The answer in large, as text; empty where none is drawn."""
        drawn = next((one.body for one in self.elements("html") if "al-verdict'" in one.body), "")
        found = re.search(r"<[^>]*class='al-verdict'[^>]*>(.*?)</(?:p|div)>", drawn, re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split()) if found else ""

    def failures(self) -> list[str]:
        """Tracebacks and boxes of errors that are drawn."""
        boxes = [one.body for one in self.elements("alert") if one.format == one.ERROR]
        return [one.message for one in self.elements("exception")] + boxes

    def settle(self, patience: float = 120.0) -> Self:
        """Look until the page has nothing more to wait for."""
        self.look(patience)
        if self._again:
            raise TimeoutError(f"{self._url} still waits for something after {patience:.0f} s.")
        return self

    def look(self, seconds: float) -> None:
        """Look again as often as the page asks to, for so long at most."""
        until = time.monotonic() + seconds
        while self._again and time.monotonic() < until:
            fragment = min(self._again, key=lambda one: self._again[one][1])
            interval, due = self._again[fragment]
            time.sleep(max(0.0, due - time.monotonic()))
            if fragment in self._again:
                self._again[fragment] = (interval, time.monotonic() + interval)
            self._run(fragment)

    def _run(self, fragment: str = "", pressed: str = "") -> None:
        asked = BackMsg()
        asked.rerun_script.query_string = urlencode(self._query)
        asked.rerun_script.page_name, asked.rerun_script.page_script_hash = self._page, self._hash
        asked.rerun_script.fragment_id, asked.rerun_script.is_auto_rerun = fragment, bool(fragment)
        asked.rerun_script.context_info.url = self._url
        for name, value in self._values.items():
            asked.rerun_script.widget_states.widgets.add(id=name, string_value=value)
        if pressed:
            asked.rerun_script.widget_states.widgets.add(id=pressed, trigger_value=True)
        self._socket.send(asked.SerializeToString())
        while self._take(ForwardMsg.FromString(self._socket.recv(timeout=120, decode=False))):
            pass

    def _take(self, said: ForwardMsg) -> bool:
        """Take over what the server says; whether it goes on speaking."""
        kind = said.WhichOneof("type")
        if kind == "new_session":
            if not said.metadata.run.fragment_ids:
                self._drawn.clear()
                self._again.clear()
        elif kind == "delta" and said.delta.WhichOneof("type") == "new_element":
            self._drawn[tuple(said.metadata.delta_path)] = said.delta.new_element
        elif kind == "navigation":
            self._hash = said.navigation.page_script_hash
        elif kind == "auto_rerun":
            pause = said.auto_rerun.interval
            self._again[said.auto_rerun.fragment_id] = (pause, time.monotonic() + pause)
        return kind != "script_finished" or said.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
