"""transformers, imported late, and whole, whichever threads ask for it at once."""

from __future__ import annotations

import sys
import threading
from types import ModuleType

_LOCK = threading.Lock()


def transformers() -> ModuleType:
    """The package, with what reads models and tokenizers.

    Its import ends by putting another module in its place, so a second thread that imports it meanwhile would be left
    with half of it. Here the second one waits.
    """
    with _LOCK:
        import transformers.models.auto.modeling_auto
        import transformers.models.auto.tokenization_auto
        import transformers.utils.logging  # noqa: F401  sets up the handlers of both libraries

        return sys.modules["transformers"]
