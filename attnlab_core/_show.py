"""Results that show themselves in a notebook: coloured there, as a table elsewhere."""

from __future__ import annotations

import importlib
import sys
from typing import Any


class Shown:
    """What gives a result `show()` and its looks at the end of a notebook's cell; the looks are in `showing`."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return _looks().html(self)

    def show(self, **how: Any) -> None:
        """Show it: in a notebook coloured, with the numbers beside the colours; elsewhere as a table.

        Args:
            how: For an attribution `by` ("word", "token"); for a pattern `layer` and `head`, None for the mean.

        Raises:
            BadInput: A layer or head that is not there, or an option that this result has not.
        """
        looks = _looks()
        display = _display()
        if display is None:
            sys.stdout.write(looks.plain(self, **how) + "\n")
        else:
            display(looks.Figure(looks.html(self, **how)))


def _looks() -> Any:
    return importlib.import_module("attnlab_core.showing")  # above all results: it draws with the charts


def _display() -> Any:
    """The notebook's `display`; None outside of one."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return None
    return importlib.import_module("IPython.display").display
