"""Whether a visitor is still there, as a question that work in the background may ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Connected:
    """Whether one visitor is connected; equal for the same visitor."""

    visit: str
    server: runtime.Runtime = field(compare=False)

    def __call__(self) -> bool:
        return bool(self.server.is_active_session(self.visit))


def always() -> bool:
    """The presence of who asks without a browser."""
    return True


def presence() -> Callable[[], bool]:
    """A function that any thread may call: whether the visitor whose page is drawn now is connected."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not runtime.exists():
        return always
    return Connected(context.session_id, runtime.get_instance())
