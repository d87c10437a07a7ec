"""Reading many sentences under many edits: what the model thinks of each, as log-odds; and how far the work is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from attnlab_core.edits import Edit
from attnlab_core.errors import BadInput
from attnlab_core.progress import step, watching
from attnlab_core.prompt import Encoding, Prompt, encode
from case_studies._negation_data import Pair

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

Sign = int
WHOLE = 1000


class Meter:
    """How far the whole study is, in parts of known weight; what tells of steps within a part is heard as that part."""

    def __init__(self, total: float) -> None:
        self._outer, self._total = copy_context(), total
        self._before, self._weight = 0.0, 0.0

    def begin(self, weight: float) -> None:
        """The next part, of so much weight."""
        self._before, self._weight = self._before + self._weight, weight
        self.at(0.0)

    def at(self, share: float) -> None:
        """So much of this part is done. Raises what the watcher raises, which may be `Cancelled`."""
        done = (self._before + self._weight * share) / self._total
        self._outer.run(step, round(WHOLE * min(1.0, done)), WHOLE)

    @contextmanager
    def within(self, done: int, count: int) -> Iterator[None]:
        """Work that tells of its own steps, as number `done` of `count` of this part."""
        with watching(lambda _now, _all: self.at(done / count)):
            yield
        self.at((done + 1) / count)


@dataclass(frozen=True)
class Row:
    """A sentence to be read, with edits."""

    encoding: Encoding
    edits: tuple[Edit, ...] = ()
    without: tuple[int, ...] = ()
    """Positions of tokens that are deleted."""

    def ids(self) -> list[int]:
        """The token ids that are left."""
        return [n for k, n in enumerate(self.encoding.ids) if k not in self.without]

    def types(self) -> list[int] | None:
        """The types of the tokens that are left, where the model wants them."""
        types = self.encoding.types
        return None if types is None else [n for k, n in enumerate(types) if k not in self.without]


class Reader:
    """A classifier of sentiment, asked for the log-odds of positive against negative."""

    def __init__(self, lab: Lab, meter: Meter) -> None:
        self.lab, self.meter = lab, meter
        self.negative, self.positive = sides(lab.labels)

    def labels(self) -> dict[str, str]:
        """What the model calls the two sides."""
        return {"negative": self.lab.labels[self.negative], "positive": self.lab.labels[self.positive]}

    def encode(self, text: str) -> Encoding:
        """Tokens and words of a sentence."""
        return encode(self.lab.tokenizer, Prompt(text))

    def place(self, encoding: Encoding) -> int | None:
        """The one position at which the model's answer is read; None where there are several."""
        logits = torch.zeros(1, len(self.lab.labels))
        reads = self.lab.asked(encoding, logits).reads
        return reads[0] if len(reads) == 1 else None

    def odds(self, rows: Sequence[Row]) -> np.ndarray:
        """The natural log-odds of positive against negative, one number a row.

        Rows are read in batches of like length; a watcher hears of every batch.
        """
        found = np.zeros(len(rows))
        ids = [row.ids() for row in rows]
        order = sorted(range(len(rows)), key=lambda k: (len(ids[k]), k))
        size = self.lab.batch_size if self.lab.batch_size == 1 else 4 * self.lab.batch_size
        for begin in range(0, len(order), size):
            part = order[begin : begin + size]
            types = [rows[k].types() for k in part]
            logits, _ = self.lab.forward(
                [ids[k] for k in part],
                types=None if types[0] is None else [one for one in types if one is not None],
                rows=[self.lab.settle(rows[k].encoding, rows[k].edits) for k in part],
            )
            values = logits[:, 0].double().cpu()
            found[part] = (values[:, self.positive] - values[:, self.negative]).numpy()
            self.meter.at((begin + len(part)) / len(order))
        return found


def sides(labels: Sequence[str]) -> tuple[int, int]:
    """Which class is negative and which positive: by name, or of two nameless ones the first and the second."""
    low = [label.lower() for label in labels]
    found = [[k for k, name in enumerate(low) if name.startswith(side)] for side in ("neg", "pos")]
    if len(found[0]) == len(found[1]) == 1:
        return found[0][0], found[1][0]
    if low == ["label_0", "label_1"]:
        return 0, 1
    raise BadInput(
        f"This study needs a model with a negative and a positive label; this one says {', '.join(labels)}. "
        "Choose a classifier of sentiment."
    )


def tokens_of(pair: Pair, encoding: Encoding) -> tuple[int, ...]:
    """The positions of the tokens of a pair's negation."""
    end = pair.start + len(pair.word)
    return tuple(
        k
        for k, token in enumerate(encoding.tokens)
        if not token.special and token.start < end and token.end > pair.start
    )


def sign(label: str) -> Sign:
    """+1 for positive, -1 for negative: log-odds times this speak for the label."""
    return 1 if label == "positive" else -1


def share_of(
    parts: np.ndarray, wholes: np.ndarray, *, draws: int = 2000, seed: int = 0
) -> dict[str, float | int]:
    """The sum of parts over the sum of wholes, with its bootstrap 95 % interval (pairs resampled together)."""
    picks = np.random.default_rng(seed).integers(0, len(parts), (draws, len(parts)))
    shares = parts[picks].sum(1) / wholes[picks].sum(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return {
        "mean": float(parts.sum() / wholes.sum()),
        "low": float(low),
        "high": float(high),
        "n": len(parts),
    }


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation with average ranks for ties; nan where one of them is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.round(values, 9)) for values in (one, other)]
    ranks = [values - values.mean() for values in ranks]
    size = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / size if size else float("nan")


def correlation_interval(
    one: np.ndarray, other: np.ndarray, *, draws: int = 1000, seed: int = 0
) -> dict[str, float | int]:
    """Spearman's correlation with its bootstrap 95 % interval."""
    picks = np.random.default_rng(seed).integers(0, len(one), (draws, len(one)))
    found = [value for row in picks if not np.isnan(value := correlation(one[row], other[row]))]
    low, high = np.quantile(found, (0.025, 0.975)) if found else (float("nan"),) * 2
    return {"mean": correlation(one, other), "low": float(low), "high": float(high), "n": len(one)}
