"""What the negation study measures; each function gives one part of the record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core import stats
from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.edits.zero import Zero
from case_studies._negation_data import KINDS, NEGATING, Pair
from case_studies._negation_read import (
    Reader,
    Row,
    correlation,
    correlation_interval,
    share_of,
    sign,
    tokens_of,
)

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding
    from attnlab_core.run import Run

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
METHODS = (
    "raw_attention attention_rollout attention_flow atman integrated_gradients input_x_gradient gradient_norm occlusion "
    "random"
).split()
TURNING = ("negated", "negated negative", "downtoned")
"""The kinds in which the negation is all that is added and turns the label."""
FEW = (1, 2, 4, 8, 16, 32)
SLOW = 250
"""As many forward passes as all methods together take for one sentence, by the clock."""
Head = tuple[int, int]


def likely(odds: np.ndarray) -> np.ndarray:
    """Probabilities of natural log-odds."""
    return 1 / (1 + np.exp(-odds))


def taken(places: Sequence[int], **where: Any) -> Scale:
    """All attention to some positions taken away, where it is said."""
    return Scale(factor=0.0, where=Where(keys=tuple(places), **where))


def of_kind(pairs: Sequence[Pair], kinds: Sequence[str], each: int, skip: int = 0) -> list[Pair]:
    """So many pairs of each kind, after the first few."""
    return [p for kind in kinds for p in [q for q in pairs if q.kind == kind][skip : skip + each]]


def accuracy(reader: Reader, pairs: Sequence[Pair]) -> dict[str, Any]:
    """How often the verdict is the label, by kind and by form, and what was said of each sentence.

    Both sentences of the kind "plain" count there; of the other kinds the sentence with the negation.
    """
    texts = [Row(reader.encode(text)) for pair in pairs for text in (pair.plain, pair.text)]
    odds = reader.odds(texts).reshape(-1, 2)
    signs = np.array([[sign(p.plain_gold), sign(p.gold)] for p in pairs])
    right = (odds * signs > 0).astype(float)
    kinds, forms = [], []
    for kind in KINDS:
        mine = [k for k, p in enumerate(pairs) if p.kind == kind]
        values = right[mine].ravel() if kind == "plain" else right[mine, 1]
        kinds.append(
            {"kind": kind, **stats.interval(values.tolist()), "without": float(right[mine, 0].mean())}
        )
        for form in dict.fromkeys(pairs[k].form for k in mine):
            held = [k for k in mine if pairs[k].form == form]
            one = pairs[held[0]]
            said = {"kind": kind, "form": form, "text": one.text, "gold": one.gold, "n": len(held)}
            forms.append({**said, "right": float(right[held, 1].mean())})
    rows = [
        [p.kind, p.form, p.plain, p.plain_gold, p.text, p.gold, p.word, *np.round(odds[k], 3).tolist()]
        for k, p in enumerate(pairs)
    ]
    return {"kinds": kinds, "forms": forms, "pairs": rows}


def factors(reader: Reader, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """P(label) by kind and by the factor on the negation's attention, and how many verdicts turn."""
    found = []
    asked = [p for p in pairs if p.word]
    read = [reader.encode(p.text) for p in asked]
    rows = [
        Row(e, () if factor == 1.0 else (Scale(factor=factor, where=Where(keys=tokens_of(p, e))),))
        for p, e in zip(asked, read, strict=True)
        for factor in FACTORS
    ]
    signs = np.array([sign(p.gold) for p in asked])[:, None]
    odds = reader.odds(rows).reshape(len(asked), -1) * signs
    plain = odds[:, [FACTORS.index(1.0)]]
    for kind in NEGATING:
        mine = np.array([p.kind == kind for p in asked])
        for k, factor in enumerate(FACTORS):
            now, was = odds[mine, k] > 0, plain[mine, 0] > 0
            found.append(
                {"kind": kind, "factor": factor, **stats.interval(likely(odds[mine, k]).tolist())}
                | {"to_right": int((now & ~was).sum()), "to_wrong": int((was & ~now).sum())}
            )
    return found


def explained(reader: Reader, pairs: Sequence[Pair], each: int) -> dict[str, Any]:
    """How much of the difference between a sentence and its plain twin goes when attention to the negation is taken.

    Shares of the difference in log-odds: 1 is all the way back to the plain sentence.
    """
    asked = of_kind(pairs, TURNING, each)
    read = [reader.encode(p.text) for p in asked]
    ways = _ways(reader, read[0])
    rows = []
    for pair, encoding in zip(asked, read, strict=True):
        places = tokens_of(pair, encoding)
        before = (places[0] - 1,)
        rows += [Row(reader.encode(pair.plain)), Row(encoding)]
        for way, where in ways.items():
            rows.append(Row(encoding, (taken(before if way == "before" else places, **where(encoding)),)))
    odds = reader.odds(rows).reshape(len(asked), -1) * np.array([sign(p.gold) for p in asked])[:, None]
    plain, full = odds[:, 0], odds[:, 1]
    shares = [
        {"way": way, **share_of(full - odds[:, k], full - plain)} for k, way in enumerate(ways, start=2)
    ]
    turned = (full > 0) & (plain < 0)
    back = turned & (odds[:, 2] < 0)
    return {
        "n": len(asked),
        "difference": stats.interval((full - plain).tolist()),
        "turned": int(turned.sum()),
        "back": int(back.sum()),
        "shares": shares,
    }


def _ways(reader: Reader, encoding: Encoding) -> dict[str, Any]:
    """Name → which queries and layers lose sight of the negation; "everywhere" first."""
    ways: dict[str, Any] = {"everywhere": lambda _: {}}
    if reader.place(encoding) is not None:
        ways["answer"] = lambda e: {"queries": (reader.place(e),)}
        ways["others"] = lambda e: {"queries": tuple(k for k in range(len(e.ids)) if k != reader.place(e))}
    for layer in range(reader.lab.layers):
        ways[f"layer {layer}"] = lambda _, layer=layer: {"layers": (layer,)}
    ways["before"] = lambda _: {}
    return ways


def heads(reader: Reader, pairs: Sequence[Pair], each: int, zeroed: int) -> dict[str, Any]:
    """What every head carries, alone: its attention to the negation taken, and the whole head zeroed.

    The effect is in log-odds for the label. A head that is zeroed changes the plain sentence, too: that is subtracted.
    """
    asked, lab = of_kind(pairs, TURNING, each), reader.lab
    every = [(layer, head) for layer in range(lab.layers) for head in range(lab.heads)]
    rows = []
    for pair in asked:
        encoding = reader.encode(pair.text)
        places = tokens_of(pair, encoding)
        rows += [Row(encoding), *(Row(encoding, (taken(places, **_at(head)),)) for head in every)]
    reader.meter.begin(len(rows))
    signs = np.array([sign(p.gold) for p in asked])[:, None]
    odds = reader.odds(rows).reshape(len(asked), -1) * signs
    by_keys = odds[:, :1] - odds[:, 1:]
    some = of_kind(pairs, TURNING, zeroed)
    rows = []
    for pair in some:
        for encoding in (reader.encode(pair.text), reader.encode(pair.plain)):
            rows += [Row(encoding), *(Row(encoding, (Zero(where=Where(**_at(head))),)) for head in every)]
    reader.meter.begin(len(rows))
    signs = np.array([sign(p.gold) for p in some])[:, None, None]
    odds = reader.odds(rows).reshape(len(some), 2, -1) * signs
    lost = odds[..., :1] - odds[..., 1:]
    whole = lost[:, 0] - lost[:, 1]
    table = []
    tested = [(values, _corrected(values)) for values in (by_keys, whole)]
    for k, (layer, head) in enumerate(every):
        (keys, p_keys), (all_, p_all) = tested
        table.append(
            {"layer": layer, "head": head, "effect": float(keys[:, k].mean()), "p": p_keys[k]}
            | {"zeroed": float(all_[:, k].mean()), "p_zeroed": p_all[k]}
        )
    table.sort(key=lambda row: -row["effect"])
    best = by_keys[:, every.index((table[0]["layer"], table[0]["head"]))]
    agree = correlation(by_keys.mean(0), whole.mean(0))
    return {
        "n": len(asked),
        "n_zeroed": len(some),
        "best": stats.interval(best.tolist()),
        "agree": agree,
        "table": table,
    }


def _at(head: Head) -> dict[str, Any]:
    return {"layers": (head[0],), "heads": (head[1],)}


def _corrected(effects: np.ndarray) -> list[float]:
    """Wilcoxon's signed-rank test of every column against no effect, corrected by Holm for all of them."""
    from scipy.stats import wilcoxon

    tests: Any = wilcoxon
    found = []
    for column in effects.T:
        moved = column[np.abs(column) > 1e-7]
        found.append(float(tests(moved, method="asymptotic").pvalue) if len(moved) > 5 else 1.0)
    return stats.holm(found)


def few(
    reader: Reader, pairs: Sequence[Pair], ranked: Sequence[Head], each: int, seed: int
) -> list[dict[str, Any]]:
    """How much of the difference goes with the best heads' attention to the negation, on sentences not ranked by.

    Beside them as many heads drawn at random, others for every sentence.
    """
    asked = of_kind(pairs, TURNING, each, skip=each)
    counts = [k for k in FEW if k < len(ranked)] + [len(ranked)]
    rng, rows = random.Random(seed), []
    for pair in asked:
        encoding = reader.encode(pair.text)
        places = tokens_of(pair, encoding)
        rows += [Row(reader.encode(pair.plain)), Row(encoding)]
        for count in counts:
            for chosen in (ranked[:count], rng.sample(list(ranked), count)):
                rows.append(Row(encoding, _together(places, chosen)))
    odds = reader.odds(rows).reshape(len(asked), -1) * np.array([sign(p.gold) for p in asked])[:, None]
    plain, full = odds[:, 0], odds[:, 1]
    names = [(count, which) for count in counts for which in ("best", "random")]
    return [
        {"heads": count, "which": which, **share_of(full - odds[:, k], full - plain)}
        for k, (count, which) in enumerate(names, start=2)
    ]


def _together(places: Sequence[int], chosen: Sequence[Head]) -> tuple[Scale, ...]:
    by_layer: dict[int, list[int]] = {}
    for layer, head in sorted(chosen):
        by_layer.setdefault(layer, []).append(head)
    return tuple(taken(places, layers=(layer,), heads=tuple(hs)) for layer, hs in by_layer.items())


def methods(reader: Reader, pairs: Sequence[Pair], each: int) -> dict[str, Any]:
    """Where every method ranks the negation among a sentence's words, and where its deletion does.

    A place is the share of the other words that the negation is above, by size: 1 is first, 0 is last, chance is 1/2.
    """
    from attnlab_core.methods import attribute

    asked = of_kind(pairs, NEGATING, each)
    runs = [reader.lab.run(p.text) for p in asked]
    words = [_words(run, p) for run, p in zip(runs, asked, strict=True)]
    effects = _deleted(reader, runs, words)
    effect = np.array([values[0] for values in effects])
    places = [_place(values) for values in effects]
    table = []
    reader.meter.begin(SLOW * len(runs))
    for k, name in enumerate(METHODS):
        scores = []
        for j, (run, parts) in enumerate(zip(runs, words, strict=True)):
            with reader.meter.within(k * len(runs) + j, len(METHODS) * len(runs)):
                found = attribute(run, name, **({"seed": j} if name == "random" else {}))
            scores.append(np.array([float(found.scores[list(part)].sum()) for part in parts]))
        of_word = np.array([values[0] for values in scores])
        place = stats.interval([_place(values) for values in scores])
        table.append({"method": name, "place": place, "spearman": correlation_interval(of_word, effect)})
    return {
        "n": len(asked),
        "deleted": stats.interval(places),
        "first": int(sum(place == 1.0 for place in places)),
        "effect": stats.interval(effect.tolist()),
        "table": table,
    }


def _words(run: Run, pair: Pair) -> list[tuple[int, ...]]:
    """The positions of every word, punctuation left out; the negation comes first."""
    mine = tokens_of(pair, run.encoding)
    others = [w.positions for w in run.encoding.words if any(letter.isalnum() for letter in w.text)]
    return [mine, *(places for places in others if not set(places) & set(mine))]


def _deleted(
    reader: Reader, runs: Sequence[Run], words: Sequence[Sequence[tuple[int, ...]]]
) -> list[np.ndarray]:
    """How much of the log-odds of its own verdict each sentence loses without each word."""
    rows = []
    for run, parts in zip(runs, words, strict=True):
        rows += [Row(run.encoding), *(Row(run.encoding, without=part) for part in parts)]
    reader.meter.begin(len(rows))
    odds, found, begin = reader.odds(rows), [], 0
    for parts in words:
        mine = odds[begin : begin + len(parts) + 1]
        found.append((mine[0] - mine[1:]) * np.sign(mine[0]))
        begin += len(parts) + 1
    return found


def _place(scores: np.ndarray) -> float:
    """The share of the others that the first is above, by size; ties count half."""
    size = np.round(np.abs(scores), 9)
    return float(((size[1:] < size[0]).sum() + (size[1:] == size[0]).sum() / 2) / max(1, len(size) - 1))


def founding(lab: Lab, labels: dict[str, str], text: str, word: str, factor: float) -> dict[str, Any]:
    """The founding example: its verdict without an edit, with it, and with every other factor."""
    run = lab.run(text)
    keys = run.encoding.find(word)
    curve = []
    for one in FACTORS:
        after = run if one == 1.0 else run.again(Scale(factor=one, where=Where(keys=keys)))
        positive, negative = (after.probabilities[labels[side]] for side in ("positive", "negative"))
        curve.append({"factor": one, "positive": positive, "negative": negative})
    return {"text": text, "word": word, "factor": factor, "curve": curve}
