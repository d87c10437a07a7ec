"""What a lab found when it checked itself on loading."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SelfCheck:
    """The model read a sentence of its own tokens twice, once watched without an edit and once not.

    Attributes:
        calls: How many attention calls were seen, as many as the configuration promises.
        heads: The most heads of one call.
        difference: The greatest difference between the logits of the two readings.
        seconds: How long both took.
    """

    calls: int
    heads: int
    difference: float
    seconds: float

    @property
    def text(self) -> str:
        """In one line.

        >>> SelfCheck(6, 12, 0.0, 0.02).text
        'Checked: 6 attention calls, no-edit difference 0.0'
        """
        size = "0.0" if self.difference == 0 else f"{self.difference:.1e}"
        return f"Checked: {self.calls} attention calls, no-edit difference {size}"
