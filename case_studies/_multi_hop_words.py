"""The words of the multi-hop study's story: labels, figures in words, and which findings they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from case_studies._story import Closing, Record, listed

SURE = 0.05
"""Below this, after Holm's correction, a difference is called one."""
FORMS = {
    "whole": "two facts, bridge there",
    "removed": "bridge taken out",
    "replaced": "another bridge named",
    "one_hop": "one fact is enough",
}
CUTS = {
    "support": "bridge | answer sentence",
    "pair": "two other sentences",
    "answer_other": "answer sentence | another",
    "question_bridge": "question | bridge",
    "question_other": "question | another",
    "both": "both cuts at the bridge",
    "hidden": "bridge hidden from everything",
}
METHODS = {
    "atman": "AtMan by sentence",
    "occlusion": "occlusion",
    "integrated_gradients": "integrated gradients",
    "input_x_gradient": "input × gradient",
    "gradient_norm": "gradient norm",
    "raw_attention": "raw attention",
    "attention_rollout": "attention rollout",
    "attention_flow": "attention flow",
    "random": "random",
}
SEEN = (
    ("answer", "bridge", "answer to bridge"),
    ("answer", "others", "answer to sentences not needed"),
    ("question", "bridge", "question to bridge"),
    ("question", "others", "question to sentences not needed"),
)


def percent(found: Mapping[str, Any]) -> str:
    """A share with its interval: "97 % (94 to 99)"."""
    low, mean, high = (f"{100 * found[name]:.0f}" for name in ("low", "mean", "high"))
    return f"{mean} % ({low} to {high})"


def signed(found: Mapping[str, Any]) -> str:
    """A change with its interval: "-3.71 (-4.20 to -3.22)"."""
    low, mean, high = (f"{round(found[name], 2) + 0.0:+.2f}" for name in ("low", "mean", "high"))
    return f"{mean} ({low} to {high})"


def plain(found: Mapping[str, Any]) -> str:
    """A figure with its interval: "0.95 (0.90 to 0.99)"."""
    return f"{found['mean']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def chance_of(p: float) -> str:
    """A p-value in words."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def numbered(layers: Sequence[int]) -> str:
    """Layers in words, counted from 0; "no layer" for none."""
    if not layers:
        return "no layer"
    return f"layer{'s' if len(layers) > 1 else ''} {listed([str(layer) for layer in layers])}"


def higher(rows: Sequence[Mapping[str, Any]], sign: int = 1) -> list[int]:
    """The layers in which the bridge gets more than other sentences (with -1: less), beyond chance."""
    tests = [row["bridge_minus_others"] for row in rows]
    return [k for k, one in enumerate(tests) if one["p_holm"] < SURE and one["mean"] * sign > 0]


def strongest(rows: Sequence[Mapping[str, Any]]) -> int:
    """The layer in which the bridge gets most beside other sentences."""
    gaps = [row["bridge_minus_others"]["mean"] for row in rows]
    return gaps.index(max(gaps))


def worse(test: Mapping[str, Any]) -> bool:
    """Whether one cut lowers the answer more than its matched one, beyond chance."""
    return test["p_holm"] < SURE and test["mean"] < 0


def than(test: Mapping[str, Any]) -> str:
    """How two cuts compare, in words."""
    words = "more than" if worse(test) else "not reliably more than"
    return f"{words} the matched cut ({chance_of(test['p_holm'])})"


def carrying(figures: Mapping[str, Any]) -> list[int]:
    """The layers in which the cut at the bridge alone does more than its match, the largest first."""
    rows = figures["knockout"]["by_layer"]
    return sorted(
        (k for k, row in enumerate(rows) if worse(row["test"])), key=lambda k: rows[k]["test"]["mean"]
    )


def split(figures: Mapping[str, Any], measure: str) -> tuple[list[str], list[str]]:
    """The methods that are above chance beyond doubt, the best first, and those that are not."""
    table = {name: one for name, one in figures["methods"]["mean"].items() if name != "random"}
    order = sorted(table, key=lambda name: -table[name][measure]["mean"])
    gains = {name: table[name][f"{measure}_gain"] for name in order}
    sure = [name for name in order if gains[name]["p_holm"] < SURE and gains[name]["mean"] > 0]
    return sure, [name for name in order if name not in sure]


def saturated(figures: Mapping[str, Any]) -> bool:
    """Whether flow could reach every group of the example alike, so that it tells nothing apart."""
    flows = figures["example"]["graph"]["largest_flow"].values()
    return max(flows) - min(flows) < 0.01


def _routes(figures: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What the cuts showed, and what they did not."""
    done, tests = figures["knockout"]["all"], figures["knockout"]["tests"]
    found, missing = [], []
    text = f"cutting bridge and answering sentence apart changes log P(answer) by {signed(done['support']['effect'])}"
    if worse(tests["support-pair"]) and worse(tests["support-answer_other"]):
        found.append(f"Attention does pass between the two sentences: {text}, more than both matched cuts.")
    else:
        missing.append(
            f"That attention passes between the two sentences: {text}, not reliably more than matched cuts."
        )
    text = f"with question and bridge cut apart, {percent(done['question_bridge']['exact'])} of the answers stay right"
    if worse(tests["question_bridge-question_other"]):
        found.append(f"It also passes between question and bridge: {text}.")
    else:
        missing.append(f"A way between question and bridge: {text}.")
    return found, missing


def _unexplained(figures: Mapping[str, Any]) -> list[str]:
    """What the methods and the graph did not show."""
    missing = []
    _, weak = split(figures, "bridge")
    if weak:
        missing.append(
            f"The bridge by {listed([METHODS[name] for name in weak])}: not reliably above chance."
        )
    if saturated(figures):
        missing.append(
            "Anything by attention flow in the passage of the graph: every part could take all of it."
        )
    left = figures["methods"]["left_out"]
    if left:
        missing.append(f"Scores of {listed([METHODS[name] for name in left])}: not defined for this model.")
    return missing


def closing(record: Record) -> Closing:
    """The end of the story: what was found, what was not, and how sure one is."""
    figures = record["figures"]
    knock, exact = figures["knockout"], figures["accuracy"]["exact"]
    found, missing = _routes(figures)
    found.append(
        f"Exact match is {percent(exact['whole'])} with the bridge, {percent(exact['removed'])} (“no answer”) without, "
        f"{percent(exact['replaced'])} with another."
    )
    sure, _ = split(figures, "ap")
    if sure:
        found.append(f"Above chance in average precision: {listed([METHODS[name] for name in sure])}.")
    missing += _unexplained(figures)
    missing.append(
        "What the model does with what passes. An edited model is one that was never trained; that an answer goes when "
        "attention is cut shows that the way is needed here, not what is sent along it."
    )
    certain = [
        f"{exact['whole']['n']} questions a form, {knock['n']} passages cut in all layers, "
        f"{knock['by_layer'][0]['support']['n']} in each layer, {figures['methods']['n']} explained; intervals are bootstrap "
        "95 % intervals over passages, tests are paired, and corrected by Holm's method where several are made.",
        "The passages are made from templates. Nothing here says that the same holds of questions that people write. They were drawn "
        "after the settings had been chosen on others from the same templates.",
    ]
    if knock["only_right"]:
        certain.append(
            "Knock-outs and methods were tried on passages that the model answers right; on others it may differ."
        )
    gap = figures["methods"]["gradients_gap"]
    if gap is not None:
        certain.append(
            f"Integrated gradients took few steps; its scores miss the change that they share out by {100 * gap:.1f} % (median)."
        )
    if record["model"]["name"] == "qa":
        certain.append(
            "The shipped model was trained on such passages with a helper that pointed at the bridge from layer 4, so where the "
            "bridge shows may be owed to that training."
        )
    return Closing(tuple(found), tuple(missing), tuple(certain))
