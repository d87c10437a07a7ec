"""How explanation methods are scored against the two sentences that are needed, and one passage as a graph of layers.

A method gives a score to every token. A sentence's score is the mean of its tokens' scores, or their sum; the sentences are
then ranked. Sentences of the same score are taken in every order, and the results averaged.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from attnlab_core.errors import BadInput
from attnlab_core.methods import attribute
from attnlab_core.methods._graph import SCALE, to_shares
from attnlab_core.progress import unheard
from attnlab_core.prompt import Prompt
from attnlab_core.run import Run
from attnlab_core.stats import interval
from attnlab_core.targets import Target
from case_studies._multi_hop_reading import Reading, corrected, flipped, log_p, read, right
from case_studies._multi_hop_study import knockouts
from case_studies.multi_hop import with_other_bridge, without_bridge

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

METHODS: dict[str, dict[str, Any]] = {
    "atman": {"unit": "sentence"},
    "occlusion": {},
    "integrated_gradients": {"steps": 16},
    "input_x_gradient": {},
    "gradient_norm": {},
    "raw_attention": {},
    "attention_rollout": {},
    "attention_flow": {},
    "random": {},
}
"""The methods and their knobs; all others are at their defaults."""
SHORT = 72
"""Tokens of a passage that is explained: occlusion, integrated gradients and flow take longer the more there are."""
COST = 40
"""A passage explained by all methods, counted in passages read."""
FORMS: Mapping[str, Callable[[np.ndarray], float]] = {"mean": np.mean, "sum": np.sum}
LEAST = 0.002
"""Edges of the graph below this are left out."""


def shortest(readings: Sequence[Reading], count: int) -> list[int]:
    """The numbers of the first passages of at most `SHORT` tokens; where there are too few, the shortest."""
    sizes = [len(reading.encoding.ids) for reading in readings]
    short = [k for k, size in enumerate(sizes) if size <= SHORT]
    if len(short) < count:
        short = sorted(range(len(sizes)), key=lambda k: sizes[k])
    return short[:count]


def orders(scores: Sequence[float], relevant: Sequence[int]) -> list[tuple[bool, ...]]:
    """Whether each rank holds a relevant sentence, for every way to break ties, each as likely as the others."""
    values = [round(float(score), 9) for score in scores]
    blocks = []
    for value in sorted(set(values), reverse=True):
        members = [k for k, one in enumerate(values) if one == value]
        hits = sum(k in relevant for k in members)
        blocks.append(
            [
                tuple(place in places for place in range(len(members)))
                for places in itertools.combinations(range(len(members)), hits)
            ]
        )
    return [tuple(itertools.chain.from_iterable(parts)) for parts in itertools.product(*blocks)]


def ranked(scores: Sequence[float], relevant: Sequence[int]) -> dict[str, float]:
    """How well scores put the relevant sentences first.

    Args:
        scores: Of each sentence.
        relevant: The numbers of the bridging and of the answering sentence.

    Returns:
        ap: Average precision: the mean, over the relevant sentences, of the share of relevant ones down to their rank.
        recall_1, recall_2: The share of the relevant sentences among the first one and two.
        bridge: 1 where the bridging sentence is first when the answering one is set aside.

    >>> ranked([3.0, 1.0, 2.0], (0, 1))
    {'ap': 0.8333333333333333, 'recall_1': 0.5, 'recall_2': 0.5, 'bridge': 1.0}
    """
    found = {"ap": [], "recall_1": [], "recall_2": []}
    for row in orders(scores, relevant):
        ranks = [rank for rank, hit in enumerate(row, 1) if hit]
        found["ap"].append(np.mean([(k + 1) / rank for k, rank in enumerate(ranks)]))
        for most in (1, 2):
            found[f"recall_{most}"].append(sum(row[:most]) / len(ranks))
    bridge, answer = relevant[0], relevant[-1]
    rest = [k for k in range(len(scores)) if k != answer or answer == bridge]
    first = orders([scores[k] for k in rest], [rest.index(bridge)])
    return {name: float(np.mean(values)) for name, values in found.items()} | {
        "bridge": float(np.mean([row[0] for row in first]))
    }


def scored(lab: Lab, readings: Sequence[Reading], tell: Callable[[int], None]) -> dict[str, Any]:
    """Every method against the two sentences that are needed, with what a random order would get."""
    tables: dict[str, dict[str, list[dict[str, float]]]] = {form: {} for form in FORMS}
    chance = [ranked([0.0] * len(r.sentences), r.item.supporting) for r in readings]
    refused: dict[str, str] = {}
    gaps: list[float] = []
    for number, reading in enumerate(readings):
        run = lab.run(reading.encoding.prompt)
        for method, knobs in METHODS.items():
            if method in refused:
                continue
            more = {"seed": number} if method == "random" else {}
            try:
                with unheard():
                    target = Target((reading.span[0], reading.span[-1]))
                    said = attribute(run, method, target, **knobs, **more)
                    scores = said.scores.numpy()
            except BadInput as error:
                refused[method] = str(error)
                continue
            gaps += [said.details["convergence_gap_relative"]] if method == "integrated_gradients" else []
            for form, combine in FORMS.items():
                sentences = [float(combine(scores[list(places)])) for places in reading.sentences]
                tables[form].setdefault(method, []).append(ranked(sentences, reading.item.supporting))
        tell(COST)
    found: dict[str, Any] = {
        "n": len(readings),
        "tokens": float(np.mean([len(reading.encoding.ids) for reading in readings])),
        "sentences": float(np.mean([len(reading.sentences) for reading in readings])),
        "chance": {name: float(np.mean([row[name] for row in chance])) for name in chance[0]},
        "left_out": refused,
        "gradients_gap": float(np.median(gaps)) if gaps else None,
    }
    for form, table in tables.items():
        kept = {name: rows for name, rows in table.items() if name not in refused}
        found[form] = {name: _summed(rows, chance) for name, rows in kept.items()}
        for measure in ("ap", "bridge"):
            corrected([one[f"{measure}_gain"] for name, one in found[form].items() if name != "random"])
    return found


def _summed(rows: Sequence[Mapping[str, float]], chance: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {name: interval([row[name] for row in rows]) for name in rows[0]}
    for name in ("ap", "bridge"):
        gain = [row[name] - luck[name] for row, luck in zip(rows, chance, strict=True)]
        found[f"{name}_gain"] = interval(gain) | {"p": flipped(gain)}
    return found


def parts(reading: Reading) -> dict[str, tuple[int, ...]]:
    """The nodes of the graph in every layer: the question, the answer's tokens, each sentence, and the special tokens."""
    taken = set(reading.span)
    nodes = {"question": reading.question, "answer": reading.span}
    for number, places in enumerate(reading.sentences, 1):
        nodes[f"sentence {number}"] = tuple(place for place in places if place not in taken)
    inside = {place for places in nodes.values() for place in places}
    nodes["special"] = tuple(k for k in range(len(reading.encoding.ids)) if k not in inside)
    return {name: places for name, places in nodes.items() if places}


def rolled(shares: np.ndarray, source: Sequence[int]) -> np.ndarray:
    """What rollout carries along every edge [layer, query, key], from the mean of the source's tokens down to the input.

    Every layer's edges sum to one; the lowest layer's columns sum to the rollout of the source.
    """
    share, found = np.zeros(shares.shape[-1]), np.zeros_like(shares)
    share[list(source)] = 1 / len(source)
    for layer in reversed(range(len(shares))):
        found[layer] = share[:, None] * shares[layer]
        share = found[layer].sum(0)
    return found


def flowing(shares: np.ndarray, source: Sequence[int], sink: Sequence[int]) -> np.ndarray:
    """One largest flow along every edge [layer, query, key] from the source's tokens to all of the sink's at once.

    Each of the source's tokens is given its part of one, so that no flow exceeds one, as no rollout does.
    """
    layers, n = len(shares), shares.shape[-1]
    start, end = (layers + 1) * n, (layers + 1) * n + 1
    level, queries, keys = np.nonzero(shares)
    starts = [*((level + 1) * n + queries), *[start] * len(source), *sink]
    ends = [*(level * n + keys), *[layers * n + place for place in source], *[end] * len(sink)]
    capacity = [*shares[level, queries, keys], *[1 / len(source)] * len(source), *[1.0] * len(sink)]
    whole = np.rint(np.array(capacity) * SCALE).astype(np.int32)
    sent = maximum_flow(
        csr_array((whole, (starts, ends)), shape=(end + 1, end + 1)), start, end
    ).flow.toarray()
    found = np.zeros_like(shares)
    found[level, queries, keys] = np.maximum(sent[(level + 1) * n + queries, level * n + keys], 0) / SCALE
    return found


def edges(carried: np.ndarray, nodes: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    """The graph of what edges carry, from a node after a layer (counted from 1) down to a node before it."""
    found = []
    for layer, table in enumerate(carried, 1):
        for (source, queries), (target, keys) in itertools.product(nodes.items(), repeat=2):
            weight = float(table[np.ix_(list(queries), list(keys))].sum())
            if weight >= LEAST:
                found.append({"layer": layer, "source": source, "target": target, "weight": weight})
    return found


def graph(run: Run, reading: Reading) -> dict[str, Any]:
    """Rollout and flow of one passage as edges between groups of tokens, and what arrives at each group."""
    weights = run.pattern.weights.double().mean(1).numpy()
    shares, nodes = to_shares(weights), parts(reading)
    carried, n = rolled(shares, reading.span), len(run.tokens)
    arrived = {name: float(carried[0][:, list(places)].sum()) for name, places in nodes.items()}
    sinks = {name: places for name, places in nodes.items() if name not in ("answer", "special")}
    flows = {name: flowing(shares, reading.span, places) for name, places in sinks.items()}
    bridge = f"sentence {reading.item.supporting[0] + 1}"
    return {
        "nodes": {name: len(places) for name, places in nodes.items()},
        "bridge": bridge,
        "answering": f"sentence {reading.item.supporting[1] + 1}",
        "rollout": edges(carried, nodes),
        "flow": edges(flows[bridge], nodes),
        "arrived": arrived,
        "times": {name: share * n / len(nodes[name]) for name, share in arrived.items()},
        "largest_flow": {name: float(flow[-1].sum()) for name, flow in flows.items()},
    }


def example(lab: Lab, passages: Sequence[tuple[Reading, tuple[tuple[int, int], int]]]) -> dict[str, Any]:
    """One passage in full: the first that is answered right in all three forms, with its cuts and its graph."""
    ready = (told for told in (_told(lab, *passage) for passage in passages) if told["right_in_all"])
    return next(ready, None) or _told(lab, *passages[0])


def _told(lab: Lab, reading: Reading, pick: tuple[tuple[int, int], int]) -> dict[str, Any]:
    item = reading.item
    run = lab.run(Prompt(item.question, item.context))
    forms = {"removed": without_bridge(item), "replaced": with_other_bridge(item)}
    asked = {
        name: (read(lab, one), lab.run(Prompt(one.question, one.context))) for name, one in forms.items()
    }
    asked = {"whole": (reading, run)} | asked
    given = [right(one, found.prediction) for one, found in asked.values()]
    return {"right_in_all": bool(all(given))} | _described(lab, reading, pick, asked)


def _described(
    lab: Lab,
    reading: Reading,
    pick: tuple[tuple[int, int], int],
    asked: Mapping[str, tuple[Reading, Run]],
) -> dict[str, Any]:
    item, run = reading.item, asked["whole"][1]
    before = log_p(reading, run.logits)
    cuts: dict[str, Any] = {}
    for name, edits in knockouts(reading, run.pattern.causal, *pick).items():
        if edits:
            after = run.again(*edits)
            effect = log_p(reading, after.logits) - before
            cuts[name] = {"effect": effect, "prediction": after.prediction}
    return {
        "question": item.question,
        "sentences": list(item.sentences),
        "supporting": list(item.supporting),
        "bridge": item.bridge,
        "answer": item.answer,
        "pair": list(pick[0]),
        "alone": pick[1],
        "forms": {
            name: {
                "context": one.item.context,
                "answer": one.item.answer,
                "prediction": found.prediction,
                "probability": float(next(iter(found.probabilities.values()))),
            }
            for name, (one, found) in asked.items()
        },
        "cuts": cuts,
        "graph": graph(run, reading),
    }


def by_sentence(cut: tuple[str, str], layers: Sequence[int] | None = None) -> tuple[Mapping[str, Any], ...]:
    """The knock-out between two texts of a prompt as JSON that names them in full, so that it holds for any tokenizer."""
    where = {} if layers is None else {"layers": list(layers)}
    return tuple({"op": "zero", "where": {**where, "queries": [a], "keys": [b]}} for a, b in (cut, cut[::-1]))
