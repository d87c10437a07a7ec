"""What `task`, `submit` and `leaderboard` print where no JSON is asked for; nothing typed by a stranger steers a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from attnlab_core._results import aligned
from attnlab_core._results import printable as line

Said = Mapping[str, Any]
PUBLIC = "The hidden split is shown when the round is closed."


def made(said: Said) -> str:
    """Where a new round is, and what to do with it."""
    one = said["sentences"]
    return (
        f"{said['round']}: {one['public']} sentences public, {one['hidden']} hidden; {', '.join(said['tracks'])}.\n"
        f"{said['folder']}/publish may be published, {said['files'][0]} is for you alone.\n"
        f"Open it with: task open {said['folder']}"
    )


def state(said: Said) -> str:
    """How far a round is."""
    lines = [f"{said['name']} is {said['state']} in {said['database']}: {_counted(said)}."]
    if said.get("files"):
        lines += [f"Wrote {', '.join(said['files'])}."]
    elif not said["workers"] and _left(said):
        lines += ["No worker is alive. Score with: task worker --until-idle"]
    return "\n".join([*lines, *_noted(said)])


def round_(said: Said) -> str:
    """What a round asks, and how far it is."""
    one = said["round"]
    lines = [line(one["title"]), *([line(one["about"])] if one["about"] else [])]
    lines += [f"{said['name']} is {said['state']}: {_counted(said)}."]
    lines += [
        f"model: {one['model']['name']}, revision {one['model']['revision'] or 'none'}, weights {one['model']['digest'][:12]}"
    ]
    lines += [f"sentences: {one['sentences']['public']} public, {one['sentences']['hidden']} hidden"]
    lines += [f"{track}: {_settings(settings)}" for track, settings in one["tracks"].items()]
    lines += [f"{_dates(one)}; {one['per_day']} submissions a day"]
    return "\n".join([*lines, *_former(one["dates"])])


def dates(said: Said) -> str:
    """The dates of a round, and those before."""
    now = said["dates"][-1]
    lines = [f"{said['name']}: {_dates(now)}.", *_former(said["dates"])]
    return "\n".join(
        [*lines, "What was published of it names the dates it was made with: tell who takes part."]
    )


def again(said: Said) -> str:
    """What is scored anew."""
    lines = [f"Submission {one['number']} to {one['round']}: {one['status']}." for one in said["submissions"]]
    if not said["workers"]:
        lines += ["No worker is alive. Score with: task worker --until-idle"]
    return "\n".join([*lines, *_noted(said)])


def rounds(said: Said) -> str:
    """A line a round."""
    if not said["rounds"]:
        return f"No round in {line(said['database'])}. Make one with: task new."
    rows = [one | {"tracks": ", ".join(one["tracks"])} for one in said["rounds"]]
    return aligned(rows)


def board(said: Said) -> str:
    """The tables of a round, or the rounds."""
    if "rounds" in said:
        return rounds(said)
    one = said["round"]
    lines = [f"{line(one['title'])} ({one['name']}), {one['state']}"]
    for table in said["tables"]:
        lines += ["", f"{table['track']}, {table['split']} split:", _table(table)]
    lines += [
        "",
        "In brackets: 95 % intervals. = shares its rank: chance could put these rows in another order.",
    ]
    if one["state"] != "closed":
        lines.append(PUBLIC)
    return "\n".join(lines)


def _table(table: Said) -> str:
    from attnlab_core.rounds import Column, Line
    from attnlab_core.rounds._export import Table, rank

    columns = tuple(Column(**one) for one in table["columns"])
    lines = [
        Line(**{name: value for name, value in one.items() if name != "report"}) for one in table["lines"]
    ]
    if not lines:
        return "nothing scored yet"
    kept = Table("", table["track"], table["split"], columns, tuple(lines), {})
    return aligned(
        [
            {
                "rank": rank(one),
                "no": str(one.number),
                "team": "baseline" if one.baseline else one.team,
                "title": one.title,
            }
            | dict(zip(kept.heads(), kept.cells(one), strict=True))
            for one in lines
        ]
    )


def files(said: Said) -> str:
    """What was written."""
    return "\n".join(map(line, said["files"]))


def example(said: Said) -> str:
    """Where the example is."""
    return f"{line(said['file'])}: an example for the track {said['track']} of {said['round']}. Make it yours, then: submit check"


def checked(said: Said) -> str:
    """That nothing is wrong."""
    return f"{line(said['file'])} fits: “{line(said['title'])}”, track {said['track']}. Nothing was sent."


def sent(said: Said) -> str:
    """The number, and the key where it is new."""
    lines = [f"Submission {said['number']} to {said['round']}, track {said['track']}: {said['status']}."]
    if "key" in said:
        lines += [
            f"The team {line(said['team'])} is new. Its key, shown this once: {said['key']}",
            "Keep it: later submissions and withdrawals need it (ATTENTIONLAB_TEAM_KEY, or --key).",
        ]
    if not said["workers"]:
        lines.append(
            "No worker is alive: it is scored when one starts (task worker), or when the round is closed."
        )
    return "\n".join([*lines, *_noted(said)])


def status(said: Said) -> str:
    """How far a submission is."""
    far = (
        f", {said['done']} of {said['total']} sentences"
        if said["status"] == "running" and said["total"]
        else ""
    )
    lines = [
        f"Submission {said['number']}, “{line(said['title'])}” by {line(said['team'])}, track {said['track']} of {said['round']}: "
        f"{said['status']}{far}."
    ]
    if said["reason"]:
        lines.append(line(said["reason"]))
    for split, figures in said["results"].items():
        lines += ["", f"{split} split:", *(f"  {name}: {value}" for name, value in figures.items())]
    if said["status"] == "queued" and not said["workers"]:
        lines.append("No worker is alive. Score with: task worker --until-idle")
    return "\n".join(lines)


def submissions(said: Said) -> str:
    """A line a submission."""
    names = ("number", "track", "team", "title", "made", "status")
    rows = [{name: one[name] for name in names} for one in said["submissions"]]
    return aligned(rows) if rows else f"No such submission to {said['name']}."


def _settings(settings: Said) -> str:
    said = {name: ", ".join(value) if isinstance(value, list) else value for name, value in settings.items()}
    return "; ".join(f"{name} {value}" for name, value in said.items())


def _dates(said: Said) -> str:
    return f"opens: {line(said['opens']) or 'once opened'}; closes: {line(said['closes']) or 'by hand'}"


def _former(given: Sequence[Said]) -> list[str]:
    """When dates were changed, and what they were."""
    return [f"changed {new['since']}; before: {_dates(old)}" for old, new in pairwise(given)]


def _counted(said: Said) -> str:
    parts = [
        f"{what} {', '.join(f'{many} {status}' for status, many in sorted(said[what].items())) or 'none'}"
        for what in ("submissions", "baselines")
    ]
    return "; ".join(parts)


def _left(said: Said) -> bool:
    return any(
        said[what].get(status) for what in ("submissions", "baselines") for status in ("queued", "running")
    )


def _noted(said: Said) -> list[str]:
    return [f"Note: {line(said['note'])}"] if said.get("note") else []
