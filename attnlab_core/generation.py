"""Going on with a text under the run's edits: each new token is read with the edits in force, with a cache of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch

from attnlab_core.errors import BadInput, TextTooLong
from attnlab_core.knobs import Range, check
from attnlab_core.progress import step
from attnlab_core.run import Run
from attnlab_core.surgery import Surgery


@dataclass(frozen=True)
class Generation:
    """How a model went on with a text.

    Attributes:
        text: What it wrote, without the prompt.
        tokens: The text of each new token.
        ids: Their numbers.
        probabilities: What the model gave each of them, before any temperature.
        ended: Whether the model ended the text itself.
    """

    text: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    ended: bool

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {"text": self.text, "ended": self.ended} | {
            "tokens": [
                {"text": text, "id": number, "probability": p}
                for text, number, p in zip(self.tokens, self.ids, self.probabilities, strict=True)
            ]
        }


@torch.no_grad()
def generate(
    run: Run,
    *,
    tokens: Annotated[int, Range(1, 1000)] = 20,
    temperature: Annotated[float, Range(0, 10)] = 0.0,
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0,
) -> Generation:
    """Go on with a run's text, token by token, under the run's edits.

    The edits hold for every new token: where an edit names no queries, new tokens are queries too; keys that it names
    are tokens of the prompt. Keys and values of earlier tokens come from a cache, as in ordinary generation.

    Args:
        run: of a causal language model, plain or edited.
        tokens: at most so many new ones.
        temperature: 0 takes the likeliest token; else tokens are drawn from the distribution to the power 1 / temperature.
        seed: of the draws.

    Raises:
        BadInput: the model does not go on with texts, or a number is out of its range.
        TextTooLong: prompt and continuation are longer than what the model reads.
    """
    check(generate, {"tokens": tokens, "temperature": temperature, "seed": seed}, "writing")
    lab = run.lab
    if lab.task != "causal":
        raise BadInput(f"{lab.name} does not go on with texts. Choose a causal language model.")
    limit = lab.max_tokens
    if limit is not None and len(run.encoding.ids) + tokens > limit:
        raise TextTooLong(len(run.encoding.ids) + tokens, limit)
    end = lab.tokenizer.eos_token_id
    draw = torch.Generator().manual_seed(seed)
    ids, odds = [], []
    given, cache = torch.tensor([run.encoding.ids], device=lab.device), None
    settled = lab.settle(run.encoding, run.edits)
    with Surgery(lab.calls, [settled], sink=lab.sink, generating=True):
        for number in range(tokens):
            out = lab.model(input_ids=given, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            logits = out.logits[0, -1].float().cpu()
            chosen = (
                int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw))
                if temperature
                else int(logits.argmax())
            )
            if chosen == end:
                break
            ids.append(chosen)
            odds.append(float(logits.softmax(-1)[chosen]))
            given = torch.tensor([[chosen]], device=lab.device)
            step(number + 1, tokens)
    texts = tuple(lab.tokenizer.decode([one]) for one in ids)
    return Generation(lab.tokenizer.decode(ids), texts, tuple(ids), tuple(odds), len(ids) < tokens)
