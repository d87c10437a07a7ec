"""The lab: a model with its tokenizer (or image processor) and its task, checked once and then only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from attnlab_core import checked
from attnlab_core._frames import by_layer
from attnlab_core._narrow import Narrow
from attnlab_core._readers import reader_of, task_of
from attnlab_core.edits import Edit
from attnlab_core.errors import BadInput, ModelRefused, TextTooLong
from attnlab_core.joint import Joint
from attnlab_core.pattern import AttentionPattern
from attnlab_core.prompt import Encoding, Id, Prompt
from attnlab_core.run import Run
from attnlab_core.surgery import Surgery
from attnlab_core.targets import Asked, masks, probabilities


class Lab:
    """A model whose attention can be read and changed.

    Args:
        model: A transformers model of one of the tasks, loaded with `attn_implementation="eager"`.
        tokenizer: Its fast tokenizer; the image processor of a model that reads pictures; what has both, as `tokenizer` and
            `image_processor`, for one that reads text with a picture.
        name: What it is called on pages and in records.
        revision: The commit it came from, where known.
        batch_size: How many variations of a text go through the model at once.
        loader: Gives other models by name, for edits that read one.

    Raises:
        ModelRefused: The model has another task, or its attention is not where it should be: its own tokens were run
            once with and once without the surgery, and the number of attention calls is not what the configuration
            says, or the logits differ.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        *,
        name: str = "",
        revision: str | None = None,
        batch_size: int = 16,
        loader: Callable[[str], Lab] | None = None,
    ) -> None:
        self.model: Any = model.eval()
        self.config: Any = model.config
        self.name = name or type(model).__name__
        self.revision = revision
        self.loader = loader
        self.task = task_of(type(model).__name__)
        self.reader = reader_of(type(model).__name__)(self.model, tokenizer, self.name)
        self.tokenizer: Any = self.reader.tokenizer
        # A classifier that finds the text's end by its padding takes one text at a time where it knows no padding.
        self.batch_size = 1 if self.task == "classification" and self.reader.pad is None else batch_size
        self.calls = self.reader.calls
        self.sink = any(n.endswith("sinks") for n, _ in model.named_parameters())
        self.labels = self._labels()
        self.check = checked.check(self)
        self._narrows = checked.narrows(self)

    def _labels(self) -> tuple[str, ...]:
        if self.task != "classification":
            return ()
        names = {int(number): str(label) for number, label in self.config.id2label.items()}
        kind = getattr(self.config, "problem_type", None)
        if len(names) < 2 or kind == "regression":
            raise ModelRefused(f"{self.name} gives one number, not a choice of labels. Choose a classifier.")
        if kind == "multi_label_classification":
            raise ModelRefused(
                f"{self.name} may give several labels at once. Choose a classifier that gives one."
            )
        return tuple(names[k] for k in range(len(names)))

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next(self.model.parameters()).device

    @property
    def heads(self) -> int:
        """The most heads of a layer."""
        return self.check.heads

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one."""
        return self.check.causal

    @property
    def layers(self) -> int:
        """The number of layers of the part that reads the text."""
        return 1 + max(layer for part, layer in self.calls if part == self.calls[0][0])

    @property
    def max_tokens(self) -> int | None:
        """The longest text the model reads, in tokens with the special ones; None where nothing says so."""
        return self.reader.max_tokens

    @property
    def pictures(self) -> bool:
        """Whether the model reads pictures."""
        return self.reader.pictures

    @property
    def texts(self) -> bool:
        """Whether the model reads text, by itself or with a picture."""
        return self.reader.texts

    def summary(self) -> dict[str, Any]:
        """What a page or a record says of the model."""
        return {
            "name": self.name,
            "revision": self.revision,
            "task": self.task,
            "reads": " and ".join(["pictures"] * self.pictures + ["text"] * self.texts),
            "architecture": type(self.model).__name__,
            "layers": self.layers,
            "heads": self.heads,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "max_tokens": self.max_tokens,
            "labels": list(self.labels),
            "device": str(self.device),
            "dtype": str(next(self.model.parameters()).dtype).removeprefix("torch."),
        }

    def encode(self, prompt: Prompt | str) -> Encoding:
        """Tokens and words of a prompt; `BadInput` where it is empty, or not what the model reads."""
        return self.reader.encode(prompt if isinstance(prompt, Prompt) else Prompt(prompt))

    def fit(self, prompt: Prompt | str) -> tuple[Prompt, int]:
        """Cut a prompt that is too long to the model's limit: the prompt, and how many tokens went.

        Of a pair the longer text is cut, at its end.
        """
        wanted = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
        found = self.encode(wanted)
        dropped, limit = 0, self.max_tokens
        while limit is not None and len(found.ids) > limit:
            over = len(found.ids) - limit
            by_segment = [[t for t in found.tokens if t.segment == s] for s in (0, 1)]
            longest = max((0, 1), key=lambda s: len(by_segment[s]))
            tokens = by_segment[longest]
            kept = tokens[max(1, len(tokens) - over) - 1].end
            text = (wanted.text, wanted.second or "")[longest]
            if kept >= len(text):
                raise TextTooLong(len(found.ids), limit)
            wanted = replace(wanted, **{("text", "second")[longest]: text[:kept]})
            before, found = len(found.ids), self.encode(wanted)
            dropped += before - len(found.ids)
        return wanted, dropped

    def run(self, prompt: Prompt | str, edits: Sequence[Edit] = (), *, keep: bool = True) -> Run:
        """Read a prompt.

        Args:
            prompt: What is asked.
            edits: Act in this order.
            keep: Keep the attention of all layers and heads. Without, it takes no memory, and is read when first asked for.

        Raises:
            BadInput: The text is empty, or has no mask where the task needs one, or an edit does not fit.
            TextTooLong: It has more tokens than the model reads; `fit` cuts it.
        """
        encoding = self.encode(prompt)
        if self.max_tokens is not None and len(encoding.ids) > self.max_tokens:
            raise TextTooLong(len(encoding.ids), self.max_tokens)
        if self.task == "masked" and not masks(self.tokenizer, encoding):
            raise BadInput(
                f"The text has no mask. Write {self.tokenizer.mask_token} where the model is to fill in a word."
            )
        return self.read(encoding.prompt, encoding, tuple(edits), keep)

    def read(self, prompt: Prompt, encoding: Encoding, edits: tuple[Edit, ...], keep: bool = True) -> Run:
        """Run an encoding as it is; `run` and `Run.again` are the ways in."""
        settled = self.settle(encoding, edits)
        types = None if encoding.types is None else [list(encoding.types)]
        logits, tape = self.forward([list(encoding.ids)], types=types, rows=[settled], keep=keep)
        kept = logits[0].float().cpu()
        answers = probabilities(self.asked(encoding, kept))
        found = self._patterns(tape, encoding) if keep else None
        return Run(self, prompt, encoding, kept, answers, edits, tape.edited_calls, found)

    def attention(self, encoding: Encoding, edits: Sequence[Edit] = ()) -> dict[str, AttentionPattern]:
        """The attention of an encoding under edits, by part."""
        types = None if encoding.types is None else [list(encoding.types)]
        rows = [self.settle(encoding, edits)]
        _, tape = self.forward([list(encoding.ids)], types=types, rows=rows, keep=True)
        return self._patterns(tape, encoding)

    def scores(
        self, encoding: Encoding, edits: Sequence[Edit] = ()
    ) -> dict[str, Float[Tensor, "layer head query key"]]:
        """What the softmax makes the attention of: the query-key scores, by part; CPU, fp32, without a unit.

        As the model hands them to its softmax: scaled, with its position terms, capped where it caps them; a model may have
        shifted each row by a constant. Where a mask hides a key the score is minus infinity. A learned sink's own score
        is left out. Under edits, these are the scores before the edits of the same call act.
        """
        types = None if encoding.types is None else [list(encoding.types)]
        rows = [self.settle(encoding, edits)]
        _, tape = self.forward([list(encoding.ids)], types=types, rows=rows, keep=True, scores=True)
        found = {}
        for part in dict.fromkeys(part for part, _ in self.calls):
            mine = [k for k, call in enumerate(self.calls) if call[0] == part]
            seen = [tape.visible[k][0].expand(tape.scores[k].shape[1:]) for k in mine]
            given = [
                tape.scores[k][0].float().masked_fill(~own, 0) for k, own in zip(mine, seen, strict=True)
            ]
            hidden = ~self.by_layer(part, seen)
            scores = self.by_layer(part, given).masked_fill(hidden, -torch.inf).cpu()
            if isinstance(self.reader, Joint):
                _stay(scores, ~hidden.cpu(), 0)
            found[part] = scores[..., : scores.shape[-1] - int(self.sink)]
        return found

    def other(self, name: str) -> Lab:
        """Another model, by the name it is loaded by; `BadInput` where this lab was made without a loader."""
        if self.loader is None:
            raise BadInput(
                f"{self.name} was not loaded by name, so it cannot load {name!r}. Use al.load, or Lab(…, loader=al.load)."
            )
        return self.loader(name)

    def asked(self, encoding: Encoding, logits: Float[Tensor, "place class"]) -> Asked:
        """What settling a target on a text needs to know."""
        n = len(encoding.ids)
        reads = {"first": (0,), "last": (n - 1,), "all": tuple(range(n))}[self.check.reads]
        return Asked(self.task, self.labels, self.tokenizer, encoding, reads, logits)

    def settle(self, encoding: Encoding, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Edits with positions for words; `BadInput` where a word, layer or head is not there."""
        return tuple(edit.settle(encoding, self) for edit in edits)

    def embeddings(self, ids: Sequence[Id] | Tensor) -> Float[Tensor, "token width"]:
        """The embeddings of words or patches, as the model looks them up (before scaling, positions and norms)."""
        return self.reader.embeddings(ids)

    def similarity(self, encoding: Encoding) -> Float[Tensor, "token token"]:
        """Cosines between the embeddings of words or patches, clipped to -1 to 1."""
        unit = functional.normalize(self.embeddings(encoding.ids).float(), dim=-1, eps=1e-8)
        return (unit @ unit.T).clamp(-1, 1).fill_diagonal_(1).cpu()

    def forward(
        self,
        ids: Sequence[Sequence[Id]],
        *,
        types: Sequence[Sequence[int]] | None = None,
        rows: Sequence[Sequence[Edit]] = ((),),
        embeddings: Float[Tensor, "batch token width"] | None = None,
        keep: bool = False,
        scores: bool = False,
        grad: bool = False,
        reads: Sequence[int] | None = None,
    ) -> tuple[Float[Tensor, "batch place class"], Surgery]:
        """One forward pass over a batch of ids, padded on the right, each row under its own settled edits.

        With `reads`, positions, only the logits that are read there hold a meaning, and less is computed.

        Returns:
            The logits on the model's device, and the tape with what was read.
        """
        inputs = self.reader.inputs(ids, types)
        behind = None
        if self.reader.masks and any(edit.unmasked for row in rows for edit in row):
            behind = self._lift_mask(inputs)
        swapped = () if embeddings is None else self.reader.swap(inputs, embeddings)
        if len(rows) > 1 and all(_alike(row, rows[0]) for row in rows):
            rows = rows[:1]
        narrow = None
        if reads is not None and self._narrows:
            alike = embeddings is None and all(list(row) == list(ids[0]) for row in ids)
            narrow = Narrow(reads, len(ids), max(map(len, ids)), alike)
        tape = Surgery(
            self.calls,
            rows,
            keep=keep,
            scores=scores,
            sink=self.sink,
            embeddings=swapped,
            unmasked=behind,
            narrow=narrow,
            frame=self.reader.frame(ids),
        )
        try:
            with torch.set_grad_enabled(grad), tape:
                return self._outputs(inputs), tape
        except (RuntimeError, ValueError, TypeError) as error:
            if behind is None:
                raise
            raise ModelRefused(
                f"{self.name} takes no mask of its own making, so scores behind the mask are not at hand. "
                'Use minimum="visible" (for AtMan: variant="visible_min").'
            ) from error

    def _lift_mask(self, inputs: dict[str, Any]) -> list[Tensor]:
        """Give the model an all-zero mask, so that all scores come through; what was visible in each call."""
        with torch.no_grad(), Surgery(self.calls, keep=True, sink=self.sink) as tape:
            self._outputs(inputs)
        batch, n = inputs["input_ids"].shape
        inputs["attention_mask"] = torch.zeros(batch, 1, n, n, device=self.device, dtype=self._dtype)
        return tape.visible

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def _outputs(self, inputs: dict[str, Any]) -> Float[Tensor, "batch place class"]:
        if isinstance(self.reader, Joint):
            return self.reader.outputs(inputs)
        out = self.model(**inputs)
        if self.task == "answering":
            return torch.stack((out.start_logits, out.end_logits), dim=1)
        return out.logits[:, None] if self.task == "classification" else out.logits

    def _patterns(self, tape: Surgery, encoding: Encoding) -> dict[str, AttentionPattern]:
        texts = tuple(token.text for token in encoding.tokens)
        found = {}
        for part in dict.fromkeys(part for part, _ in self.calls):
            weights, visible = self.gathered(tape, part)
            keys = weights.shape[-1] - int(self.sink)
            queries = texts if part == "encoder" else self._decoded(texts)
            heard = texts if part == "cross" else queries
            found[part] = AttentionPattern(weights[..., :keys], visible[..., :keys], queries, heard, part)
        return found

    def gathered(self, tape: Surgery, part: str, row: int = 0) -> tuple[Tensor, Tensor]:
        """What was read of a part in one row of a batch: weights and what is visible [layer, head, query, key]; CPU, fp32."""
        mine = [k for k, call in enumerate(self.calls) if call[0] == part]
        weights = self.by_layer(part, [tape.weights[k][row].detach().float().cpu() for k in mine])
        visible = self.by_layer(
            part, [tape.visible[k][row].expand(tape.weights[k].shape[1:]).cpu() for k in mine]
        )
        if isinstance(self.reader, Joint):
            _stay(weights, visible)
        return weights, visible

    def by_layer(self, part: str, calls: Sequence[Tensor]) -> Tensor:
        """What was read of every call of a part [*, head, query, key], by layer: [layer, *, head, query, key]."""
        return by_layer([layer for own, layer in self.calls if own == part], calls)

    def _decoded(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """What the decoder reads: behind an encoder, the same text moved on by a start token (`shift_tokens_right`)."""
        if self.calls[0][0] != "encoder":
            return texts
        start = getattr(self.config, "decoder_start_token_id", None)
        name = texts[-1] if start is None else self.tokenizer.convert_ids_to_tokens(start)
        return (str(name), *texts[:-1])

    def reads(self, tokens: int, places: Sequence[int]) -> tuple[int, ...] | None:
        """The positions that `forward` must compute to the end for logits at some places; None means all.

        A classifier's answer is read where its own check found it; a question's answer is one of all tokens.
        """
        if self.task in ("masked", "causal"):
            return tuple(dict.fromkeys(places))
        return {"first": (0,), "last": (tokens - 1,)}.get(self.check.reads)


def _stay(values: Tensor, visible: Tensor, own: float = 1) -> None:
    """Let every place that nothing in a layer reads attend to itself, as it stays what it is there."""
    for layer in range(len(values)):
        idle = ~visible[layer].any(0).any(-1)
        values[layer][:, idle, idle] = own
        visible[layer][:, idle, idle] = True


def _alike(one: Sequence[Edit], two: Sequence[Edit]) -> bool:
    """Whether settled edits can act on a batch as one: equal, and laid out from the same tensors."""
    if one is two:
        return True
    pairs = [
        (getattr(a, "tensors", None) or {}, getattr(b, "tensors", None) or {})
        for a, b in zip(one, two, strict=False)
    ]
    return tuple(one) == tuple(two) and all(
        a.keys() == b.keys() and all(a[key] is b[key] for key in a) for a, b in pairs
    )
