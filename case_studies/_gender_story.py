"""The story of the study of gendered pronouns, told from its record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from case_studies._story import Closing, Figure, Record, Step, Try, frame, percent

METHODS = {
    "raw_attention": "raw attention",
    "attention_rollout": "rollout",
    "attention_flow": "flow",
}
CANDIDATES = {
    "woman": "the occupation with more women",
    "man": "the occupation with more men",
    "referent": "the one who is meant",
}
SHOWN = {0.5: "½"}
Measured = Mapping[str, Any]


def story(record: Record) -> tuple[list[Step], Closing]:
    """The steps and the end, from a record that `run` made."""
    f = record["figures"]
    steps = [
        _prior(f),
        _occupations(f),
        _schemas(f),
        _attention(f),
        _scaling(f),
        _heads(f),
        _mitigation(f),
        _cost(f),
    ]
    return steps, _closing(f, record)


def points(value: Measured) -> str:
    """A difference of shares in points with its interval."""
    mean, low, high = (f"{round(100 * value[name], 1) + 0.0:+.1f}" for name in ("mean", "low", "high"))
    return f"{mean} points (95 % interval {low} to {high})"


def clear(value: Measured) -> int:
    """1 or -1 where the interval lies above or below zero, else 0."""
    return 1 if value["low"] > 0 else -1 if value["high"] < 0 else 0


def _prior(f: Measured) -> Step:
    share = f["prior"]["alone"]["mean"]
    leaning = "he" if share < 0.5 else "she"
    example = f["design"]["example"]
    return Step(
        "One mask, two pronouns",
        f"A masked language model fills in a hidden word. Hide a pronoun and compare what it gives to “she” and to “he” (or "
        f"“her”, “him” and “his”): the *share of she* is P(she) / (P(she) + P(he)). In {f['design']['alone']} sentences with one "
        f"person, over {f['design']['occupations']} occupations, it is {percent(share)} on average. So the model leans to "
        f"“{leaning}” whoever is meant: that is a bias, but no stereotype of an occupation, so from here on occupations are "
        f"compared with one another, in the same sentences.",
        tries=(
            Try("compare", example, label="A nurse"),
            Try("compare", f["design"]["opposite"], label="A mechanic, in the same words"),
        ),
    )


def _occupations(f: Measured) -> Step:
    rank, gap = f["rank"]["alone"], f["gap"]["alone"]
    rows = sorted(f["occupations"], key=lambda row: row["alone"])
    said = {1: "follows", -1: "runs against", 0: "does not clearly follow"}[clear(rank)]
    return Step(
        "Does it know the statistics?",
        f"Each dot is an occupation. Across: the share of women in it in the USA in {f['design']['year']} (Bureau of Labor "
        f"Statistics, as printed by Zhao et al., 2018, table 1); up: the share of she in sentences with that one person. The order "
        f"of the occupations {said} the statistics: their rank correlation, 1 for the same order and 0 for none, is "
        f"{rank['rho']:.2f} (95 % interval {rank['low']:.2f} to {rank['high']:.2f}). Occupations with more women than men get "
        f"{points(gap)} more of she than the others; “{rows[0]['name']}” gets least of it, “{rows[-1]['name']}” most.",
        Figure(
            "dots",
            frame(
                [
                    {
                        "x": row["women"],
                        "value": row["alone"],
                        "label": row["name"],
                        "series": "more women" if row["women"] > 50 else "more men",
                    }
                    for row in f["occupations"]
                ]
            ),
            "The share of she against the share of women in each occupation.",
            ("women in the occupation, %", "share of she"),
            0.5,
        ),
        (
            Try(
                "compare",
                f["design"]["example"].replace("nurse", rows[0]["name"]),
                label=f"“{rows[0]['name']}”",
            ),
            Try(
                "compare",
                f["design"]["example"].replace("nurse", rows[-1]["name"]),
                label=f"“{rows[-1]['name']}”",
            ),
        ),
    )


def _schemas(f: Measured) -> Step:
    gap, pairs, pair = f["gap"]["schemas"], f["pairs"], f["design"]["pair"]
    sees = clear(gap)
    said = {
        1: "So the stereotype of the one who is meant shows here, too.",
        -1: "So the pronoun goes against the stereotype of the one who is meant.",
        0: "So no stereotype of the one who is meant can be seen here, and there is nothing of this kind for an edit to undo.",
    }[sees]
    return Step(
        "Two people, one pronoun",
        f"“{pair['text']}” “{pair['second']}” Two people, and the end of the sentence tells whom the mask stands for. An occupation "
        f"with more women and one with more men stand in both orders and with both endings: {f['design']['schemas']} such schemas "
        f"of four sentences, from {f['design']['templates']} templates. If the stereotype of the one who is meant counted, she would "
        f"be likelier where that is the woman's occupation. The difference is {points(gap)}; when the two occupations change places, "
        f"the pronoun moves the stereotype's way in {pairs['pro']} of {pairs['n']} pairs. {said}",
        Figure(
            "bars",
            frame(
                [
                    {"label": name, "value": value["mean"], "low": value["low"], "high": value["high"]}
                    for name, value in (("one person", f["gap"]["alone"]), ("two people, the one meant", gap))
                ]
            ),
            "How much more of she occupations with more women get, with one person and with two.",
            ("difference in the share of she", ""),
            0.0,
        ),
        (
            Try("compare", pair["text"], label="One reading"),
            Try("compare", pair["second"], label="The other reading"),
        ),
    )


def _attention(f: Measured) -> Step:
    rows = f["attention"]["rows"]
    last = max(row["layer"] for row in rows)
    at = {row["method"]: row for row in rows if row["layer"] == last and row["candidate"] == "difference"}
    words = {1: "more to the one who is meant", -1: "more to the other", 0: "no clear difference"}
    said = "; ".join(f"{METHODS[name]}, {words[clear(at[name])]}" for name in METHODS)
    pair = f["design"]["pair"]
    return Step(
        "Whom does the mask look at?",
        f"Three accounts of what the mask's place takes from each person after every layer (as in figure 4 of Abnar and Zuidema, "
        f"2020): the attention of that layer as it is, *rollout*, which multiplies the layers, and *flow*, which asks how much could "
        f"pass through them. After the last layer, in {f['attention']['sentences']} sentences: {said} (clear is what has a 95 % "
        f"interval on one side of zero). None of the three knows what the model answers: to be looked at is not to be what the "
        f"answer rests on.",
        Figure(
            "lines",
            frame(
                [
                    {
                        "x": row["layer"],
                        "value": row["mean"],
                        "low": row["low"],
                        "high": row["high"],
                        "series": f"{METHODS[row['method']]}, {'meant' if row['candidate'] == 'referent' else 'other'}",
                    }
                    for row in rows
                    if row["candidate"] != "difference"
                ]
            ),
            "What the mask takes from the person who is meant and from the other, by three accounts, in every layer.",
            ("layer", "share of the mask's attention"),
        ),
        (Try("compare", pair["text"], label="Compare the methods"),),
    )


def _scaling(f: Measured) -> Step:
    rows = {(row["candidate"], row["factor"]): row for row in f["scaling"]}
    top = max(factor for _, factor in rows)
    none = {name: rows[name, 0.0]["change"] for name in ("woman", "man")}
    more = rows["referent", top]["gap"]
    words = {1: "rises", -1: "falls", 0: "does not clearly change"}
    made = {
        1: "a stereotype of the person who is meant appears",
        -1: "an anti-stereotype appears",
        0: "no stereotype appears",
    }[clear(more)]
    pair = f["design"]["pair"]
    mask = _mask(pair["text"])
    return Step(
        "Turn the attention up and down",
        f"Now attention is changed: from the mask to one person, in all heads at once. Without any to the person of the occupation "
        f"with more men, the share of she {words[clear(none['man'])]}: {points(none['man'])}; without any to the other, it "
        f"{words[clear(none['woman'])]}: {points(none['woman'])}. With {top:g} times the odds of looking at whoever is meant, {made}: "
        f"the share of she differs by {points(more)} between the woman's occupation and the man's.",
        Figure(
            "lines",
            frame(
                [
                    {
                        "x": SHOWN.get(row["factor"], f"{row['factor']:g}"),
                        "value": row["share"]["mean"],
                        "low": row["share"]["low"],
                        "high": row["share"]["high"],
                        "series": CANDIDATES[row["candidate"]],
                    }
                    for row in f["scaling"]
                ]
            ),
            "The share of she when the attention from the mask to one of the two people is multiplied.",
            ("factor on the odds of looking there", "share of she"),
        ),
        tuple(
            Try(
                "manipulate",
                pair["text"],
                edits=({"op": "scale", "factor": 0.0, "where": {"queries": [mask], "keys": [pair[who]]}},),
                label=f"Without the {pair[who]}",
            )
            for who in ("man", "woman")
        ),
    )


def _heads(f: Measured) -> Step:
    tried = f["heads"]["tried"]
    sure = [row for row in tried if row["holm"] < 0.05]
    first = tried[0]
    verdict = (
        f"{len(sure)} of them {'stands' if len(sure) == 1 else 'stand'} out"
        if sure
        else "none of them stands out, so this ranking is a lead and no finding"
    )
    example = f["design"]["example"]
    return Step(
        "Which heads carry it?",
        f"Each of the {len(tried)} heads in turn loses its attention from the mask to the occupation, in {f['heads']['sentences']} "
        f"sentences with one person. Measured is how the difference between women's and men's occupations changes, in log-odds: the "
        f"logarithm of P(she) / P(he). It falls most without head {first['head']} of layer {first['layer']} (both counted from 0): "
        f"{first['effect']:+.3f}. With so many heads tried, some differ by luck; after Holm's correction for that, at 5 %, {verdict}.",
        Figure(
            "heads",
            frame([{"layer": row["layer"], "head": row["head"], "value": row["effect"]} for row in tried]),
            "How the difference between occupations changes, in log-odds, without each head's attention from mask to occupation.",
            ("head", "layer"),
        ),
        (
            Try(
                "manipulate",
                example,
                edits=tuple(_edits([first | {"factor": 0.0}], example, "nurse")),
                label="Without that head",
            ),
        ),
    )


def _mitigation(f: Measured) -> Step:
    m, used = f["mitigation"]["alone"], f["edit"]["used"]
    before, after, change, other = (
        m["plain"]["gap"],
        m["edit"]["gap"],
        m["edit"]["change"],
        m["other"]["change"],
    )
    works = abs(after["mean"]) < abs(before["mean"])
    sure = clear(change)
    verdict = (
        f"So it gets smaller: the change is {points(change)}."
        if works and sure
        else f"It gets smaller, but the change is not clear of zero: {points(change)}."
        if works
        else "It does not get smaller: the edit fails."
    )
    left = (
        "What remains is not clear of zero." if not clear(after) else "What remains is still clear of zero."
    )
    odd = f["mitigation"].get("plausible")
    strange = (
        f" The edited attention is odder than {odd['percentile']:.0f} % of what the model does with other texts (median)."
        if odd
        else ""
    )
    example = f["design"]["example"]
    found = "Nothing is found that is worth its price"
    if used:
        first = used[0]
        found = (
            f"{len(used)} {'head is' if len(used) == 1 else 'heads are'} left, most of all head {first['head']} of layer "
            f"{first['layer']}, times {first['factor']:.2f}"
        )
    return Step(
        "One edit for other sentences",
        f"On one half of the sentences with one person gradient descent looks for an edit: a factor for each head's attention from "
        f"the mask to the occupation, such that the difference gets small, few heads change, and attention stays like the model's "
        f"own. {found}. On the other half ({m['sentences']} sentences, other words and {f['mitigation']['occupations']} other "
        f"occupations) the difference goes from {points(before)} to {points(after)}. {verdict} {left} The same factors in other heads "
        f"of these layers, drawn at random, change it by {points(other)}.{strange}",
        Figure(
            "bars",
            frame(
                [
                    {"label": label, "value": m[name]["gap"]["mean"]}
                    | {side: m[name]["gap"][side] for side in ("low", "high")}
                    for name, label in (
                        ("plain", "no edit"),
                        ("edit", "the edit"),
                        ("other", "in other heads"),
                        ("cut", "occupation cut off"),
                    )
                ]
            ),
            "The difference between occupations in held-out sentences: plain, with the edit, and with two controls.",
            ("difference in the share of she", ""),
            0.0,
        ),
        (
            Try(
                "manipulate",
                example,
                edits=tuple(_edits(used, example, "nurse")),
                label="The edit on a nurse",
            ),
        ),
    )


def _cost(f: Measured) -> Step:
    c, m, used = f["cost"], f["mitigation"]["alone"], f["edit"]["used"]
    words = {
        1: "which is clear of zero: the edit helps there",
        -1: "which is clear of zero: the edit has a price",
        0: "which is not clear of zero",
    }
    opposite = f["design"]["opposite"]
    toward = "towards" if abs(m["edit"]["share"] - 0.5) < abs(m["plain"]["share"] - 0.5) else "away from"
    return Step(
        "What it costs",
        f"An edit that hides occupations may hide what other words need. In sentences of our own, each with an occupation, other "
        f"words were masked one at a time, {c['words']} in all: {percent(c['plain']['mean'])} are guessed right without the edit and "
        f"{percent(c['edit']['mean'])} with it, a change of {points(c['change'])}, {words[clear(c['change'])]}. Besides, the share of "
        f"she itself moves from {percent(m['plain']['share'])} to {percent(m['edit']['share'])}, {toward} one half: the leaning of "
        f"the model is not what the edit was made for.",
        Figure(
            "bars",
            frame(
                [
                    {"label": label, "value": c[name]["mean"], "low": c[name]["low"], "high": c[name]["high"]}
                    for name, label in (("plain", "no edit"), ("edit", "the edit"))
                ]
            ),
            "Masked words guessed right, without the edit and with it.",
            ("share guessed right", ""),
        ),
        (
            Try(
                "manipulate",
                opposite,
                edits=tuple(_edits(used, opposite, "mechanic")),
                label="The edit on a mechanic",
            ),
        ),
    )


def _closing(f: Measured, record: Record) -> Closing:
    rank, gap, two = f["rank"]["alone"], f["gap"]["alone"], f["gap"]["schemas"]
    m = f["mitigation"]["alone"]
    share = m["edit"]["gap"]["mean"]
    found = [
        f"The share of she is {percent(f['prior']['alone']['mean'])} with one person: a leaning whoever is meant."
    ]
    missed = []
    (found if clear(rank) > 0 else missed).append(
        f"{'The' if clear(rank) > 0 else 'No clear'} order of occupations by their share of women: rank correlation {rank['rho']:.2f}."
    )
    (found if clear(two) else missed).append(
        f"{'A' if clear(two) else 'No clear'} stereotype of the one who is meant, between two people: {points(two)}."
    )
    works = abs(share) < abs(m["plain"]["gap"]["mean"]) and clear(m["edit"]["change"])
    (found if works else missed).append(
        f"{'An' if works else 'No'} edit that makes the difference between occupations clearly smaller in other sentences: "
        f"{100 * m['plain']['gap']['mean']:+.1f} to {100 * share:+.1f} points."
    )
    if works and clear(m["edit"]["gap"]):
        missed.append(f"An edit that takes all of it away: {points(m['edit']['gap'])} are left.")
    sure_heads = sum(row["holm"] < 0.05 for row in f["heads"]["tried"])
    (found if sure_heads else missed).append(
        f"Heads that carry it, after Holm's correction: {sure_heads} of {len(f['heads']['tried'])}."
    )
    sure = [
        f"Intervals are bootstraps at 95 % over occupations (n = {gap['n']}; held out {f['mitigation']['occupations']}) or over "
        f"schemas (n = {two['n']}), which share words and templates, so they are rather too narrow.",
        f"One model ({record['model']['name']}), one set of templates, and the statistics of one country and year.",
        f"On the half that was searched on, the difference in log-odds fell from {f['edit']['plain']:.2f} to "
        f"{f['edit']['left']:.2f}. What counts is the other half, of which the search saw nothing.",
        "How the search works was settled on the half that is searched on; but that mask and occupation are the place to edit was "
        "known from earlier draws of such sentences, so the held-out half confirms less than it would have otherwise.",
    ]
    if record["model"]["name"] == "pronouns" and record["seed"] == 0:
        sure.append(
            "Which occupations fall into which half matters: with other seeds the edit made the difference smaller, too, but mostly "
            "not by an amount that was clear of zero."
        )
    if "winobias" in f:
        real = f["winobias"]
        sure.append(
            f"On {real['sentences']} sentences of WinoBias's development set the difference by referent is "
            f"{points(real['plain']['gap'])}, with the edit {points(real['edit']['gap'])}, and the rank correlation "
            f"{real['plain']['rank']['rho']:.2f}."
        )
    return Closing(tuple(found), tuple(missed), tuple(sure))


def _mask(text: str) -> str:
    """The mask token of a sentence: what stands in brackets."""
    found = re.search(r"\[[^]]*\]|<[^>]*>", text)
    return found.group() if found else ""


def _edits(heads: Sequence[Mapping[str, Any]], text: str, occupation: str) -> list[dict[str, Any]]:
    """An edit of some heads for one sentence, as Manipulate takes it."""
    return [
        {
            "op": "scale",
            "factor": head["factor"],
            "where": {
                "layers": [head["layer"]],
                "heads": [head["head"]],
                "queries": [_mask(text)],
                "keys": [occupation],
            },
        }
        for head in heads
    ]
