"""Reaching the softmax: a `with` block that sees, and may change, every attention weight of an unmodified model.

Each attention layer of a transformer calls one softmax on scores [batch, head, query, key]. Inside the block, torch
hands that very call to `Surgery.__torch_function__` before it runs; edits act on the scores or on the weights, and what
comes back goes on through the model with its autograd graph intact. Nothing is patched, registered or kept on the
model, and the block is seen by its own thread only. The model must run with `attn_implementation="eager"`.

In the same way the block can put given embeddings in the place of the word-embedding look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import shorten
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from attnlab_core.edits import Call, Edit, first_query
from attnlab_core.edits._rows import level
from attnlab_core.errors import BadInput, EditTouchedNothing, ModelRefused

MASKED = -5e3
"""A score at or below this is masked: models add -1e4, -65504, -1e30 or the least number of their type."""

_SOFTMAX = frozenset({torch.softmax, functional.softmax, Tensor.softmax, torch.special.softmax})


class Surgery(TorchFunctionMode):
    """See and change the attention of one forward pass.

    Args:
        calls: Which part and layer each attention call is, in the order of the calls (`calls_of(config)`).
        rows: The settled edits of every row of the batch; one entry stands for all rows.
        keep: Keep the weights as they went on (after the edits) in `weights`, and what was visible in `visible`. Where
            gradients are on, the kept tensors are part of the graph.
        scores: Keep what each softmax was given in `scores`, as the model made it: before the edits of that same call.
        sink: The softmax has one more column than there are keys, a learned sink.
        embeddings: The model's word-embedding table, the ids [batch, token] that the model is given, and what to put
            in the place of the first look-up in the table, Float[Tensor, "batch token width"].
        unmasked: For models that were given an all-zero mask: what would have been visible in each call. The mask is
            then applied here, so that edits may read the scores behind it.

    Raises:
        EditTouchedNothing: On leaving the block, where an edit met no cell.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        rows: Sequence[Sequence[Edit]] = ((),),
        *,
        keep: bool = False,
        scores: bool = False,
        sink: bool = False,
        embeddings: tuple[Tensor, Tensor, Tensor] | None = None,
        unmasked: Sequence[Tensor] | None = None,
        generating: bool = False,
    ) -> None:
        super().__init__()
        self.calls, self.rows, self.keep, self.sink = tuple(calls), [tuple(row) for row in rows], keep, sink
        self.weights: list[Float[Tensor, "batch head query key"]] = []
        self.scores: list[Float[Tensor, "batch head query key"]] = []
        self.visible: list[Bool[Tensor, "batch head query key"]] = []
        self.seen = 0
        self.edited_calls = 0
        self._embeddings, self._unmasked, self._scores = embeddings, unmasked, scores
        self._touched = [[0] * len(row) for row in self.rows]
        self._again = [call for call in self.calls if call[0] != "encoder"] if generating else []
        self._only = len({part for part, _ in self.calls}) == 1

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Called by torch for every torch function inside the block."""
        kwargs = kwargs or {}
        if func in _SOFTMAX and _is_attention(args, kwargs):
            return self._attend(func, args, kwargs)
        if self._embeddings is not None and func is functional.embedding:
            table, ids, replacement = self._embeddings
            if (args[1] if len(args) > 1 else kwargs["weight"]) is table:
                self._embeddings = None
                asked: Tensor = args[0] if args else kwargs["input"]
                straight = asked.shape == ids.shape and torch.equal(asked, ids)
                return (replacement if straight else replacement.transpose(0, 1)).to(
                    table.dtype
                )  # XLNet: tokens first
        return func(*args, **kwargs)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the block; edits that met nothing are an error, never a silent success."""
        super().__exit__(kind, error, trace)
        if kind is None:
            for edits, counts in zip(self.rows, self._touched, strict=True):
                for edit, count in zip(edits, counts, strict=True):
                    if not count:
                        raise EditTouchedNothing(
                            f"The edit {shorten(str(edit), 200)} met no attention cell: {edit.missed}"
                        )

    def _attend(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        number, self.seen = self.seen, self.seen + 1
        call = self._call(number)
        scores: Tensor = args[0] if args else kwargs["input"]
        if self._scores:
            self.scores.append(scores.detach())
        mine = [
            tuple((k, e) for k, e in enumerate(row) if e.where.covers(*call, self._only)) for row in self.rows
        ]
        if self._unmasked is None and not self.keep and not any(mine):
            return func(*args, **kwargs)
        visible = scores > MASKED
        if self._unmasked is not None:
            if not bool(visible.all()):
                raise ModelRefused(
                    "This model adds its mask where it cannot be lifted, so scores behind the mask are not at hand. "
                    'Use minimum="visible".'
                )
            visible = self._unmasked[number].to(scores.device).expand_as(scores)
            plain = functional.softmax(_hide(_exact(scores), visible), -1).to(scores.dtype)
        else:
            plain = func(*args, **kwargs)
        weights = self._edited(scores, visible, plain, mine, call) if any(mine) else plain
        if self.keep:
            if torch.is_grad_enabled() and not weights.requires_grad:
                weights = weights.detach().requires_grad_()
            self.weights.append(weights)
            self.visible.append(visible)
        return weights

    def _call(self, number: int) -> Call:
        later = number - len(self.calls)
        if later < 0:
            return self.calls[number]
        return self._again[later % len(self._again)] if self._again else ("", number)

    def _edited(
        self,
        scores: Tensor,
        visible: Tensor,
        plain: Tensor,
        mine: Sequence[tuple[tuple[int, Edit], ...]],
        call: Call,
    ) -> Float[Tensor, "batch head query key"]:
        if len(mine) > 1 and _one_kind(mine):
            return self._at_once(scores, visible, plain, mine, call)
        touched = False
        parts = []
        for b, edits in enumerate(mine):
            rows = slice(None) if len(mine) == 1 else slice(b, b + 1)
            part = plain[rows]
            if edits:
                part, counts = operate(
                    scores[rows], visible[rows], part, [e for _, e in edits], call, self.sink
                )
                for (k, _), count in zip(edits, counts, strict=True):
                    self._touched[b][k] += count
                    touched = touched or count > 0
            parts.append(part)
        self.edited_calls += touched
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _at_once(
        self,
        scores: Tensor,
        visible: Tensor,
        plain: Tensor,
        mine: Sequence[tuple[tuple[int, Edit], ...]],
        call: Call,
    ) -> Float[Tensor, "batch head query key"]:
        """Rows whose edits differ in nothing but their place, as one: what `operate` does row by row."""
        edit = next(edits[0][1] for edits in mine if edits)
        keys = scores.shape[-1] - int(self.sink)
        shape = (scores.shape[1], scores.shape[2], keys)
        first = first_query(call, shape[1], keys)
        chosen = torch.zeros((len(mine), *shape), dtype=torch.bool, device=scores.device)
        for row, edits in zip(chosen, mine, strict=True):
            if edits:
                row.copy_(edits[0][1].chosen(shape, scores.device, first))
        mask = edit.meets(chosen & visible[..., :keys])
        counts = mask.sum((1, 2, 3)).tolist()
        for b, edits in enumerate(mine):
            for k, _ in edits:
                self._touched[b][k] += counts[b]
        self.edited_calls += any(counts)
        return _act(scores, visible, plain, [(edit, mask)], call, self.sink)


def operate(
    scores: Float[Tensor, "batch head query key"],
    visible: Bool[Tensor, "batch head query key"],
    plain: Float[Tensor, "batch head query key"],
    edits: Sequence[Edit],
    call: Call,
    sink: bool = False,
) -> tuple[Float[Tensor, "batch head query key"], list[int]]:
    """Apply settled edits to one attention call: the new weights, and how many cells each edit met.

    Rows sum to what `plain`'s rows sum to (one) unless an edit says that it takes some away, masked cells are zero, and
    an untouched row is `plain`'s, bit by bit.
    """
    keys = scores.shape[-1] - int(sink)
    shape = (scores.shape[1], scores.shape[2], keys)
    seen = visible[..., :keys]
    first = first_query(call, shape[1], keys)
    masks = [edit.meets(edit.chosen(shape, scores.device, first) & seen) for edit in edits]
    counts = [int(mask.sum()) for mask in masks]
    return _act(scores, visible, plain, list(zip(edits, masks, strict=True)), call, sink), counts


def _act(
    scores: Float[Tensor, "batch head query key"],
    visible: Bool[Tensor, "batch head query key"],
    plain: Float[Tensor, "batch head query key"],
    met: Sequence[tuple[Edit, Bool[Tensor, "batch head query own"]]],
    call: Call,
    sink: bool,
) -> Float[Tensor, "batch head query key"]:
    """The new weights, where each edit is given with the cells that it met."""
    acting = [(edit, mask) for edit, mask in met if not edit.inert]
    if not acting:
        return plain
    keys = scores.shape[-1] - int(sink)
    seen = visible[..., :keys]
    work, weights = _exact(scores), _exact(plain)
    if any(edit.unmasked for edit, _ in acting) and not bool((scores[..., :keys] > MASKED).all()):
        raise BadInput('minimum="all" needs the scores behind the mask. Use minimum="visible".')
    on_scores = [(edit, mask) for edit, mask in acting if edit.stage == "scores"]
    for edit, mask in on_scores:
        values = edit.rearrange(work[..., :keys], seen, mask, call)
        work = torch.cat((values, work[..., keys:]), -1) if sink else values
    if on_scores:
        weights = functional.softmax(_hide(work, visible), -1)
    touched = torch.zeros_like(acting[0][1])
    for edit, mask in acting:
        touched = touched | mask
        if edit.stage == "weights":
            values = edit.rearrange(weights[..., :keys], seen, mask, call) * seen
            changed = torch.cat((values, weights[..., keys:]), -1) if sink else values
            changed = level(changed, weights) if edit.rescales else changed
            weights = torch.where(mask.any(-1, keepdim=True), changed, weights)
    rows = touched.any(-1, keepdim=True)
    return torch.where(rows, weights.to(plain.dtype), plain)


def _one_kind(mine: Sequence[Sequence[tuple[int, Edit]]]) -> bool:
    """Whether no row has two edits, and all edits do the same in different places."""
    first, *others = [edit for row in mine for _, edit in row]
    return first.placeless and max(map(len, mine)) == 1 and all(map(first.like, others))


def calls_of(config: Any) -> tuple[Call, ...]:
    """The attention calls a configuration promises, in order: encoder layers, then decoder layers.

    In an encoder-decoder each decoder layer attends to itself and then to the encoder.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    if getattr(config, "is_encoder_decoder", False):
        encoder = getattr(config, "encoder_layers", None) or config.num_hidden_layers
        decoder = (
            getattr(config, "decoder_layers", None) or getattr(config, "num_decoder_layers", None) or encoder
        )
        pairs = [(part, layer) for layer in range(decoder) for part in ("decoder", "cross")]
        return (*(("encoder", layer) for layer in range(encoder)), *pairs)
    part = "decoder" if _is_decoder(text) else "encoder"
    return tuple((part, layer) for layer in range(text.num_hidden_layers))


def _exact(values: Tensor) -> Tensor:
    """Half precision widened to fp32; fp64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _hide(scores: Tensor, visible: Tensor) -> Tensor:
    """Scores with the hidden ones at the least number, as the models' own masks leave them."""
    return scores.masked_fill(~visible, torch.finfo(scores.dtype).min)


def _is_decoder(config: Any) -> bool:
    """Causal by its family: what maps to a causal language model and not to a masked one, or says so itself."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED_LM

    kind = config.model_type
    return bool(getattr(config, "is_decoder", False)) or (kind in CAUSAL and kind not in MASKED_LM)


def _is_attention(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """A softmax over the last of four axes is attention; routers, classifiers and pooling have fewer."""
    scores = args[0] if args else kwargs.get("input")
    dim = args[1] if len(args) > 1 else kwargs.get("dim")
    return isinstance(scores, Tensor) and scores.ndim == 4 and dim in (-1, 3) and scores.is_floating_point()
