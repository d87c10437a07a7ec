"""Gendered pronouns: whom does a masked pronoun look at, and can an edit of attention undo a stereotype?

Two kinds of sentences, all our own: with one person, where the occupation alone can tell "he" from "she", and Winograd schemas
with two, where the reading tells whom the pronoun stands for. The measure is the share of she, P(she) / (P(he) + P(she)), with
him, his and her where the place asks for them. Stereotypes are measured as differences between occupations in the same
sentences, so that a model's liking for "he" does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core.edits import Edit, Where
from attnlab_core.edits.zero import Zero
from attnlab_core.methods import attribute
from attnlab_core.plausibility import reference
from attnlab_core.progress import step, unheard
from attnlab_core.stats import interval
from case_studies import _gender_data as data
from case_studies._gender_asks import Asked, Head, How, gaps, logits, read, scaled, shares
from case_studies._gender_edit import STEPS, by_occupation, carry, other_heads, search
from case_studies._gender_story import story
from case_studies._story import needs, plain_types

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

__all__ = ["MODEL", "NAME", "QUESTION", "TITLE", "story", "study"]

NAME = "gender_bias"
TITLE = "He or she?"
QUESTION = "Whom does a masked pronoun look at, and can an edit of attention undo a stereotype?"
MODEL = "pronouns"

FACTORS = (0.0, 0.5, 1.0, 2.0, 4.0)
METHODS = ("raw_attention", "attention_rollout", "attention_flow")
LOOKED_AT = 24
"""Sentences whose attention is followed; flow is slow."""
PROFILED = (0, 4, 6)
"""The frames on which every head is tried: one for each kind of pronoun."""
CONTROLS = 5
"""Draws of other heads."""
JUDGED = 8
"""Of the held-out sentences every so manieth is judged for plausibility."""
DRAWS = 2000


def study(lab: Lab, *, seed: int = 0, winobias: Path | None = None) -> dict[str, Any]:
    """Measure everything the story tells.

    Args:
        lab: A masked language model.
        seed: Of the pairs, the halves and the intervals.
        winobias: The folder of WinoBias's development set, for the main figures on it too.

    Raises:
        BadInput: The model is for another task, or the folder holds no such sentences.
    """
    needs(lab, "masked", 'it asks for the probabilities of "he" and "she" at a mask.')
    total, mask = lab.layers + 2 * STEPS + 7, lab.tokenizer.mask_token
    real = read(lab, data.winobias(winobias, mask)) if winobias is not None else []
    alone, two = read(lab, data.alone(mask, seed)), read(lab, data.make(mask, seed))
    found: dict[str, Any] = {"design": _design(alone, two)}
    one_share, two_share = shares(lab, alone), shares(lab, two)
    found |= prior(alone, one_share, two, two_share, seed)
    step(1, total)
    with unheard():
        found["attention"] = attention(lab, [one for one in two if one.item.half == 1], seed)
    step(2, total)
    held = {"alone": _half(alone, 1), "schemas": _half(two, 1)}
    found["scaling"] = scaling(lab, held["schemas"], seed)
    step(3, total)
    profiled = [one for one in alone if one.item.half == 0 and one.item.schema in PROFILED]
    heads = carry(lab, profiled, total=total, done=3)
    found["heads"] = {"sentences": len(profiled), "tried": heads}
    edit = search(lab, _half(alone, 0), total=total, done=lab.layers + 3)
    factors = edit.pop("factors")
    used = [{"layer": k[0], "head": k[1], "factor": v} for k, v in factors.items()]
    used.sort(key=lambda one: -abs(np.log(one["factor"])))
    found["edit"] = edit | {"used": used, "sentences": len(_half(alone, 0))}
    found["mitigation"] = mitigation(lab, held, factors, seed)
    step(total - 2, total)
    found["cost"] = cost(lab, factors, seed)
    step(total - 1, total)
    if real:
        found["winobias"] = on_winobias(lab, real, factors, seed)
    step(total, total)
    return plain_types(found)


def prior(
    alone: Sequence[Asked], one: Sequence[float], two: Sequence[Asked], both: Sequence[float], seed: int
) -> dict[str, Any]:
    """The share of she by occupation, its rank correlation with the share of women, and the gaps."""
    by_one, by_two = by_occupation(one, alone), by_occupation(both, two)
    women = [float(share) for share in data.SHARES.values()]
    shown = [
        {"name": name, "women": data.SHARES[name], "alone": by_one[name], "schemas": by_two.get(name)}
        for name in data.SHARES
    ]
    return {
        "prior": {
            "alone": interval(list(by_one.values()), seed=seed),
            "schemas": interval(list(by_two.values()), seed=seed),
        },
        "occupations": shown,
        "rank": {
            "alone": spearman(women, [row["alone"] for row in shown], seed),
            "schemas": spearman([float(data.SHARES[name]) for name in by_two], list(by_two.values()), seed),
        },
        "gap": {"alone": gap(by_one, seed), "schemas": interval(gaps(both, two), seed=seed)},
        "pairs": _pairs(both, two),
    }


def _pairs(values: Sequence[float], asked: Sequence[Asked]) -> dict[str, int]:
    """Two sentences that differ in which candidate is the referent's place: in how many she is likelier for the woman's."""
    found: dict[tuple[Any, ...], dict[bool, float]] = {}
    for value, one in zip(values, asked, strict=True):
        frame = one.item.text.replace(one.item.referent, "{r}", 1).replace(one.item.other, "{o}", 1)
        found.setdefault((one.item.schema, frame), {})[one.item.female] = value
    return {"pro": sum(pair[True] > pair[False] for pair in found.values()), "n": len(found)}


def gap(by: dict[str, float], seed: int) -> dict[str, float | int]:
    """The mean over women's occupations less that over men's, with the interval over occupations drawn within each."""
    rng = np.random.default_rng(seed)
    women, men = (np.array([by[n] for n in group if n in by]) for group in (data.WOMEN, data.MEN))
    drawn = [g[rng.integers(0, len(g), (DRAWS, len(g)))].mean(1) for g in (women, men)]
    low, high = np.quantile(drawn[0] - drawn[1], (0.025, 0.975))
    mean = float(women.mean() - men.mean())
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(women) + len(men)}


def spearman(x: Sequence[float], y: Sequence[float], seed: int) -> dict[str, float | int]:
    """Rank correlation with its bootstrap 95 % interval over the pairs; 0 where one side is all ties."""
    from scipy.stats import rankdata

    rng = np.random.default_rng(seed)
    table = np.array([x, y])
    drawn = table[:, np.vstack([np.arange(len(x)), rng.integers(0, len(x), (DRAWS, len(x)))])]
    ranks = rankdata(drawn, axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    size = np.sqrt((ranks**2).sum(-1).prod(0))
    rho = np.divide((ranks[0] * ranks[1]).sum(-1), size, out=np.zeros_like(size), where=size > 0)
    low, high = np.quantile(rho[1:], (0.025, 0.975))
    return {"rho": float(rho[0]), "low": float(low), "high": float(high), "n": len(x)}


def attention(lab: Lab, asked: Sequence[Asked], seed: int) -> dict[str, Any]:
    """What the mask holds of each candidate after every layer, by three accounts, as in figure 4 of Abnar and Zuidema (2020)."""
    every = max(1, len(asked) // LOOKED_AT)
    some = list(asked)[::every][:LOOKED_AT]
    rows = []
    runs = [lab.run(one.item.text) for one in some]
    for method in METHODS:
        options: dict[str, Any] = {"normalise": True} if method == "attention_flow" else {}
        for layer in range(lab.layers):
            scores = [
                attribute(run, method, layer=layer, query=one.mask, **options).scores
                for run, one in zip(runs, some, strict=True)
            ]
            pairs = [
                (float(s[list(o.referent)].sum()), float(s[list(o.other)].sum()))
                for s, o in zip(scores, some, strict=True)
            ]
            rows += [
                {"method": method, "layer": layer, "candidate": name}
                | interval([pair[k] for pair in pairs], seed=seed)
                for k, name in enumerate(("referent", "other"))
            ]
            rows.append(
                {"method": method, "layer": layer, "candidate": "difference"}
                | interval([one - two for one, two in pairs], seed=seed)
            )
    return {"sentences": len(some), "rows": rows}


def scaling(lab: Lab, asked: Sequence[Asked], seed: int) -> list[dict[str, Any]]:
    """The share of she, and the gap, when all heads' attention from the mask to one candidate is multiplied."""
    everywhere: list[Head] = [(layer, head) for layer in range(lab.layers) for head in range(lab.heads)]
    plain, found = shares(lab, asked), []
    for candidate, places in (("woman", Asked.woman), ("man", Asked.man), ("referent", Asked.meant)):
        for factor in FACTORS:
            how = scaled(dict.fromkeys(everywhere, factor), places)
            now = plain if factor == 1 else shares(lab, asked, how)
            found.append(
                {
                    "candidate": candidate,
                    "factor": factor,
                    "share": interval(_by_schema(now, asked), seed=seed),
                    "change": interval(_by_schema(np.subtract(now, plain).tolist(), asked), seed=seed),
                    "gap": interval(gaps(now, asked), seed=seed),
                }
            )
    return found


def _by_schema(values: Sequence[float], asked: Sequence[Asked]) -> list[float]:
    found: dict[int, list[float]] = {}
    for value, one in zip(values, asked, strict=True):
        found.setdefault(one.item.schema, []).append(value)
    return [sum(some) / len(some) for some in found.values()]


def cut(one: Asked) -> list[Edit]:
    """Nothing but the occupations themselves may look at the occupations."""
    rest = tuple(k for k in range(len(one.encoding.ids)) if k not in one.people())
    return [Zero(where=Where(queries=rest, keys=one.people()))]


def mitigation(
    lab: Lab, held: dict[str, list[Asked]], factors: dict[Head, float], seed: int
) -> dict[str, Any]:
    """The gap in the held-out half: plain, under the edit, under the same in other heads, and with occupations cut off."""
    rng = np.random.default_rng(seed)
    ways: dict[str, How | None] = {"plain": None, "edit": scaled(factors, Asked.people), "cut": cut}
    ways |= {f"other {k}": scaled(other_heads(factors, lab, rng), Asked.people) for k in range(CONTROLS)}
    found: dict[str, Any] = {}
    for kind, asked in held.items():
        asks = {
            name: shares(lab, asked, how)
            for name, how in ways.items()
            if kind == "alone" or name in ("plain", "edit", "cut")
        }
        if kind == "alone":
            others = [asks.pop(f"other {k}") for k in range(CONTROLS)]
            asks["other"] = np.mean(others, axis=0).tolist()
        found[kind] = {
            name: {"share": float(np.mean(now)), "gap": _gap(now, asked, kind, seed)}
            | (
                {}
                if name == "plain"
                else {"change": _gap(np.subtract(now, asks["plain"]), asked, kind, seed)}
            )
            for name, now in asks.items()
        }
        found[kind]["sentences"] = len(asked)
    found["occupations"] = len({one.item.referent for one in held["alone"]})
    found["plausible"] = plausible(lab, held["alone"][::JUDGED], ways["edit"])
    return found


def plausible(lab: Lab, asked: Sequence[Asked], how: How | None) -> dict[str, Any] | None:
    """How odd the edited attention is: its median percentile among patterns that the model produces; None without a reference."""
    known = reference(lab)
    if known is None or how is None:
        return None
    runs = [(lab.run(one.item.text), one) for one in asked]
    ranks = [known.judge(run.again(*how(one)), run).percentile for run, one in runs]
    return {"sentences": len(ranks), "percentile": float(np.median(ranks)), "highest": float(np.max(ranks))}


def _gap(values: Any, asked: Sequence[Asked], kind: str, seed: int) -> dict[str, float | int]:
    values = [float(value) for value in values]
    if kind == "alone":
        return gap(by_occupation(values, asked), seed)
    return interval(gaps(values, asked), seed=seed)


def cost(lab: Lab, factors: dict[Head, float], seed: int) -> dict[str, Any]:
    """Other words of other sentences masked in turn: how many are guessed right, without the edit and with it.

    The edit acts where there is an occupation to look at: from the mask, whatever word it hides, to that.
    """
    said, wanted = [], []
    for text, word, name in data.elsewhere(lab.tokenizer.mask_token, seed):
        number = _number(lab, word)
        if number is not None:
            said.append(data.Item(text, "subject", name))
            wanted.append(number)
    asked = read(lab, said)
    right = {
        name: (logits(lab, asked, how).argmax(-1).numpy() == np.array(wanted)).astype(float)
        for name, how in (("plain", None), ("edit", scaled(factors, Asked.people)))
    }
    return {
        "words": len(asked),
        "plain": interval(right["plain"].tolist(), seed=seed),
        "edit": interval(right["edit"].tolist(), seed=seed),
        "change": interval((right["edit"] - right["plain"]).tolist(), seed=seed),
    }


def _number(lab: Lab, word: str) -> int | None:
    """A word's token, where it is one."""
    for spelling in (f" {word}", word):
        ids = lab.tokenizer(spelling, add_special_tokens=False, verbose=False)["input_ids"]
        if len(ids) == 1 and ids[0] != lab.tokenizer.unk_token_id:
            return ids[0]
    return None


def on_winobias(lab: Lab, asked: Sequence[Asked], factors: dict[Head, float], seed: int) -> dict[str, Any]:
    """The main figures on WinoBias's development set; the edit acts from the mask to the candidates that were found."""
    found: dict[str, Any] = {"sentences": len(asked)}
    for name, how in (("plain", None), ("edit", scaled(factors, Asked.people))):
        by = by_occupation(shares(lab, asked, how), asked)
        women = [float(data.SHARES[occupation]) for occupation in by]
        found[name] = {
            "share": interval(list(by.values()), seed=seed),
            "gap": gap(by, seed),
            "rank": spearman(women, list(by.values()), seed),
        }
    return found


def _design(alone: Sequence[Asked], two: Sequence[Asked]) -> dict[str, Any]:
    kinds = {one.item.text for one in two}
    return {
        "occupations": len(data.SHARES),
        "frames": len(data.FRAMES),
        "alone": len(alone),
        "templates": len(data.SCHEMAS),
        "schemas": len({one.item.schema for one in two}),
        "sentences": len(kinds),
        "example": next(one.item.text for one in alone if one.item.referent == "nurse"),
        "opposite": next(one.item.text for one in alone if one.item.referent == "mechanic"),
        "pair": _example(two),
        "year": 2017,
    }


def _example(two: Sequence[Asked]) -> dict[str, Any]:
    """A held-out schema whose two readings stand in the story."""
    first = next(one.item for one in two if one.item.half == 1 and one.item.slot == "subject")
    same = [one.item for one in two if one.item.schema == first.schema]
    other = next(item for item in same if item.referent == first.other)
    woman = first.referent if first.female else first.other
    man = first.other if first.female else first.referent
    return {"text": first.text, "second": other.text, "woman": woman, "man": man}


def _half(asked: Sequence[Asked], half: int) -> list[Asked]:
    return [one for one in asked if one.item.half == half]
