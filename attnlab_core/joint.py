"""How a model of text and a picture is fed: the tokens of the text and the patches of the picture, one row of places.

Such a model has several stacks of attention, and each call is over a part of the places: CLIP reads every caption and the
picture apart and compares what comes out; BLIP reads the picture, the question while it looks at the picture, and then writes
an answer while it looks at the question. Every call is shown, and edited, as its part of one square over all places
(`_frames`), so that what goes for a text or for a picture goes for both at once. A place that no call of a layer reads
stays as it is: it attends to itself.

The embedding of a place is as wide as those of words and of patches together: a word's is zero where a patch's is not, and the
other way round. So words are like words and patches like patches, and what stands for nothing is one vector for both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from attnlab_core._frames import Block, Frame
from attnlab_core._texts import Texts
from attnlab_core.edits import Call
from attnlab_core.errors import BadInput, ModelRefused, TextTooLong
from attnlab_core.patches import Patch, Patches
from attnlab_core.prompt import CONTINUATION, Encoding, Id, Prompt, Token, encode
from attnlab_core.surgery import Swap


@dataclass(frozen=True)
class Feeders:
    """What a model of text and pictures is fed by, where its own processor is not at hand."""

    tokenizer: Any
    image_processor: Any


@dataclass(frozen=True)
class Either:
    """What stands for a place, be it a word or a patch: the one or the other counts."""

    word: int
    patch: Patch


class Joint:
    """What stands between a prompt and a model that reads text and a picture.

    Args:
        model: Of transformers.
        processor: What has a `tokenizer` and an `image_processor`.
        name: For messages.

    Raises:
        ModelRefused: Its tokenizer cannot place tokens, or its picture is not cut into patches.
    """

    pictures = texts = True
    unit = "word or patch"
    masks = False
    pad = 0
    max_tokens = None
    task: ClassVar[str]
    parts: ClassVar[tuple[str, str]]
    """The names of the modules that read the text and the picture."""

    def __init__(self, model: Any, processor: Any, name: str) -> None:
        if not all(hasattr(processor, part) for part in ("tokenizer", "image_processor")):
            raise ModelRefused(f"{name} needs a processor with a tokenizer and an image_processor.")
        text, picture = (getattr(model, part) for part in self.parts)
        self.model, self.processor, self.name = model, processor, name
        self.words = Texts(text, processor.tokenizer, name)
        self.patches = Patches(picture, processor.image_processor, name)
        self.tokenizer = processor.tokenizer
        self.table = text.get_input_embeddings().weight
        parts = (model.config.vision_config, model.config.text_config)
        self.heads = max(part.num_attention_heads for part in parts)
        self.seen = self.patches.specials + self.patches.grid[0] * self.patches.grid[1]

    @property
    def calls(self) -> tuple[Call, ...]:
        """Which layer each attention call belongs to; several may belong to one."""
        raise NotImplementedError

    def encode(self, prompt: Prompt) -> Encoding:
        """Tokens and patches; `BadInput` where one of them is missing."""
        raise NotImplementedError

    def sample(self) -> list[Id]:
        """The ids on which the model is checked."""
        raise NotImplementedError

    def inputs(self, ids: Sequence[Sequence[Id]], types: object = None) -> dict[str, Any]:
        """What `outputs` is given for rows of ids."""
        raise NotImplementedError

    def outputs(self, inputs: dict[str, Any]) -> Float[Tensor, "batch place class"]:
        """The model's logits."""
        raise NotImplementedError

    def layout(self, row: Sequence[Id]) -> tuple[int, ...]:
        """How many tokens each text has, and what is behind the patches: rows of one batch have the same."""
        raise NotImplementedError

    def blocks(self, layout: Sequence[int]) -> tuple[tuple[Block, ...], ...]:
        """Where each call lies among the places of such rows."""
        raise NotImplementedError

    def frame(self, ids: Sequence[Sequence[Id]]) -> Frame:
        """Where the calls lie; `ValueError` for rows that are not laid out alike."""
        first, *others = {self.layout(row) for row in ids}
        if others:
            raise ValueError("The rows of a batch of text and pictures need texts of the same lengths.")
        return Frame(len(ids[0]), self.heads, self.blocks(first))

    def _apart(self, row: Sequence[Id]) -> tuple[list[Any], list[Any], list[Any]]:
        """A row of ids as those of the text, those of the picture, and those behind it."""
        first = next((k for k, one in enumerate(row) if isinstance(one, Patch)), len(row))
        start = first - self.patches.specials
        if start < 0 or len(row) < start + self.seen:
            raise BadInput(
                "A picture has all its patches: none can be deleted. Replace them by a blank one instead."
            )
        return list(row[:start]), list(row[start : start + self.seen]), list(row[start + self.seen :])

    def _refuse(self, prompt: Prompt) -> None:
        """Raise `BadInput` where a prompt is not one text and a picture."""
        if prompt.image is None or not prompt.text.strip():
            raise BadInput(f"{self.name} reads a picture together with text. Give both.")
        if prompt.second is not None:
            raise BadInput(f"{self.name} reads one text. Leave the second one out.")

    def _tokens(self, text: str) -> Encoding:
        found = encode(self.tokenizer, Prompt(text))
        if self.words.max_tokens is not None and len(found.ids) > self.words.max_tokens:
            raise TextTooLong(len(found.ids), self.words.max_tokens)
        return found

    def _shown(self, prompt: Prompt) -> Encoding:
        """The patches alone; the ids of what stands before them are below zero, as no word's are."""
        found = self.patches.encode(Prompt(image=prompt.image))
        return replace(found, ids=tuple(-1 - one if isinstance(one, int) else one for one in found.ids))

    def embeddings(self, ids: Sequence[Id] | Tensor) -> Float[Tensor, "token width"]:
        """What is looked up: of a word in the first columns, of a patch in those behind them."""
        words = [one.word if isinstance(one, Either) else one if isinstance(one, int) else -1 for one in ids]
        patches: list[Any] = [one.patch if isinstance(one, Either) else one for one in ids]
        found = torch.zeros(len(words), self.table.shape[1], dtype=self.table.dtype, device=self.table.device)
        at = [k for k, word in enumerate(words) if word >= 0]
        found[at] = functional.embedding(
            torch.tensor([words[k] for k in at], device=found.device), self.table
        )
        return torch.cat((found, self.patches.embeddings(patches).to(found)), -1).detach()

    def swap(
        self, inputs: dict[str, Any], embeddings: Float[Tensor, "batch token width"]
    ) -> tuple[Swap, ...]:
        """Put embeddings in the place of those of the text and of the patches."""
        width = self.table.shape[1]
        start = self._starts(inputs)[-1]

        def put(asked: Tensor) -> Tensor:
            return self._text_of(embeddings[..., :width], inputs, asked)

        picture = embeddings[:, start : start + self.seen, width:]
        return (self.table, put), *self.patches.swap(inputs, picture)

    def _starts(self, inputs: dict[str, Any]) -> list[int]:
        """Where each text begins, and last where the picture does."""
        sizes = inputs["attention_mask"].sum(-1).tolist()
        batch = len(inputs["pixel_values"])
        starts = [0]
        for size in sizes[: len(sizes) // batch]:
            starts.append(starts[-1] + size)
        return starts

    def _text_of(self, rows: Tensor, inputs: dict[str, Any], asked: Tensor) -> Tensor:
        """The embeddings of all texts, one a row, padded with zeros behind as `asked` is with ids."""
        starts = self._starts(inputs)
        parts = [
            functional.pad(rows[:, a:b], (0, 0, 0, asked.shape[-1] - (b - a))) for a, b in pairwise(starts)
        ]
        return torch.stack(parts, 1).flatten(0, 1)

    def fixed(self, encoding: Encoding) -> list[bool]:
        """True for special tokens, for what stands before the patches, and for the answer."""
        return [token.special or token.segment == CONTINUATION for token in encoding.tokens]

    def blank(self, wanted: str) -> tuple[Either, str, tuple[str, ...]]:
        """What stands for nothing, as a word and as a patch."""
        word, name, notes = self.words.blank(wanted)
        patch, also, _ = self.patches.blank("mask")
        return Either(word, patch), f"{name} or {also}", notes

    def whole(self, blank: str) -> str:
        """What a prompt of blanks is called."""
        word, _, patch = blank.partition(" or ")
        return f"{self.words.whole(word)} and {self.patches.whole(patch)}"

    def any_of(self, encoding: Encoding) -> tuple[list[Either], str]:
        """Random words, and the picture's own patches in any order."""
        words, named = self.words.any_of(encoding)
        patches, also = self.patches.any_of(encoding)
        both = [Either(word, patches[k % len(patches)]) for k, word in enumerate(words)]
        return both, f"{named} and {also}"

    def _pixels(self, rows: Sequence[Sequence[Id]]) -> dict[str, Tensor]:
        return self.patches.inputs([self._apart(row)[1] for row in rows])


class Captions(Joint):
    """CLIP: which of several captions, one a line, fits the picture best."""

    task, parts = "matching", ("text_model", "vision_model")

    @property
    def calls(self) -> tuple[Call, ...]:
        """The picture's layers, then the captions'; the last ones of both are the same layer."""
        deep, flat = self.model.config.vision_config, self.model.config.text_config
        counts = deep.num_hidden_layers, flat.num_hidden_layers
        return tuple(("encoder", max(counts) - count + layer) for count in counts for layer in range(count))

    def encode(self, prompt: Prompt) -> Encoding:
        """Captions and patches; `BadInput` where there are not at least two captions, or two are the same."""
        self._refuse(prompt)
        lines = [(found.start(), found[0].rstrip()) for found in re.finditer(r"\S[^\n\r]*", prompt.text)]
        texts = [line for _, line in lines]
        if len(texts) < 2 or len(set(texts)) < len(texts):
            raise BadInput(
                f"{self.name} says which of several captions fits a picture best. "
                "Give at least two different ones, one a line."
            )
        ids: list[Id] = []
        tokens: list[Token] = []
        words, choices = [], []
        for at, line in lines:
            found = self._tokens(line)
            if found.ids.count(found.ids[0]) > 1:
                raise BadInput(f"A caption cannot hold {found.tokens[0].text}: it marks where one begins.")
            shift, first = len(tokens), len(words)
            tokens += [_moved(token, at, first) for token in found.tokens]
            words += [
                replace(
                    word,
                    start=word.start + at,
                    end=word.end + at,
                    positions=tuple(place + shift for place in word.positions),
                )
                for word in found.words
            ]
            ids += found.ids
            choices.append((line, len(ids) - 1))
        start = len(ids)
        seen = self._shown(prompt)
        pieces, first = _behind(seen, start, len(words))
        reads = tuple((line, (start, end)) for line, end in choices)
        return Encoding(prompt, (*ids, *seen.ids), None, (*tokens, *pieces), (*words, *first), choices=reads)

    def sample(self) -> list[Id]:
        """The ids on which the model is checked."""
        return list(
            self.encode(Prompt("a picture\nanother picture of noise", image=self.patches.noise())).ids
        )

    def inputs(self, ids: Sequence[Sequence[Id]], types: object = None) -> dict[str, Any]:
        """What the model's `forward` is given: the captions of all rows, and the pictures."""
        rows = [caption for row in ids for caption in _cut(self._apart(row)[0])]
        return {**self.words.inputs(rows), **self._pixels(ids)}

    def layout(self, row: Sequence[Id]) -> tuple[int, ...]:
        """How long each caption is."""
        return tuple(len(caption) for caption in _cut(self._apart(row)[0]))

    def blocks(self, layout: Sequence[int]) -> tuple[tuple[Block, ...], ...]:
        """One for the picture, and one for each caption."""
        ends = [0, *accumulate(layout)]
        picture = slice(ends[-1], ends[-1] + self.seen)
        read = tuple((slice(a, b), slice(a, b)) for a, b in pairwise(ends))
        config = self.model.config
        seen = (((picture, picture),),) * config.vision_config.num_hidden_layers
        return seen + (read,) * config.text_config.num_hidden_layers

    def outputs(self, inputs: dict[str, Any]) -> Float[Tensor, "batch place class"]:
        """The scaled cosine of each picture with its own captions."""
        scores = self.model(**inputs).logits_per_image
        own = scores.unflatten(1, (len(scores), -1))
        return own[torch.arange(len(own)), torch.arange(len(own))][:, None]


class Questions(Joint):
    """BLIP: the answer to a question about the picture, written word by word."""

    task, parts = "visual_answering", ("text_encoder", "vision_model")

    @property
    def calls(self) -> tuple[Call, ...]:
        """The picture's layers; then, for the question and for the answer, two a layer: to itself, and to what it is about."""
        config = self.model.config
        text = config.text_config.num_hidden_layers
        return tuple(("encoder", layer) for layer in range(config.vision_config.num_hidden_layers + 4 * text))

    def encode(self, prompt: Prompt) -> Encoding:
        """The question, the patches, and the token that begins an answer."""
        self._refuse(prompt)
        asked, seen = self._tokens(prompt.text), self._shown(prompt)
        pieces, words = _behind(seen, len(asked.ids), len(asked.words))
        number = int(self.model.decoder_start_token_id)
        begin = Token(str(self.tokenizer.convert_ids_to_tokens(number)), special=True)
        return Encoding(
            prompt,
            (*asked.ids, *seen.ids, number),
            None,
            (*asked.tokens, *pieces, begin),
            (*asked.words, *words),
        )

    def sample(self) -> list[Id]:
        """The ids on which the model is checked."""
        return list(self.encode(Prompt("what is this?", image=self.patches.noise())).ids)

    def inputs(self, ids: Sequence[Sequence[Id]], types: object = None) -> dict[str, Any]:
        """What the parts of the model are given: the questions, the pictures, and the answers as far as they go."""
        rows = [self._apart(row) for row in ids]
        answers = torch.tensor([row[2] for row in rows], device=self.table.device)
        asked = self.words.inputs([row[0] for row in rows])
        return {**asked, **self._pixels(ids), "decoder_input_ids": answers}

    def layout(self, row: Sequence[Id]) -> tuple[int, ...]:
        """How long the question and the answer are."""
        asked, _, answer = self._apart(row)
        return len(asked), len(answer)

    def blocks(self, layout: Sequence[int]) -> tuple[tuple[Block, ...], ...]:
        """The picture by itself; the question by itself and over the picture; the answer by itself and over the question."""
        asked, answer = layout
        text, picture = slice(0, asked), slice(asked, asked + self.seen)
        written = slice(picture.stop, picture.stop + answer)
        config = self.model.config
        layers = config.text_config.num_hidden_layers
        found = [(picture, picture)] * config.vision_config.num_hidden_layers
        found += [(text, text), (text, picture)] * layers + [(written, written), (written, text)] * layers
        return tuple((block,) for block in found)

    def outputs(self, inputs: dict[str, Any]) -> Float[Tensor, "batch place class"]:
        """The logits of the answer's words, a row for each token that begins or continues it."""
        seen = self.model.vision_model(pixel_values=inputs["pixel_values"]).last_hidden_state
        asked = self.model.text_encoder(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            encoder_hidden_states=seen,
            encoder_attention_mask=seen.new_ones(seen.shape[:2]),
        )[0]
        return self.model.text_decoder(
            input_ids=inputs["decoder_input_ids"],
            encoder_hidden_states=asked,
            encoder_attention_mask=inputs["attention_mask"],
            use_cache=False,
        ).logits


READERS = {"CLIPModel": Captions, "BlipForQuestionAnswering": Questions}
"""The model classes that read text and a picture → what feeds them."""


def _cut(ids: list[Any]) -> list[list[Any]]:
    """The captions of a row: each begins with the token that the first one begins with."""
    starts = [k for k, number in enumerate(ids) if number == ids[0]]
    return [ids[a:b] for a, b in zip(starts, [*starts[1:], len(ids)], strict=True)]


def _moved(token: Token, letters: int, words: int) -> Token:
    """A token of a text that stands further on in another one."""
    if token.special:
        return token
    return replace(
        token,
        start=token.start + letters,
        end=token.end + letters,
        word=None if token.word is None else token.word + words,
    )


def _behind(seen: Encoding, places: int, words: int) -> tuple[list[Token], list[Any]]:
    """The tokens and words of a picture that stands behind so many places and words."""
    tokens = [t if t.word is None else replace(t, word=t.word + words) for t in seen.tokens]
    return tokens, [
        replace(word, positions=tuple(place + places for place in word.positions)) for word in seen.words
    ]
