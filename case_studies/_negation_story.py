"""The negation study told from its record: every number below is read off it, and so is every “more” and “less”."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from case_studies._negation_data import EXAMPLES, KINDS, NEGATING
from case_studies._story import Closing, Figure, Record, Step, Try, frame, listed, percent

SHOWN = {0.0: "0", 0.25: "¼", 0.5: "½", 1.0: "1", 2.0: "2", 4.0: "4", 8.0: "8"}
LABELS = {
    "raw_attention": "raw attention",
    "attention_rollout": "rollout",
    "attention_flow": "flow",
    "atman": "AtMan",
    "integrated_gradients": "integrated gradients",
    "input_x_gradient": "input × gradient",
    "gradient_norm": "gradient norm",
    "occlusion": "occlusion",
    "random": "random numbers",
}
WAYS = {
    "everywhere": "everywhere",
    "answer": "only from where the answer is read",
    "others": "only from all other places",
    "before": "control: the word before it",
}


def within(found: Mapping[str, Any], of: str = "%") -> str:
    """A mean with its interval."""
    if of == "%":
        mean, low, high = (percent(found[k]).removesuffix(" %") for k in ("mean", "low", "high"))
        return f"{mean} % (95 % interval {low} to {high})"
    return f"{found['mean']:.2f} (95 % interval {found['low']:.2f} to {found['high']:.2f})"


def steps(record: Record) -> list[Step]:
    """The eight steps."""
    f = record["figures"]
    return [
        _founding(f),
        _sentences(f),
        _factors(f),
        _explained(f),
        _heads(f),
        _few(f),
        _places(f),
        _effects(f),
    ]


def scaled(word: str, factor: float, **where: Any) -> dict[str, Any]:
    """The edit of a link."""
    return {"op": "scale", "factor": factor, "where": {**where, "keys": [word]}}


def example(
    f: Mapping[str, Any], kind: str, right: bool | None = None, form: str = ""
) -> tuple[str, str, str]:
    """A sentence of a kind in which the negation stands once: its text, the negation, the text without it.

    One that the model gets right, or wrong, where there is one.
    """
    rows = [row for row in f["pairs"] if row[0] == kind and (not form or row[1] == form)]
    once = [row for row in rows if f" {row[4]} ".lower().replace(".", " ").count(f" {row[6]} ".lower()) == 1]
    fitting = [r for r in once if right is None or (r[8] * (1 if r[5] == "positive" else -1) > 0) == right]
    row = (fitting or once or rows)[0]
    return row[4], row[6], row[2]


def _founding(f: Mapping[str, Any]) -> Step:
    one = f["founding"]
    text, word, factor = one["text"], one["word"], one["factor"]
    (guess, sure), (turned, then) = one["expected"]
    by = {row["factor"]: row for row in one["curve"]}
    before, after = ({k: by[x][k] for k in ("positive", "negative")} for x in (1.0, factor))
    was, now = max(before, key=before.__getitem__), max(after, key=after.__getitem__)
    if (was, now) == (guess, turned):
        verdict = "That is the turn that was expected"
    elif was == now:
        verdict = "No verdict turns" + (
            "" if was == guess else f", because the sentence is {was} from the start"
        )
    else:
        verdict = "The verdict turns, but not in the way that was expected"
    up = after[turned] > before[turned]
    way = f"the edit moves the answer {'towards' if up else 'away from'} {turned}, {'as' if up else 'unlike what'} was expected"
    rows = [
        ("before", f"{guess}, {sure:.2f}", f"{was}, {before[was]:.2f}"),
        (f"attention on “{word}” × {factor:g}", f"{turned}, {then:.2f}", f"{now}, {after[now]:.2f}"),
    ]
    text_ = (
        f"This project began with a sentence and a promise: “{text}” is {guess} with {sure:.2f}, and with twice the attention "
        f"on “{word}” it becomes {turned} with {then:.2f}. Those numbers were a guess, made before anything was measured. Measured, the "
        f"model says {was} with {before[was]:.2f} before and {now} with {after[now]:.2f} after the edit. {verdict}; {way}. "
        f"With no attention on “{word}” at all, P({turned}) is {by[0.0][turned]:.2f}."
    )
    table = frame([dict(zip(("", "expected", "measured"), row, strict=True)) for row in rows])
    figure = Figure("table", table, "The founding example: what was expected and what was measured.")
    tries = (
        Try("manipulate", text, edits=(scaled(word, factor),), label=f"“{word}” × {factor:g}"),
        Try("manipulate", text, edits=(scaled(word, 0.0),), label=f"“{word}” × 0"),
    )
    return Step("The example this began with", text_, figure, tries)


def _sentences(f: Mapping[str, Any]) -> Step:
    by = {row["kind"]: row for row in f["kinds"]}
    good = [f"{kind} ({percent(by[kind]['mean'])})" for kind in KINDS if by[kind]["low"] > 0.9]
    poor = [f"{kind} ({percent(by[kind]['mean'])})" for kind in KINDS if by[kind]["high"] < 0.5]
    forms = [row for row in f["forms"] if row["kind"] == "scope"]
    shown = "; ".join(f"“{kind}” is {EXAMPLES[kind]}" for kind in NEGATING)
    said = [listed([f"“{r['form']}”" for r in forms if r["right"] == share]) for share in (1.0, 0.0)]
    text = (
        f"Before asking how, ask whether. {f['count']} pairs of sentences, {f['each']} of each kind, were made from templates; the two "
        f"of a pair differ in one negation. {shown[0].upper()}{shown[1:]}; “plain” pairs, for comparison, differ in the judging word. "
    )
    text += (
        f"The model is nearly always right on {listed(good)}. "
        if good
        else "It is nearly always right on no kind. "
    )
    text += (
        f"It fails on {listed(poor)}, where a coin would do better. "
        if poor
        else "It does worse than a coin on no kind. "
    )
    if said[0] and said[1]:
        text += f"Within “scope” it is always right with {said[0]}, and never with {said[1]}."
    rows = [
        {"label": f"{kind}: {EXAMPLES[kind]}" if kind == "plain" else kind, "value": by[kind]["mean"]}
        | {"low": by[kind]["low"], "high": by[kind]["high"]}
        for kind in KINDS
    ]
    figure = Figure(
        "bars", frame(rows), "How often the verdict is right, by kind of sentence, with 95 % intervals; the line is chance.",
        ("share of right verdicts", ""), 0.5,
    )  # fmt: skip
    worst = min(NEGATING, key=lambda kind: by[kind]["mean"])
    (bad, *_), (fine, *_) = example(f, worst, right=False), example(f, "negated", right=True)
    tries = (
        Try("compare", bad, label=f"A sentence with {worst}"),
        Try("compare", fine, label="A negated one"),
    )
    return Step("Does the model understand negation?", text, figure, tries)


def _factors(f: Mapping[str, Any]) -> Step:
    by = {(row["kind"], row["factor"]): row for row in f["factors"]}
    total = {way: sum(by[kind, 8.0][way] for kind in NEGATING) for way in ("to_right", "to_wrong")}
    n = sum(by[kind, 1.0]["n"] for kind in NEGATING)
    none, plain = (by["negated", x] for x in (0.0, 1.0))
    double = [by["double negation", x] for x in (1.0, 8.0)]
    net = total["to_right"] - total["to_wrong"]
    fall = "falls" if none["mean"] < plain["mean"] else "rises"
    text = (
        "Now the attention that every word pays to the negation is multiplied, in all heads and layers; the other words share what "
        f"is taken, or give what is added. In “negated” sentences the probability of the right label {fall} from "
        f"{percent(plain['mean'])} to {percent(none['mean'])} when the negation gets none. Eight times as much turns "
        f"{total['to_wrong']} right verdicts wrong and {total['to_right']} wrong ones right, of {n}. "
    )
    text += (
        "So more attention to the negation helps more often than it harms here. "
        if net > 0
        else "So more attention to the negation does not help on the whole. "
    )
    saved = double[1]["mean"] > 0.5
    text += (
        f"For double negation the probability goes from {percent(double[0]['mean'])} to {percent(double[1]['mean'])}: looking harder "
        f"{'is enough' if saved else 'is not enough'} to understand it."
    )
    rows = [
        {
            "x": SHOWN[row["factor"]],
            "value": row["mean"],
            "low": row["low"],
            "high": row["high"],
            "series": row["kind"],
        }
        for row in f["factors"]
    ]
    figure = Figure(
        "lines", frame(rows), "The probability of the right label against the factor on the negation’s attention, with 95 % intervals.",
        ("factor on the attention to the negation", "P(right label)"), 0.5,
    )  # fmt: skip
    negated, double_one = example(f, "negated"), example(f, "double negation")
    scope = example(f, "scope", form="nothing to dislike")
    tries = (
        Try("manipulate", negated[0], edits=(scaled(negated[1], 0.0),), label="A negated sentence × 0"),
        Try("manipulate", double_one[0], edits=(scaled(double_one[1], 8.0),), label="Double negation × 8"),
        Try("manipulate", scope[0], edits=(scaled(scope[1], 8.0),), label=f"“{scope[1]}” × 8"),
    )
    return Step("Turn the attention up and down", text, figure, tries)


def _way(way: str) -> str:
    return WAYS.get(way) or f"only in {way}"


def _explained(f: Mapping[str, Any]) -> Step:
    e = f["explained"]
    by = {row["way"]: row for row in e["shares"]}
    layers = {way: row for way, row in by.items() if way.startswith("layer")}
    most = max(layers, key=lambda way: layers[way]["mean"])
    text = (
        f"Take {e['n']} sentences in which one word, “not” or “never”, is all that was added. It moves the answer by "
        f"{within(e['difference'], '')} in log-odds, the logarithm of P(positive) / P(negative), and turns {e['turned']} verdicts. "
        f"With no attention on it, {percent(by['everywhere']['mean'])} of that difference is gone and {e['back']} verdicts turn back; "
        "that follows from how such a model is built, since only attention carries anything from one word to another. "
    )
    if "answer" in by:
        mine, others = by["answer"]["mean"], by["others"]["mean"]
        route = "through other words first" if others > mine else "straight to the place of the answer"
        text += (
            "More telling is the route: hiding it only from the place where the answer is read removes "
            f"{percent(mine)}, hiding it from all other places {percent(others)}, so most of it goes {route}. "
        )
    text += (
        f"Of single layers the strongest, {most}, removes {percent(layers[most]['mean'])} alone"
        f"{', so the layers stand in for each other' if layers[most]['mean'] < 0.5 else ''}."
    )
    rows = [
        {"label": _way(row["way"]), "value": row["mean"], "low": row["low"], "high": row["high"]}
        for row in e["shares"]
    ]
    figure = Figure(
        "bars", frame(rows), "The share of the negation’s effect that goes when attention to it is taken away, by where, with 95 % intervals.",
        ("share of the effect removed", ""), 0.0,
    )  # fmt: skip
    one, word, plain = example(f, "negated", right=True)
    number = int(most.split()[1])
    tries = (
        Try("manipulate", one, edits=(scaled(word, 0.0),), label="Hidden everywhere"),
        Try("manipulate", one, edits=(scaled(word, 0.0, layers=[number]),), label=f"Hidden in {most}"),
        Try("compare", plain, label="The plain sentence"),
    )
    return Step("How much of it is attention?", text, figure, tries)


def _heads(f: Mapping[str, Any]) -> Step:
    h = f["heads"]
    table = h["table"]
    best = table[0]
    up = [r for r in table if r["p"] < 0.05 and r["effect"] > 0]
    down = [r for r in table if r["p"] < 0.05 and r["effect"] < 0]
    first = max(table, key=lambda r: r["zeroed"])
    same = (first["layer"], first["head"]) == (best["layer"], best["head"])
    text = (
        f"Each of the {len(table)} heads alone loses sight of the negation, in {h['n']} sentences. Head {best['head']} of layer "
        f"{best['layer']} (both counted from 0) carries most: {within(h['best'], '')} of the log-odds, out of "
        f"{f['explained']['difference']['mean']:.2f}. After Holm's correction for so many trials, at 0.05, {len(up)} heads speak for "
        f"the label and {len(down)} against it; small effects pass such a test, too, so look at the size. Zeroing a whole head instead "
        f"puts {'the same head' if same else 'another head'} first, and the two rankings have a rank correlation of {h['agree']:.2f}, "
        "where 1 is the same order and 0 is none."
    )
    rows = [{"layer": r["layer"], "head": r["head"], "value": r["effect"]} for r in table]
    figure = Figure(
        "heads", frame(rows), "What each head’s attention to the negation adds to the log-odds of the label, mean over sentences.",
        ("head", "layer"),
    )  # fmt: skip
    one, word, _ = example(f, "negated", right=True)
    at = {"layers": [best["layer"]], "heads": [best["head"]]}
    tries = (
        Try("manipulate", one, edits=(scaled(word, 0.0, **at),), label="Only this head loses the negation"),
        Try("manipulate", one, edits=({"op": "zero", "where": at},), label="The whole head zeroed"),
    )
    return Step("Which heads carry it?", text, figure, tries)


def _few(f: Mapping[str, Any]) -> Step:
    by = {(row["heads"], row["which"]): row for row in f["few"]}
    counts = sorted({row["heads"] for row in f["few"]})
    middle = max((k for k in counts if k <= 8), default=counts[0])
    best, chance = by[middle, "best"], by[middle, "random"]
    half = next((k for k in counts if by[k, "best"]["mean"] >= 0.5), counts[-1])
    apart = best["low"] > chance["high"]
    text = (
        f"Is that a small circuit or the work of many? The best heads of the last step lose sight of the negation together, in "
        f"{best['n']} other sentences. The best {middle} remove {within(best)} of its effect; as many heads drawn at random remove "
        f"{percent(chance['mean'])}. "
        + (
            "So the ranking is no accident"
            if apart
            else "The intervals overlap, so the ranking may be an accident"
        )
        + f", and half of the effect goes with the best {half} of {counts[-1]} at the latest: "
        + ("a few heads do most of it." if half <= counts[-1] / 8 else "the work is spread over many.")
    )
    rows = [
        {
            "x": str(r["heads"]),
            "value": r["mean"],
            "low": r["low"],
            "high": r["high"],
            "series": f"{r['which']} heads",
        }
        for r in f["few"]
    ]
    figure = Figure(
        "lines", frame(rows), "The share of the negation’s effect that goes with so many heads’ attention to it, with 95 % intervals.",
        ("number of heads", "share removed"),
    )  # fmt: skip
    one, word, _ = example(f, "negated", right=True)
    places: dict[int, list[int]] = {}
    for row in f["heads"]["table"][:middle]:
        places.setdefault(row["layer"], []).append(row["head"])
    edits = tuple(scaled(word, 0.0, layers=[la], heads=sorted(hs)) for la, hs in sorted(places.items()))
    return Step(
        "A few heads, or many?",
        text,
        figure,
        (Try("manipulate", one, edits=edits, label=f"The best {middle} heads"),),
    )


def _places(f: Mapping[str, Any]) -> Step:
    m = f["methods"]
    order = sorted(m["table"], key=lambda row: -row["place"]["mean"])
    truth = m["deleted"]
    named = [f"{LABELS[row['method']]} ({row['place']['mean']:.2f})" for row in order]
    low = [say for say, row in zip(named, order, strict=True) if row["place"]["high"] < 0.5]
    text = (
        f"Explanations give every word a score. In {m['n']} sentences, how high does the negation stand among the others? 1 means "
        "above all of them, 0 below all, and chance is one half. The yardstick is to delete each word and see what the answer loses: by "
        f"that, the negation stands at {within(truth, '')} and comes first in {m['first']} sentences. Highest puts it "
        f"{named[0]}, then {named[1]}. "
        + (f"Below chance: {listed(low)}. " if low else "No method puts it below chance. ")
        + "A high place is not a right one where the model ignores the negation, which is the next step."
    )
    rows = [
        {
            "label": "deleting it (yardstick)",
            "value": truth["mean"],
            "low": truth["low"],
            "high": truth["high"],
        }
    ]
    rows += [
        {
            "label": LABELS[r["method"]],
            "value": r["place"]["mean"],
            "low": r["place"]["low"],
            "high": r["place"]["high"],
        }
        for r in order
    ]
    figure = Figure(
        "bars", frame(rows), "How high each method puts the negation among a sentence’s words, with 95 % intervals; the line is chance.",
        ("share of the other words that it is above", ""), 0.5,
    )  # fmt: skip
    one, *_ = example(f, "downtoned")
    return Step(
        "What do explanations say of the word?",
        text,
        figure,
        (Try("compare", one, label="Compare the methods"),),
    )


def _effects(f: Mapping[str, Any]) -> Step:
    m = f["methods"]
    order = sorted(m["table"], key=lambda row: -row["spearman"]["mean"])
    said = {row["method"]: row["spearman"] for row in m["table"]}
    floor = said["random"]
    against = [
        f"{LABELS[r['method']]} ({r['spearman']['mean']:.2f})" for r in order if r["spearman"]["high"] < 0
    ]
    second = next(row for row in order if row["method"] != "occlusion")
    text = (
        "A good score is high where the negation matters and low where the model passes over it. The rank correlation, over "
        f"the {m['n']} sentences, between a method’s score of the negation and what deleting it does: occlusion reaches "
        f"{said['occlusion']['mean']:.2f}, but it is nearly the yardstick itself. Next to it is {LABELS[second['method']]} with "
        f"{within(second['spearman'], '')}; raw attention has {said['raw_attention']['mean']:.2f}. "
        + (f"The wrong way round: {listed(against)}. " if against else "")
        + f"Random numbers get {floor['mean']:.2f}"
        + (
            ", and their interval does not reach zero: measure the others against that."
            if floor["low"] > 0
            else f", and their interval, {floor['low']:.2f} to {floor['high']:.2f}, shows how far chance alone reaches."
        )
    )
    rows = [
        {"label": LABELS[r["method"]], "value": r["spearman"]["mean"], "low": r["spearman"]["low"]}
        | {"high": r["spearman"]["high"]}
        for r in order
        if r["spearman"]["mean"] is not None
    ]
    figure = Figure(
        "bars", frame(rows), "How far each method’s score of the negation follows the effect of deleting it, with 95 % intervals.",
        ("rank correlation over sentences", ""), 0.0,
    )  # fmt: skip
    strong, weak = example(f, "negated"), example(f, "double negation")
    tries = (
        Try("compare", strong[0], label="Where it matters"),
        Try("compare", weak[0], label="Double negation"),
    )
    return Step("Does the score follow the effect?", text, figure, tries)


def closing(record: Record) -> Closing:
    """What was found, what was not, and how sure one is."""
    f = record["figures"]
    by = {row["kind"]: row for row in f["kinds"]}
    turn = {(row["kind"], row["factor"]): row for row in f["factors"]}
    e, h, few = f["explained"], f["heads"], f["few"]
    shares = {row["way"]: row for row in e["shares"]}
    up = [r for r in h["table"] if r["p"] < 0.05 and r["effect"] > 0]
    poor = [kind for kind in NEGATING if by[kind]["high"] < 0.5]
    saved = [kind for kind in poor if turn[kind, 8.0]["mean"] > 0.5]
    found = [
        f"Without attention to the negation {percent(shares['everywhere']['mean'])} of its effect is gone, and {e['back']} of the "
        f"{e['turned']} verdicts it had turned go back.",
        f"{len(up)} of {len(h['table'])} heads carry some of it; the strongest is head {h['table'][0]['head']} of layer {h['table'][0]['layer']}.",
    ]
    if "answer" in shares:
        found.append(
            f"Hiding it from the place of the answer alone removes {percent(shares['answer']['mean'])}; from all other places, "
            f"{percent(shares['others']['mean'])}."
        )
    missing = []
    if poor:
        missing.append(
            f"No understanding of {listed(poor)}"
            + (
                ": attention to the negation, even eight times as much, does not bring the right label."
                if not saved
                else f"; eight times the attention repairs {listed(saved)}."
            )
        )
    one = f["founding"]
    curve = {row["factor"]: row for row in one["curve"]}
    guess = one["expected"][0][0]
    if curve[1.0][guess] < 0.5:
        missing.append(
            f"Not the expected start of the founding example: P({guess}) is {curve[1.0][guess]:.2f} before any edit."
        )
    best = {row["heads"]: row["mean"] for row in few if row["which"] == "best"}
    one_head = best[min(best)]
    missing.append(
        f"{'No single head' if one_head < 0.5 else 'Not more than one head is needed'}: the best alone removes {percent(one_head)} of the effect on other sentences."
    )
    missing.append(
        "Not whether attention weights explain: that their removal undoes the word follows from how the model is built."
    )
    sure = (
        f"{f['count']} pairs from templates: short, regular sentences. What holds here need not hold for reviews as people write them.",
        f"Intervals are bootstrap 95 % over sentences; n is {by['negated']['n']} for a kind, {e['n']} for the shares, {h['n']} for "
        f"the heads, {f['methods']['n']} for the methods. Sentences share words, so the intervals are somewhat too narrow.",
        f"P-values of heads are Wilcoxon’s signed-rank test with Holm’s correction for {len(h['table'])} heads.",
    )
    return Closing(tuple(found), tuple(missing), sure)
