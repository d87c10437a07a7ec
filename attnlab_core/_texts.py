"""How a text model is fed: tokens by its tokenizer, ids padded on the right, word embeddings by its table."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from attnlab_core.errors import BadInput, ModelRefused
from attnlab_core.prompt import Encoding, Id, Prompt, encode
from attnlab_core.surgery import Swap, calls_of

Blank = Literal["mask", "pad", "unk"]
BLANKS: tuple[Blank, ...] = ("mask", "pad", "unk")
SAMPLE = "A short text, read once to see where the attention is."


class Texts:
    """What stands between a prompt and a model that reads text.

    Args:
        model: Of transformers.
        tokenizer: Its fast tokenizer.
        name: For messages.

    Raises:
        ModelRefused: The tokenizer cannot place tokens in a text.
    """

    pictures, texts = False, True
    unit = "word"
    masks = True
    """Whether the model hides some places from others, or may."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.model, self.processor, self.tokenizer, self.name = model, tokenizer, tokenizer, name
        self.calls = calls_of(model.config)
        self.pad = getattr(model.config, "pad_token_id", None)
        if not getattr(tokenizer, "is_fast", False):
            raise ModelRefused(f"{name} has no fast tokenizer, so tokens cannot be placed in the text.")
        self._accepted = frozenset(inspect.signature(model.forward).parameters)

    @property
    def max_tokens(self) -> int | None:
        """The longest text the model reads, in tokens with the special ones; None where nothing says so."""
        text = self.model.config.get_text_config()
        places = getattr(text, "max_position_embeddings", None)
        if places and "roberta" in text.model_type:  # its positions begin after the padding's
            places -= (text.pad_token_id or 0) + 1
        limits = [n for n in (places, self.tokenizer.model_max_length) if n and 0 < n < 10**6]
        return min(limits) if limits else None

    def encode(self, prompt: Prompt) -> Encoding:
        """Tokens and words; `BadInput` where there is no text, or a picture."""
        if prompt.image is not None:
            raise BadInput(
                f"{self.name} reads text, not pictures. Give a text, or a model such as shapes-vit."
            )
        return encode(self.tokenizer, prompt)

    def sample(self) -> list[Id]:
        """The ids on which the model is checked."""
        ids = self.tokenizer(SAMPLE, verbose=False)["input_ids"]
        if len(ids) < 2:
            raise ModelRefused(f"{self.name}'s tokenizer makes no tokens of an English sentence.")
        return ids

    def inputs(
        self, ids: Sequence[Sequence[Id]], types: Sequence[Sequence[int]] | None = None
    ) -> dict[str, Any]:
        """What the model's `forward` is given for rows of ids."""
        pad = next((n for n in (self.pad, self.tokenizer.pad_token_id) if n is not None), 0)
        longest, device = max(map(len, ids)), next(self.model.parameters()).device

        def fill(rows: Sequence[Sequence[Id]], value: int) -> Tensor:
            return torch.tensor([[*r, *[value] * (longest - len(r))] for r in rows], device=device)

        inputs: dict[str, Any] = {"input_ids": fill(ids, pad)}
        inputs["attention_mask"] = fill([[1] * len(row) for row in ids], 0)
        if types is not None:
            inputs["token_type_ids"] = fill(types, 0)
        if "use_cache" in self._accepted:
            inputs["use_cache"] = False
        return inputs

    def embeddings(self, ids: Sequence[Id] | Tensor) -> Float[Tensor, "token width"]:
        """The word embeddings of token ids, as the model looks them up (before scaling, positions and norms)."""
        table = self.model.get_input_embeddings().weight
        return functional.embedding(torch.as_tensor(ids, device=table.device), table).detach()

    def swap(
        self, inputs: dict[str, Any], embeddings: Float[Tensor, "batch token width"]
    ) -> tuple[Swap, ...]:
        """Put embeddings in the place of those of the inputs' ids."""
        table, ids = self.model.get_input_embeddings().weight, inputs["input_ids"]

        def put(asked: Tensor) -> Tensor:
            straight = asked.shape == ids.shape and torch.equal(asked, ids)
            return embeddings if straight else embeddings.transpose(0, 1)  # XLNet: tokens first

        return ((table, put),)

    def layout(self, row: Sequence[Id]) -> tuple[int, ...]:
        """Nothing: rows of all kinds go together."""
        return ()

    def frame(self, ids: Sequence[Sequence[Id]]) -> None:
        """None: every call is over all tokens."""

    def fixed(self, encoding: Encoding) -> list[bool]:
        """True for tokens that carry the form of the input, not its words: special tokens, and the mask to be filled."""
        mask = self.tokenizer.mask_token_id
        pairs = zip(encoding.tokens, encoding.ids, strict=True)
        return [token.special or (mask is not None and number == mask) for token, number in pairs]

    def blank(self, wanted: str) -> tuple[int, str, tuple[str, ...]]:
        """The id and name of the token that stands for nothing, and a note where another than the wanted one serves.

        GPT-2 has neither mask nor padding nor unknown token of its own; its end-of-text token serves.

        Raises:
            BadInput: The tokenizer has no such token at all.
        """
        tokenizer = self.tokenizer
        for name in dict.fromkeys((wanted, *BLANKS, "eos", "bos")):
            token, number = getattr(tokenizer, f"{name}_token"), getattr(tokenizer, f"{name}_token_id")
            if number is None or (name in BLANKS and number == tokenizer.eos_token_id):
                continue
            notes = (
                () if name == wanted else (f"This model has no {wanted} token; {token} stands in for it.",)
            )
            return int(number), str(token), notes
        raise BadInput(
            "This model's tokenizer has no token that stands for nothing. Choose another baseline or method."
        )

    def whole(self, blank: str) -> str:
        """What a prompt of blanks is called."""
        return f"a text of {blank}"

    def any_of(self, _: Encoding) -> tuple[list[int], str]:
        """The ids that a text of random words is drawn from, and its name."""
        special = set(self.tokenizer.all_special_ids)
        count = len(self.model.get_input_embeddings().weight)
        return [k for k in range(count) if k not in special], "texts of random words"
