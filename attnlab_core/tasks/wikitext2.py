"""WikiText-2: Merity et al., Pointer Sentinel Mixture Models, ICLR 2017."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range, labelled
from attnlab_core.prompt import Encoding, Prompt, Token, Word
from attnlab_core.tasks._base import Row, Score, Task, by_name
from attnlab_core.tasks._reading import Source, Table

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked

LONGEST = 1024  # tokens of a window, where the model knows no limit


@dataclass(frozen=True)
class Window(Row):
    """A stretch of the text.

    Attributes:
        ids: Its tokens as the whole text was cut into tokens; its text alone may be cut otherwise at its ends.
        places: Where each stands in the window's text.
        context: How many tokens at its beginning only are what is read before; all others are measured.
        words: How many words of the text end among those that are measured.
    """

    ids: tuple[int, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    context: int = 1
    words: int = 0


@labelled("WikiText-2")
@dataclass(frozen=True, kw_only=True)
class Wikitext2(Task):
    """Running text of Wikipedia: how well a model foresees the next token.

    The text is taken as it stands in the file, signs such as " @-@ " and line ends included, as one sequence of tokens,
    and read in windows that overlap: every token but the first is measured once, with at least `window` − `stride`
    tokens before it where the text has them. Perplexity per word divides by the set's own count: what stands between
    white space, and the end of every line (217,646 in the validation text). The recipe in transformers' documentation
    puts further empty lines between the lines, so its figures differ. The text and its tokens are held in memory.

    Attributes:
        split: Which part of the set.
        raw: From the Hub: the text with all its words, not the one with <unk> for the rare ones.
        window: Tokens of a window; None is the most that the model reads (1,024 where nothing says so).
        stride: Tokens from one window's beginning to the next's; None is half a window.
    """

    split: Literal["train", "validation", "test"] = "validation"
    raw: bool = True
    window: Annotated[int | None, Range(2)] = None
    stride: Annotated[int | None, Range(1)] = None

    asks = ("causal",)
    scores = by_name(
        Score(
            name="perplexity",
            label="Perplexity per token",
            caption="exp of the mean surprisal of a token; comparable only between models with one tokenizer.",
            better="lower",
            of="nll",
            over="tokens",
            then="exp",
        ),
        Score(
            name="word_perplexity",
            label="Perplexity per word",
            caption="exp of the surprisal of the text divided by its number of words and line ends.",
            better="lower",
            of="nll",
            over="words",
            then="exp",
        ),
    )
    source = Source(
        "Salesforce/wikitext",
        folders=("wikitext-2-raw", "wikitext-2", "wikitext"),
        endings=(".parquet", ".txt", ".raw", ".tokens"),
    )

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> Table:
        """The windows of the text."""
        if lab is None:
            raise BadInput("WikiText-2 is cut into windows of a model's tokens. Give the model with lab=….")
        return _windows(self._text(data), lab, self.window, self.stride)

    def _text(self, data: Path | None) -> str:
        source = replace(self.source, config=f"wikitext-2-{'raw-' if self.raw else ''}v1")
        if data is not None:
            paths = source.files(self.name, data, self.split)
            if paths[0].suffix != ".parquet":
                try:
                    return "".join(path.read_text(encoding="utf-8") for path in paths)
                except ValueError as error:
                    raise BadInput(f"{paths[0]} is no text in UTF-8. Give the file with the text.") from error
        source = replace(source, columns=("text",))
        lines = (record["text"] for record in source.load(self.name, data, self.split))
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Window:
        """One window."""
        return Window(str(number), **record)

    def fitted(self, row: Row, lab: Lab) -> Row:
        """The row as it is: it was made to fit."""
        return row

    def readings(self, row: Row, lab: Lab) -> tuple[Encoding, ...]:
        """The window's own tokens; each counts as a word."""
        assert isinstance(row, Window)
        tokens, words = [], []
        for place, (start, end) in enumerate(row.places):
            piece = row.prompt.text[start:end]
            if start == end:
                tokens.append(Token(lab.tokenizer.convert_ids_to_tokens(row.ids[place]), special=True))
                continue
            first = start + (len(piece) - len(piece.lstrip()) if piece.strip() else 0)
            shown = piece.strip() or repr(piece)[1:-1]
            tokens.append(Token(shown, first, end, segment=0, word=len(words)))
            words.append(Word(shown, first, end, 0, (place,)))
        return (Encoding(row.prompt, row.ids, None, tuple(tokens), tuple(words)),)

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """Negative log-probability of the measured tokens, in nats, and how many tokens and words they are."""
        assert isinstance(row, Window)
        wanted = torch.tensor(asked.encoding.ids[row.context :])
        logits = asked.logits[row.context - 1 : -1].float()
        logs = logits.gather(-1, wanted[:, None]).squeeze(-1) - logits.logsumexp(-1)
        return {"nll": -float(logs.double().sum()), "tokens": float(len(wanted)), "words": float(row.words)}


def _windows(text: str, lab: Lab, window: int | None, stride: int | None) -> list[dict[str, Any]]:
    """What the rows of a text are made from."""
    limit = lab.max_tokens
    if window and limit and window > limit:
        raise BadInput(
            f"A window of {window} tokens is more than {lab.name} reads ({limit}). Choose a shorter one."
        )
    size = window or limit or LONGEST
    step = stride or max(1, size // 2)
    if step >= size:
        raise BadInput(
            f"A stride of {step} tokens leaves tokens out between windows of {size}. Choose a smaller one."
        )
    made = lab.tokenizer(text, return_offsets_mapping=True, verbose=False)
    ids, places = made["input_ids"], made["offset_mapping"]
    ends = sorted([m.end() for m in re.finditer(r"\S+", text)] + [m.end() for m in re.finditer("\n", text)])
    found, known, counted = [], 1, 0
    for begin in range(0, len(ids), step):
        end = min(begin + size, len(ids))
        last = end == len(ids)
        low, high = places[begin][0], len(text) if last else places[end - 1][1]
        words = bisect_right(ends, high)
        found.append(
            {
                "prompt": Prompt(text[low:high]),
                "ids": tuple(ids[begin:end]),
                "places": tuple((a - low, b - low) if b > a else (0, 0) for a, b in places[begin:end]),
                "context": known - begin,
                "words": words - counted,
            }
        )
        known, counted = end, words
        if last:
            return found
    return found
