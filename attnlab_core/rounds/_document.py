"""A submission as a document: what is checked before anything runs.

Everything that is wrong is said at once, each with its place. Files are read as plain JSON only: nothing is unpacked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attnlab_core.edits import edit_from_json
from attnlab_core.errors import AttentionLabError, BadInput
from attnlab_core.rounds._format import (
    CLAIM,
    COMMON,
    CONTENT,
    MOST_EDIT_LETTERS,
    MOST_EDITS,
    MOST_SCORE,
    NAME,
    PARTS,
    SCHEMA,
)
from attnlab_core.rounds._plain import NotPlain, odd, parsed, short
from attnlab_core.rounds._round import Round, canonical

if TYPE_CHECKING:
    from attnlab_core.edits import Edit

MOST_PROBLEMS = 50


class Refused(BadInput):
    """A submission with something wrong; `problems` names each with its place."""

    longest = 500 * MOST_PROBLEMS

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        many = len(self.problems)
        super().__init__(
            self.problems[0]
            if many == 1
            else f"{many}{'' if many < MOST_PROBLEMS else ' or more'} things are wrong. {' '.join(self.problems)}"
        )


@dataclass(frozen=True)
class Submission:
    """A submission that was checked.

    Attributes:
        track: One of the round's.
        title: In the table.
        report: What its authors say of it; text, never markup.
        content: Its `scores`, `edits` or `claim`.
        digest: SHA-256 of what counts: round, track and content.
    """

    track: str
    title: str
    report: str
    content: Mapping[str, Any]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """In plain types; without the round's name, which is beside it wherever it is kept."""
        return {
            "track": self.track,
            "title": self.title,
            "report": self.report,
            "content": self.content,
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Submission:
        """What `to_json` wrote."""
        return cls(**said)


def read(raw: bytes | str | Mapping[str, Any], round_: Round) -> Submission:
    """Check a submission to a round; nothing is run.

    Args:
        raw: The file's content, or what was read from it.
        round_: Published or whole.

    Raises:
        Refused: Something is wrong; at most 50 things are named.
    """
    try:
        said = parsed(raw) if isinstance(raw, bytes | str) else dict(raw)
    except NotPlain as error:
        raise Refused([str(error)]) from None
    problems: list[str] = []
    try:
        for problem in _problems(said, round_):
            problems.append(problem)
            if len(problems) == MOST_PROBLEMS:
                break
    except RecursionError:
        problems = ["The document is nested too deeply."]
    if problems:
        raise Refused(problems)
    content = {name: said[name] for name in CONTENT[said["track"]]}
    counted = {"round": round_.name, "track": said["track"]} | content
    return Submission(
        said["track"],
        said["title"].strip(),
        said.get("report", "").strip(),
        content,
        sha256(canonical(counted).encode()).hexdigest(),
    )


def _problems(said: Mapping[str, Any], round_: Round) -> Iterator[str]:
    """What is wrong, the outside first: where that is wrong, the inside is not looked at."""
    outer = list(_outside(said, round_))
    yield from outer
    if not outer:
        yield from {"explain": _scores, "edit": _edits, "discover": _claim}[said["track"]](said, round_)


def _outside(said: Mapping[str, Any], round_: Round) -> Iterator[str]:
    version, track = said.get("schema_version"), said.get("track")
    if said.get("schema") != NAME:
        yield f"schema: it must be {NAME!r}, not {short(said.get('schema'))}."
    if version != SCHEMA or isinstance(version, bool):
        yield f"schema_version: this AttentionLab reads version {SCHEMA}, not {short(version)}."
    if said.get("round") != round_.name:
        yield f"round: it must be {round_.name!r}, not {short(said.get('round'))}."
    yield from _words(said)
    if not isinstance(track, str) or track not in round_.tracks:
        yield f"track: it must be one of {', '.join(round_.tracks)}, not {short(track)}."
        return
    known = (*COMMON, *CONTENT[track])
    yield from (
        f"{short(name)}: there is no such part in a submission to the track {track}."
        for name in said
        if name not in known
    )
    yield from (f"{name}: it is missing." for name in CONTENT[track] if name not in said)


def _words(said: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the title and the report."""
    yield from _fit({name: PARTS[name] for name in ("title", "report")}, said, ("title",))
    for name in ("title", "report"):
        text = said.get(name)
        if isinstance(text, str) and (found := odd(text, several=name == "report")):
            yield f"{name}: it holds {found}."
    if isinstance(title := said.get("title"), str) and title and not title.strip():
        yield "title: it is empty."


def _scores(said: Mapping[str, Any], round_: Round) -> Iterator[str]:
    scores = said["scores"]
    if not isinstance(scores, Mapping):
        yield f"scores: it is an object, sentence → scores, not {short(scores)}."
        return
    yield from (
        f"scores/{short(name)}: the round has no such sentence."
        for name in scores
        if name not in round_.lengths
    )
    for name, length in round_.lengths.items():
        if name in scores:
            yield from _numbers(scores[name], length, f"scores/{short(name)}")
        else:
            yield f"scores/{short(name)}: it is missing; every sentence of both splits needs scores."


def _numbers(numbers: Any, length: int, place: str) -> Iterator[str]:
    if not isinstance(numbers, list):
        yield f"{place}: it is a list with a number for each token, not {short(numbers)}."
    elif len(numbers) != length:
        yield f"{place}: there are {len(numbers)} numbers, and the model reads {length} tokens (special ones counted)."
    else:
        for k, number in enumerate(numbers):
            if isinstance(number, bool) or not isinstance(number, int | float):
                yield f"{place}/{k}: {short(number)} is no number."
            elif not -MOST_SCORE <= number <= MOST_SCORE:
                yield f"{place}/{k}: {short(number)} is not between -1e6 and 1e6."


def _edits(said: Mapping[str, Any], round_: Round) -> Iterator[str]:
    edits = said["edits"]
    if isinstance(edits, list):
        yield from _edit_list(edits, "edits")
        return
    if not isinstance(edits, Mapping) or not edits:
        yield f"edits: it is a list of edits for all sentences, or an object, sentence → list, not {short(edits)}."
        return
    known = {row.id for row in round_.rows}
    for name, one in edits.items():
        if name not in known:
            yield f"edits/{short(name)}: the round has no such sentence."
        elif not isinstance(one, list):
            yield f"edits/{short(name)}: it is a list of edits, not {short(one)}."
        else:
            yield from _edit_list(one, f"edits/{short(name)}")


def _edit_list(edits: Sequence[Any], place: str) -> Iterator[str]:
    """What is wrong with a list of edits; which of them fit a sentence shows when they are run."""
    from attnlab_core.models import shipped

    if not 1 <= len(edits) <= MOST_EDITS:
        yield f"{place}: a list of edits has 1 to {MOST_EDITS}, not {len(edits)}."
        return
    if len(canonical(edits)) > MOST_EDIT_LETTERS:
        yield f"{place}: the edits have more than {MOST_EDIT_LETTERS:,} letters as JSON."
        return
    for k, one in enumerate(edits):
        if not isinstance(one, Mapping):
            yield f"{place}/{k}: an edit is an object with an op, not {short(one)}."
            continue
        try:
            edit = edit_from_json(one)
        except (AttentionLabError, TypeError, ValueError, OverflowError) as error:
            yield f"{place}/{k}: {short(str(error), 300)}"
            continue
        donor = getattr(edit, "model", None)
        if donor is not None and donor not in shipped():
            yield f"{place}/{k}/model: only attention of the shipped models is transplanted here, not {short(donor)}."


def edits_of(said: Sequence[Mapping[str, Any]]) -> tuple[Edit, ...]:
    """The edits of a checked list."""
    return tuple(edit_from_json(one) for one in said)


def _claim(said: Mapping[str, Any], round_: Round) -> Iterator[str]:
    claim = said["claim"]
    wrong = list(_fit({"claim": CLAIM}, said, ()))
    yield from wrong
    if wrong:
        return
    for name in ("edits", "control"):
        yield from _edit_list(claim[name], f"claim/{name}")
    if canonical(claim["edits"]) == canonical(claim["control"]):
        yield "claim/control: it is the same as the edits, so nothing would be left of any effect."
    if not math.isfinite(claim["size"]):
        yield f"claim/size: {short(claim['size'])} is no number."
    known = round_.settings("discover")["suites"]
    if "suite" in claim and claim["suite"] not in known:
        yield f"claim/suite: it must be one of {', '.join(known)}, not {short(claim['suite'])}."
    yield from _own(claim)


def _own(claim: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the sentences that a claim brings along."""
    own = claim.get("sentences", ())
    if own and "kinds" in claim:
        yield "claim/kinds: sentences of one's own have no kinds. Leave them out."
    for k, one in enumerate(own):
        for name, text in one.items():
            if found := odd(text, several=True):
                yield f"claim/sentences/{k}/{name}: it holds {found}."
    texts = [(one["text"], one.get("second")) for one in own]
    if len(set(texts)) < len(texts):
        yield "claim/sentences: a sentence stands there twice."


def _fit(parts: Mapping[str, Any], said: Mapping[str, Any], required: Sequence[str]) -> Iterator[str]:
    """What a part of the schema says, each with its place."""
    from jsonschema import Draft202012Validator

    held = {name: said[name] for name in parts if name in said}
    schema = {"type": "object", "properties": dict(parts), "required": list(required)}
    for wrong in sorted(Draft202012Validator(schema).iter_errors(held), key=lambda one: str(one.json_path)):
        place = "/".join(short(step) for step in wrong.absolute_path)
        if wrong.validator == "oneOf":
            yield f"{place}: it needs a suite or sentences of its own, one of the two."
            continue
        why = " ".join(wrong.message.split())
        yield f"{place + ': ' if place else ''}{why if len(why) <= 160 else f'…{why[-160:]}'}."
