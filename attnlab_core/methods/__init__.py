"""Attribution methods: which tokens an answer rests on, by eleven accounts that need not agree.

A method is one file with one function `(run, goal, *, knobs…) -> Found`; the folder is the catalogue. `attribute` is
the way in: it checks the knobs, settles the target, and keeps the promises that every method shares.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core._show import Shown
from attnlab_core.catalog import catalog, pick
from attnlab_core.errors import UnknownName
from attnlab_core.knobs import check, title
from attnlab_core.methods._found import Found
from attnlab_core.prompt import Token, Word, sentences
from attnlab_core.run import Run
from attnlab_core.targets import Answer, Target

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "attnlab_core.methods"
UNITS = ("token", "word", "sentence")
"""By what scores are told; those of the tokens of a word or a sentence are added up."""
__all__ = ["Attribution", "Found", "attribute", "attribute_all", "methods"]


@dataclass(frozen=True, eq=False)
class Attribution(Shown):
    """One method's account of one answer.

    Attributes:
        method: Its name in the catalogue.
        label: Its name for people.
        scores: Float64 on the CPU, one a token.
        tokens: The run's tokens; with a target of several tokens also those of the target but the last.
        words: The words they make.
        target: What was explained, in words.
        params: Every knob's value.
        seconds: Wall time.
        signed: Whether a score below zero speaks against the target.
        aggregation: In one sentence, what the numbers are.
        details: Further figures.
        notes: What a reader must know.
        sentences: The sentences they make; none where they are not known.
    """

    method: str
    label: str
    scores: Float[Tensor, " token"]
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    target: str
    params: Mapping[str, Any]
    seconds: float
    signed: bool
    aggregation: str
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sentences: tuple[Word, ...] = ()

    def by_word(self) -> list[tuple[Word, float]]:
        """Every word with the sum of its tokens' scores; special tokens are no words."""
        return [(word, float(self.scores[list(word.positions)].sum())) for word in self.words]

    def by_sentence(self, first: bool = True) -> list[tuple[Word, float]]:
        """Every sentence with the sum of its tokens' scores; without `first`, that of the very first token is left out."""
        return [
            (one, float(self.scores[[k for k in one.positions if first or k]].sum()))
            for one in self.sentences
        ]

    def to_frame(self, by: str = "token", specials: bool = True) -> pd.DataFrame:
        """A frame with position (of the first token), text, special, score: a row a `token`, a `word` or a `sentence`.

        Raises:
            UnknownName: `by` is none of these.
        """
        import pandas as pd

        if by not in UNITS:
            raise UnknownName(by, UNITS, "unit")
        if by != "token":
            summed = self.by_word() if by == "word" else self.by_sentence()
            rows = [(one.positions[0], one.text, False, score) for one, score in summed]
        else:
            rows = [(k, t.text, t.special, float(self.scores[k])) for k, t in enumerate(self.tokens)]
        kept = [row for row in rows if specials or not row[2]]
        return pd.DataFrame(kept, columns=["position", "text", "special", "score"])

    def to_json(self) -> dict[str, Any]:
        """Method, scores and all that was said with them, in plain types."""
        return {
            "method": self.method,
            "label": self.label,
            "scores": self.scores.tolist(),
            "seconds": round(self.seconds, 4),
            "params": dict(self.params),
            "target": self.target,
            "signed": self.signed,
            "aggregation": self.aggregation,
            "details": dict(self.details),
            "notes": list(self.notes),
        }


def methods() -> Mapping[str, Any]:
    """The catalogue: name → function."""
    return catalog(FOLDER)


def attribute(run: Run, method: str, target: Target | Answer | None = None, **params: Any) -> Attribution:
    """Explain a run by one method.

    Args:
        run: What the model did, with its edits if it has any.
        method: A name of the catalogue.
        target: What is explained; `None` is the run's own prediction.
        params: The method's knobs.

    Raises:
        UnknownName: No such method or knob.
        BadInput: A value or a target that does not fit, or a text the method cannot take.
    """
    function = pick(FOLDER, method, "method")
    values = check(function, params, f"the method {method}")
    goal = run.goal(target)
    began = time.perf_counter()
    asked = run.with_continuation(goal)
    found: Found = function(asked, goal, **values)
    scores, notes = found.scores.detach().double().cpu(), found.notes
    aggregation, details = found.aggregation, found.details
    if goal.against is not None:
        if found.signed:
            other: Found = function(run.with_continuation(goal.against), goal.against, **values)
            size = len(run.tokens)
            scores = scores[:size] - other.scores.detach().double().cpu()[:size]
            asked, details = run, {"for": dict(found.details), "against": dict(other.details)}
            aggregation = f"{aggregation} From this the same for {goal.against.text!r} is subtracted."
            notes = tuple(dict.fromkeys((*notes, *other.notes)))
        else:
            notes = (
                *notes,
                f"This method does not know of an alternative; it explains {goal.text!r} by its first half.",
            )
    seconds = time.perf_counter() - began
    encoding = asked.encoding
    return Attribution(
        method, title(function), scores, encoding.tokens, encoding.words, goal.text, values, seconds, found.signed,
        aggregation, details, notes, tuple(sentences(encoding)),
    )  # fmt: skip


def attribute_all(
    run: Run,
    names: Sequence[str] | None = None,
    target: Target | Answer | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Attribution]:
    """Explain a run by several methods (all of the catalogue by default), each with its own knobs."""
    wanted = list(names) if names is not None else list(methods())
    return [attribute(run, name, target, **(params or {}).get(name, {})) for name in wanted]


def spearman(scores: Sequence[Float[Tensor, " token"]]) -> Float[Tensor, "method method"]:
    """Rank agreement between accounts of the same tokens: Spearman's correlation with average ranks for ties.

    Scores are rounded to 1e-9 first, so that noise breaks no tie; an account that is all ties agrees with nothing (nan).
    """
    from scipy.stats import rankdata

    ranks = torch.stack([torch.as_tensor(rankdata((s.double() * 1e9).round().numpy())) for s in scores])
    centred = ranks - ranks.mean(-1, keepdim=True)
    size = centred.norm(dim=-1)
    return (centred @ centred.T) / (size[:, None] * size[None, :])
