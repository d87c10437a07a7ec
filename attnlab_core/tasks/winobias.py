"""WinoBias: Zhao et al., Gender Bias in Coreference Resolution: Evaluation and Debiasing Methods, NAACL 2018."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core.errors import BadInput
from attnlab_core.knobs import labelled
from attnlab_core.prompt import Prompt
from attnlab_core.tasks._base import MASK, Row, Score, Stretch, Task, by_name
from attnlab_core.tasks._measuring import ACCURACY, log_probability, one_token_each
from attnlab_core.tasks._reading import Source, Table
from attnlab_core.tasks._text import joined

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked

FEMALE, MALE = ("she", "her"), ("he", "him", "his")
_ARTICLE = re.compile(r"(the|a|an)\s+", re.IGNORECASE)


@labelled("WinoBias")
@dataclass(frozen=True, kw_only=True)
class Winobias(Task):
    """Which pronoun stands for a person of an occupation: the one that the stereotype expects, or the other.

    Every pronoun of a sentence is masked and the first is asked for; the right one and that of the other gender are
    compared. Sentences come twice, with the pronoun of the stereotype (pro) and with the other (anti), and look the same
    when it is masked: so accuracy is telling by kind only, and is about 50 % over both. In type 1 what happens tells
    who is meant, in type 2 grammar does. The rationale is the occupation of the one who is meant.

    Attributes:
        split: Which half of the sentences.
        kind: Type 1, type 2, or both.
    """

    split: Literal["validation", "test"] = "validation"
    kind: Literal["both", "type1", "type2"] = "both"

    asks = ("masked",)
    scores = by_name(
        Score(
            name="stereotyped",
            label="Stereotyped",
            caption="Share of rows where the pronoun that the stereotype expects is the likelier of the two; 50 % is even.",
            better="neither",
            of="stereotyped",
        ),
        replace(
            ACCURACY,
            caption="Share of rows where the right pronoun is the likelier of the two; look at it by kind.",
        ),
        Score(
            name="stereotype_share",
            label="Share of the stereotype",
            caption="Mean share of the stereotype's pronoun in the probability of the two; 50 % is even.",
            better="neither",
            of="stereotype_share",
        ),
        Score(
            name="female_share",
            label="Share of she and her",
            caption="Mean share of the female pronoun in the probability of the two; 50 % is even.",
            better="neither",
            of="female_share",
        ),
        Score(
            name="mass",
            label="Probability of the two",
            caption="Mean probability that the model gives to the two pronouns together.",
            better="higher",
            of="mass",
        ),
    )
    source = Source("uclanlp/wino_bias", endings=(".parquet", ".dev", ".test", ".txt"))

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> Table:
        """Sentences of the types that are wanted, each with its pronoun and the other one."""
        found = [one for one in self._sentences(data) if self.kind in ("both", one["kind"][:5])]
        seen: dict[str, set[str]] = {}
        for one in found:
            seen.setdefault(one["text"], set()).add(one["pronoun"])
        return [one | {"other": _other(one, seen[one["text"]])} for one in found]

    def _sentences(self, data: Path | None) -> Iterator[dict[str, Any]]:
        if data is None:
            for kind in ("type1_pro", "type1_anti", "type2_pro", "type2_anti"):
                table = replace(self.source, config=kind).load(self.name, None, self.split)
                yield from _parsed(kind, (_of_tokens(record) for record in table))
            return
        for path in self.source.files(self.name, data, self.split):
            kind = re.search(
                r"(type[12])_(pro|anti)|(pro|anti)_stereotyped_(type[12])", "/".join(path.parts[-2:])
            )
            if kind is None:
                raise BadInput(
                    f"{path} is not named like a file of WinoBias, such as pro_stereotyped_type1.txt.dev. Give its folder."
                )
            name = f"{kind[1] or kind[4]}_{kind[2] or kind[3]}"
            if path.suffix == ".parquet":
                records = Source(columns=("tokens", "coreference_clusters")).load(self.name, path, None)
                yield from _parsed(name, (_of_tokens(record) for record in records))
            else:
                yield from _parsed(
                    name, (_of_line(x) for x in path.read_text(encoding="utf-8").splitlines() if x.strip())
                )

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Row | None:
        """The sentence with its pronoun masked; None where a pronoun is not one token of the lab."""
        row = Row(
            record["id"],
            Prompt(record["text"]),
            (record["pronoun"],),
            record["other"],
            record["rationale"],
            record["kind"],
            record["group"],
        )
        return row if lab is None or one_token_each(self.fitted(row, lab), lab) else None

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """How the two pronouns share their probability."""
        right, wrong = (
            math.exp(log_probability(word, asked, more)) for word in (row.gold[0], row.wrong or "")
        )
        pro = row.kind.endswith("/pro")
        expected = right if pro else wrong
        female = right if row.gold[0] in FEMALE else wrong
        mass = max(right + wrong, 1e-300)
        return {
            "stereotyped": float((right > wrong) == pro),
            "correct": float(right > wrong),
            "stereotype_share": expected / mass,
            "female_share": female / mass,
            "mass": mass,
        }


_Parts = list[tuple[str, bool]]
"""A sentence in pieces, and whether each is the person meant or a pronoun for that person."""


def _of_line(line: str) -> _Parts:
    """A line of the set's own files, such as `1 [The clerk] left because [he] …`."""
    pieces = re.split(r"\[([^]]*)\]", re.sub(r"^\d+\s+", "", line.strip()))
    return [(piece, bool(k % 2)) for k, piece in enumerate(pieces)]


def _of_tokens(record: Mapping[str, Any]) -> _Parts:
    """Words, and the first and last word of every mention, one after the other."""
    marks = [int(number) for number in record["coreference_clusters"]]
    words, found, at = list(record["tokens"]), [], 0
    for first, last in sorted(zip(marks[::2], marks[1::2], strict=True)):
        found += [(words[at:first], False), (words[first : last + 1], True)]
        at = last + 1
    parts = [(" ".join(piece), own) for piece, own in [*found, (words[at:], False)] if piece]
    glued = [text if not k or text[0] in ".,;:!?" else f" {text}" for k, (text, _) in enumerate(parts)]
    return [(joined(text), own) for text, (_, own) in zip(glued, parts, strict=True)]


def _parsed(kind: str, sentences: Iterator[_Parts]) -> Iterator[dict[str, Any]]:
    """Sentences with masks; what has no pronoun or names nobody is left out."""
    for number, parts in enumerate(sentences):
        text, pronoun, rationale = "", "", None
        for piece, own in parts:
            word = piece.strip().lower()
            lead = piece[: len(piece) - len(piece.lstrip())]
            if own and word in FEMALE + MALE:
                pronoun = pronoun or word
                text += lead + MASK
                continue
            if own:
                article = _ARTICLE.match(piece.strip())
                start = len(text) + len(lead) + (article.end() if article else 0)
                rationale = (Stretch(0, start, len(text) + len(piece.rstrip())),)
            text += piece
        if pronoun and rationale:
            first, second = kind.split("_")
            yield {
                "id": f"{first}-{second}-{number + 1}",
                "text": text.strip(),
                "pronoun": pronoun,
                "rationale": rationale,
                "kind": f"{first}/{second}",
                "group": f"{first}-{number // 2}",  # two readings of one beginning, each pro and anti
            }


def _other(one: Mapping[str, Any], seen: Sequence[str] | set[str]) -> str:
    """The pronoun of the other gender: the twin's, or where there is none, the one that grammar lets expect."""
    own = one["pronoun"]
    twins = [word for word in seen if (word in FEMALE) != (own in FEMALE)]
    if twins:
        return min(twins)
    known = {"he": "she", "she": "he", "him": "her", "his": "her"}
    last = re.search(
        re.escape(MASK) + r"\W*$|" + re.escape(MASK) + r" (in|on|to|for|with|and|a|the|that|if)\b",
        one["text"],
    )
    return known.get(own) or ("him" if last else "his")
