"""What is asked: a text, a pair of texts, a picture, or a picture with a text, and the tokens and words that a model makes of it.

A token is a place, not a word: "as … as" has two. Everything is keyed by position; texts are only shown. Of a picture the
tokens are its patches, named by row and column, both counted from 0: "r3 c5".
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.joint import Either
    from attnlab_core.patches import Patch
    from attnlab_core.pictures import Picture

CONTINUATION = 2  # the segment of tokens that a target appends to a prompt
PICTURE = 3  # the segment of a picture's patches
SENTENCE_END = r"(?<=[.!?…])\s+|\n+"


Id: TypeAlias = "int | Patch | Either"


@dataclass(frozen=True)
class Prompt:
    """A text, and for pairs a second one: a question and its context, a premise and a hypothesis. Or a picture.

    For a model that reads both, the text stands with the picture: a question about it, or captions, one a line.
    """

    text: str = ""
    second: str | None = None
    image: Picture | None = None

    def to_json(self) -> dict[str, Any]:
        """The texts; of a picture a `data:` address, which `Picture.at` reads, and the text where there is one."""
        if self.image is not None:
            return {"image": self.image.address} | ({"text": self.text} if self.text else {})
        return {"text": self.text, "second": self.second}


@dataclass(frozen=True)
class Token:
    """One token at its place. `start` and `end` count characters in the segment's text.

    Attributes:
        text: For display: the piece of the text it covers, or the name of a special token.
        segment: 0 for the text, 1 for the second text, 2 for a continuation, 3 for a picture; None for special tokens.
        special: Added by the tokenizer ([CLS], [SEP], a start token) rather than typed.
        word: The number of the word it belongs to, None for special tokens.
        box: Of a patch, where it lies in the picture: left, top, right, bottom, as shares of its width and height.
    """

    text: str
    start: int = 0
    end: int = 0
    special: bool = False
    segment: int | None = None
    word: int | None = None
    box: tuple[float, float, float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """What a record says of a token."""
        said = {"text": self.text, "start": self.start, "end": self.end, "special": self.special}
        return said if self.box is None else {**said, "box": [round(edge, 6) for edge in self.box]}


@dataclass(frozen=True)
class Word:
    """A word, a run of punctuation, a special token that was typed, or a sentence, with the positions of its tokens."""

    text: str
    start: int
    end: int
    segment: int
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Encoding:
    """A prompt as a model reads it: token ids, the tokens they stand for, and the words those make.

    Attributes:
        prompt: What was encoded.
        ids: What the model looks up, one a token: a number, or a `Patch` of a picture.
        types: The token type (first or second text) of each token, where the model wants them.
        tokens: As many as ids.
        words: In the order of the text.
        choices: Where the answers are part of the prompt (captions), each with the positions at which it is read.
    """

    prompt: Prompt
    ids: tuple[Id, ...]
    types: tuple[int, ...] | None
    tokens: tuple[Token, ...]
    words: tuple[Word, ...] = field(default=())
    choices: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def patches(self) -> tuple[Word, ...]:
        """The patches of a picture, row by row, each with its one position; none in a text."""
        return tuple(word for word in self.words if word.segment == PICTURE)

    def find(self, text: str) -> tuple[int, ...]:
        """The positions of every token of every place where `text` stands as whole words, whatever its case.

        A special token is found by its own text. Raises `BadInput` where `text` does not occur.
        """
        spans = [
            (segment, match.start(), match.end())
            for segment, source in enumerate((self.prompt.text, self.prompt.second or ""))
            for match in re.finditer(rf"(?<!\w){re.escape(text.strip())}(?!\w)", source, re.IGNORECASE)
            if text.strip()
        ]
        found = tuple(
            place
            for place, token in enumerate(self.tokens)
            if ((token.special or token.segment == PICTURE) and token.text == text.strip())
            or any(
                token.segment == seg and token.start < end and token.end > start for seg, start, end in spans
            )
        )
        if not found:
            shown = ", ".join(dict.fromkeys(word.text for word in self.words[:40]))
            if self.prompt.image is not None and not self.prompt.text:
                last = self.words[-1].text
                raise BadInput(f"There is no patch {text!r} in the picture: they go from r0 c0 to {last}.")
            raise BadInput(f"The word {text!r} does not occur in the text. Its words are: {shown}.")
        return found

    def extended(self, ids: Sequence[int], texts: Sequence[str]) -> Encoding:
        """This encoding with the tokens of a continuation after it."""
        first = len(self.words)
        tokens = [Token(t.strip() or t, segment=CONTINUATION, word=first + k) for k, t in enumerate(texts)]
        words = [Word(token.text, 0, 0, CONTINUATION, (len(self.ids) + k,)) for k, token in enumerate(tokens)]
        types = None if self.types is None else (*self.types, *[self.types[-1]] * len(tokens))
        return replace(
            self,
            ids=(*self.ids, *ids),
            types=types,
            tokens=(*self.tokens, *tokens),
            words=(*self.words, *words),
        )


def encode(tokenizer: Any, prompt: Prompt) -> Encoding:
    """Tokenise a prompt without truncation. `tokenizer` is a fast one of transformers, since offsets are needed."""
    for text in (prompt.text, prompt.second):
        if text is not None and not text.strip():
            raise BadInput("The text is empty. Give at least one word.")
        if text is not None and not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise BadInput(
                "The text holds half a character, as broken files do: it is no Unicode. Type it anew."
            )
    texts = (prompt.text,) if prompt.second is None else (prompt.text, prompt.second)
    made = tokenizer(*texts, return_offsets_mapping=True, truncation=False, verbose=False)
    ids, offsets, segments = made["input_ids"], made["offset_mapping"], made.sequence_ids(0)
    names = tokenizer.convert_ids_to_tokens(ids)
    whole = _typed_specials(tokenizer, ids, names, offsets, segments, texts)
    spans = [words_of(text, [own[1:] for own in whole if own[0] == k]) for k, text in enumerate(texts)]
    tokens, members = [], {}
    for place, (name, (start, end), segment) in enumerate(zip(names, offsets, segments, strict=True)):
        if segment is None:
            tokens.append(Token(str(name), special=True))
            continue
        piece = texts[segment][start:end]
        spaces = (
            len(piece) - len(piece.lstrip()) if piece.strip() else 0
        )  # byte-level pieces carry their space
        word = _word_at(spans[segment], start + spaces)
        members.setdefault((segment, word), []).append(place)
        tokens.append(Token(piece.strip() or _blank(piece), start + spaces, end, False, segment, word))
    words, numbers = [], {}
    for (segment, word), places in sorted(members.items(), key=lambda item: item[1][0]):
        start, end = spans[segment][word] if word >= 0 else (tokens[places[0]].start, tokens[places[0]].end)
        numbers[segment, word] = len(words)
        shown = texts[segment][start:end].strip() or tokens[places[0]].text
        words.append(Word(shown, start, end, segment, tuple(places)))
    tokens = [t if t.special else replace(t, word=numbers[t.segment, t.word]) for t in tokens]
    types = tuple(made["token_type_ids"]) if "token_type_ids" in made else None
    if not words:
        raise BadInput("The tokenizer makes no token of this text. Give at least one word.")
    return Encoding(prompt, tuple(ids), types, tuple(tokens), tuple(words))


def words_of(text: str, whole: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Where the words are: runs of letters, digits, marks and inner apostrophes, and runs of anything else.

    Args:
        text: The text.
        whole: Stretches that are words by themselves, such as a [MASK] that was typed.

    >>> [("It isn't, no.")[a:b] for a, b in words_of("It isn't, no.")]
    ['It', "isn't", ',', 'no', '.']
    """
    spans: list[tuple[int, int]] = []
    kind_before = " "
    for place, letter in enumerate(text):
        own = next(((low, high) for low, high in whole if low <= place < high), None)
        kind = _kind(text, place, letter) if own is None else str(own)
        if kind != " ":
            if kind == kind_before:
                spans[-1] = (spans[-1][0], place + 1)
            else:
                spans.append((place, place + 1))
        kind_before = kind
    return spans


def sentences(encoding: Encoding, delimiter: str | None = None) -> list[Word]:
    """The sentences of a text, and of a second one: stretches up to and including what ends them; a continuation is one.

    Args:
        encoding: The text with its tokens. A token belongs to the sentence in which it starts; special tokens to none.
        delimiter: Where sentences end; left out, at . ! ? … before white space and at line ends.
    """
    pattern, prompt = re.escape(delimiter) if delimiter else SENTENCE_END, encoding.prompt
    found = []
    for segment, text in enumerate((prompt.text, prompt.second or "")):
        ends = [match.end() for match in re.finditer(pattern, text)]
        members: dict[int, list[int]] = {}
        for place, token in enumerate(encoding.tokens):
            if token.segment == segment:
                members.setdefault(sum(end <= token.start for end in ends), []).append(place)
        edges = [0, *ends, len(text)]
        found += [
            Word(text[edges[k] : edges[k + 1]].strip(), edges[k], edges[k + 1], segment, tuple(places))
            for k, places in sorted(members.items())
        ]
    goes_on = [k for k, token in enumerate(encoding.tokens) if token.segment == CONTINUATION]
    if goes_on:
        said = " ".join(encoding.tokens[k].text for k in goes_on)
        found.append(Word(said, 0, 0, CONTINUATION, tuple(goes_on)))
    return found


def repeats(texts: Sequence[str]) -> list[int]:
    """The number of each text among those like it, from 1; 0 for a text that stands alone.

    >>> repeats(["as", "good", "as"])
    [1, 0, 2]
    """
    total, seen = Counter(texts), Counter[str]()
    seen_so_far = []
    for text in texts:
        seen[text] += 1
        seen_so_far.append(seen[text] if total[text] > 1 else 0)
    return seen_so_far


def named(text: str, number: int) -> str:
    """A word with its number among those alike, where it has one.

    >>> named("as", 2), named("good", 0)
    ('as (2)', 'good')
    """
    return f"{text} ({number})" if number else text


def subscripted(texts: Sequence[str]) -> list[str]:
    """The texts as a figure names its places: with a small number where another one is like it.

    >>> subscripted(["as", "good", "as"])
    ['as₁', 'good', 'as₂']
    """
    small = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    return [
        text + (str(k).translate(small) if k else "") for text, k in zip(texts, repeats(texts), strict=True)
    ]


def _typed_specials(
    tokenizer: Any, ids: Any, names: Any, offsets: Any, segments: Any, texts: Sequence[str]
) -> list[tuple[int, int, int]]:
    """Special tokens that stand in the text itself: segment, start, end."""
    known, found = set(tokenizer.all_special_ids), []
    for number, name, (start, end), segment in zip(ids, names, offsets, segments, strict=True):
        piece = "" if segment is None else texts[int(segment)][start:end]
        if number in known and piece.strip() == name:
            low = start + piece.index(name)
            found.append((segment, low, low + len(name)))
    return found


def _kind(text: str, place: int, letter: str) -> str:
    if letter.isspace():
        return " "
    inner = (
        letter in "'’"
        and 0 < place < len(text) - 1
        and text[place - 1].isalnum()
        and text[place + 1].isalnum()
    )
    return (
        "w" if inner or letter == "_" or letter.isalnum() or unicodedata.category(letter)[0] == "M" else "p"
    )


def _word_at(spans: list[tuple[int, int]], start: int) -> int:
    """The number of the word that covers a character; -1 - start for white space, which is a word of its own."""
    return next((k for k, (low, high) in enumerate(spans) if low <= start < high), -1 - start)


def _blank(piece: str) -> str:
    return {"": "∅", "\n": "⏎", "\t": "⇥"}.get(piece, "␣")
