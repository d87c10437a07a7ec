"""Reaching the softmax: a `with` block that sees, and may change, every attention weight of an unmodified model.

Each attention layer of a transformer calls one softmax on scores [batch, head, query, key]. Inside the block, torch
hands that very call to `Surgery.__torch_function__` before it runs; edits act on the scores or on the weights, and what
comes back goes on through the model with its autograd graph intact. Nothing is patched, registered or kept on the
model, and the block is seen by its own thread only. The model must run with `attn_implementation="eager"`.

In the same way the block can put given embeddings in the place of the word-embedding look-up, or of the convolution that
looks up the patches of a picture.
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

from attnlab_core._columns import MASKED, Columns, exact
from attnlab_core._frames import Frame
from attnlab_core._late import transformers
from attnlab_core._narrow import LINEAR, Narrow
from attnlab_core._operate import Acting, act, hide, one_kind, operate
from attnlab_core.edits import Call, Edit, first_query
from attnlab_core.errors import EditTouchedNothing, ModelRefused

_SOFTMAX = frozenset({torch.softmax, functional.softmax, Tensor.softmax, torch.special.softmax})
_LOOKUPS = frozenset({functional.embedding, functional.conv2d})
_WATCHED = _SOFTMAX | LINEAR | _LOOKUPS


Swap = tuple[Tensor, Callable[[Tensor], Tensor]]
"""A weight, and what takes the place of the first look-up in it, given what was looked up."""


class Surgery(TorchFunctionMode):
    """See and change the attention of one forward pass.

    Args:
        calls: Which part and layer each attention call is, in the order of the calls (`calls_of(config)`).
        rows: The settled edits of every row of the batch; one entry stands for all rows.
        keep: Keep the weights as they went on (after the edits) in `weights`, and what was visible in `visible`. Where
            gradients are on, the kept tensors are part of the graph.
        scores: Keep what each softmax was given in `scores`, as the model made it: before the edits of that same call.
        sink: The softmax has one more column than there are keys, a learned sink.
        embeddings: Weights of look-ups (the table of word embeddings, the convolution over patches), each with what gives, for
            what is looked up, that which takes the place of the first one.
        unmasked: For models that were given an all-zero mask: what would have been visible in each call. The mask is
            then applied here, so that edits may read the scores behind it.
        frame: For models of text and pictures: where each call lies in the square over all tokens. Edits act on that square,
            and what is kept is of its shape, with nothing visible outside the call's own part.

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
        embeddings: Sequence[Swap] = (),
        unmasked: Sequence[Tensor] | None = None,
        generating: bool = False,
        narrow: Narrow | None = None,
        frame: Frame | None = None,
    ) -> None:
        super().__init__()
        self.calls, self.rows, self.keep, self.sink = tuple(calls), [tuple(row) for row in rows], keep, sink
        self.weights: list[Float[Tensor, "batch head query key"]] = []
        self.scores: list[Float[Tensor, "batch head query key"]] = []
        self.visible: list[Bool[Tensor, "batch head query key"]] = []
        self.seen = 0
        self.edited_calls = 0
        self._swaps, self._unmasked, self._scores = list(embeddings), unmasked, scores
        self._narrow, self._frame = narrow, frame
        self._touched = [[0] * len(row) for row in self.rows]
        self._again = [call for call in self.calls if call[0] != "encoder"] if generating else []
        self._only = len({part for part, _ in self.calls}) == 1
        self._plans: dict[Any, Columns | None] = {}
        self._met: dict[Call, Acting] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Called by torch for every torch function inside the block."""
        if func not in _WATCHED:  # nearly all: nothing else may stand in their way
            return func(*args, **kwargs) if kwargs else func(*args)
        kwargs = kwargs or {}
        if func in _SOFTMAX and _is_attention(args, kwargs):
            return self._attend(func, args, kwargs)
        if self._narrow is not None and self.seen in (0, len(self.calls)) and func in LINEAR:
            return self._narrow(not self.seen, func, args, kwargs)
        if self._swaps and func in _LOOKUPS:
            looked = args[1] if len(args) > 1 else kwargs["weight"]
            for k, (weight, put) in enumerate(self._swaps):
                if looked is weight:
                    del self._swaps[k]
                    return put(args[0] if args else kwargs["input"]).to(weight.dtype)
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
            least = torch.finfo(scores.dtype).min
            given = scores if self._frame is None else self._frame.put(number, scores, least)
            self.scores.append(given.detach())
        mine = self._acting(call)
        edited = any(mine)
        if self._unmasked is None and not self.keep and not edited:
            return func(*args, **kwargs)

        def soft(values: Tensor) -> Tensor:
            return func(values, *args[1:], **kwargs) if args else func(**{**kwargs, "input": values})

        if self._frame is not None:
            return self._framed(self._frame, number, scores, soft(scores), mine)
        if self._unmasked is None and edited and (short := self._columns(mine, scores)):
            weights, counts = short.apply(scores, soft, scores.shape[-1] - int(self.sink))
            self._note(mine, counts)
            return self._kept(weights, scores > MASKED) if self.keep else weights
        if self._unmasked is None:
            visible, plain = scores > MASKED, soft(scores)
        else:
            visible, plain = self._masked(self._unmasked[number], scores)
        weights = self._edited(scores, visible, plain, mine, call) if edited else plain
        return self._kept(weights, visible) if self.keep else weights

    def _framed(self, frame: Frame, number: int, scores: Tensor, plain: Tensor, mine: Acting) -> Tensor:
        """A call that is a part of the square over all tokens."""
        visible = frame.put(number, scores > MASKED)
        weights = frame.put(number, plain)
        if any(mine):
            whole = frame.put(number, scores, torch.finfo(scores.dtype).min)
            weights = self._edited(whole, visible, weights, mine, self._call(number))
        return frame.take(number, self._kept(weights, visible) if self.keep else weights, plain)

    def _kept(self, weights: Tensor, visible: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not weights.requires_grad:
            weights = weights.detach().requires_grad_()
        self.weights.append(weights)
        self.visible.append(visible)
        return weights

    def _masked(self, lifted: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """What would be visible in a call whose mask was lifted, and its weights with that mask applied here."""
        if not bool((scores > MASKED).all()):
            raise ModelRefused(
                "This model adds its mask where it cannot be lifted, so scores behind the mask are not at hand. "
                'Use minimum="visible".'
            )
        visible = lifted.to(scores.device).expand_as(scores)
        return visible, functional.softmax(hide(exact(scores), visible), -1).to(scores.dtype)

    def _acting(self, call: Call) -> Acting:
        """The edits of every row that mean a call, with their numbers in their row; found once a call."""
        if call not in self._met:
            self._met[call] = tuple(
                tuple((k, e) for k, e in enumerate(row) if e.where.covers(*call, self._only))
                for row in self.rows
            )
        return self._met[call]

    def _columns(self, mine: Acting, scores: Tensor) -> Columns | None:
        """The short way to what the edits of a call say, where there is one; worked out once for calls that are alike."""
        keys = scores.shape[-1] - int(self.sink)
        alike = (tuple(tuple(k for k, _ in edits) for edits in mine), keys)
        if alike not in self._plans:
            rows = [[edit for _, edit in edits] for edits in mine]
            self._plans[alike] = Columns.of(rows, keys, scores.device)
        return self._plans[alike]

    def _note(self, mine: Acting, counts: Sequence[int]) -> None:
        """Count the cells that rows with one edit each met."""
        for b, edits in enumerate(mine):
            for k, _ in edits:
                self._touched[b][k] += counts[b]
        self.edited_calls += any(counts)

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
        mine: Acting,
        call: Call,
    ) -> Float[Tensor, "batch head query key"]:
        if len(mine) > 1 and one_kind(mine):
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
        mine: Acting,
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
        self._note(mine, counts)
        return act(scores, visible, plain, [(edit, mask)], call, self.sink)


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


def _is_decoder(config: Any) -> bool:
    """Causal by its family: what maps to a causal language model and not to a masked one, or says so itself."""
    names = transformers().models.auto.modeling_auto
    causal, masked = names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, names.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    kind = config.model_type
    return bool(getattr(config, "is_decoder", False)) or (kind in causal and kind not in masked)


def _is_attention(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """A softmax over the last of four axes is attention; routers, classifiers and pooling have fewer."""
    scores = args[0] if args else kwargs.get("input")
    dim = args[1] if len(args) > 1 else kwargs.get("dim")
    return isinstance(scores, Tensor) and scores.ndim == 4 and dim in (-1, 3) and scores.is_floating_point()
