"""Scores made elsewhere, brought to a run's tokens so that they can be shown and judged like any other explanation.

Read are our own JSON (`attribute --json`), what inseq saves, the word attributions of transformers-interpret dumped as JSON
(pairs of word and score, or several such lists by name), and tables of tokens or words with scores, as CSV or as JSON.

What a score belongs to is found by its characters: pieces are laid along the text, whatever their case, accents and marks
of word pieces. A piece's score goes to the tokens it covers in equal shares, so that sums are kept.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core._pieces import Piece, Scored, lay
from attnlab_core.errors import BadInput
from attnlab_core.methods import Attribution

if TYPE_CHECKING:
    from torch import Tensor

    from attnlab_core.run import Run

TOKEN = ("token", "word", "piece", "text")
SCORE = ("score", "attribution", "importance", "weight", "value")
TEXT = ("text_id", "text id", "id", "sentence_id")
METHOD = ("method", "explainer")
KINDS = (
    "our own JSON (attribute --json), JSON saved by inseq, transformers-interpret's word attributions as JSON, "
    "or a CSV file with the columns token and score"
)


def read_scores(file: str | Path, run: Run) -> list[Attribution]:
    """Read scores that were made elsewhere, aligned to the tokens of a run.

    Args:
        file: JSON or CSV (tabs where it ends in .tsv), also with .gz after it. Of a file about several texts, the parts
            that fit this run's text are read.
        run: What the scores are of.

    Returns:
        One explanation a method; its `target` is empty where the file does not say what was explained.

    Raises:
        BadInput: The file cannot be read, is of no known kind, or is about another text.
    """
    path = Path(file)
    try:
        raw = path.read_bytes()
        content = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as text: {error}") from error
    name = path.name.removesuffix(".gz")
    found, refused = [], None
    try:
        parts = list(_parts(content, name))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadInput(f"{name} is of no known kind ({error!r}). Known are {KINDS}.") from error
    for part in parts:
        try:
            found.append(lay(part, run))
        except BadInput as error:
            refused = refused or error
    if not found:
        raise refused or BadInput(f"{file} holds no scores. Known are {KINDS}.")
    return found


def _parts(content: str, name: str) -> Iterator[Scored]:
    if name.endswith((".csv", ".tsv")):
        yield from _table(
            list(csv.DictReader(io.StringIO(content), delimiter="\t" if name.endswith(".tsv") else ",")), name
        )
        return
    try:
        read = json.loads(content)
    except ValueError as error:
        raise BadInput(f"{name} is no JSON ({error}). Known are {KINDS}.") from error
    plain = read.get("attributes", read) if isinstance(read, dict) else read
    if isinstance(plain, dict) and {"tokens", "attributions"} <= plain.keys():
        yield from _ours(plain, name)
    elif isinstance(plain, dict) and "sequence_attributions" in plain:
        yield from _inseq(plain, name)
    elif isinstance(plain, list) and plain and all(isinstance(row, dict) for row in plain):
        yield from _table(plain, name)
    else:
        yield from _words(plain, name)


def _ours(read: Mapping[str, Any], name: str) -> Iterator[Scored]:
    """Our own record: tokens with their characters, and a list of accounts of them."""
    prompt = read.get("prompt") or {}
    texts = (prompt.get("text"), prompt.get("second"))
    segment, last, spans = 0, 0, []
    for token in read["tokens"]:
        special = token.get("special", False)
        if not special and token["end"] > 0:  # a continuation's tokens have no characters in the prompt
            segment, last = (1 if token["start"] < last else segment), token["end"]
        spans.append(None if special else (segment, token["start"], token["end"]))
    for one in read["attributions"]:
        pieces = [
            Piece(token["text"], float(score), span)
            for token, span, score in zip(read["tokens"], spans, one["scores"], strict=False)
            if span is None or span[2] > 0
        ]
        kept = ("method", "label", "params", "seconds", "signed", "aggregation", "target")
        given = {key: one[key] for key in kept if key in one}
        given["notes"] = tuple(one.get("notes", ()))
        yield Scored(name, pieces, texts=texts, **given)


def _inseq(read: Mapping[str, Any], name: str) -> Iterator[Scored]:
    """What inseq saves: tokens of a source and of a target, and arrays of scores by token and generated token."""
    method = str((read.get("info") or {}).get("attribution_method", "scores"))
    for sequence in read["sequence_attributions"]:
        part = sequence.get("attributes", sequence)
        side = "source" if part.get("source_attributions") is not None else "target"
        values = _array(part.get(f"{side}_attributions"))
        tokens = [token.get("attributes", token)["token"] for token in part[side]]
        if values is None or len(values) != len(tokens):
            raise BadInput(f"{name} holds no scores for its {side} tokens. Save it anew with inseq.")
        if values.ndim > 3:
            raise BadInput(
                f"{name} holds scores by layer and head. Aggregate them first: out.aggregate().save(…)."
            )
        norm = values.ndim == 3
        values = values.norm(dim=-1) if norm else values
        steps = 1 if values.ndim == 1 else values.shape[1]
        summed = values.nansum(-1) if values.ndim == 2 else values
        words = f"inseq's {method}" + (", L2 norm over the width" if norm else "")
        yield Scored(
            name,
            [Piece(token, score) for token, score in zip(tokens, summed.tolist(), strict=True)],
            method=f"inseq: {method}",
            label=f"{method} (inseq)",
            aggregation=f"{words}, summed over {steps} generated token(s).",
            generated=side == "target",
        )


def _array(value: Any) -> Tensor | None:
    """An array as inseq writes it: safetensors in base64, numbers in lists, or packed bytes with their type."""
    import base64

    import numpy as np
    import torch
    from safetensors.torch import load

    if value is None:
        return None
    try:
        if isinstance(value, str):
            return next(iter(load(base64.b64decode(value)).values())).double()
        if isinstance(value, dict):
            packed, kind = value["__ndarray__"], np.dtype(value["dtype"])
            if not isinstance(packed, str):
                return torch.from_numpy(np.array(packed, dtype=kind)).double()
            head, _, body = packed.partition(":")
            raw = base64.b64decode(body)
            numbers = np.frombuffer(gzip.decompress(raw) if head == "b64.gz" else raw, dtype=kind)
            order = "C" if value.get("Corder", True) else "F"
            return torch.from_numpy(numbers.reshape(value["shape"], order=order).copy()).double()
        return torch.tensor(value, dtype=torch.float64)
    except Exception as error:
        raise BadInput(f"An array of scores cannot be unpacked: {error}") from error


def _words(read: Any, name: str) -> Iterator[Scored]:
    """Pairs of word and score, as transformers-interpret gives them, or several such lists by name."""
    lists = read if isinstance(read, dict) else {"": read}
    for key, pairs in lists.items():
        if not (isinstance(pairs, list) and pairs and all(_is_pair(pair) for pair in pairs)):
            raise BadInput(f"{name} is of no known kind. Known are {KINDS}.")
        method = Path(name).stem + (f": {key}" if key else "")
        yield Scored(name, [Piece(word, float(score)) for word, score in pairs], method=method)


def _is_pair(pair: Any) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], int | float)
    )


def _table(rows: Sequence[Mapping[str | None, Any]], name: str) -> Iterator[Scored]:
    """Rows with a token or word and its score, perhaps with the text and the method they belong to."""
    columns = {str(key).strip().lower(): key for key in (rows[0] if rows else {})}

    def column(names: Sequence[str]) -> str | None:
        return next((columns[one] for one in names if one in columns), None)

    token, score, text, method = map(column, (TOKEN, SCORE, TEXT, METHOD))
    if token is None or score is None:
        raise BadInput(
            f"{name} needs a column token (or word) and a column score; it has {', '.join(columns) or 'no rows'}."
        )
    groups: dict[tuple[str, str], list[Piece]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            piece = Piece(str(row[token]), float(row[score]))
        except (TypeError, ValueError) as error:
            raise BadInput(f"{name}, line {line}: the score {row[score]!r} is no number.") from error
        key = (str(row[text]) if text else "", str(row[method]) if method else Path(name).stem)
        groups.setdefault(key, []).append(piece)
    for (_, made_by), pieces in groups.items():
        yield Scored(name, pieces, method=made_by)
