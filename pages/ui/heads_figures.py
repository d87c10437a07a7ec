"""The numbers behind the page Heads: read off a run, by tokens, words or sentences, binned where the text is long, merged for files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from attnlab_core import charts
from pages.ui import state, units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from attnlab_core.pattern import AttentionPattern
    from attnlab_core.prompt import Word
    from attnlab_core.run import Run
    from pages.ui.heads import View

T = TypeVar("T")
MOST_TOKENS = 64
MOST_VALUES = 2_000_000
"""That are sent to the browser for one run; of a very large model fewer tokens are shown."""


@dataclass(frozen=True)
class Place:
    """A token, a word or a sentence, or a bin of them that follow each other.

    Attributes:
        text: For display.
        special: Whether the tokenizer added it.
        segment: 0 or 1 of a pair of texts, -1 for special tokens.
    """

    text: str
    special: bool = False
    segment: int = -1


@dataclass(frozen=True, eq=False)
class Read:
    """What is looked at: arrays [layer, head, query, key] in which the cells that the mask hides are NaN.

    Attributes:
        before: Without edits.
        after: Under edits, if there are any.
        queries: The places that attend.
        keys: Those attended to.
        part: "encoder", "decoder" or "cross".
        unit: What a place is: "token", "word" or "sentence".
        bin: How many of them a bin holds at most; 1 is no bins.
        count: How many there are.
        rows: The positions of the tokens of each query.
    """

    before: np.ndarray
    after: np.ndarray | None
    queries: tuple[Place, ...]
    keys: tuple[Place, ...]
    part: str
    unit: str
    bin: int
    count: int
    rows: tuple[tuple[int, ...], ...]

    @property
    def tokens_per_place(self) -> int:
        """How many tokens a query holds at most."""
        return max(map(len, self.rows))

    @property
    def first(self) -> str:
        """What the first place is called; a special token stays a token."""
        return "token" if self.keys[0].special else self.unit


def read(run: Run, after: Run | None, part: str, kind: str, unit: str = "token") -> Read:
    """The weights or the scores of a part of the model between tokens, words or sentences, of a long text in bins."""
    pattern = run.patterns[part]
    (queries, down), (keys, across) = places(run, pattern, unit)
    heads = pattern.weights.shape[0] * pattern.weights.shape[1]
    most = max(8, min(MOST_TOKENS, int((MOST_VALUES / heads) ** 0.5)))
    size, bins = binning(queries, most)
    others, bins_of_keys = binning(keys, most)
    rows, columns = _positions(down, bins), _positions(across, bins_of_keys)

    def of(one: Run | None) -> np.ndarray | None:
        if one is None:
            return None
        values = one.patterns[part].weights if kind == "weights" else one.scores()[part]
        return _reduced(values, one.patterns[part].visible, rows, columns, kind)

    before = of(run)
    assert before is not None
    return Read(
        before,
        of(after),
        _joined(queries, bins),
        _joined(keys, bins_of_keys),
        part,
        unit,
        max(size, others),
        len(queries),
        tuple(map(tuple, rows)),
    )


Side = tuple[tuple[Place, ...], list[list[int]]]
"""The places of one side, and the positions of the tokens of each."""


def places(run: Run, pattern: AttentionPattern, unit: str) -> tuple[Side, Side]:
    """The tokens, words or sentences that attend, and those attended to."""
    tokens = [Place(t.text, t.special, -1 if t.segment is None else min(t.segment, 1)) for t in run.tokens]
    named = {} if unit == "token" else {p: one for one in units.of(run.encoding, unit) for p in one.positions}
    owners = [named.get(k) for k in range(len(tokens))]
    made = [
        _gathered(side, whole)
        for side, whole in zip(
            _sides(run, pattern, tokens, Place(pattern.queries[0], True)),
            _sides(run, pattern, owners, None),
            strict=True,
        )
    ]
    return made[0], made[1]


def _sides(run: Run, pattern: AttentionPattern, own: list[T], start: T) -> tuple[list[T], list[T]]:
    """What there is of each query and of each key; a decoder behind an encoder reads the text one token later."""
    late = pattern.part != "encoder" and "encoder" in run.patterns
    queries = [start, *own[:-1]] if late else own
    return queries, own if pattern.part == "cross" else queries


def _gathered(tokens: Sequence[Place], owners: Sequence[Word | None]) -> Side:
    """Tokens of one owner as one place; those of none by themselves."""
    found: dict[Word | int, list[int]] = {}
    for k, owner in enumerate(owners):
        found.setdefault(k if owner is None else owner, []).append(k)
    made = [
        tokens[positions[0]]
        if isinstance(owner, int)
        else Place(units.short(owner.text), False, tokens[positions[0]].segment)
        for owner, positions in found.items()
    ]
    return tuple(made), list(found.values())


def _positions(held: Sequence[Sequence[int]], bins: Sequence[Sequence[int]]) -> list[list[int]]:
    """The tokens in each bin of places."""
    return [[position for place in one for position in held[place]] for one in bins]


def told(places: Sequence[Place]) -> list[dict[str, Any]]:
    """Places as the browser is sent them; those that are alike in their text are numbered."""
    from attnlab_core.prompt import subscripted

    texts = subscripted([place.text for place in places])
    return [asdict(place) | {"text": text} for place, text in zip(places, texts, strict=True)]


def binning(tokens: Sequence[Place], most: int) -> tuple[int, list[list[int]]]:
    """The least bins that make at most so many places: their size, and the positions in each.

    The first token and special ones stay by themselves, and no bin holds tokens of two texts.
    """
    size = 1
    while True:
        bins: list[list[int]] = []
        for k, token in enumerate(tokens):
            last = bins[-1] if bins else None
            alone = k <= 1 or token.special or tokens[k - 1].special
            if last is None or alone or len(last) >= size or tokens[k - 1].segment != token.segment:
                bins.append([k])
            else:
                last.append(k)
        if len(bins) <= most or size >= len(tokens):
            return size, bins
        size += 1


def _joined(tokens: Sequence[Place], bins: Sequence[Sequence[int]]) -> tuple[Place, ...]:
    return tuple(
        tokens[b[0]]
        if len(b) == 1
        else Place(
            (" " if len(b) == 2 else " … ").join(tokens[b[k]].text for k in (0, -1)),
            False,
            tokens[b[0]].segment,
        )
        for b in bins
    )


def _reduced(
    values: Any, visible: Any, rows: Sequence[Sequence[int]], columns: Sequence[Sequence[int]], kind: str
) -> np.ndarray:
    """A pattern in bins.

    Weights: the mean over those that attend, the sum over those attended to, so that rows sum to what they did. Scores: the
    mean over the cells that are visible.
    """
    import torch

    if len(rows) < values.shape[-2] or len(columns) < values.shape[-1]:
        down, across = (
            torch.zeros(len(b), n) for b, n in ((rows, values.shape[-2]), (columns, values.shape[-1]))
        )
        for matrix, bins in ((down, rows), (across, columns)):
            for k, places in enumerate(bins):
                matrix[k, list(places)] = 1.0
        count = down @ visible.float() @ across.T
        total = down @ values.masked_fill(~visible, 0.0) @ across.T
        values = total / (down.sum(1)[:, None] if kind == "weights" else count.clamp_min(1))
        visible = count > 0
    return values.masked_fill(~visible, torch.nan).float().numpy()


def span(both: Sequence[np.ndarray]) -> tuple[float, float]:
    """A range around zero that holds all scores."""
    import numpy as np

    top = max((float(np.nanmax(np.abs(values))) for values in both), default=1.0) or 1.0
    return -top, top


def merged(values: np.ndarray, view: View, kind: str) -> np.ndarray:
    """The matrix [query, key] that is shown large: of the chosen head, or the mean or the largest over several.

    A hidden weight counts as zero where another of the heads sees the cell; a hidden score does not count.
    """
    import numpy as np

    over, _, how = view.merge.partition("-")
    some = {
        "one": values[view.layer, view.head][None],
        "heads": values[view.layer],
        "layers": values[:, view.head],
        "all": values.reshape(-1, *values.shape[2:]),
    }[over]
    hidden = np.isnan(some)
    seen = ~hidden.all(0)
    if kind == "weights":
        some = np.where(hidden, 0.0, some)
        found = some.max(0) if how == "max" else some.mean(0)
    elif how == "max":
        found = np.where(hidden, -np.inf, some).max(0)
    else:
        found = np.where(hidden, 0.0, some).sum(0) / np.maximum((~hidden).sum(0), 1)
    return np.where(seen, found, np.nan)


class Figure(NamedTuple):
    """What can be taken along of what is drawn."""

    chart: Callable[[], Any]
    frame: pd.DataFrame
    document: Callable[[], dict[str, Any]]


def described(run: Run, after: Run | None, read: Read, said: dict[str, Any]) -> dict[str, Any]:
    """The head of a document: the model, what was asked, its tokens, and what is said of how they are looked at."""
    return {
        "model": run.lab.summary(),
        "text": run.prompt.text,
        "second": run.prompt.second,
        "edits": [] if after is None else [edit.to_json() for edit in after.edits],
        "part": read.part,
        **said,
        "unit": read.unit,
        "tokens_per_bin": read.tokens_per_place,
        "queries": [asdict(token) for token in read.queries],
        "keys": [asdict(token) for token in read.keys],
    }


def named(view: View) -> str:
    """What is shown large, in words."""
    over, _, how = view.merge.partition("-")
    what = {"mean": "mean", "max": "largest"}.get(how, "")
    return {
        "one": f"layer {view.layer}, head {view.head}",
        "heads": f"{what} over the heads of layer {view.layer}",
        "layers": f"{what} over the layers of head {view.head}",
        "all": f"{what} over all heads",
    }[over]


def figure(run: Run, after: Run | None, read: Read, view: View, kind: str) -> Figure:
    """The large head as a chart and as numbers: every cell that the mask leaves, whatever is filtered on the page."""
    import numpy as np
    import pandas as pd

    before = merged(read.before, view, kind)
    now = before if read.after is None else merged(read.after, view, kind)
    value = "weight" if kind == "weights" else "score"
    query, key = np.nonzero(~np.isnan(before))
    said = {"layer": view.layer, "head": view.head, "merge": view.merge, "query": query, "key": key}
    texts = {
        "query_text": [read.queries[q].text for q in query],
        "key_text": [read.keys[k].text for k in key],
    }
    frame = pd.DataFrame({**said, **texts, value: before[query, key]})
    side = view.side if read.after is not None else "before"
    if read.after is not None:
        frame["after"] = now[query, key]
        frame["change"] = frame["after"] - frame[value]

    def chart() -> Any:
        shown = {"before": value, "after": "after", "change": "change"}[side]
        signed = kind == "scores" or side == "change"
        alike = [shown] if side == "change" or after is None else [value, "after"]  # on one scale
        top = float(np.abs(frame[alike].to_numpy()).max(initial=0.0)) or 1e-6
        title = f"{read.part.capitalize()}, {named(view)}" + ("" if side == "before" else f": {side}")
        table = frame.assign(weight=frame[shown])
        made = charts.attention_chart(
            table, [token.text for token in read.keys], signed=signed, top=top, dark=state.dark(), title=title
        )
        rows = charts.attention_chart(table, [token.text for token in read.queries])
        made.encoding.y = rows.encoding.y
        return made

    def document() -> dict[str, Any]:
        said = {"values": kind, "shown": named(view)}
        return described(run, after, read, said) | {"cells": frame.to_dict("records")}

    return Figure(chart, frame, document)
