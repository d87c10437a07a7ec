"""The gradient of an answer by the attention, and what would help most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.ui import state

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.gradient import AttentionGradient
    from attnlab_core.run import Run
    from pages.ui.tasks import Task

AUTO = "the second likeliest"


def wished(now: Run) -> str:
    """The answer that is to become likelier."""
    chosen = state.bound("towards")
    if chosen and chosen != AUTO:
        return str(chosen)
    return next((answer for answer in now.probabilities if answer != now.prediction), now.prediction)


def task(name: str, now: Run, edits: tuple[Edit, ...]) -> Task:
    """The gradient of the wished-for answer, under the edits there are."""
    target = wished(now)

    def make(_: Any) -> AttentionGradient:
        from attnlab_core.gradient import attention_gradient

        return attention_gradient(now, target)

    size = 8 * now.pattern.weights.numel()
    return state.task("gradient", (name, "gradient", now.prompt, edits, target), make, size)
