"""How large a model is, without loading it: from the headers of its safetensors, or from its configuration."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attnlab_core._late import transformers
from attnlab_core.errors import ModelRefused, UnknownName
from attnlab_core.hub import WEIGHTS, first_line

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""The number formats a model may be loaded in, by the name a person gives them, and torch's names."""
WIDTH = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of one number."""
_KNOWN = frozenset("BOOL U8 I8 I16 U16 F16 BF16 I32 U32 F32 F64 I64 U64 F8_E4M3 F8_E5M2".split())


@dataclass(frozen=True)
class Stored:
    """What is in a folder's safetensors: the numbers in them, in how many tensors, and the bytes of the files."""

    parameters: int
    tensors: int
    bytes: int


def dtype_of(given: str | None) -> str:
    """The short name of a number format; `UnknownName` for one that is not offered.

    >>> dtype_of("float16"), dtype_of(None)
    ('fp16', 'fp32')
    """
    short = next((name for name, long in DTYPES.items() if given in (name, long)), None)
    if given is not None and short is None:
        raise UnknownName(given, DTYPES, "number format")
    return short or "fp32"


def files_of(folder: Path, name: str) -> list[Path]:
    """The safetensors of a folder: one, or the shards that its index names.

    Raises:
        ModelRefused: the index cannot be read, or names a file that is not there or has no plain name.
    """
    whole, index = (folder / file for file in WEIGHTS)
    if whole.is_file() or not index.is_file():
        return [whole]
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted({str(file) for file in places.values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelRefused(f"The index of the weights of {name!r} cannot be read. Save it again.") from error
    for shard in shards:
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise ModelRefused(f"{name!r} lacks {shard!r}, which its index of weights names. Add that file.")
    return [folder / shard for shard in shards]


def header(file: Path, name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Tensor → its type and shape, from a file's header alone; no number is read.

    Raises:
        ModelRefused: the header is damaged, places lie outside the file or overlap, or a type is unknown.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as opened:  # checks the header's size, every place and the file's end
            parts = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118  no mapping
            found = {key: (str(p.get_dtype()), tuple(p.get_shape())) for key, p in parts.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelRefused(
            f"The weights {file.name!r} of {name!r} are damaged: {first_line(error)}"
        ) from error
    strange = sorted({kind for kind, _ in found.values()} - _KNOWN)
    if strange:
        raise ModelRefused(f"The weights of {name!r} are of the type {strange[0]}, which is not read here.")
    return found


def stored(folder: Path, name: str) -> Stored:
    """Count what a folder's safetensors hold. Raises `ModelRefused` where they are damaged or missing."""
    files = files_of(folder, name)
    shapes = [shape for file in files for _, shape in header(file, name).values()]
    return Stored(sum(map(math.prod, shapes)), len(shapes), sum(file.stat().st_size for file in files))


def planned(config: Mapping[str, Any], head: type, name: str) -> int:
    """How many parameters a configuration asks for; they are laid out without memory.

    Args:
        config: what config.json says.
        head: the transformers class that would be loaded.
        name: for messages.

    Raises:
        ModelRefused: transformers makes no model of it.
    """
    import torch

    said = {key: value for key, value in config.items() if key not in ("model_type", "auto_map")}
    try:
        settings = transformers().AutoConfig.for_model(str(config["model_type"]), **said)
        with torch.device("meta"):
            model = head.from_config(settings, attn_implementation="eager")  # type: ignore[attr-defined]
    except Exception as error:  # a configuration goes wrong in many ways inside transformers
        raise ModelRefused(
            f"transformers makes no model of the config.json of {name!r}: {first_line(error)}"
        ) from error
    return sum(weight.numel() for weight in model.parameters())
