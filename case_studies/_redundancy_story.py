"""The redundancy study told from its record: every number below is read off it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from case_studies._story import Closing, Figure, Record, Step, frame, listed, percent

Measured = Mapping[str, Any]
SURE = 0.05
"""A difference with a corrected p-value below this is called one."""
PARTS = {
    "copy": "first copy",
    "other": "second copy",
    "both": "both copies",
}
WAYS = {
    "single": "one patch",
    "correlated": "patches alike",
    "random": "random groups",
    "low": "all not unlike",
}
SCORES = {"precision": "precision", "recall": "recall", "smaller": "share of the lesser copy"}


def story(record: Record) -> tuple[list[Step], Closing]:
    """The steps and the end, from a record that `run` made."""
    f = record["figures"]
    return [_patches(f), _copies(f), _sweep(f), _found(f)], _closing(f)


def _said(one: Measured, digits: int = 2) -> str:
    """A mean with its interval."""
    mean, low, high = (f"{round(one[name], digits) + 0.0:.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _tested(f: Measured, what: str, factor: str, unit: str = "log-probability") -> Measured:
    return next(
        one for one in f["tests"] if (one["what"], one["factor"], one["unit"]) == (what, factor, unit)
    )


def _side(test: Measured) -> int:
    """1 and -1 for a difference that is clear after the correction, 0 for none."""
    if test["p_holm"] >= SURE:
        return 0
    return 1 if test["mean"] > 0 else -1


def _p(test: Measured) -> str:
    p = test["p_holm"]
    return f"corrected p = {p:.4f}" if p < 1 else "corrected p = 1"


def _factors(f: Measured) -> tuple[str, str]:
    first, second = (f"{factor:g}" for factor in f["design"]["factors"])
    return first, second


def _bar(label: str, one: Measured) -> dict[str, Any]:
    return {"label": label, "value": one["mean"], "low": one["low"], "high": one["high"]}


def _lesser(f: Measured, what: str, factor: str) -> str:
    """What a second copy does to a loss, in words."""
    test = _tested(f, what, factor)
    word = {
        1: "less with two copies than with one",
        -1: "more with two copies than with one",
        0: "no clear difference",
    }[_side(test)]
    return f"{word}, one less two is {_said(test)}, {_p(test)}"


def _patches(f: Measured) -> Step:
    d, (factor, zero) = f["design"], _factors(f)
    one, two = (f["suppressed"][factor][side] for side in ("one", "two"))
    whole = _tested(f, "patches: whole less the sum", factor)
    text = (
        f"{d['count']} pairs of drawn pictures. One has a shape among clutter; the other has the same ground, the same shape at the same place, and a "
        f"second one alike in kind, colour, texture and size. The model names the shape in both, with a probability of {_said(one['p'])} and of "
        f"{_said(two['p'])}.\n\nNow the attention to one patch of the first copy is turned down, in all layers and heads, as AtMan does (factor {factor}). "
        f"The strongest patch takes {_said(one['most'])} off the log-probability with one copy and {_said(two['most'])} with two: "
        f"{_lesser(f, 'most: one less two', factor)}. The mean patch takes {_said(one['mean'])} and {_said(two['mean'])}: "
        f"{_lesser(f, 'mean: one less two', factor)}. With factor {zero} the strongest patch takes {_said(f['suppressed'][zero]['one']['most'])} and "
        f"{_said(f['suppressed'][zero]['two']['most'])}: {_lesser(f, 'most: one less two', zero)}.\n\n"
        + {
            1: f"A shape is redundant by itself, too: with one copy all its patches together take {_said(one['copy'])}, more than the sum of what they take one by one, "
            f"{_said(one['sum'])}. So a single patch says little about a shape that stands there once.",
            -1: f"With one copy all its patches together take {_said(one['copy'])}, less than the sum of what they take one by one, {_said(one['sum'])}.",
            0: f"With one copy all its patches together take {_said(one['copy'])}; what they take one by one adds up to {_said(one['sum'])}, which is not clearly different.",
        }[_side(whole)]
    )
    rows = [
        _bar(f"{side}: {name}", values[key])
        for key, name in (("mean", "mean patch"), ("most", "strongest patch"), ("copy", "all its patches"))
        for side, values in (("one copy", one), ("two copies", two))
    ]
    figure = Figure(
        "bars", frame(rows), f"What suppressing parts of the first copy takes off the log-probability of the shape (factor {factor}), with 95 % intervals.",
        ("loss of log-probability", ""), 0.0,
    )  # fmt: skip
    return Step("One patch at a time", text, figure)


def _copies(f: Measured) -> Step:
    factor, zero = _factors(f)
    one, two = (f["suppressed"][factor][side] for side in ("one", "two"))
    beyond, control = (_tested(f, what, factor) for what in ("both less the sum", "two: both less elsewhere"))
    said = {
        1: "more than the two losses added: each copy stands in for the other",
        -1: "less than the two losses added",
        0: "not clearly other than the two losses added",
    }[_side(beyond)]
    text = (
        f"All patches that the first copy touches, suppressed together (factor {factor}), take {_said(one['copy'])} where it is the only one and "
        f"{_said(two['copy'])} where there is a second: {_lesser(f, 'copy: one less two', factor)}. The second copy takes {_said(two['other'])}. "
        f"Both together take {_said(two['both'])}, {said} (difference {_said(beyond)}, {_p(beyond)}).\n\n"
        f"With factor {zero} it is {_said(f['suppressed'][zero]['two']['copy'])} for the first copy, {_said(f['suppressed'][zero]['two']['both'])} for both. "
        f"As many patches elsewhere take {_said(one['elsewhere'])} (as many as the first copy, with one) and {_said(two['elsewhere_both'])} (as many as both): "
        + {
            1: "it is the shapes that count, not how many patches are suppressed.",
            -1: "more than the shapes do.",
            0: "not clearly less than the shapes.",
        }[_side(control)]
    )
    rows = [_bar("one copy: it", one["copy"]), _bar("one copy: as many elsewhere", one["elsewhere"])]
    rows += [_bar(f"two copies: {PARTS[key]}", two[key]) for key in ("copy", "other", "both")]
    rows += [_bar("two copies: as many elsewhere", two["elsewhere_both"])]
    figure = Figure(
        "bars", frame(rows), f"What suppressing whole copies takes off the log-probability of the shape (factor {factor}), with 95 % intervals.",
        ("loss of log-probability", ""), 0.0,
    )  # fmt: skip
    return Step("One copy, and both", text, figure)


def _sweep(f: Measured) -> Step:
    d, chosen = f["design"], next(one for one in f["sweep"] if one["like"] == f["chosen"])
    least, most = (pick(one["like"] for one in f["sweep"]) for pick in (min, max))
    text = (
        "AtMan can suppress with a patch all that are like it: those whose embedding, before positions are added, has at least a given cosine with it. How alike is "
        f"alike enough? On {d['pilot']} of the pairs, on the pictures with two copies, cosines from {least:g} to {most:g} are tried. *Precision* is the share of positive relevance that "
        "lies on the copies, *recall* the mean relevance on them over the highest anywhere, and the *share of the lesser copy* is of what lies on both: 50.0 % is as much "
        f"on either.\n\nThe best balance of the mean precision and the mean recall (their harmonic mean, {percent(chosen['f'])}) is at {f['chosen']:g}, where a patch goes with "
        f"{chosen['others']['mean']:.1f} others on average: precision {percent(chosen['precision']['mean'])}, recall {percent(chosen['recall']['mean'])}, lesser copy "
        f"{percent(chosen['smaller']['mean'])}. There a patch of a copy is alike with {percent(chosen['same']['mean'])} of the patches of its own copy, "
        f"{percent(chosen['other']['mean'])} of those of the other copy and {percent(chosen['elsewhere']['mean'])} of the rest."
    )
    rows = [
        {
            "x": f"{one['like']:g}",
            "value": one[score]["mean"],
            "low": one[score]["low"],
            "high": one[score]["high"],
            "series": name,
        }
        for score, name in SCORES.items()
        for one in f["sweep"]
    ]
    figure = Figure(
        "lines", frame(rows), f"Precision, recall and the share of the lesser copy by the cosine from which on patches are suppressed together; {d['pilot']} pictures, with "
        "95 % intervals.", ("cosine", "share"),
    )  # fmt: skip
    return Step("How alike is alike enough?", text, figure)


def _against(f: Measured, other: str) -> str:
    """How suppressing patches alike compares with another way, score by score."""
    parts: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for test in f["found_tests"]:
        if test["than"] == other:
            points = f"{SCORES[test['score']]} {100 * test['mean']:+.1f} points ({100 * test['low']:+.1f} to {100 * test['high']:+.1f})"
            parts[_side(test)].append(points)
    said = [f"{word} {listed(parts[side])}" for side, word in ((1, "more"), (-1, "less")) if parts[side]]
    if parts[0]:
        said.append(f"no clear change: {listed(parts[0])}")
    return "; ".join(said)


def _found(f: Measured) -> Step:
    d, found, low = f["design"], f["found"], f["found"]["reach of low"]
    values = "; ".join(
        f"{WAYS[name]}: " + listed([f"{label} {percent(found[name][score]['mean'])}" for score, label in SCORES.items()])
        for name in ("single", "correlated")
    )  # fmt: skip
    text = (
        f"On the other {d['rest']} pairs, at the cosine of {f['chosen']:g}, {values}. Were all patches suppressed with every "
        f"patch, all would get the same relevance: a precision of {percent(found['even']['mean'])} and a recall of 100.0 %.\n\n"
        f"Patches alike against one patch: {_against(f, 'single')}.\n\n"
        f"Against groups of as many patches at random, with the same factors: {_against(f, 'random')}.\n\n"
        f"Against a cosine of {d['low']:g}, all that are not unlike: {_against(f, 'low')}. That is not everything: a patch with a negative cosine stays as it is, and a patch of a "
        f"copy still goes with {percent(low['same']['mean'])} of its own copy, {percent(low['other']['mean'])} of the other and {percent(low['elsewhere']['mean'])} of the rest."
    )
    rows = [
        _bar(f"{label}: {WAYS[name]}", found[name][score]) for score, label in (("precision", "precision"), ("recall", "recall"), ("smaller", "lesser copy"))
        for name in WAYS
    ]  # fmt: skip
    figure = Figure(
        "bars", frame(rows), f"Precision, recall and the share of the lesser copy by way of suppressing, on {d['rest']} pictures apart from those that chose the cosine, with 95 % "
        "intervals.", ("share", ""),
    )  # fmt: skip
    return Step("Does it find both copies?", text, figure)


def _closing(f: Measured) -> Closing:
    d, (factor, zero) = f["design"], _factors(f)
    found, missing = [], []

    def claim(test: Measured, said: str, words: tuple[str, str, str], numbers: str) -> None:
        """Where a claim belongs, by its test: with the word for clearly above zero, for clearly below, and for neither."""
        side = _side(test)
        (found if side else missing).append(f"{said.format(words[(1, -1, 0).index(side)])}: {numbers}.")

    less, more = ("less", "more", "not clearly less"), ("more", "less", "not clearly more")
    claim(
        single := _tested(f, "most: one less two", factor),
        "A patch of a shape costs {} where the shape stands there twice",
        less,
        f"one less two is {_said(single)} for the strongest patch, {_said(_tested(f, 'mean: one less two', factor))} for the mean one (factor {factor})",
    )
    claim(
        copy := _tested(f, "copy: one less two", factor),
        "A whole copy costs {} where there is a second",
        less,
        f"one less two is {_said(copy)} (factor {factor}), {_said(_tested(f, 'copy: one less two', zero))} (factor {zero})",
    )
    claim(
        beyond := _tested(f, "both less the sum", factor),
        "Both copies together cost {} than the two losses added",
        more,
        f"difference {_said(beyond)} (factor {factor}), {_said(_tested(f, 'both less the sum', zero))} (factor {zero})",
    )
    claim(
        whole := _tested(f, "patches: whole less the sum", factor),
        "Within one shape, its patches together cost {} than one by one",
        more,
        f"difference {_said(whole)} (factor {factor})",
    )
    for test in f["found_tests"]:
        if test["than"] == "single":
            claim(
                test,
                f"Suppressing patches alike {{}} the {SCORES[test['score']]} over single patches",
                ("raises", "lowers", "does not clearly change"),
                f"{100 * test['mean']:+.1f} points ({100 * test['low']:+.1f} to {100 * test['high']:+.1f}), {_p(test)}",
            )
    odds = [
        f"{_said(_tested(f, what, factor, 'log-odds'))} {name}"
        for what, name in (
            ("most: one less two", "for the strongest patch, one less two"),
            ("copy: one less two", "for the copy, one less two"),
            ("both less the sum", "for both less the sum"),
        )
    ]
    sure = (
        f"In brackets: bootstrap 95 % intervals over pairs of pictures. P-values are of paired sign-flip tests, corrected by Holm's method over {len(f['tests'])} tests of losses and "
        f"{len(f['found_tests'])} of maps.",
        "A log-probability has a ceiling, and a second copy moves the answer towards or away from it. In log-odds, which have none, the differences are "
        f"{listed(odds)} (factor {factor}).",
        f"Only pairs that the model answers right: of {d['looked']} pairs, it is right about {d['right']['one']} pictures with one copy and {d['right']['two']} with two. "
        "The strongest patch is chosen after looking, which makes it larger than it is, in both pictures alike.",
        "One small model and pictures drawn by one program. That a mask says where a shape is does not say that the model uses it; a copy is cut into patches in its own way, "
        "so that two copies alike have no two patches quite alike.",
    )
    return Closing(tuple(found), tuple(missing), sure)
