"""Does a change that was found on one sentence work on others? Carried over by word, by role, or by the heads alone.

A change found for one sentence may be an accident of that sentence. Three ways of asking:

- *word*: the same bias between the same words, where both stand in the other sentence, too.
- *role*: a head's mean bias between kinds of places, such as from a word to the one before it, or to the separator, laid on
  all places of these kinds.
- *head*: nothing is carried but which heads were changed; the search is made again in the other sentence, in these heads.

Each comes with a control of the same size: the same in other heads, drawn at random within each layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from attnlab_core._descent import LEAST
from attnlab_core.edits._align import by_word
from attnlab_core.edits.bias import Bias, Cell
from attnlab_core.errors import BadInput
from attnlab_core.progress import step
from attnlab_core.search import Search, optimise

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.run import Run

By = Literal["word", "role", "head"]
Head = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Carried:
    """What a carried change did to other sentences.

    Attributes:
        by: How it was carried.
        target: What it was searched for.
        runs: The other sentences, plain.
        after: Each under the carried change; None where nothing could be carried.
        effects: The change of the target's log-probability in each, nats; 0 where nothing could be carried.
        control: The same for other heads of the same layers.
    """

    by: By
    target: str
    runs: tuple[Run, ...]
    after: tuple[Run | None, ...]
    effects: tuple[float, ...]
    control: tuple[float, ...]

    @property
    def turned(self) -> tuple[int, int]:
        """How many sentences answer the target now and did not before; how many did not before."""
        other = [
            (before, after)
            for before, after in zip(self.runs, self.after, strict=True)
            if before.prediction != self.target
        ]
        return sum(after is not None and after.prediction == self.target for _, after in other), len(other)

    def to_frame(self) -> pd.DataFrame:
        """One row a sentence: text, before, after (answers), effect, control."""
        import pandas as pd

        rows = zip(self.runs, self.after, self.effects, self.control, strict=True)
        return pd.DataFrame(
            [
                (one.prompt.text, one.prediction, (two or one).prediction, effect, control)
                for one, two, effect, control in rows
            ],
            columns=["text", "before", "after", "effect", "control"],
        )

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        turned, of = self.turned
        return {
            "by": self.by,
            "target": self.target,
            "turned": turned,
            "of": of,
            "mean_effect": mean(self.effects),
            "mean_control": mean(self.control),
            "sentences": self.to_frame().to_dict("records"),
        }


def carry(search: Search, runs: Sequence[Run], by: By = "role", *, seed: int = 0) -> Carried:
    """Carry a found change to other sentences and measure what it does to the same target there.

    Args:
        search: what was found.
        runs: other sentences, read by the same model, plain or edited.
        by: "word", "role" or "head", see above.
        seed: of the heads of the control.

    Raises:
        BadInput: the sentences were read by another model, there are none, or the search changed nothing.
    """
    if by not in get_args(By):
        raise BadInput(f"by is {by!r}: a change is carried by 'word', by 'role' or by 'head'.")
    if not runs or not search.edit.cells:
        raise BadInput("There is nothing to carry, or no sentence to carry it to.")
    if any(run.lab is not search.before.lab for run in runs):
        raise BadInput("The sentences were read by another model than the change was found in.")
    draw = torch.Generator().manual_seed(seed)
    moved = _other_heads(search, draw)
    after, effects, control = [], [], []
    for number, run in enumerate(runs):
        found, effect = _there(search, run, by, lambda head: head)
        after.append(found)
        effects.append(effect)
        control.append(_there(search, run, by, moved.__getitem__)[1])
        step(number + 1, len(runs))
    return Carried(by, search.target, tuple(runs), tuple(after), tuple(effects), tuple(control))


def carried(
    search: Search, run: Run, by: By = "role", heads: Callable[[Head], Head] = lambda head: head
) -> Bias:
    """A found change as an edit for another sentence: by word or by role; without cells where nothing matches.

    Args:
        search: what was found.
        run: the other sentence.
        by: "word" or "role".
        heads: the head that takes over what was found in one.
    """
    cells = _by_word(search, run) if by == "word" else _by_role(search, run)
    return Bias(cells=tuple((*heads(cell[:2]), *cell[2:]) for cell in cells))


def roles(run: Run) -> list[list[str]]:
    """The role of each key for each query, `[query][key]`, in words such as "word to previous"."""
    tokens, n = run.tokens, len(run.tokens)
    special = [k for k, token in enumerate(tokens) if token.special]
    mine = [
        "first special" if token.special and k == special[0] else "other special" if token.special else "word"
        for k, token in enumerate(tokens)
    ]

    def role(query: int, key: int) -> str:
        near = {0: "itself", -1: "previous", 1: "next"}.get(key - query)
        return near if near and not (tokens[key].special and key != query) else mine[key]

    return [[f"{mine[query]} to {role(query, key)}" for key in range(n)] for query in range(n)]


def _by_word(search: Search, run: Run) -> list[Cell]:
    try:
        pairs = by_word(run.encoding, search.before.encoding)
    except BadInput:  # no word in common
        return []
    there: dict[int, tuple[int, ...]] = {}
    for ours, theirs in pairs:
        if len(ours) == len(theirs):
            there |= {b: (a,) for a, b in zip(ours, theirs, strict=True)}
        else:
            there |= dict.fromkeys(theirs, ours)
    return [
        (layer, head, query, key, by)
        for layer, head, q, k, by in search.edit.cells
        for query in there.get(q, ())
        for key in there.get(k, ())
        if bool(run.pattern.visible[layer, head, query, key])
    ]


def _by_role(search: Search, run: Run) -> list[Cell]:
    own, other = roles(search.before), roles(run)
    heads = dict.fromkeys(cell[:2] for cell in search.edit.cells)
    total: dict[tuple[Head, str], float] = defaultdict(float)
    for layer, head, query, key, by in search.edit.cells:
        total[(layer, head), own[query][key]] += by
    cells: list[Cell] = []
    for layer, head in heads:
        seen = search.before.pattern.visible[layer, head].nonzero().tolist()
        count: dict[str, int] = defaultdict(int)
        for query, key in seen:
            count[own[query][key]] += 1
        for query, key in run.pattern.visible[layer, head].nonzero().tolist():
            by = total[(layer, head), other[query][key]] / max(1, count[other[query][key]])
            if abs(by) > LEAST:
                cells.append((layer, head, query, key, round(by, 4)))
    return cells


def _there(search: Search, run: Run, by: By, heads: Callable[[Head], Head]) -> tuple[Run | None, float]:
    """The other sentence under the change, and what that does to the target."""
    if by == "head":
        meant = tuple(dict.fromkeys(heads(cell[:2]) for cell in search.edit.cells))
        options = {name: search.settings[name] for name in ("plausibility", "steps", "rate", "enough")}
        found = optimise(run, search.asked, heads=meant, **options)
        return found.after, found.effect
    edit = carried(search, run, by, heads)
    if not edit.cells:
        return None, 0.0
    after = run.again(edit)
    return after, after.value(search.asked, "log_probability") - run.value(search.asked, "log_probability")


def _other_heads(search: Search, draw: torch.Generator) -> dict[Head, Head]:
    """For every changed head another one of its layer, each at most once; those that the change left alone come first."""
    heads = search.before.pattern.weights.shape[1]
    found: dict[Head, Head] = {}
    for layer in dict.fromkeys(cell[0] for cell in search.edit.cells):
        used = sorted({cell[1] for cell in search.edit.cells if cell[0] == layer})
        order = torch.randperm(heads, generator=draw).tolist()
        free = [head for head in order if head not in used]
        turned = [*used[1:], used[0]]  # where all heads are used, each takes over the next one's
        chosen = [*free, *(head for head in turned if head not in free)][: len(used)]
        found |= {(layer, head): (layer, other) for head, other in zip(used, chosen, strict=True)}
    return found
