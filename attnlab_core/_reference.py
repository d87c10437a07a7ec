"""What a model's own attention looks like, and the judgement of a pattern by it; see `plausibility` for what is measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core._rowstats import FIGURES, divergence, summary
from attnlab_core.errors import BadInput
from attnlab_core.pattern import AttentionPattern
from attnlab_core.run import Run

FORMAT = 1
"""Of the file; grows by one when a field changes its meaning."""
KINDS = ("shape", "distance", "total")
POINTS = (*range(98), *(98 + k / 8 for k in range(17)))  # percentiles kept of each head's scores
UNUSUAL = 95
_ARRAYS = ("mean", "slope", "growth", "whiten", "natural", "scores", "head_scores")


@dataclass(frozen=True, eq=False)
class Judgement:
    """How plausible a pattern is.

    Attributes:
        percentile: Over all heads, 0 to 100; 50 is typical, 100 beyond all held-back texts. Without the plain pattern the
            rank of the pattern's shape; with it, that of shape and distance together, among the same for words that
            another sentence surrounds, or patches that another picture does.
        heads: The same of each head, Float[Tensor, "layer head"].
        shape: The percentile of the shape alone.
        distance: That of the distance from the plain pattern alone; None without one.
        energy: What `Reference.energy` gives.
    """

    percentile: float
    heads: Float[Tensor, "layer head"]
    shape: float
    distance: float | None
    energy: float

    @property
    def outside(self) -> bool:
        """Whether no text that was held back is as odd."""
        return self.percentile >= 100

    @property
    def kind(self) -> str:
        """What it is called: "typical", "unusual", or "outside anything seen"."""
        if self.outside:
            return "outside anything seen"
        return "unusual" if self.percentile >= UNUSUAL else "typical"

    @property
    def words(self) -> str:
        """For people: "typical: 62nd percentile", "unusual: 97th percentile", "outside anything seen"."""
        if self.outside:
            return self.kind
        n = max(1, int(self.percentile))
        ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        return f"{self.kind}: {n}{ending} percentile"

    @property
    def heads_outside(self) -> tuple[tuple[int, int], ...]:
        """The heads, as (layer, head), that are odder than in any text that was held back."""
        return tuple((layer, head) for layer, head in (self.heads >= 100).nonzero().tolist())

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "percentile": round(self.percentile, 3),
            "words": self.words,
            "shape": round(self.shape, 3),
            "distance": None if self.distance is None else round(self.distance, 3),
            "energy": round(self.energy, 4),
            "heads": self.heads.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model's own attention looks like on a corpus.

    Attributes:
        model: Its name.
        revision: The commit it came from, where known.
        digest: Of its weights, see `digest`.
        corpus: In words.
        made: When, and with which versions.
        texts: How many it was fitted on.
        specials: The special tokens that were met.
        lengths: The fewest and the most tokens of a text; other lengths are treated as the nearer of them.
        figures: The numbers of the `FIGURES` that vary in this model.
        center: The mean of log n.
        mean: Of each head's figures at `center`.
        slope: How the mean changes with log n.
        growth: How the logarithm of a figure's variance changes with log n and with its square.
        whiten: What turns a head's deviation into independent ones of unit variance.
        natural: The mean divergence of a head's rows between two sentences or pictures, in nats.
        scores: The shape, distance and total of held-back texts, each sorted.
        head_scores: The same of each head at the percentiles `POINTS`.
    """

    model: str
    revision: str | None
    digest: str
    corpus: str
    made: str
    texts: int
    specials: tuple[str, ...]
    lengths: tuple[int, int]
    figures: tuple[int, ...]
    center: float
    mean: Float[Tensor, "layer head figure"]
    slope: Float[Tensor, "layer head figure"]
    growth: Float[Tensor, "power figure"]
    whiten: Float[Tensor, "layer head figure figure"]
    natural: Float[Tensor, "layer head"]
    scores: Float[Tensor, "kind text"]
    head_scores: Float[Tensor, "kind layer head point"]

    @property
    def held_back(self) -> int:
        """How many texts the percentiles are ranks among."""
        return self.scores.shape[1]

    def shapes(
        self, figures: Float[Tensor, "*batch layer head all"], n: Tensor | int
    ) -> Float[Tensor, "*batch layer head"]:
        """The squared Mahalanobis distance of each head's `summary`, over the number of figures; `n` in tokens."""
        known = torch.as_tensor(n, device=figures.device).clamp(*self.lengths)
        length = (known.to(figures).log() - self.center)[..., None, None, None]
        off = figures[..., list(self.figures)] - self.mean.to(figures) - self.slope.to(figures) * length
        growth = self.growth.to(figures)
        off = off * (-0.5 * (growth[0] + growth[1] * length) * length).exp()
        return torch.einsum("lhij,...lhj->...lhi", self.whiten.to(figures), off).square().mean(-1)

    def parts(
        self,
        weights: Float[Tensor, "layer head query key"],
        visible: Bool[Tensor, "layer head query key"],
        special: Bool[Tensor, " key"],
        plain: Float[Tensor, "_ _ _ _"] | None = None,
    ) -> tuple[Float[Tensor, "layer head"], Float[Tensor, "layer head"] | None]:
        """Each head's shape and, where `plain` is given, its distance in units of the head's natural one."""
        if weights.shape[:2] != self.natural.shape or weights.shape[2] != weights.shape[3]:
            wanted = "x".join(map(str, self.natural.shape))
            raise BadInput(
                f"The reference of {self.model} is for {wanted} heads and square patterns, not for {tuple(weights.shape)}."
            )
        shape = self.shapes(summary(weights, visible, special), weights.shape[-1])
        if plain is None:
            return shape, None
        if plain.shape != weights.shape:
            raise BadInput("The plain pattern is of another text. Give the one of the same text.")
        return shape, divergence(weights, plain.to(weights), visible) / self.natural.to(weights)

    def energy(
        self,
        weights: Float[Tensor, "layer head query key"],
        visible: Bool[Tensor, "layer head query key"],
        special: Bool[Tensor, " key"],
        plain: Float[Tensor, "_ _ _ _"] | None = None,
    ) -> Float[Tensor, ""]:
        """The implausibility of a pattern, differentiable in `weights`, with gradients that are finite everywhere.

        Args:
            weights: The pattern; may be edited, and part of a graph.
            visible: False where the mask hides a key.
            special: True at the special tokens.
            plain: The model's own pattern of the same text.

        Raises:
            BadInput: The pattern is none of this model's, or `plain` has another size.
        """
        shape, far = self.parts(weights, visible, special, plain)
        return shape.mean() if far is None else (shape + far).mean()

    def judge(
        self, pattern: AttentionPattern | Run, plain: AttentionPattern | Run | None = None
    ) -> Judgement:
        """Rank a pattern among those of the texts that were held back.

        Args:
            pattern: A pattern, or a run, whose attention is meant as it went on after the edits.
            plain: The pattern or the run of the same text without edits; left out, only the shape is judged.

        Raises:
            BadInput: The pattern is none of this model's, or `plain` is of another text.
        """
        mine = pattern.pattern if isinstance(pattern, Run) else pattern
        own = plain.pattern if isinstance(plain, Run) else plain
        special = torch.tensor([text in self.specials for text in mine.keys])
        if isinstance(pattern, Run):
            special = torch.tensor([token.special for token in pattern.tokens])
        with torch.no_grad():
            shape, far = self.parts(mine.weights, mine.visible, special, None if own is None else own.weights)
        if far is None:
            overall = self.rank("shape", float(shape.mean()))
            return Judgement(overall, self.rank_heads("shape", shape), overall, None, float(shape.mean()))
        total = shape + far
        return Judgement(
            self.rank("total", float(total.mean())),
            self.rank_heads("total", total),
            self.rank("shape", float(shape.mean())),
            self.rank("distance", float(far.mean())),
            float(total.mean()),
        )

    def rank(self, kind: str, score: float) -> float:
        """The percentile of a mean over heads: its rank among those of held-back texts. `kind` is one of `KINDS`."""
        known = self.scores[KINDS.index(kind)]
        return 100 * (1 + int((known < score).sum())) / (1 + len(known))

    def rank_heads(self, kind: str, scores: Float[Tensor, "layer head"]) -> Float[Tensor, "layer head"]:
        """The percentile of each head's score among its own; to one point, from the 98th on to an eighth."""
        below = (self.head_scores[KINDS.index(kind)] < scores[..., None].cpu()).sum(-1)
        return torch.tensor([0.0, *POINTS])[below]

    def save(self, path: Path) -> None:
        """Write one compressed file of numbers; `load` reads it."""
        told = {k: v for k, v in vars(self).items() if k not in _ARRAYS} | {
            "format": FORMAT,
            "names": FIGURES,
        }
        arrays = {name: getattr(self, name).numpy().astype(np.float32) for name in _ARRAYS}
        with path.open("wb") as file:
            np.savez_compressed(file, told=np.array(json.dumps(told)), **arrays)

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote; no code in it is run.

        Raises:
            BadInput: The file is none, or of another format.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                told: dict[str, Any] = json.loads(str(file["told"]))
                right = told.pop("format") == FORMAT and tuple(told.pop("names")) == FIGURES
                arrays: dict[str, Any] = {name: torch.from_numpy(file[name]) for name in _ARRAYS}
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise BadInput(
                f"{path} holds no reference for plausibility. Give a file that save wrote."
            ) from error
        if not right:
            raise BadInput(f"{path} is of another format than {FORMAT}. Fit the reference again.")
        for name in ("specials", "lengths", "figures"):
            told[name] = tuple(told[name])
        return cls(**told, **arrays)
