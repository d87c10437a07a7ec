"""What is explained: one answer of the model, or one rather than another, as a number that can be differentiated.

Logits come as [batch, place, class], whatever the task: a classifier has one place (and so has what matches captions with a
picture; its classes are the captions), a language model one a token (its classes are the vocabulary; one that answers a question
about a picture has places for its answer only), a question-answering model two (where the answer starts, where it ends; its
classes are the tokens).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.prompt import Encoding

Quantity = Literal["log_probability", "probability", "logit"]
Answer = str | int | tuple[int, int]
LONGEST_SPAN = 30  # tokens of an answer that is read off a question-answering model
NO_ANSWER = "no answer"  # what a question-answering model says by pointing at [CLS], as in SQuAD 2.0


@dataclass(frozen=True)
class Target:
    """An answer to explain; `None` is the model's own.

    Attributes:
        of: A label or its number; a word at the mask; a continuation of the text; for question answering the answer's
            text in the context, or its first and last token, or "no answer"; a caption or its number; an answer's text.
        rather_than: Another answer; what is explained is then how far the model prefers the one to the other.
        mask: Which mask of the text, where there are several.
    """

    of: Answer | None = None
    rather_than: Answer | None = None
    mask: int = 0


@dataclass(frozen=True)
class Pick:
    """One logit: its place, its class, and whether it speaks for (+1) or against (-1) the target."""

    place: int
    index: int
    sign: int = 1


@dataclass(frozen=True)
class Goal:
    """A target settled for one run.

    Attributes:
        text: In words: "positive", "his rather than her".
        picks: The logits it is made of. Several of one sign are steps of one answer, whose log-probabilities add up.
        reads: The positions (queries) at which the model's answer is read.
        extra: Token ids of a continuation that go after the prompt, so that the model reads what it is to say.
        against: The other answer, where it needs another continuation; else it is among the picks.
    """

    text: str
    picks: tuple[Pick, ...]
    reads: tuple[int, ...]
    extra: tuple[int, ...] = ()
    against: Goal | None = None

    def each(
        self, logits: Float[Tensor, "batch place class"], quantity: Quantity = "log_probability"
    ) -> Float[Tensor, "batch pick"]:
        """The quantity of every pick alone, without its sign, in fp32; natural logarithms."""
        rows = torch.stack([logits[:, pick.place] for pick in self.picks], dim=1).float()
        index = torch.tensor([pick.index for pick in self.picks], device=logits.device)
        values = rows if quantity == "logit" else rows.log_softmax(-1)
        values = values.gather(-1, index.view(1, -1, 1).expand(len(values), -1, 1)).squeeze(-1)
        return values.exp() if quantity == "probability" else values

    def value(
        self, logits: Float[Tensor, "batch place class"], quantity: Quantity = "log_probability"
    ) -> Float[Tensor, " batch"]:
        """The target as one number a row, differentiable.

        Log-probabilities and logits of the picks are added with their signs; probabilities of one answer's steps are
        multiplied, and the other answer's product is subtracted.
        """
        signs = torch.tensor([pick.sign for pick in self.picks], device=logits.device)
        if quantity != "probability":
            return (self.each(logits, quantity) * signs).sum(-1)
        logs = self.each(logits)
        sides = [logs[:, signs == sign].sum(-1).exp() for sign in (1, -1) if bool((signs == sign).any())]
        return sides[0] - sides[1] if len(sides) == 2 else sides[0]


@dataclass(frozen=True)
class Asked:
    """What `settle` needs to know of a model and a text."""

    task: str
    labels: tuple[str, ...]
    tokenizer: Any
    encoding: Encoding
    reads: tuple[int, ...]  # of a classifier
    logits: Float[Tensor, "place class"]


def settle(target: Target, asked: Asked) -> Goal:
    """Find the logits, positions and continuation that a target means for one text.

    Raises `BadInput` where the target does not fit the task, the vocabulary or the text.
    """
    one = _SETTLERS[asked.task](target.of, target, asked)
    if target.rather_than is None:
        return one
    if target.of is None:
        raise BadInput("A target that says 'rather than' needs the answer that is preferred, too.")
    other = _SETTLERS[asked.task](target.rather_than, target, asked)
    text = f"{one.text} rather than {other.text}"
    if one.extra or other.extra:
        return replace(one, text=text, against=other)
    against = tuple(replace(pick, sign=-1) for pick in other.picks)
    return replace(
        one, text=text, picks=one.picks + against, reads=tuple(dict.fromkeys(one.reads + other.reads))
    )


def masks(tokenizer: Any, encoding: Encoding) -> tuple[int, ...]:
    """The positions of the mask token in a text."""
    return tuple(k for k, number in enumerate(encoding.ids) if number == tokenizer.mask_token_id)


def probabilities(asked: Asked, most: int = 10) -> dict[str, float]:
    """What the model answers, most likely first: all labels, or the `most` likeliest words, tokens or spans."""
    if asked.task == "answering":
        found: dict[str, float] = {}
        for start, end, p in best_spans(asked, most):
            text = span_text(asked.encoding, start, end)
            found[text] = found.get(text, 0.0) + p
        return found
    place = _mask_place(asked, 0) if asked.task == "masked" else -1
    p = asked.logits[place].float().softmax(-1)
    if asked.task in ("classification", "matching"):
        labels = asked.labels or [caption for caption, _ in asked.encoding.choices]
        order = p.argsort(descending=True).tolist()
        return {labels[k]: float(p[k]) for k in order}
    top = p.topk(min(most, len(p)))
    found = {}
    for value, index in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        text = asked.tokenizer.decode([index])
        text = text.strip() if asked.task == "masked" else text
        found[f"{text} (token {index})" if text in found or not text else text] = value
    return found


def best_spans(asked: Asked, most: int = 5) -> list[tuple[int, int, float]]:
    """The likeliest answers of a question-answering model as (first token, last token, probability).

    An answer lies in the second text (in the first where there is none) and has at most 30 tokens; the probability is
    that of the start times that of the end, each over all tokens. Where the model has a [CLS] token, pointing at it with
    both ends is an answer too: that there is none.
    """
    encoding, logits = asked.encoding, asked.logits
    wanted = 1 if encoding.prompt.second is not None else 0
    inside = torch.tensor([token.segment == wanted for token in encoding.tokens])
    start, end = logits.float().softmax(-1)
    allowed = (inside[:, None] & inside[None, :]).triu().tril(LONGEST_SPAN - 1)
    if (nowhere := _nowhere(asked)) is not None:
        allowed[nowhere, nowhere] = True
    joint = start[:, None] * end[None, :] * allowed
    top = joint.flatten().topk(min(most, int(allowed.sum())))
    n = len(encoding.tokens)
    return [(k // n, k % n, v) for v, k in zip(top.values.tolist(), top.indices.tolist(), strict=True)]


def span_text(encoding: Encoding, start: int, end: int) -> str:
    """The text from the first to the last token of a span; "no answer" for the [CLS] token."""
    if start == end and encoding.tokens[start].special:
        return NO_ANSWER
    source = (encoding.prompt.text, encoding.prompt.second or "")[encoding.tokens[start].segment or 0]
    return source[encoding.tokens[start].start : encoding.tokens[end].end].strip()


def _nowhere(asked: Asked) -> int | None:
    number = asked.tokenizer.cls_token_id
    return asked.encoding.ids.index(number) if number in asked.encoding.ids else None


def _label(of: Answer | None, _: Target, asked: Asked) -> Goal:
    known = {label.lower(): k for k, label in enumerate(asked.labels)}
    if isinstance(of, tuple):
        raise BadInput(
            f"The target of a classifier is one of its labels ({', '.join(asked.labels)}), not {of!r}."
        )
    if of is None:
        index = int(asked.logits[0].argmax())
    elif isinstance(of, int) or (isinstance(of, str) and of.isdecimal() and of not in known):
        index = int(of)
        if not 0 <= index < len(asked.labels):
            raise BadInput(f"There is no label {index}: the model has {len(asked.labels)}, counted from 0.")
    elif isinstance(of, str) and of.lower() in known:
        index = known[of.lower()]
    else:
        raise UnknownName(str(of), asked.labels, "label")
    return Goal(asked.labels[index], (Pick(0, index),), asked.reads)


def _caption(of: Answer | None, target: Target, asked: Asked) -> Goal:
    choices = asked.encoding.choices
    goal = _label(of, target, replace(asked, labels=tuple(caption for caption, _ in choices)))
    return replace(goal, reads=choices[goal.picks[0].index][1])


def _word(of: Answer | None, target: Target, asked: Asked) -> Goal:
    place = _mask_place(asked, target.mask)
    if of is None:
        index = int(asked.logits[place].argmax())
    elif isinstance(of, str):
        index = _single_token(of, asked.tokenizer)
    elif isinstance(of, int):
        index = of
    else:
        raise BadInput(f"The target of a masked language model is a word at the mask, not {of!r}.")
    return Goal(asked.tokenizer.decode([index]).strip(), (Pick(place, index),), (place,))


def _continuation(of: Answer | None, _: Target, asked: Asked) -> Goal:
    last, place = len(asked.encoding.ids) - 1, len(asked.logits) - 1
    if isinstance(of, tuple):
        raise BadInput(f"The target of a model that writes is a text, not {of!r}.")
    ids = [int(asked.logits[place].argmax())] if of is None else _continuing(of, asked)
    picks = tuple(Pick(place + k, index) for k, index in enumerate(ids))
    text = asked.tokenizer.decode(ids)
    return Goal(text.strip() or text, picks, tuple(last + k for k in range(len(ids))), tuple(ids[:-1]))


def _span(of: Answer | None, _: Target, asked: Asked) -> Goal:
    encoding = asked.encoding
    if of is None:
        start, end = best_spans(asked, 1)[0][:2]
    elif isinstance(of, str):
        start, end = _occurrence(of, asked)
    elif isinstance(of, tuple) and len(of) == 2:
        start, end = of
        if not 0 <= start <= end < len(encoding.ids):
            raise BadInput(
                f"A span is the first and the last token, from 0 to {len(encoding.ids) - 1}, not {of!r}."
            )
    else:
        raise BadInput(
            f"The target of a question-answering model is an answer's text or two positions, not {of!r}."
        )
    return Goal(
        span_text(encoding, start, end), (Pick(0, start), Pick(1, end)), tuple(dict.fromkeys((start, end)))
    )


_SETTLERS = {
    "classification": _label,
    "masked": _word,
    "causal": _continuation,
    "answering": _span,
    "matching": _caption,
    "visual_answering": _continuation,
}


def _mask_place(asked: Asked, which: int) -> int:
    places = masks(asked.tokenizer, asked.encoding)
    if not places:
        raise BadInput(
            f"The text has no mask. Write {asked.tokenizer.mask_token} where the model is to fill in a word."
        )
    if not 0 <= which < len(places):
        raise BadInput(f"The text has {len(places)} mask(s), counted from 0; there is no mask {which}.")
    return places[which]


def _single_token(word: str, tokenizer: Any) -> int:
    for spelling in (f" {word.strip()}", word.strip()):
        ids = tokenizer(spelling, add_special_tokens=False, verbose=False)["input_ids"]
        if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
            return ids[0]
    raise BadInput(
        f"{word!r} is not one token for this model, so it cannot stand at one mask. Choose another word."
    )


def _continuing(of: str | int, asked: Asked) -> Sequence[int]:
    """The token ids with which a text goes on: tokenised together where that leaves the prompt's ids as they are."""
    if isinstance(of, int):
        return [of]
    if not of.strip():
        raise BadInput("The target is empty. Give the text that is to follow.")
    if asked.task == "visual_answering":  # the answer follows nothing but its own first token
        return asked.tokenizer(of.strip(), add_special_tokens=False, verbose=False)["input_ids"]
    before, ids = asked.encoding.prompt.text, list(asked.encoding.ids)
    glued = of if of[0].isspace() or before[-1:].isspace() or not of[0].isalnum() else f" {of}"
    together = asked.tokenizer(before + glued, verbose=False)["input_ids"]
    if together[: len(ids)] == ids and len(together) > len(ids):
        return together[len(ids) :]
    return asked.tokenizer(glued, add_special_tokens=False, verbose=False)["input_ids"]


def _occurrence(text: str, asked: Asked) -> tuple[int, int]:
    """The first place of an answer's text in the context, or the likeliest where there are several."""
    encoding = asked.encoding
    wanted = 1 if encoding.prompt.second is not None else 0
    source = (encoding.prompt.text, encoding.prompt.second or "")[wanted].lower()
    start, end = asked.logits.float().log_softmax(-1)
    spans, at = [], source.find(text.strip().lower())
    while at >= 0 and text.strip():
        inside = [
            k
            for k, token in enumerate(encoding.tokens)
            if token.segment == wanted and token.start < at + len(text.strip()) and token.end > at
        ]
        if inside:
            spans.append((float(start[inside[0]] + end[inside[-1]]), inside[0], inside[-1]))
        at = source.find(text.strip().lower(), at + 1)
    nowhere = _nowhere(asked)
    if not spans and nowhere is not None and text.strip().lower() == NO_ANSWER:
        return nowhere, nowhere
    if not spans:
        raise BadInput(f"The answer {text!r} does not occur in the context. Give a piece of it.")
    return max(spans)[1:]
