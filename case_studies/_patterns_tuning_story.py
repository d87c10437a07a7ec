"""The comparison of a model before and after fine-tuning told from its record: every number below is read off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from case_studies._patterns import Measured, clear, within
from case_studies._story import Closing, Figure, Record, Step, Try, frame, listed, percent

CHANGES = {"evenness": "evenness", "sink": "the sink", "content": "the difference between sentences"}
TASKS = {"sst2": "sentiment", "pronouns": "masked words", "qa": "answers in a text"}


def story(record: Record) -> tuple[list[Step], Closing]:
    """The steps and the end, from a record that `run` made."""
    f = record["figures"]
    return [_far(f), _heads(f), _shared(f), _evenness(f), _content(f)], _closing(f)


def _ticked(names: Sequence[str]) -> str:
    return listed([f"`{name}`" for name in names])


def _lines(series: Mapping[str, Sequence[Measured]]) -> list[dict[str, Any]]:
    """The rows of a figure with a line a series over the layers."""
    return [
        {"x": str(layer), "value": one["mean"], "low": one["low"], "high": one["high"], "series": name}
        for name, layers in series.items()
        for layer, one in enumerate(layers)
    ]


def _try(f: Measured, name: str, page: Any, label: str, edit: Mapping[str, Any] | None = None) -> Try:
    """A state with one of the models."""
    return Try(page, **f["design"]["tries"][name], model=name, label=label, edits=(edit,) if edit else ())


def _head(one: Measured) -> str:
    return f"head {one['head']} of layer {one['layer']}"


def _only(one: Measured, op: str) -> dict[str, Any]:
    """An edit of one head."""
    return {"op": op, "where": {"layers": [one["layer"]], "heads": [one["head"]]}}


def _far(f: Measured) -> Step:
    d, names, moved = f["design"], f["models"], f["moved"]
    made = listed([f"`{n}`" + (f" ({TASKS[n]})" if n in TASKS else "") for n in names])
    shares = listed([f"{percent(moved[n]['overall']['mean'])} in `{n}`" for n in names])
    rises = [n for n in names if moved[n]["layers"][-1]["mean"] > moved[n]["layers"][0]["mean"]]
    text = (
        f"{made} were made from one encoder, {f['base']['name']}. All read the same {d['sentences']} sentences, cut into the same tokens, so "
        "patterns can be compared cell by cell. The measure is the *share of attention that moved*: how much of each row has to be "
        f"taken from some words and given to others to turn the pattern before into the one after. It is {shares}. "
        f"{'The last layer moved more than the first in ' + _ticked(rises) + '. ' if rises else ''}"
        f"For scale: between two different sentences of one length, the encoder’s own patterns differ by {percent(f['before']['content']['overall']['mean'])}."
    )
    text += _kinds(f)
    series = {name: moved[name]["layers"] for name in names}
    series["two sentences, before"] = f["before"]["content"]["layers"]
    figure = Figure(
        "lines", frame(_lines(series)), "The share of attention that fine-tuning moved in every layer, with 95 % intervals; beside it, how far two sentences "
        "lie apart in the encoder itself.", ("layer", "share of attention"),
    )  # fmt: skip
    tries = tuple(_try(f, name, "compare", f"{name} on a sentence") for name in names)
    return Step("How far did attention move?", text, figure, tries)


def _kinds(f: Measured) -> str:
    """Whether a model's attention moved most on one kind of sentence: its interval above those of the others."""
    said = []
    for name in f["models"]:
        kinds = f["moved"][name]["kinds"]
        first, second, *_ = sorted(kinds, key=lambda kind: -kinds[kind]["mean"])
        if kinds[first]["low"] > kinds[second]["high"]:
            said.append((kinds[first]["mean"] - kinds[second]["mean"], name, first, second))
    if not said:
        return ""
    _, name, first, second = max(said)
    one, two = (percent(f["moved"][name]["kinds"][kind]["mean"]) for kind in (first, second))
    return f" The kind of sentence matters most in `{name}`: {one} moved in the {first} sentences, {two} in the {second} sentences."


def _most(f: Measured, name: str) -> Measured:
    return max(f["heads"], key=lambda one: one["moved"][name])


def _least(f: Measured) -> list[Measured]:
    """The heads by the most that any model moved them."""
    return sorted(f["heads"], key=lambda one: max(one["moved"].values()))


def _short(names: Sequence[str]) -> list[str]:
    """Names of four letters, for a narrow screen; numbers where that makes two alike."""
    first = [name.rpartition("/")[2][:4] for name in names]
    return first if len(set(first)) == len(first) else [str(k) for k in range(1, len(names) + 1)]


def _called(names: Sequence[str]) -> str:
    """What the short names stand for, where they differ."""
    said = [f"{short} is {name}" for short, name in zip(_short(names), names, strict=True) if short != name]
    return f" ({listed(said)})" if said else ""


def _heads(f: Measured) -> Step:
    d, names = f["design"], f["models"]
    most = [f"{_head(_most(f, n))} in `{n}` ({percent(_most(f, n)['moved'][n])})" for n in names]
    ranked = _least(f)
    kept = sum(max(one["moved"].values()) < d["kept"] for one in ranked)
    place, share = max(ranked[0]["before"].items(), key=lambda item: item[1])
    places = {
        "sink": "the special tokens",
        "own": "the word itself",
        "previous": "the previous word",
        "next": "the next word",
    }
    text = (
        f"Each cell is a head, one grid a model. Most moved: {listed(most)}. "
        f"Of {d['heads']} heads, {kept} {'keeps its' if kept == 1 else 'keep their'} pattern in all {len(names)} models, if keeping means that less than "
        f"{percent(d['kept'])} moved. The one that stays most alike is {_head(ranked[0])}: at most {percent(max(ranked[0]['moved'].values()))} moved. "
        f"Before, it gave {percent(share)} of a word’s attention to {places.get(place, f'{place} words')}."
    )
    rows = [
        {"layer": f"{short} {one['layer']}", "head": one["head"], "value": one["moved"][name]}
        for name, short in zip(names, _short(names), strict=True)
        for one in f["heads"]
    ]
    figure = Figure(
        "heads", frame(rows), f"The share of each head’s attention that moved, by model and layer{_called(names)}.", ("head", "model and layer")
    )  # fmt: skip
    tries = tuple(
        _try(f, n, "manipulate", f"{n} without its most moved head", _only(_most(f, n), "zero"))
        for n in names
    )
    return Step("Which heads changed, and which stayed?", text, figure, tries)


def _shared(f: Measured) -> Step:
    names, shared = f["models"], f["shared"]
    ranks, inner, cosines = (
        [one[k]["mean"] for one in shared] for k in ("ranks", "ranks within layers", "direction")
    )
    depth = sum(inner) < sum(ranks)
    near = max(cosines) < 0.3 and min(cosines) > -0.3
    text = (
        "Do the tasks change the same heads? Order all heads by how much they moved: from one model to another, the orders agree with a "
        f"rank correlation of {min(ranks):.2f} to {max(ranks):.2f} (1 is the same order, 0 none in common). "
        + (
            f"Part of that is depth, for late layers move more in all: among heads of one layer it is {min(inner):.2f} to {max(inner):.2f}. "
            if depth
            else f"Among heads of one layer it is {min(inner):.2f} to {max(inner):.2f}. "
        )
        + "That the same heads move does not mean that they move alike. The cosine between two models’ changes of a pattern (1 is the same change, "
        f"0 nothing in common) is {min(cosines):.2f} to {max(cosines):.2f} on average{', so the changes have little in common' if near else ''}."
    )
    first, *others = names
    rows = [
        {
            "x": one["moved"][first],
            "value": one["moved"][name],
            "label": f"layer {one['layer']}, head {one['head']}",
            "series": name,
        }
        for name in others
        for one in f["heads"]
    ]
    figure = Figure(
        "dots", frame(rows), f"How much each head moved in {first} (across) and in another model (up).",
        (f"share moved in {first}", "share moved in the other"),
    )  # fmt: skip
    both = max(f["heads"], key=lambda one: min(one["moved"].values()))
    tries = tuple(
        _try(f, n, "manipulate", f"{n}: {_head(both)} made even", _only(both, "uniform")) for n in names
    )
    text += f" The head that moved most in all of them is {_head(both)}: at least {percent(min(both['moved'].values()))}."
    return Step("The same heads for every task?", text, figure, tries)


def _changes(f: Measured, figure: str) -> str:
    """By how many points a figure changed in each model."""
    means = {name: 100 * f["change"][name][figure]["overall"]["mean"] for name in f["models"]}
    return listed([f"{mean:+.1f} points in `{name}`" for name, mean in means.items()])


def _sides(f: Measured, figure: str) -> tuple[list[str], list[str]]:
    """The models in which a figure rose, and those in which it fell."""
    by = {name: clear(f["change"][name][figure]["overall"]) for name in f["models"]}
    return [n for n in by if by[n] > 0], [n for n in by if by[n] < 0]


def _by_side(f: Measured, figure: str, up: str, down: str) -> str:
    rose, fell = _sides(f, figure)
    parts = [f"{up} in {_ticked(rose)}"] if rose else []
    parts += [f"{down} in {_ticked(fell)}"] if fell else []
    return " and ".join(parts) or "no clear change in any of them"


def _evenness(f: Measured) -> Step:
    names, before = f["models"], f["before"]
    text = (
        "*Evenness* is the entropy of a row over the largest it can have: 0 is all on one word, 1 the same for every word. Before, it is "
        f"{percent(before['evenness']['overall']['mean'])} on average. Fine-tuning changes it by {_changes(f, 'evenness')}. "
        f"It has to do with the *sink*, the special tokens {listed(f['design']['special'])}, which many heads turn to whatever the text says. "
        f"They got {percent(before['sink']['overall']['mean'])} before: "
        f"{_by_side(f, 'sink', 'it is more now', 'less')}."
    )
    series = {name: f["change"][name]["evenness"]["layers"] for name in names}
    figure = Figure(
        "lines", frame(_lines(series)), "How the evenness of rows changed in every layer, with 95 % intervals; the line is no change.",
        ("layer", "change of evenness"), 0.0,
    )  # fmt: skip
    edit = {"op": "scale", "factor": 0.0, "where": {"keys": f["design"]["special"]}}
    tries = tuple(_try(f, n, "manipulate", f"{n} without its sink", edit) for n in names)
    return Step("Narrower or wider?", text, figure, tries)


def _content(f: Measured) -> Step:
    names, before = f["models"], f["before"]
    text = (
        "How much do patterns depend on what stands there? For two sentences of one length and of different templates: the share of attention "
        f"that must be moved to make one pattern the other. Before, {percent(before['content']['overall']['mean'])}; fine-tuning changes that by "
        f"{_changes(f, 'content')}. So patterns follow the sentence "
        f"{_by_side(f, 'content', 'more', 'less')}. "
        "What rests on the special tokens cannot differ, so a larger sink alone makes this smaller."
    )
    series = {name: f["change"][name]["content"]["layers"] for name in names}
    figure = Figure(
        "lines", frame(_lines(series)), "How the difference between two sentences’ patterns changed in every layer, with 95 % intervals; the line is no change.",
        ("layer", "change of the difference"), 0.0,
    )  # fmt: skip
    plain = next(
        (
            n
            for n in names
            if "second" not in f["design"]["tries"][n] and "[" not in f["design"]["tries"][n]["text"]
        ),
        None,
    )
    tries = tuple(
        Try("manipulate", text=said, model=plain, label=f"{plain}: {which} sentence")
        for said, which in zip(f["design"]["pair"], ("one", "another"), strict=True)
        if plain
    )
    return Step("More or less about the sentence?", text, figure, tries)


def _closing(f: Measured) -> Closing:
    d, names, moved, shared = f["design"], f["models"], f["moved"], f["shared"]
    far = listed([f"{within(moved[n]['overall'])} in `{n}`" for n in names])
    kept = sum(max(one["moved"].values()) < d["kept"] for one in f["heads"])
    high = max(shared, key=lambda one: one["ranks within layers"]["mean"])
    found = (
        f"Of all attention, fine-tuning moved {far}.",
        f"{kept} of {d['heads']} heads {'keeps its' if kept == 1 else 'keep their'} pattern in all models; the one that stays most alike is "
        f"{_head(_least(f)[0])}.",
        f"Evenness: {_by_side(f, 'evenness', 'up', 'down')}. The sink: {_by_side(f, 'sink', 'up', 'down')}.",
    )
    mixed = [said for figure, said in CHANGES.items() if all(_sides(f, figure))]
    missing = (
        f"No one direction: {listed(mixed)} went up in one model and down in another."
        if mixed
        else "No model that changed against the others.",
        f"No common change of patterns: the cosine between two models’ changes is at most {max(one['direction']['mean'] for one in shared):.2f}.",
        "Not what the changes are for: that a head moved does not say that the task needs it.",
    )
    sure = (
        f"In brackets: bootstrap 95 % intervals over {d['sentences']} sentences ({d['pairs']} pairs in the last step), from {d['templates']} templates; too narrow for English "
        "at large.",
        "One model a task. How far the same training with another seed would move heads was not measured, and the tasks were trained by "
        "different recipes and for different lengths, which moves attention, too.",
        f"Rank correlations are over heads: within a layer the highest is {high['ranks within layers']['mean']:.2f} ({high['ranks within layers']['low']:.2f} to "
        f"{high['ranks within layers']['high']:.2f}, {_ticked(high['models'])}). A model has few heads, and they are no sample from more.",
        "A late layer moves also because its input changed: a pattern can change without a change of that layer’s own weights.",
    )
    return Closing(found, missing, sure)
