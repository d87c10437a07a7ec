"""Pieces of text with scores, laid along a run's text and shared out to its tokens."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.methods import Attribution
from attnlab_core.prompt import sentences
from attnlab_core.run import Run

SPECIAL = re.compile(r"\[[A-Z]+\]|<[|/]?[\w ]+\|?>")
UNKNOWN = ("[UNK]", "<unk>", "<UNK>")
LONGEST = 60  # letters that one unknown token may stand for
MERGED = 4  # pieces of bytes that make one letter
Span = tuple[int, int, int]  # segment, start, end


@dataclass(frozen=True)
class Piece:
    """A token or word as somebody else writes it, its score, and its characters where they are known."""

    text: str
    score: float
    span: Span | None = None


@dataclass(frozen=True)
class Scored:
    """An explanation as it was read, before it is laid along a text.

    Attributes:
        source: The file's name.
        pieces: In the order of the text.
        texts: The text and the second text it is of, where the file says so.
        generated: Whether pieces may go on behind the text, since they are of what a model wrote.
    """

    source: str
    pieces: Sequence[Piece]
    method: str = ""
    label: str = ""
    target: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    signed: bool | None = None
    aggregation: str = ""
    notes: tuple[str, ...] = ()
    texts: tuple[str | None, str | None] = (None, None)
    generated: bool = False


def lay(read: Scored, run: Run) -> Attribution:
    """Share an explanation's scores out to the tokens of a run; `BadInput` where it is of another text."""
    own = (run.prompt.text, run.prompt.second)
    if read.texts[0] is not None and read.texts != own:
        raise BadInput(
            f"{read.source} is about another text: {_short(read.texts[0])}. Run that, or score this one."
        )
    if not all(math.isfinite(piece.score) for piece in read.pieces):
        raise BadInput(f"{read.source} holds a score that is no finite number.")
    scores, lost = _shared(read, run)
    notes = (f"{lost} special token(s) of the file are not among this model's; their scores are left out.",)
    return Attribution(
        method=read.method or read.source,
        label=read.label or read.method or read.source,
        scores=scores,
        tokens=run.tokens,
        words=run.encoding.words,
        target=read.target,
        params=dict(read.params),
        seconds=read.seconds,
        signed=bool((scores < 0).any()) if read.signed is None else read.signed,
        aggregation=read.aggregation or f"As read from {read.source}.",
        details={"source": read.source},
        notes=read.notes + (notes if lost else ()),
        sentences=tuple(sentences(run.encoding)),
    )


def _shared(read: Scored, run: Run) -> tuple[Float[Tensor, " token"], int]:
    """A score for each of the run's tokens, and how many special tokens of the file had no place."""
    if _same(read, run):
        return torch.tensor([piece.score for piece in read.pieces[: len(run.tokens)]], dtype=torch.float64), 0
    scores, lost = torch.zeros(len(run.tokens), dtype=torch.float64), 0
    free = [k for k, token in enumerate(run.tokens) if token.special]
    for piece, span in _placed(read, run):
        if span is not None:
            under = _under(run, span)
            scores[under] += piece.score / len(under)
            continue
        same = next((k for k in free if run.tokens[k].text == piece.text), None)
        if same is None:
            lost += 1
        else:
            free.remove(same)
            scores[same] += piece.score
    return scores, lost


def _same(read: Scored, run: Run) -> bool:
    """Whether the pieces are the run's own tokens, one by one: as the tokenizer writes them, or as they are shown."""
    texts = [piece.text.replace("Ġ", "") for piece in read.pieces]
    size = len(run.tokens)
    if len(texts) != size and not (read.generated and len(texts) > size):
        return False
    written = run.lab.tokenizer.convert_ids_to_tokens(list(run.encoding.ids))
    shown = [token.text for token in run.tokens]
    return any(texts[:size] == [text.replace("Ġ", "") for text in own] for own in (written, shown))


def _under(run: Run, span: Span) -> list[int]:
    """The tokens that share characters with a stretch; where none does, the nearest before it, or the first."""
    segment, start, end = span
    inside = [k for k, token in enumerate(run.tokens) if token.segment == segment]
    found = [k for k in inside if run.tokens[k].start < end and start < run.tokens[k].end]
    before = [k for k in inside if run.tokens[k].start <= start]
    return found or before[-1:] or inside[:1]


def _placed(read: Scored, run: Run) -> list[tuple[Piece, Span | None]]:
    """Every piece with its characters; None for a special token."""
    if read.texts[0] is not None:
        return [(piece, piece.span) for piece in read.pieces]
    return _Laying(read, run).all()


class _Laying:
    """Pieces laid along the letters of a text; white space, case and accents do not count."""

    def __init__(self, read: Scored, run: Run) -> None:
        self.read, self.pieces = read, list(read.pieces)
        texts = (run.prompt.text, run.prompt.second or "")
        self.letters = [
            (folded, segment, place)
            for segment, text in enumerate(texts)
            for place, letter in enumerate(text)
            for folded in fold(letter)
        ]
        self.text = "".join(letter for letter, _, _ in self.letters)
        self.marks = {*run.lab.tokenizer.all_special_tokens}
        # A letter that stands for a space, unless the text itself uses it.
        self.bytes = any(piece.text.startswith("Ġ") for piece in self.pieces) and "Ġ" not in "".join(texts)
        self.at = 0

    def all(self) -> list[tuple[Piece, Span | None]]:
        found: list[tuple[Piece, Span | None]] = []
        number = 0
        while number < len(self.pieces):
            taken, piece, span = self._next(number)
            if taken == 0:
                break
            found.append((piece, span))
            number += taken
        rest = self.text[self.at :]
        if any(letter.isalnum() for letter in rest):
            raise BadInput(
                f"The scores in {self.read.source} end before {_short(rest)} in the text. Score all of it."
            )
        return found

    def _next(self, number: int) -> tuple[int, Piece, Span | None]:
        """How many pieces are laid at once (0 at the end of the text), what they are together, and where they lie."""
        piece = self.pieces[number]
        for width in range(1, min(MERGED, len(self.pieces) - number) + 1):
            group = self.pieces[number : number + width]
            length = self._length("".join(one.text for one in group), self.at)
            if length is not None:
                whole = Piece(piece.text, sum(one.score for one in group))
                return width, whole, self._take(self.at, length)
        if self._is_unknown(piece):
            return 1, piece, self._take(self.at, self._stretch(number + 1))
        if piece.text in self.marks or SPECIAL.fullmatch(piece.text):
            return 1, piece, None
        ahead = self.at  # a table of words may leave the punctuation out
        while ahead < len(self.text) and not self.text[ahead].isalnum():
            ahead += 1
            length = self._length(piece.text, ahead)
            if length is not None:
                return 1, piece, self._take(ahead, length)
        if self.read.generated and not any(letter.isalnum() for letter in self.text[self.at :]):
            return 0, piece, None
        rest = _short(self.text[self.at :]) if self.at < len(self.text) else "the text's end"
        raise BadInput(
            f"The scores in {self.read.source} do not fit this text: where it goes on with {rest}, they have {_short(piece.text)}."
        )

    def _is_unknown(self, piece: Piece) -> bool:
        return piece.text in UNKNOWN and self.at < len(self.text)

    def _length(self, text: str, at: int) -> int | None:
        """How many letters a piece takes at a place of the text; None where it does not stand there."""
        for spelling in spellings(text, self.bytes):
            folded = fold(spelling)
            if self.text.startswith(folded, at) and (folded or at < len(self.text)):
                return len(folded)
        return None

    def _stretch(self, number: int) -> int:
        """How many letters an unknown token stands for: up to where the piece after it fits, or to the next space."""
        ahead = [piece.text for piece in self.pieces[number:]]
        most = min(len(self.text) - self.at, LONGEST)
        if ahead and ahead[0] in UNKNOWN:
            places = [place for _, _, place in self.letters[self.at : self.at + most + 1]]
            return next((n for n in range(1, len(places)) if places[n] - places[n - 1] not in (0, 1)), most)
        after = next((text for text in ahead if not SPECIAL.fullmatch(text)), None)
        if after is None:
            return len(self.text) - self.at
        return next((n for n in range(1, most) if self._length(after, self.at + n)), 1)

    def _take(self, at: int, length: int) -> Span:
        """Go on behind a piece; one without letters of its own (a mark of a space) lies on the next letter."""
        _, segment, start = self.letters[at]
        last = self.letters[at + max(length, 1) - 1]
        self.at = at + length
        return segment, start, (last[2] if last[1] == segment else start) + 1


def fold(text: str) -> str:
    """Letters as they are compared: no white space, no case, no accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not c.isspace() and unicodedata.category(c)[0] not in "MC")


def spellings(piece: str, in_bytes: bool = False) -> list[str]:
    """What a token may stand for: itself, or itself without the marks of word pieces, or the text of its bytes.

    >>> spellings("##ly")
    ['##ly', 'ly']
    >>> spellings("Ġgood", in_bytes=True)
    [' good']
    """
    letters, decoded = _bytes(), []
    if all(letter in letters for letter in piece):
        with suppress(UnicodeDecodeError):
            decoded = [bytes(letters[letter] for letter in piece).decode("utf-8")]
    if in_bytes:
        return decoded
    plain = piece.removeprefix("##")
    return list(dict.fromkeys([piece, plain, plain.replace("▁", " ").removesuffix("</w>"), *decoded]))


@cache
def _bytes() -> dict[str, int]:
    """The letters by which byte-level tokenizers write bytes: printable ones as they are, the rest from U+0100 on."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + k): byte for k, byte in enumerate(hidden)}


def _short(text: str, most: int = 30) -> str:
    """A text in quotation marks, cut where it is long."""
    return f"“{text[:most]}{'…' if len(text) > most else ''}”"
