"""Whether a visitor is still there, as a question that work in the background may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from collections.abc import Callable


def presence() -> Callable[[], bool]:
    """A function that any thread may call: whether the visitor whose page is drawn now is connected."""
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return lambda: True
    server, visit = runtime.get_instance(), context.session_id
    return lambda: bool(server.is_active_session(visit))
