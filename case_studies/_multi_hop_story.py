"""The story of the multi-hop study, told from a record alone: every number and every verdict is read off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from case_studies._multi_hop_words import (
    CUTS,
    FORMS,
    METHODS,
    SEEN,
    carrying,
    closing,
    higher,
    numbered,
    percent,
    plain,
    saturated,
    signed,
    split,
    strongest,
    than,
)
from case_studies._story import Closing, Figure, Record, Step, Try, frame, listed


def story(record: Record) -> tuple[list[Step], Closing]:
    """The steps and the end."""
    figures = record["figures"]
    steps = [
        _question(figures),
        _accuracy(figures),
        _attention(figures),
        _cut(figures),
        _detour(figures),
        _layers(figures),
        _methods(figures),
        _graph(figures),
    ]
    return steps, closing(record)


def _bar(label: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": label, "value": found["mean"], "low": found["low"], "high": found["high"]}


def _example(figures: Mapping[str, Any], label: str, form: str = "whole") -> Try:
    one = figures["example"]
    return Try("compare", one["question"], one["forms"][form]["context"], label=label)


def _edited(
    figures: Mapping[str, Any], label: str, pairs: Sequence[tuple[str, str]], layers: Sequence[int] = ()
) -> Try:
    """Manipulate with two texts of the example cut apart, both ways; they are named in full, which suits any tokenizer."""
    one = figures["example"]
    where = {"layers": list(layers)} if layers else {}
    edits = tuple(
        {"op": "zero", "where": {**where, "queries": [query], "keys": [key]}}
        for pair in pairs
        for query, key in (pair, pair[::-1])
    )
    return Try("manipulate", one["question"], one["forms"]["whole"]["context"], edits, label)


def _texts(figures: Mapping[str, Any]) -> dict[str, str]:
    """The example's sentences by what they are for."""
    one = figures["example"]
    numbers = {"bridge": one["supporting"][0], "answer": one["supporting"][1], "alone": one["alone"]}
    numbers |= {"pair_one": one["pair"][0], "pair_two": one["pair"][1]}
    return {name: one["sentences"][number] for name, number in numbers.items()} | {
        "question": one["question"]
    }


def _question(figures: Mapping[str, Any]) -> Step:
    one = figures["example"]
    roles = {one["supporting"][0]: "bridge", one["supporting"][1]: "answer"}
    rows = [
        {"": number + 1, "needed as": roles.get(number, ""), "sentence": text}
        for number, text in enumerate(one["sentences"])
    ]
    said = one["forms"]["whole"]
    right = "right" if said["prediction"] == said["answer"] else "wrong"
    return Step(
        "A question that takes two steps",
        f"“{one['question']}” No sentence answers this alone. One sentence, the *bridge*, leads from the question to "
        f"{one['bridge']}; another says of {one['bridge']} what is asked, and it does not mention what the question "
        "mentions. The passage states the same kind of fact about somebody or something else too, so without the bridge "
        f"nothing tells which of the two is meant. The model says “{said['prediction']}” with a probability of "
        f"{said['probability']:.2f}, which is {right}. All passages here are written from templates, with names that "
        "the shipped model never saw in training.",
        Figure("table", frame(rows), "One passage: which of its sentences are needed for the answer."),
        (_example(figures, "Ask the model"),),
    )


def _accuracy(figures: Mapping[str, Any]) -> Step:
    found = figures["accuracy"]
    exact, stale = found["exact"], found["stale"]
    rows = [_bar(label, exact[name]) for name, label in FORMS.items()]
    uses = exact["whole"]["low"] > 0.5 and exact["removed"]["low"] > 0.5 and exact["replaced"]["low"] > 0.5
    verdict = (
        "So the bridge decides: the model does not just name the only fact that fits."
        if uses
        else "So one cannot say that this model's answer depends on the bridge as it should."
    )
    old = f"; the old one is still given in {percent(stale['replaced'])}" if "replaced" in stale else ""
    return Step(
        "Does the answer need the bridge?",
        f"{exact['whole']['n']} questions were asked in three forms, and as many others that one fact answers. With the bridge the "
        f"answer is exactly right in {percent(exact['whole'])}, in brackets a bootstrap 95 % interval. Where the bridge is taken out, "
        f"“no answer” is right: {percent(exact['removed'])}. Where the bridge names another, the answer is another: "
        f"{percent(exact['replaced'])}{old}. Questions of one step: {percent(exact['one_hop'])}. {verdict}",
        Figure(
            "bars",
            frame(rows),
            "Share of answers that are exactly right, with and without the bridge.",
            ("exact match", ""),
        ),
        (
            _example(figures, "Without the bridge", "removed"),
            _example(figures, "With another bridge", "replaced"),
        ),
    )


def _attention(figures: Mapping[str, Any]) -> Step:
    found = figures["attention"]
    rows = [
        {"x": layer, "value": row["times"][group]["mean"], "series": label}
        | {side: row["times"][group][side] for side in ("low", "high")}
        for source, group, label in SEEN
        for layer, row in enumerate(found[source])
    ]
    said = []
    for source in ("answer", "question"):
        layers, less = higher(found[source]), higher(found[source], -1)
        peak = strongest(found[source])
        times = found[source][peak]["times"]
        text = f"The {source}'s tokens look at the bridge more than at other sentences in {numbered(layers)}"
        gap = f"{times['bridge']['mean']:.2f} against {times['others']['mean']:.2f}"
        said.append(
            f"{text}, most in layer {peak} ({gap})" + (f"; in {numbered(less)} less." if less else ".")
        )
    return Step(
        "Where the attention goes",
        "Attention is compared with an even spread: 1 means that a sentence gets the share of attention that it has of the "
        f"tokens, 2 twice that; much goes to the special tokens [CLS] and [SEP], so all sentences can be below 1. {' '.join(said)} "
        "But the bridge repeats words of the question and of the answering sentence, and equal words attract attention: that a "
        "place is looked at does not say that it is used. The next steps test that.",
        Figure(
            "lines",
            frame(rows),
            "Attention to the bridge and to sentences that are not needed, by layer, relative to an even spread.",
            ("layer", "times an even spread"),
            1.0,
        ),
        (_example(figures, "See the attention of every layer"),),
    )


def _cut(figures: Mapping[str, Any]) -> Step:
    found, texts = figures["knockout"], _texts(figures)
    done, tests = found["all"], found["tests"]
    one = done["support"]
    which = "that the model answers right" if found["only_right"] else ", answered right or not,"
    lost = tests["support-answer_other"]
    mine = figures["example"]["cuts"]["support"]
    return Step(
        "Cutting the bridge off from the answering sentence",
        f"In {found['n']} passages {which} every token of the bridge was kept from attending to the answering sentence and the "
        "other way round, in all layers and heads. The logarithm of the answer's probability changes by "
        f"{signed(one['effect'])}, and {percent(one['exact'])} of the answers stay right. The same cut between two sentences of like "
        f"length that are not needed changes it by {signed(done['pair']['effect'])}, between the answering sentence and another by "
        f"{signed(done['answer_other']['effect'])}. So the cut at the bridge lowers the answer {than(lost)}.",
        Figure(
            "bars",
            frame([_bar(CUTS[name], done[name]["effect"]) for name in ("support", "pair", "answer_other")]),
            "Change of the answer's log-probability when attention between two sentences is cut in all layers.",
            ("change of log P(answer)", ""),
            0.0,
        ),
        (
            _edited(
                figures,
                f"Cut the two sentences apart: “{mine['prediction']}”",
                [(texts["bridge"], texts["answer"])],
            ),
            _edited(figures, "Cut two others apart instead", [(texts["pair_one"], texts["pair_two"])]),
        ),
    )


def _detour(figures: Mapping[str, Any]) -> Step:
    found, texts = figures["knockout"], _texts(figures)
    done, test = found["all"], found["tests"]["question_bridge-question_other"]
    direct, asked = done["support"]["effect"], done["question_bridge"]["effect"]
    if asked["high"] < direct["low"]:
        verdict = "It does more than the cut between the two sentences"
    elif direct["high"] < asked["low"]:
        verdict = "It does less than the cut between the two sentences"
    else:
        verdict = "It cannot be told apart by size from the cut between the two sentences"
    pairs = [(texts["question"], texts["bridge"])]
    return Step(
        "The way through the question",
        "Cutting two sentences apart leaves other ways: the question can read the bridge, and the answering sentence the "
        f"question. With question and bridge cut apart, log P(answer) changes by {signed(asked)}; with the question cut from another "
        f"sentence of like length, by {signed(done['question_other']['effect'])}. That lowers the answer {than(test)}. {verdict}. But "
        "only the question says which sentence is the bridge: unless they meet, the bridge is not found at all, so this does not "
        "show that the answer travels this way.",
        Figure(
            "bars",
            frame([_bar(label, done[name]["effect"]) for name, label in CUTS.items()]),
            "Change of the answer's log-probability for every cut, in all layers.",
            ("change of log P(answer)", ""),
            0.0,
        ),
        (
            _edited(figures, "Cut question and bridge apart", pairs),
            _edited(figures, "Make both cuts", [*pairs, (texts["bridge"], texts["answer"])]),
        ),
    )


def _layers(figures: Mapping[str, Any]) -> Step:
    rows, texts, layers = figures["knockout"]["by_layer"], _texts(figures), carrying(figures)
    labels = {"support": CUTS["support"], "answer_other": CUTS["answer_other"]}
    table = [
        {"x": layer, "value": row[name]["mean"], "low": row[name]["low"], "high": row[name]["high"]}
        | {"series": label}
        for name, label in labels.items()
        for layer, row in enumerate(rows)
    ]
    means = [row["support"]["mean"] for row in rows]
    least = means.index(min(means))
    total = figures["knockout"]["all"]["support"]["effect"]
    tiny = sorted(k for k in layers if abs(rows[k]["test"]["mean"]) < 0.01)
    return Step(
        "Layer by layer",
        f"The same cut in one layer at a time, in {rows[0]['support']['n']} of these passages. It lowers the answer more than a cut "
        f"between the answering sentence and another one in {numbered(sorted(layers))} (paired permutation tests, corrected for "
        f"{len(rows)} layers by Holm's method). It does most in layer {least}: {signed(rows[least]['support'])}; in all layers at "
        f"once, over all passages, it was {signed(total)}."
        + (f" In {numbered(tiny)} the difference is there, but below 0.01." if tiny else "")
        + " Where a layer shows nothing, others may make up for what is lost there.",
        Figure(
            "lines",
            frame(table),
            "Change of the answer's log-probability when the cut is made in one layer only.",
            ("layer", "change of log P(answer)"),
            0.0,
        ),
        (_edited(figures, f"Cut in layer {least} only", [(texts["bridge"], texts["answer"])], (least,)),),
    )


def _methods(figures: Mapping[str, Any]) -> Step:
    found = figures["methods"]
    table, luck = found["mean"], found["chance"]
    order = sorted(table, key=lambda name: -table[name]["ap"]["mean"])
    best, (_, missed) = order[0], split(figures, "bridge")
    told = sorted(
        (name for name in order if name != "random"), key=lambda name: -table[name]["bridge"]["mean"]
    )
    near = told[0]
    tops = listed([METHODS[name] for name in order if table[name]["ap"]["mean"] == table[best]["ap"]["mean"]])
    return Step(
        "Do explanations find both sentences?",
        f"Every method explained the answer in {found['n']} passages; a sentence scores the mean of its tokens. *Average precision* "
        f"is 1 where the two needed sentences come first; a random order gets {luck['ap']:.2f}. Best is {tops} with "
        f"{plain(table[best]['ap'])}. But raw attention, rollout and flow start at the answer's own tokens, so they get the answering "
        "sentence almost for free; the harder test sets it aside: is the bridge first among the rest (by chance "
        f"{100 * luck['bridge']:.0f} %)? {METHODS[near][0].upper()}{METHODS[near][1:]} finds it in {percent(table[near]['bridge'])}."
        + (
            f" Not reliably above chance there: {listed([METHODS[name] for name in missed])}."
            if missed
            else " All are reliably above chance there."
        ),
        Figure(
            "bars",
            frame([_bar(METHODS[name], table[name]["ap"]) for name in order]),
            "Average precision of the two needed sentences, by method; the line is a random order.",
            ("average precision", ""),
            luck["ap"],
        ),
        (_example(figures, "Compare the methods on the example"),),
    )


def _graph(figures: Mapping[str, Any]) -> Step:
    found = figures["example"]["graph"]
    rows = [{**edge, "series": series} for series in ("rollout", "flow") for edge in found[series]]
    bridge, arrived = found["bridge"], found["arrived"]
    sentences = [name for name in found["times"] if name.startswith("sentence")]
    others = [name for name in sentences if name not in (bridge, found["answering"])]
    rank = 1 + sum(found["times"][name] > found["times"][bridge] for name in others)
    place = "first" if rank == 1 else f"as number {rank}"
    flows = found["largest_flow"]
    flow_text = (
        f"*Flow* asks how much could pass at most: {flows[bridge]:.2f} to the bridge and the same to every other part, so it tells "
        "nothing apart here."
        if saturated(figures)
        else f"*Flow* asks how much could pass at most: {flows[bridge]:.2f} to the bridge, and from {min(flows.values()):.2f} to "
        f"{max(flows.values()):.2f} over all parts."
    )
    return Step(
        "The layers as a graph",
        "The passage above as a graph: each part of the text after every layer, and how much it gets from each part below. In "
        "*rollout* every token hands down what it holds in proportion to its attention, half of it to itself. "
        f"{100 * arrived[bridge]:.1f} % of the answer's share arrives at the bridge, {found['times'][bridge]:.2f} times an even "
        f"spread; it comes {place} among the {1 + len(others)} sentences other than the answering one. {flow_text} Both are pictures of "
        "where attention points, in one passage, and not of what is used.",
        Figure(
            "graph",
            frame(rows),
            "Rollout, and one largest flow to the bridge, from the answer's tokens down to the input, by parts of the text; a click on a part shows its lines alone.",
            ("layer", "part of the text"),
        ),
        (_example(figures, "Rollout and flow of this passage"),),
    )
