"""What each token that a model wrote rests on: one explanation a token, given what stands before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attnlab_core.expectation import piece
from attnlab_core.methods import Attribution, attribute
from attnlab_core.progress import step, unheard
from attnlab_core.targets import Target

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.generation import Generation
    from attnlab_core.run import Run


@dataclass(frozen=True, eq=False)
class Sources:
    """The explanations of the tokens of one continuation, by one method.

    Attributes:
        told: The continuation.
        found: One explanation for each of its tokens, over the prompt and the tokens written before it.
    """

    told: Generation
    found: tuple[Attribution, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of everything that was read: the prompt's tokens and all written ones but the last."""
        return tuple(token.text for token in self.found[-1].tokens) if self.found else ()

    def to_frame(self, first: bool = True) -> pd.DataFrame:
        """One row a written token and source: number, written, position, text, special, score.

        Args:
            first: Whether the first token is kept, where attention that has nothing to do tends to rest.
        """
        import pandas as pd

        frames = [
            one.to_frame().assign(number=k, written=piece(text))
            for k, (one, text) in enumerate(zip(self.found, self.told.tokens, strict=False))
        ]
        if not frames:
            return pd.DataFrame(columns=["number", "written", "position", "text", "special", "score"])
        columns = ["number", "written", "position", "text", "special", "score"]
        whole = pd.concat(frames)[columns]
        return whole.query(f"position >= {0 if first else 1}").reset_index(drop=True)

    def to_json(self) -> dict[str, Any]:
        """The continuation and its explanations in plain types."""
        return {"continuation": self.told.to_json(), "explanations": [one.to_json() for one in self.found]}


def explain(run: Run, told: Generation, method: str, **params: Any) -> Sources:
    """Explain every token of a continuation of a run, under the run's edits.

    Each is explained as the answer to the prompt and the tokens written before it, so that nothing later has a say.

    Args:
        run: What was gone on with.
        told: How.
        method: A name of the catalogue of methods.
        params: The method's knobs.

    Raises:
        UnknownName: No such method or knob.
        BadInput: A value that does not fit, or a text that the method cannot take.
    """
    found = []
    for k, number in enumerate(told.ids):
        before = run.encoding.extended(told.ids[:k], told.tokens[:k])
        with unheard():  # a step is a token
            read = run.lab.read(run.prompt, before, run.edits)
            found.append(attribute(read, method, Target(number), **params))
        step(k + 1, len(told.ids))
    return Sources(told, tuple(found))
