"""What the commands print where no JSON is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attnlab_core.prompt import named, repeats


def listing(said: Mapping[str, Any]) -> str:
    """Names and summaries."""
    lines = []
    for kind, entries in said.items():
        if entries:
            lines.append(f"{kind}:")
            lines += [f"  {entry['name']:<22} {entry['summary']}" for entry in entries]
    return "\n".join(lines)


def run(said: Mapping[str, Any]) -> str:
    """Probabilities, before and after edits."""
    if "before" not in said:
        return bars(said["probabilities"])
    sides = (("without edits", said["before"]), (f"with edits ({said['edited_calls']} calls)", said["after"]))
    return "\n".join(f"{name}: {side['prediction']}\n{bars(side['probabilities'])}" for name, side in sides)


def bars(probabilities: Mapping[str, float]) -> str:
    """Answers with their probabilities."""
    return "\n".join(f"  {p:6.1%}  {answer}" for answer, p in probabilities.items())


def attributions(said: Mapping[str, Any]) -> str:
    """The scores of each method, and what to mind."""
    lines = [f"target: {said['target']}"]
    by = said.get("by", "token")
    for one in said["attributions"]:
        rows = one.get(f"{by}s")
        texts = [row["text"] for row in (said["tokens"] if rows is None else rows)]
        values = one["scores"] if rows is None else [row["score"] for row in rows]
        kept = texts[: len(values)]
        places = [named(text, number) for text, number in zip(kept, repeats(kept), strict=True)]
        scores = "  ".join(f"{text} {score:+.3f}" for text, score in zip(places, values, strict=True))
        lines += ["", f"{one['label']} ({one['seconds']:.2f} s)", f"  {scores}", f"  {one['aggregation']}"]
        lines += [f"  Note: {note}" for note in one["notes"]]
    return "\n".join(lines)


def suggestions(said: Mapping[str, Any]) -> str:
    """What the gradient promises beside what came of it."""
    rows = [
        f"{one['predicted']:+9.4f} {one['real']:+9.4f}  {json.dumps(one['edit'], ensure_ascii=False)}"
        for one in said["suggestions"]
    ]
    return "\n".join([f"target: {said['target']}", "predicted      real  edit", *rows])


def search(said: Mapping[str, Any]) -> str:
    """What was found, in short."""
    figures = said["figures"]
    sides = "\n".join(f"{name}:\n{bars(said[name])}" for name in ("before", "after"))
    return (
        f"target: {said['target']}\n{sides}\nstopped: {said['stopped']}\n"
        f"changed: {figures['cells']} cells in {figures['heads']} heads; on average {figures['minimality']:.1%} of a row "
        f"moved\nThe edit is in the output of --json."
    )


def generation(said: Mapping[str, Any]) -> str:
    """The text as it goes on."""
    text = said["prompt"]["text"]
    if "before" not in said:
        return text + said["text"]
    return f"without edits: {text}{said['before']['text']}\nwith edits: {text}{said['text']}"


def judgement(said: Mapping[str, Any]) -> str:
    """The percentile in words."""
    found, known = said["plausibility"], said["reference"]
    distance = "" if found["distance"] is None else f", distance: {found['distance']:.0f}th"
    what = "pictures" if said["model"]["reads"] == "pictures" else "texts"
    return (
        f"{found['words']} (shape alone: {found['shape']:.0f}th{distance})\n"
        f"among {known['held_back']} {what}: {known['corpus']}"
    )


def fit(said: Mapping[str, Any]) -> str:
    """Where the reference is."""
    return f"fitted on {said['texts']} {said['read']}, {said['held_back']} held back; {said['file']}"
