"""The same words in another sentence, the same patches in another picture, and what a model's attention is on a corpus.

What plausibility is measured against.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnlab_core._rowstats import LEAST, row_divergence, summary
from attnlab_core.errors import BadInput
from attnlab_core.pictures import Picture
from attnlab_core.progress import step
from attnlab_core.prompt import Encoding, Prompt

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

Text = Prompt | Picture | str | tuple[str, str]
Places = tuple[list[int], list[int]]  # in the first encoding and, in the same order, in the second
Meeting = tuple[Encoding, Encoding, Places]  # a prompt, its words or patches elsewhere, and what both have
Job = tuple[int, Callable[[], Meeting]]  # what is read first, and what makes it: pictures take memory


def divergence_between(
    here: Float[Tensor, "layer head query key"],
    there: Float[Tensor, "layer head other other"],
    visible: Bool[Tensor, "layer head query key"],
    visible_there: Bool[Tensor, "layer head other other"],
    shared: Places,
) -> Float[Tensor, "layer head"]:
    """How far a head's rows are from its rows for the same words in another sentence.

    Let S be the tokens that both sentences have (`Context.shared`). Of each row of S the weights on S are taken and made
    to sum to one, in both sentences; the row's divergence is the KL divergence of the first from the second, times the
    weight that the first has on S: by the chain rule, what the keys in S contribute to the divergence of whole rows.
    The head's is the mean over the rows of S that see at least two keys of S in both.

    Args:
        here: The attention of the first sentence.
        there: That of the second.
        visible: What the first one's tokens see.
        visible_there: What the second one's tokens see.
        shared: Positions in the first sentence and, in the same order, in the second.
    """
    first, second = (torch.tensor(places, device=here.device) for places in shared)
    a = here[..., first[:, None], first]
    b = there[..., second[:, None], second]
    both = visible[..., first[:, None], first] & visible_there[..., second[:, None], second]
    a, b = a * both, b * both
    mass = a.sum(-1)
    one, other = (part / part.sum(-1, keepdim=True).clamp_min(LEAST) for part in (a, b))
    several = both.sum(-1) > 1
    rows = mass * row_divergence(one, other, both)
    return (rows * several).sum(-1) / several.sum(-1).clamp_min(1)


@dataclass(frozen=True)
class Context:
    """A prompt made from another one by changing words, and where what was kept has gone.

    Attributes:
        prompt: The new prompt.
        segment: The text of the pair that was changed.
        kept: For the pieces of that text which were kept: start, end, and by how much they moved.
    """

    prompt: Prompt
    segment: int
    kept: tuple[tuple[int, int, int], ...]

    def shared(self, here: Encoding, there: Encoding) -> Places:
        """The positions of the tokens that both encodings have: first the old prompt's, then the new one's.

        Tokens of kept words are the same where they cover the same letters; special tokens are paired in their order. A
        model that puts none in front treats the first token as one (attention gathers there), so the two first tokens
        are then a pair, whatever they are.
        """
        pairs: dict[int, int] = {}
        marks = [[k for k, t in enumerate(e.tokens) if t.special] for e in (here, there)]
        if not (here.tokens[0].special and there.tokens[0].special):
            marks = [[0, *places] for places in marks]
        pairs.update(zip(*marks, strict=False))
        taken = set(pairs.values())
        places = {(t.segment, t.start, t.end): k for k, t in enumerate(there.tokens) if k not in taken}
        for k, token in enumerate(here.tokens):
            if k in pairs or token.special:
                continue
            moved = 0 if token.segment != self.segment else self._moved(token.start, token.end)
            if moved is not None:
                found = places.get((token.segment, token.start + moved, token.end + moved))
                if found is not None:
                    pairs[k] = found
        return list(pairs), list(pairs.values())

    def _moved(self, start: int, end: int) -> int | None:
        return next((by for low, high, by in self.kept if low <= start and end <= high), None)


def other_context(
    prompt: Prompt, donor: str, draw: random.Random, *, causal: bool = False, mask: str | None = None
) -> Context:
    """Put a prompt's words in another context: words of another text before them, the last ones dropped, or one replaced.

    A pair is changed in its second text. In a causal model later words change nothing for earlier ones, so there words
    are always put in front; so they are where the text is too short, or its mask would be lost.

    Args:
        prompt: What to change.
        donor: Another text of the corpus, for the words that are put in.
        draw: Decides what is done.
        causal: Whether no token sees a later one.
        mask: The mask token, where the prompt has one.
    """
    segment = 0 if prompt.second is None else 1
    text = prompt.second if prompt.second is not None else prompt.text
    words, others = list(re.finditer(r"\S+", text)), donor.split()
    kind = "before" if causal or len(words) < 4 else draw.choice(("before", "drop", "replace"))
    if kind == "drop":
        end = words[draw.randint((len(words) + 1) // 2, len(words) - 1) - 1].end()
        if not (mask and mask in text[end:]):
            return _changed(prompt, segment, text[:end], ((0, end, 0),))
    if kind == "replace":
        word, new = draw.choice(words), draw.choice(others)
        if not (mask and mask in word[0]):
            low, high = word.span()
            kept = ((0, low, 0), (high, len(text), len(new) - (high - low)))
            return _changed(prompt, segment, text[:low] + new + text[high:], kept)
    front = " ".join(others[: draw.randint(3, 8)]).rstrip(" .,;:!?") + ", "
    return _changed(prompt, segment, front + text, ((0, len(text), len(front)),))


def _changed(prompt: Prompt, segment: int, text: str, kept: tuple[tuple[int, int, int], ...]) -> Context:
    return Context(replace(prompt, **{("text", "second")[segment]: text}), segment, kept)


def other_picture(here: Encoding, donor: Encoding, draw: random.Random) -> Meeting:
    """Put a rectangle of a picture's patches, where they are, into another picture.

    As CutMix does (Yun et al., ICCV 2019), along the model's own patches, so that each is of one picture and sees itself in
    both. Each side has from half of the grid's patches to all but one, so that about half of the picture stays: what lies in
    the rectangle stays whole, which random patches would not. What stands before the patches is in both.

    Returns:
        The old encoding, the new one (of which only the ids are meant), and the positions of what was kept.
    """
    boxes = [token.box for token in here.tokens]
    left, right = _stretch(sorted({box[0] for box in boxes if box}), draw)
    top, bottom = _stretch(sorted({box[1] for box in boxes if box}), draw)
    kept = [
        place
        for place, box in enumerate(boxes)
        if box is None or (left <= box[0] <= right and top <= box[1] <= bottom)
    ]
    ids = list(donor.ids)
    for place in kept:
        ids[place] = here.ids[place]
    return here, replace(here, ids=tuple(ids)), (kept, kept)


def _stretch(edges: list[float], draw: random.Random) -> tuple[float, float]:
    """The first and the last of some edges in a row: from half of them to all but one."""
    count = draw.randint((len(edges) + 1) // 2, max(1, len(edges) - 1))
    first = draw.randint(0, len(edges) - count)
    return edges[first], edges[first + count - 1]


@dataclass(frozen=True, eq=False)
class Observed:
    """What was read of a corpus.

    Attributes:
        figures: The `summary` of each text's attention, or each picture's.
        divergences: `divergence_between` each text and the same words in another context, in nats; or the same patches.
        lengths: In tokens.
        specials: The special tokens that were met.
    """

    figures: Float[Tensor, "text layer head figure"]
    divergences: Float[Tensor, "text layer head"]
    lengths: Int[Tensor, " text"]
    specials: tuple[str, ...]


def asked(lab: Lab, text: Text, draw: random.Random) -> Prompt:
    """A text or picture as a prompt; for a masked model with one word, chosen by `draw`, masked where no mask is in it."""
    if isinstance(text, Picture):
        return Prompt(image=text)
    prompt = text if isinstance(text, Prompt) else Prompt(*text) if isinstance(text, tuple) else Prompt(text)
    if lab.task != "masked" or lab.tokenizer.mask_token in prompt.text:
        return prompt
    words = list(re.finditer(r"\w+", prompt.text)) or list(re.finditer(r"\S+", prompt.text))
    if not words:
        return prompt
    low, high = draw.choice(words).span()
    return replace(prompt, text=prompt.text[:low] + lab.tokenizer.mask_token + prompt.text[high:])


def observe(lab: Lab, texts: Sequence[Text], draw: random.Random) -> Observed:
    """Read every text or picture, as `asked`, and its words or patches in another context; what does not fit is left out.

    Raises:
        BadInput: None fits, one is empty, or one is not what the model reads.
    """
    prompts = [asked(lab, text, draw) for text in texts]
    jobs = list((_of_pictures if lab.pictures else _of_texts)(lab, prompts, draw))
    if not jobs:
        raise BadInput("There is nothing to read: all texts are too short or too long for the model.")
    order = sorted(range(len(jobs)), key=lambda k: jobs[k][0])
    figures: list[Tensor] = [torch.empty(0)] * len(jobs)
    apart: list[Tensor] = [torch.empty(0)] * len(jobs)
    lengths, specials = torch.zeros(len(jobs), dtype=torch.long), set[str]()
    for at in range(0, len(jobs), lab.batch_size):
        part = order[at : at + lab.batch_size]
        made = [jobs[k][1]() for k in part]
        first = _patterns(lab, [here for here, _, _ in made])
        second = _patterns(lab, [there for _, there, _ in made])
        for k, (here, _, shared), (weights, visible), (others, seen) in zip(
            part, made, first, second, strict=True
        ):
            special = torch.tensor([token.special for token in here.tokens])
            lengths[k], figures[k] = len(here.ids), summary(weights, visible, special)
            apart[k] = divergence_between(weights, others, visible, seen, shared)
            specials |= {token.text for token in here.tokens if token.special}
        step(min(at + lab.batch_size, len(jobs)), len(jobs))
    return Observed(torch.stack(figures), torch.stack(apart), lengths, tuple(sorted(specials)))


def _of_texts(lab: Lab, prompts: Sequence[Prompt], draw: random.Random) -> Iterator[Job]:
    mask = lab.tokenizer.mask_token if lab.task == "masked" else None
    read = [lab.encode(prompt) for prompt in prompts]
    for number, (prompt, here) in enumerate(zip(prompts, read, strict=True)):
        other = prompts[number - 1]
        donor = (other.second or other.text).replace(mask or "\0", "it")
        context = other_context(prompt, donor, draw, causal=lab.calls[0][0] == "decoder", mask=mask)
        there = lab.encode(context.prompt)
        shared = context.shared(here, there)
        longest = max(len(here.ids), len(there.ids))
        if len(shared[0]) > 1 and (lab.max_tokens is None or longest <= lab.max_tokens):
            yield len(here.ids), lambda met=(here, there, shared): met


def _of_pictures(lab: Lab, prompts: Sequence[Prompt], draw: random.Random) -> Iterator[Job]:
    for prompt in prompts:
        if prompt.image is None or prompt.text:
            lab.encode(prompt)  # says what is wrong with it
    for prompt, donor in zip(prompts, [*prompts[-1:], *prompts], strict=False):
        yield 0, partial(_in_another, lab, prompt, donor, draw)


def _in_another(lab: Lab, prompt: Prompt, donor: Prompt, draw: random.Random) -> Meeting:
    return other_picture(lab.encode(prompt), lab.encode(donor), draw)


def _patterns(lab: Lab, encodings: Sequence[Encoding]) -> list[tuple[Tensor, Tensor]]:
    """Weights and visible keys [layer, head, query, key] of each text, without padding; CPU, fp32."""
    types = [list(e.types) for e in encodings if e.types is not None] or None
    _, tape = lab.forward([list(e.ids) for e in encodings], types=types, keep=True)
    read = (lab.gathered(tape, lab.calls[0][0], row) for row in range(len(encodings)))
    sizes = (len(e.ids) for e in encodings)
    return [(w[..., :n, :n], v[..., :n, :n]) for (w, v), n in zip(read, sizes, strict=True)]
