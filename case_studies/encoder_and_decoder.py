"""How do attention patterns differ between an encoder and a decoder? A BERT and a GPT-2 read the same sentences.

The sentences are in `_patterns_data`, the figures of a pattern in `_patterns`, the story in `_patterns_encoder_story`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from attnlab_core import stats
from attnlab_core.errors import BadInput
from case_studies import _patterns as patterns
from case_studies import _story
from case_studies._patterns_data import EACH, KINDS, LENGTHS, pairs, sentences
from case_studies._patterns_encoder_story import story

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from case_studies._patterns import Words
    from case_studies._patterns_data import Sentence

__all__ = ["MODEL", "MODELS", "NAME", "QUESTION", "TITLE", "story", "study"]

NAME = "encoder_and_decoder"
TITLE = "BERT and GPT-2"
QUESTION = (
    "How do attention patterns differ between a model that reads both ways and one that only looks back?"
)
MODEL = "pronouns"
MODELS = ("pronouns", "sst2", "qa")
OTHER = "gpt2-mini"
MASKED = 4
"""The number of the word that is masked once, counted from 0; one of the measured ones."""
NEIGHBOURS = ("own", "previous", "next")

ByLayer = Mapping[str, Float[np.ndarray, "sentence layer"]]
"""Figure → its value in every sentence (or pair of sentences) and layer, all heads together."""


def study(lab: Lab, *, seed: int = 0, other: str = OTHER, each: int = EACH) -> dict[str, Any]:
    """The figures, in plain types.

    Args:
        lab: The encoder.
        seed: Of the choice of sentences.
        other: The decoder, by the name it is loaded by.
        each: Sentences of each template.

    Raises:
        BadInput: The first model looks back only, or the second one ahead.
    """
    made, decoder = sentences(each, seed=seed), lab.other(other)
    more = [lab.other(name) for name in MODELS if lab.name in MODELS and name != lab.name]
    _directions(lab, decoder)
    total = (2 + len(more) + (lab.task == "masked")) * len(made)
    read = patterns.read(lab, made, 0, total)
    readings = {
        "encoder": read,
        "back": [patterns.looking_back(one) for one in read],
        "decoder": patterns.read(decoder, made, len(made), total),
    }
    measured = {name: measure(one, made) for name, one in readings.items()}
    others = {
        one.name: measure(patterns.read(one, made, k * len(made), total), made)
        for k, one in enumerate(more, 2)
    }
    return _story.plain_types(
        {
            "design": _design(made, lab, decoder),
            "decoder": decoder.summary() | {"digest": _story.digest(decoder.name)},
            "ahead": patterns.overall(np.stack([patterns.ahead(one) for one in read])),
            "readings": {name: _told(readings[name], measured[name]) for name in readings},
            "differences": {
                name: _differences(measured["decoder"], measured[name]) for name in ("encoder", "back")
            },
            "others": {name: _overall(one) for name, one in others.items()},
            "masked": _masked(lab, made, total) if lab.task == "masked" else None,
        }
    )


def _directions(lab: Lab, decoder: Lab) -> None:
    """Refuse models that do not look where their part in the study says."""
    for one, back in ((lab, False), (decoder, True)):
        found = next(iter(one.attention(one.encode("One sentence, to see where it looks.")).values()))
        if bool(found.visible.triu(1).any()) == back:
            raise BadInput(
                f"{one.name} {'sees' if back else 'does not see'} the words to come. This study compares a model that reads both "
                f"ways (--model) with one that only looks back (--other): give {'a decoder as the other' if back else 'an encoder'}."
            )


def measure(read: Sequence[Words], made: Sequence[Sentence]) -> ByLayer:
    """All figures of one reading.

    Returns:
        sink: The share of attention on the sink.
        evenness: See `patterns.evenness`.
        distance: The mean distance in words of the attention to words, over that of even attention.
        frame: How far patterns in two sentences of one template lie apart; content: in two of different templates
            but the same length; content of words: the same for the attention to words alone.
    """
    same, other = (patterns.same_size(read, some) for some in pairs(made))
    plain, flat = (np.stack([patterns.distance(one) for one in some]) for some in (read, _even(read)))
    return {
        "sink": np.stack([patterns.division(one)[0] for one in read]).mean(-1),
        "evenness": np.stack([patterns.evenness(one) for one in read]).mean(-1),
        "distance": patterns.ratio(plain) / patterns.ratio(flat),
        "frame": patterns.apart(read, same).mean(-1),
        "content": patterns.apart(read, other).mean(-1),
        "content of words": patterns.ratio(patterns.apart_on_words(read, other)),
    }


def _even(read: Sequence[Words]) -> list[Words]:
    return [patterns.even(one) for one in read]


def _overall(measured: ByLayer) -> dict[str, Any]:
    """Every figure as the mean over layers, with its interval over sentences."""
    return {name: stats.interval(values.mean(1).tolist()) for name, values in measured.items()}


def _differences(one: ByLayer, other: ByLayer) -> dict[str, Any]:
    """The first less the second, sentence by sentence, with intervals."""
    return {name: stats.interval((one[name].mean(1) - other[name].mean(1)).tolist()) for name in one}


def _told(read: Sequence[Words], measured: ByLayer) -> dict[str, Any]:
    """One reading for the record."""
    division = np.stack([patterns.division(one) for one in read])
    flat = np.stack([patterns.division(one) for one in _even(read)])
    away = [
        patterns.ratio(np.stack([patterns.distance(one) for one in some])) for some in (read, _even(read))
    ]
    return {
        "overall": _overall(measured),
        "layers": {
            name: [stats.interval(column.tolist()) for column in values.T]
            for name, values in measured.items()
        },
        "division": {
            name: stats.interval(division[:, k].mean((1, 2)).tolist()) | {"even": flat[:, k].mean()}
            for k, name in enumerate(patterns.PLACES)
        },
        "words away": {"mean": away[0].mean(), "even": away[1].mean()},
        "heads": {name: _best(division.mean(0)[patterns.PLACES.index(name)]) for name in NEIGHBOURS},
    }


def _masked(lab: Lab, made: Sequence[Sentence], total: int) -> dict[str, Any]:
    """The share on the sink with one word masked, as a model that fills in masks knows it: everywhere, and from the mask."""
    hidden = []
    for one in made:
        word = lab.encode(one.text).words[MASKED]
        text = f"{one.text[: word.start]}{lab.tokenizer.mask_token}{one.text[word.end :]}"
        hidden.append(replace(one, text=text))
    read = patterns.read(lab, hidden, total - len(made), total)
    alone = [replace(one, rows=(one.rows[MASKED - 2],)) for one in read]
    return {
        "word": MASKED + 1,
        "sink": patterns.overall(np.stack([patterns.division(one)[0] for one in read])),
        "from the mask": patterns.overall(np.stack([patterns.division(one)[0] for one in alone])),
    }


def _best(shares: Float[np.ndarray, "layer head"]) -> dict[str, Any]:
    """The head with the largest share, and how many heads give more than half."""
    layer, head = divmod(int(shares.argmax()), shares.shape[1])
    return {"layer": layer, "head": head, "share": shares[layer, head], "most": int((shares > 0.5).sum())}


def _design(made: Sequence[Sentence], lab: Lab, decoder: Lab) -> dict[str, Any]:
    """What was read, and how the two tokenizers cut it."""
    whole = {
        part: np.mean([len(word.positions) == 1 for s in made for word in one.encode(s.text).words])
        for part, one in (("encoder", lab), ("decoder", decoder))
    }
    return {
        "sentences": len(made),
        "templates": len({one.template for one in made}),
        "kinds": list(KINDS),
        "lengths": list(LENGTHS),
        "pairs": len(pairs(made)[1]),
        "whole words": whole,
        "tries": {"encoder": patterns.asked(lab), "decoder": patterns.asked(decoder)},
        "special": {
            part: [token.text for token in one.encode(made[0].text).tokens if token.special]
            for part, one in (("encoder", lab), ("decoder", decoder))
        },
        "texts": [one.text for one in made],
    }
