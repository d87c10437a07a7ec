"""One forward pass: what was asked, what the model answered, and the attention on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from attnlab_core._show import Shown
from attnlab_core.edits import Edit
from attnlab_core.pattern import AttentionPattern
from attnlab_core.progress import step
from attnlab_core.prompt import Encoding, Id, Prompt, Token
from attnlab_core.targets import Answer, Asked, Goal, Quantity, Target, settle

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.lab import Lab


@dataclass(frozen=True, eq=False)
class Run(Shown):
    """A prompt read by a model, under edits or none. Made by `Lab.run`; never rewritten.

    Attributes:
        lab: The model, tokenizer and task.
        prompt: What was asked.
        encoding: Its ids, tokens and words.
        logits: Float[Tensor, "place class"], CPU, fp32; see `targets` for what a place is.
        probabilities: Label, word, token or answer → probability, most likely first (the ten likeliest of many).
        edits: In the order in which they act.
        edited_calls: How many attention calls an edit met.
        kept: The attention, where it was kept; see `patterns`.
    """

    lab: Lab
    prompt: Prompt
    encoding: Encoding
    logits: Float[Tensor, "place class"]
    probabilities: Mapping[str, float]
    edits: tuple[Edit, ...] = ()
    edited_calls: int = 0
    kept: Mapping[str, AttentionPattern] | None = None

    @cached_property
    def patterns(self) -> Mapping[str, AttentionPattern]:
        """The attention of each part of the model, as it went on after the edits; read anew where it was not kept."""
        return self.lab.attention(self.encoding, self.edits) if self.kept is None else self.kept

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens in order."""
        return self.encoding.tokens

    @property
    def pattern(self) -> AttentionPattern:
        """The attention of the text to itself: the encoder's, or the decoder's where there is no encoder."""
        return self.patterns.get("encoder") or self.patterns["decoder"]

    @property
    def prediction(self) -> str:
        """The likeliest answer."""
        return next(iter(self.probabilities))

    @property
    def plain(self) -> Run:
        """The same prompt without edits."""
        return self if not self.edits else self.lab.read(self.prompt, self.encoding, ())

    def again(self, *edits: Edit) -> Run:
        """Run the same prompt with further edits, which act after those this run has.

        Raises:
            EditTouchedNothing: An edit met no attention cell.
            BadInput: An edit names a word, position, layer or head that is not there.
        """
        return self.lab.read(self.prompt, self.encoding, self.edits + edits)

    def goal(self, target: Target | Answer | None = None) -> Goal:
        """Settle a target for this run; `None` is the run's own prediction. Raises `BadInput` where it does not fit."""
        wanted = target if isinstance(target, Target) else Target(target)
        return settle(wanted, self.asked)

    @property
    def asked(self) -> Asked:
        """What settling a target needs to know."""
        return self.lab.asked(self.encoding, self.logits)

    def with_continuation(self, goal: Goal) -> Run:
        """The run on the prompt and the continuation that a goal reads; this run where there is none."""
        if not goal.extra:
            return self
        texts = [self.lab.tokenizer.decode([number]) for number in goal.extra]
        return self.lab.read(
            self.prompt, self.encoding.extended(goal.extra, texts), self.edits, self.kept is not None
        )

    def value(self, target: Target | Answer | None = None, quantity: Any = "probability") -> float:
        """The target as one number: its probability, log-probability or logit in this run."""
        goal = self.goal(target)
        found = float(goal.value(self.with_continuation(goal).logits[None], quantity))
        if goal.against is not None:
            found -= float(goal.against.value(self.with_continuation(goal.against).logits[None], quantity))
        return found

    def slopes(
        self, goal: Goal, quantity: Quantity = "log_probability"
    ) -> Float[Tensor, "layer head query key"]:
        """The gradient of a goal by the attention weights of this run as they went on, after its edits; CPU, fp32.

        Of the part that `pattern` shows; zero where the mask hides a key. The run must hold the goal's continuation.
        """
        types = None if self.encoding.types is None else [list(self.encoding.types)]
        logits, tape = self.lab.forward(
            [list(self.encoding.ids)],
            types=types,
            rows=[self.lab.settle(self.encoding, self.edits)],
            keep=True,
            grad=True,
            reads=self.reads(goal),
        )
        mine = [k for k, call in enumerate(self.lab.calls) if call[0] == self.pattern.part]
        with torch.enable_grad():
            value = goal.value(logits, quantity).sum()
        found = torch.autograd.grad(value, [tape.weights[k] for k in mine], allow_unused=True)
        keys = self.pattern.weights.shape[-1]
        slopes = [
            torch.zeros_like(tape.weights[k][0, ..., :keys], dtype=torch.float32, device="cpu")
            if one is None
            else one[0, ..., :keys].float().cpu()
            for k, one in zip(mine, found, strict=True)
        ]
        return self.lab.by_layer(self.pattern.part, slopes) * self.pattern.visible

    def reads(self, goal: Goal) -> tuple[int, ...] | None:
        """The positions that must be computed to the end for a goal's logits; None means all. See `Lab.reads`."""
        return self.lab.reads(len(self.tokens), [pick.place for pick in goal.picks])

    def scores(self) -> dict[str, Float[Tensor, "layer head query key"]]:
        """The query-key scores behind `patterns`, under this run's edits; see `Lab.scores`."""
        return self.lab.scores(self.encoding, self.edits)

    def word_similarity(self) -> Float[Tensor, "token token"]:
        """Cosines between the word embeddings of the tokens (no positions), clipped to -1 to 1; CPU, fp32."""
        return self.lab.similarity(self.encoding)

    def evaluate(
        self,
        *,
        rows: Sequence[Sequence[Edit]] | None = None,
        ids: Sequence[Sequence[Id | None]] | None = None,
        embeddings: Float[Tensor, "batch token width"] | None = None,
        grad: bool = False,
        goal: Goal | None = None,
    ) -> Float[Tensor, "batch place class"]:
        """The logits of variations of this run, one row each, in batches of `lab.batch_size`.

        Args:
            rows: Further edits of each variation, on top of this run's.
            ids: Other token ids of each variation, as many as this run has; None deletes the token, so that later
                places move.
            embeddings: Put in the place of the word embeddings of each variation.
            grad: Keep the graph; everything then goes in one batch.
            goal: Only the logits that this goal reads need hold a meaning, which is less work. Not with deletions.
        """
        given = next(part for part in (rows, ids, embeddings) if part is not None)
        count = len(given)
        size = count if grad else self.lab.batch_size
        settled = (
            [self.lab.settle(self.encoding, [*self.edits, *extra]) for extra in rows]
            if rows is not None
            else None
        )
        if settled is None:
            settled = [self.lab.settle(self.encoding, self.edits)] * count
        reads = self.reads(goal) if goal is not None and ids is None else None
        found = []
        for at in range(0, count, size):
            part = slice(at, at + size)
            logits, _ = self.lab.forward(
                self._ids(ids, part, min(size, count - at)),
                types=self._types(ids, part, min(size, count - at)),
                rows=settled[part],
                embeddings=None if embeddings is None else embeddings[part],
                grad=grad,
                reads=reads,
            )
            found.append(logits)
            step(min(at + size, count), count)
        longest = max(part.shape[1] for part in found)
        if ids is not None and self.lab.task in ("masked", "causal"):  # ragged after deletions
            found = [functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in found]
        return torch.cat(found) if len(found) > 1 else found[0]

    def _ids(self, ids: Sequence[Sequence[Id | None]] | None, part: slice, count: int) -> list[list[Id]]:
        if ids is None:
            return [list(self.encoding.ids)] * count
        return [[number for number in row if number is not None] for row in ids[part]]

    def _types(
        self, ids: Sequence[Sequence[Id | None]] | None, part: slice, count: int
    ) -> list[list[int]] | None:
        types = self.encoding.types
        if types is None:
            return None
        if ids is None:
            return [list(types)] * count
        return [[t for t, number in zip(types, row, strict=True) if number is not None] for row in ids[part]]

    def to_frame(self) -> pd.DataFrame:
        """The probabilities as a frame: answer, probability."""
        import pandas as pd

        return pd.DataFrame(self.probabilities.items(), columns=["answer", "probability"])

    def to_json(self) -> dict[str, Any]:
        """Tokens, probabilities and prediction in plain types."""
        return {
            "tokens": [t.to_json() for t in self.tokens],
            "probabilities": dict(self.probabilities),
            "prediction": self.prediction,
        }
