"""Rows of one's own: any texts with their right answers, in a table."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput
from attnlab_core.prompt import Prompt
from attnlab_core.tasks._base import Row, Score, Stretch, Task, by_name
from attnlab_core.tasks._measuring import (
    ACCURACY,
    SURPRISAL,
    log_probability,
    of_label,
    of_pair,
    of_span,
    read_for,
    with_answers,
)
from attnlab_core.tasks._reading import Source

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding
    from attnlab_core.targets import Asked

COLUMNS = ("id", "text", "second", "label", "wrong", "rationale", "kind", "group")


@dataclass(frozen=True, kw_only=True)
class Custom(Task):
    """Rows of your own, for a model of any kind: a CSV or TSV file, JSON lines, or parquet.

    Columns: `text` and `label`, and where wanted `second`, `wrong`, `rationale`, `id`, `kind` and `group`. The label is the
    right answer: one of the model's labels; the word at [MASK]; what the text goes on with; or the answer in the second
    text ("no answer" where there is none). Several right answers are a JSON list. A rationale is a list of stretches
    "start:end" in characters of the text, "second:start:end" of the second text, or words, of which every place counts;
    separated by semicolons. Right is the likeliest answer of all, or with a wrong one given, one that is likelier than that;
    a continuation without a wrong one is right where every token of it is the likeliest. For question answering
    accuracy is exact match, F1 counts shared words; elsewhere the two are one.
    """

    asks = ("classification", "masked", "causal", "answering")
    scores = by_name(
        ACCURACY,
        Score(
            name="f1",
            label="F1",
            caption="Words shared with a right answer, for question answering; elsewhere the accuracy.",
            better="higher",
            of="f1",
        ),
        replace(SURPRISAL, caption=f"{SURPRISAL.caption} Rows whose answer was cut off are left out."),
    )
    source = Source(endings=(".csv", ".tsv", ".jsonl", ".json", ".parquet"), columns=("text", "label"))

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Row:
        """One record, as it stands."""
        where = f"Row {number + 1}"
        prompt = Prompt(_text(record["text"]), _text(record.get("second")) or None)
        gold = _list(record["label"])
        if not prompt.text.strip() or not gold:
            raise BadInput(
                f"{where} has no {'label' if prompt.text.strip() else 'text'}. Fill it in, or take the row out."
            )
        if lab is not None and lab.task == "classification":
            gold = tuple(_label(one, lab, where) for one in gold)
        return Row(
            _text(record.get("id")) or f"row-{number + 1}",
            prompt,
            gold,
            _text(record.get("wrong")) or None,
            _rationale(record.get("rationale"), prompt, where),
            _text(record.get("kind")),
            _text(record.get("group")),
        )

    def readings(self, row: Row, lab: Lab) -> tuple[Encoding, ...]:
        """The prompt, and with continuations of several tokens the prompt with each."""
        return with_answers(row, lab, (*row.gold, *([row.wrong] if row.wrong else ())))

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """Whether the answer is right, and its surprisal."""
        if asked.task == "answering":
            said = of_span(asked, row.gold)
            return {"correct": said["exact"], "f1": said["f1"], "surprisal": _surprisal(row, asked)}
        if row.wrong is not None:
            found = min((of_pair(one, row.wrong, asked, more) for one in row.gold), key=_by_surprisal)
        elif asked.task == "classification":
            said = [of_label(asked, asked.labels.index(one)) for one in row.gold]
            found = min(said, key=_by_surprisal) | {"correct": max(one["correct"] for one in said)}
        else:
            right = any(_foremost(one, asked, more) for one in row.gold)
            best = max(log_probability(one, asked, more) for one in row.gold)
            found = {"correct": float(right), "surprisal": -best}
        return {"correct": found["correct"], "f1": found["correct"], "surprisal": found["surprisal"]}


def write(rows: Iterable[Row], file: Path | str) -> None:
    """Write rows to a CSV, TSV or JSON-lines file, so that `Custom` reads the same rows from it."""
    path = Path(file)
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl"):
        raise BadInput(f"Rows are written to a file that ends in .csv, .tsv or .jsonl, not {path.name!r}.")
    with path.open("w", encoding="utf-8", newline="") as out:
        if path.suffix.lower() == ".jsonl":
            out.writelines(json.dumps(_record(row), ensure_ascii=False) + "\n" for row in rows)
            return
        table = csv.writer(out, delimiter="," if path.suffix.lower() == ".csv" else "\t", lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([_record(row)[name] for name in COLUMNS] for row in rows)


def _record(row: Row) -> dict[str, str]:
    one = len(row.gold) == 1 and not row.gold[0].startswith("[")
    return {
        "id": row.id,
        "text": row.prompt.text,
        "second": row.prompt.second or "",
        "label": row.gold[0] if one else json.dumps(row.gold, ensure_ascii=False),
        "wrong": row.wrong or "",
        "rationale": ";".join(f"{'second:' * s.segment}{s.start}:{s.end}" for s in row.stretches),
        "kind": row.kind,
        "group": row.group,
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _list(value: Any) -> tuple[str, ...]:
    """A value, a list, or a list in JSON."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(text for text in map(_text, values) if text)


def _label(given: str, lab: Lab, where: str) -> str:
    known = {label.lower(): label for label in lab.labels}
    if given.lower() in known:
        return known[given.lower()]
    if given.isdecimal() and int(given) < len(lab.labels):
        return lab.labels[int(given)]
    raise BadInput(f"{where}: the model has no label {given!r}. Its labels are {', '.join(lab.labels)}.")


def _rationale(value: Any, prompt: Prompt, where: str) -> tuple[Stretch, ...] | None:
    parts = value.split(";") if isinstance(value, str) else list(value if value is not None else ())
    found = [stretch for part in parts if _text(part).strip() for stretch in _stretches(part, prompt, where)]
    return tuple(dict.fromkeys(found)) or None


def _stretches(part: Any, prompt: Prompt, where: str) -> Iterator[Stretch]:
    texts = (prompt.text, prompt.second or "")
    if isinstance(part, list | tuple):  # [start, end] or [segment, start, end]
        part = (
            ":".join(map(str, part)) if len(part) == 2 else f"{'second:' * int(part[0])}{part[1]}:{part[2]}"
        )
    part = str(part).strip()
    if place := re.fullmatch(r"(second:)?(\d+):(\d+)", part):
        stretch = Stretch(int(bool(place[1])), int(place[2]), int(place[3]))
        if not 0 <= stretch.start < stretch.end <= len(texts[stretch.segment]):
            raise BadInput(
                f"{where}: the rationale {part!r} is not inside the text. Count characters from 0."
            )
        yield stretch
        return
    pattern = re.compile(rf"(?<!\w){re.escape(part)}(?!\w)", re.IGNORECASE)
    found = [Stretch(k, m.start(), m.end()) for k, text in enumerate(texts) for m in pattern.finditer(text)]
    if not found:
        raise BadInput(
            f"{where}: the rationale {part!r} does not occur in the text. Give words of it, or start:end."
        )
    yield from found


def _by_surprisal(said: Mapping[str, float]) -> float:
    return said["surprisal"]


def _surprisal(row: Row, asked: Asked) -> float:
    """NaN where no right answer is left in what was read."""
    found = []
    for one in row.gold:
        try:
            found.append(-log_probability(one, asked, ()))
        except BadInput:
            continue
    return min(found, default=float("nan"))


def _foremost(answer: str, asked: Asked, more: tuple[Asked, ...]) -> bool:
    """Whether every token of an answer is the likeliest at its place."""
    goal, reading = read_for(answer, asked, more)
    return all(int(reading.logits[pick.place].argmax()) == pick.index for pick in goal.picks)
