"""The story of the multi-hop study, told from a record alone: every number and every verdict is read off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from case_studies._multi_hop_words import (
    CUTS,
    FORMS,
    METHODS,
    SEEN,
    carrying,
    chance_of,
    closing,
    higher,
    listed,
    numbered,
    percent,
    plain,
    saturated,
    signed,
    split,
    strongest,
    than,
)
from case_studies._story import Closing, Figure, Record, Step, Try

if TYPE_CHECKING:
    import pandas as pd


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


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows))


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
        {"sentence": number + 1, "text": text, "needed as": roles.get(number, "")}
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
        Figure("table", _frame(rows), "One passage: which of its sentences are needed for the answer."),
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
    old = "".join(
        f" The old answer is still given in {percent(stale[name])} of the passages with {words}."
        for name, words in (("removed", "the bridge taken out"), ("replaced", "another bridge"))
        if name in stale
    )
    return Step(
        "Does the answer need the bridge?",
        f"{exact['whole']['n']} questions were asked, each in three forms, and as many that one fact answers. With the "
        f"bridge the answer is exactly right in {percent(exact['whole'])}. Where the bridge is taken out, the right "
        f"answer is “no answer”: {percent(exact['removed'])}. Where the bridge names the other one, the answer is another: "
        f"{percent(exact['replaced'])}. Questions of one step: {percent(exact['one_hop'])}.{old} {verdict} In brackets, "
        "here and below, are bootstrap 95 % intervals.",
        Figure(
            "bars",
            _frame(rows),
            "Share of answers that are exactly right, with and without the bridge.",
            ("", "exact match"),
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
        for layer, row in enumerate(found[source], 1)
    ]
    said = []
    for source in ("answer", "question"):
        layers, less = higher(found[source]), higher(found[source], -1)
        peak = strongest(found[source])
        times = found[source][peak - 1]["times"]
        text = (
            f"The {source}'s tokens look at the bridge more than at sentences that are not needed in "
            f"{numbered(layers)}" + (f", and less in {numbered(less)}" if less else "")
        )
        said.append(
            f"{text}; the difference is largest in layer {peak}, with {times['bridge']['mean']:.2f} against "
            f"{times['others']['mean']:.2f}."
        )
    special = max(row["mass"]["special"] for row in found["answer"])
    return Step(
        "Where the attention goes",
        "Attention is compared with an even spread: 1 means that a sentence gets the share of attention that it has of the "
        f"tokens, 2 means twice that ({found['n']} passages, mean over all heads). {' '.join(said)} Up to "
        f"{100 * special:.0f} % of the answer's attention in a layer goes to the special tokens [CLS] and [SEP], a resting "
        "place, so all sentences can be below 1. The bridge repeats words of the question and of the answering sentence, and "
        "equal words attract attention; that a place is looked at does not say that it is used. The next steps test that.",
        Figure(
            "lines",
            _frame(rows),
            "Attention to the bridge and to sentences that are not needed, by layer, relative to an even spread.",
            ("layer", "times an even spread"),
            1.0,
        ),
        (_example(figures, "See the attention of every layer"),),
    )


def _cut(figures: Mapping[str, Any]) -> Step:
    found, texts = figures["knockout"], _texts(figures)
    done, tests, tokens = found["all"], found["tests"], found["tokens"]
    one = done["support"]
    which = "that the model answers right" if found["only_right"] else ", answered right or not,"
    lost = tests["support-answer_other"]
    mine = figures["example"]["cuts"]["support"]
    return Step(
        "Cutting the bridge off from the answering sentence",
        f"In {found['n']} passages {which} every token of the bridge was kept from attending to the answering sentence and "
        "the other way round, in all layers and heads; the other tokens take over what they lose. The log-probability of "
        f"the answer changes by {signed(one['effect'])}, which multiplies its probability by {one['ratio']:.3f} (geometric mean); "
        f"{percent(one['exact'])} of the answers stay right, and in {percent(one['silent'])} the model says “no answer”. "
        f"Between two sentences that are not needed, of as nearly as many tokens as can be had ({tokens['pair_one']:.1f} and "
        f"{tokens['pair_two']:.1f} instead of {tokens['bridge']:.1f} and {tokens['answer']:.1f}): "
        f"{signed(done['pair']['effect'])}. Between the answering sentence and another: {signed(done['answer_other']['effect'])}. "
        f"The cut at the bridge lowers the answer {than(lost)}; {lost['lost_only_here']} right answers are lost only here, "
        f"{lost['lost_only_there']} only there ({chance_of(lost['p_exact'])}).",
        Figure(
            "bars",
            _frame([_bar(CUTS[name], done[name]["effect"]) for name in ("support", "pair", "answer_other")]),
            "Change of the answer's log-probability when attention between two sentences is cut in all layers.",
            ("", "change of log P(answer)"),
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
        f"question. With question and bridge cut apart, the log-probability changes by {signed(asked)}, and "
        f"{percent(done['question_bridge']['exact'])} of the answers stay right; with the question cut from another sentence "
        f"of like length, {signed(done['question_other']['effect'])}. That lowers the answer {than(test)}. {verdict}. Both "
        f"cuts together give {signed(done['both']['effect'])}; hiding the bridge from everything gives "
        f"{signed(done['hidden']['effect'])}, of which the direct cut alone is {100 * found['share_of_hidden']:.0f} %. The "
        "parts need not add up. Mind that only the question "
        "says which sentence is the bridge: unless they meet, the bridge is not found at all, so a large effect here does not "
        "mean that the answer travels this way.",
        Figure(
            "bars",
            _frame([_bar(label, done[name]["effect"]) for name, label in CUTS.items()]),
            "Change of the answer's log-probability for every cut, in all layers.",
            ("", "change of log P(answer)"),
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
        for layer, row in enumerate(rows, 1)
    ]
    means = [row["support"]["mean"] for row in rows]
    least = 1 + means.index(min(means))
    total = figures["knockout"]["all"]["support"]["effect"]
    tiny = sorted(k for k in layers if abs(rows[k - 1]["test"]["mean"]) < 0.01)
    return Step(
        "Layer by layer",
        f"The same cut in one layer at a time, in {rows[0]['support']['n']} of these passages, against the answering sentence "
        f"and another one. It does more than its match in {numbered(sorted(layers))} (paired permutation tests, Holm's "
        f"correction for {len(rows)} layers). It does most in layer {least}: {signed(rows[least - 1]['support'])}, "
        f"while in all layers at once, over all passages, it was {signed(total)}."
        + (f" In {numbered(tiny)} the difference is there, but below 0.01." if tiny else "")
        + " Where a layer shows nothing, the two sentences may still exchange something there that other layers make up for.",
        Figure(
            "lines",
            _frame(table),
            "Change of the answer's log-probability when the cut is made in one layer only.",
            ("layer", "change of log P(answer)"),
            0.0,
        ),
        (_edited(figures, f"Cut in layer {least} only", [(texts["bridge"], texts["answer"])], (least - 1,)),),
    )


def _methods(figures: Mapping[str, Any]) -> Step:
    found = figures["methods"]
    table, sums, luck = found["mean"], found["sum"], found["chance"]
    order = sorted(table, key=lambda name: -table[name]["ap"]["mean"])
    best, (_, missed) = order[0], split(figures, "bridge")
    told = sorted(
        (name for name in order if name != "random"), key=lambda name: -table[name]["bridge"]["mean"]
    )
    near, far = told[0], told[-1]
    tops = listed([METHODS[name] for name in order if table[name]["ap"]["mean"] == table[best]["ap"]["mean"]])
    more = {name: sums[name]["ap"]["mean"] - table[name]["ap"]["mean"] for name in order if name != "random"}
    moved = max(more, key=lambda name: abs(more[name]))
    recall = table[best]["recall_1"]
    return Step(
        "Do explanations find both sentences?",
        f"{found['n']} passages of {found['tokens']:.0f} tokens and {found['sentences']:.1f} sentences on average were "
        "explained by every method; a sentence scores the mean of its tokens. *Average precision* is 1 where the two needed "
        f"sentences come first; a random order gets {luck['ap']:.2f}. Best is {tops} with {plain(table[best]['ap'])}; "
        f"recall at 1 is {plain(recall)}, where one half is the most that one of two sentences can give (by chance "
        f"{luck['recall_1']:.2f}). Raw attention, rollout and flow start at the answer's own tokens, so they get the answering "
        "sentence almost for free. The harder test sets that sentence aside: is the bridge first among the rest (by chance "
        f"{100 * luck['bridge']:.0f} %)? "
        f"{METHODS[near]} finds it in {percent(table[near]['bridge'])}, {METHODS[far]} in {percent(table[far]['bridge'])}."
        + (
            f" Not reliably above chance there: {listed([METHODS[name] for name in missed])}."
            if missed
            else " All are reliably above chance there."
        )
        + f" With the sum of the tokens' scores instead of the mean, {METHODS[moved]} changes most, from "
        f"{table[moved]['ap']['mean']:.2f} to {sums[moved]['ap']['mean']:.2f}.",
        Figure(
            "bars",
            _frame([_bar(METHODS[name], table[name]["ap"]) for name in order]),
            "Average precision of the two needed sentences, by method; the line is a random order.",
            ("", "average precision"),
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
    place = "first" if rank == 1 else f"number {rank}"
    flows = found["largest_flow"]
    flow_text = (
        f"The largest possible flow from the answer is {flows[bridge]:.2f} to all tokens of the bridge together and the same to every other part, so "
        "flow tells nothing apart in this passage: so many ways lead down that each part can take all."
        if saturated(figures)
        else f"The largest possible flow from the answer is {flows[bridge]:.2f} to the bridge, and from "
        f"{min(flows.values()):.2f} to {max(flows.values()):.2f} over all parts."
    )
    return Step(
        "The layers as a graph",
        "The passage above as a graph: each part of the text after every layer, and how much it gets from each part below. In "
        "*rollout* every token hands down what it holds in proportion to its attention, half of it to itself. "
        f"{100 * arrived[bridge]:.1f} % of the answer's share arrives at the bridge, {found['times'][bridge]:.2f} times an even "
        f"spread; that is {place} of the {1 + len(others)} sentences other than the answering one. {100 * arrived['answer']:.0f} % "
        f"stays with the answer itself, and {100 * arrived['special']:.0f} % ends in the special tokens. {flow_text} The edges of "
        "flow are one of many largest flows to the bridge. Both are pictures of where attention points, in one passage, and not "
        "of what is used.",
        Figure(
            "graph",
            _frame(rows),
            "Rollout, and one largest flow to the bridge, from the answer's tokens down to the input, by parts of the text.",
            ("layer", "part of the text"),
        ),
        (_example(figures, "Rollout and flow of this passage"),),
    )
