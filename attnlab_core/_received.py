"""What an uploaded folder has to be like before a model is made of it. Nothing in it is run, no weight is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attnlab_core._heads import reads_pictures, reads_text
from attnlab_core._late import transformers
from attnlab_core._patterns import refuse_endless
from attnlab_core.errors import ModelRefused
from attnlab_core.hub import refuse_weights
from attnlab_core.weights import planned, stored

UPLOAD = "The upload"
MOST_JSON = {"config.json": 2**20, "tokenizer.json": 128 * 2**20, "vocab.json": 64 * 2**20}
"""Bytes of a JSON file; of others 16 MB."""
SLACK = 1.25
"""How many more numbers a configuration may ask for than the weights hold: tied weights are stored once."""
MODULES = 64
"""Layers times experts for each stored tensor; more would take long to lay out, and no model needs them."""
_COUNT = {"type": ["integer", "null"], "minimum": 0, "maximum": 1024}
_WIDTH = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**18}
_COUNTS = "num_hidden_layers num_layers n_layer n_layers encoder_layers decoder_layers num_decoder_layers num_attention_heads n_head num_heads"
_WIDTHS = "hidden_size d_model n_embd dim intermediate_size d_ff ffn_dim n_inner hidden_dim embedding_size d_kv head_dim"
_SIZES: dict[str, Any] = {
    "vocab_size": {"type": "integer", "minimum": 1, "maximum": 2**22},
    **dict.fromkeys(_COUNTS.split(), _COUNT),
    **dict.fromkeys(_WIDTHS.split(), _WIDTH),
}
_PARTS = "text_config vision_config"
CONFIG: dict[str, Any] = {
    "type": "object",
    "required": ["model_type"],
    "maxProperties": 500,
    "properties": {
        "model_type": {"type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,64}$"},
        "architectures": {
            "type": ["array", "null"],
            "maxItems": 8,
            "items": {"type": "string", "maxLength": 120},
        },
        "id2label": {"type": ["object", "null"], "maxProperties": 10_000},
        "quantization_config": {"type": "null"},
        **{part: {"type": ["object", "null"], "properties": _SIZES} for part in _PARTS.split()},
        **_SIZES,
    },
    "patternProperties": {"experts": {"not": {"type": "number", "minimum": 1025}}},
}
"""The schema of a config.json, as far as it is the same for all kinds of models."""
TOKENIZER: dict[str, Any] = {
    "type": "object",
    "required": ["model"],
    "properties": {
        "model": {"type": "object"},
        "added_tokens": {"type": ["array", "null"], "maxItems": 100_000, "items": {"type": "object"}},
    },
}
_SCHEMAS = {"config.json": CONFIG, "tokenizer.json": TOKENIZER}
_FORBIDDEN = ("auto_map", "trust_remote_code", "custom_pipelines", "use_kernels")


def inspect(folder: Path) -> tuple[str, int]:
    """Check a folder of uploaded files: the kind of model, and how many numbers its weights hold.

    Raises:
        ModelRefused: a file is missing, does not fit its schema, is damaged, or asks for more than is there.
    """
    refuse_weights([file.name for file in folder.iterdir()], "the upload")
    said = {file.name: _read(file) for file in sorted(folder.glob("*.json"))}
    refuse_endless(said.get("tokenizer.json", {}), UPLOAD)
    config = said["config.json"]
    if reads_pictures(config) and "preprocessor_config.json" not in said:
        raise ModelRefused(f"{UPLOAD} has nothing that prepares pictures: add preprocessor_config.json.")
    if reads_text(config) and not any(
        (folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json")
    ):
        raise ModelRefused(f"{UPLOAD} has no tokenizer: add tokenizer.json.")
    held = stored(folder, "the upload")
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    counts = [part.get(key) for part in parts for key in _COUNTS.split()]
    layers = max((count for count in counts if isinstance(count, int)), default=0)
    experts = max(
        (
            value
            for part in parts
            for key, value in part.items()
            if "experts" in str(key) and isinstance(value, int)
        ),
        default=1,
    )
    if layers * max(experts, 1) > MODULES * max(held.tensors, MODULES):
        raise ModelRefused(
            f"The config.json of the upload asks for {layers} layers and the weights hold {held.tensors} tensors. "
            "Bring the configuration that belongs to these weights."
        )
    asked = planned(config, _kind(config["model_type"]), "the upload")
    if asked > SLACK * held.parameters + 2**20:
        raise ModelRefused(
            f"The config.json of the upload asks for {asked:,} numbers and the weights hold {held.parameters:,}. "
            "Bring the configuration that belongs to these weights."
        )
    return config["model_type"], held.parameters


def _kind(model_type: str) -> type:
    """The transformers class without a head, for a kind that transformers knows."""
    auto = transformers()
    known = auto.models.auto.configuration_auto.CONFIG_MAPPING
    if model_type not in known or known[model_type] not in auto.AutoModel._model_mapping:
        raise ModelRefused(
            f"The model type {model_type!r} of the upload is unknown to transformers {auto.__version__}. "
            "Choose a model that transformers knows."
        )
    return auto.AutoModel


def _read(file: Path) -> Any:
    """A JSON file, checked by its schema and for keys that ask for code."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    most = MOST_JSON.get(file.name, 16 * 2**20)
    if file.stat().st_size > most:
        raise ModelRefused(
            f"{UPLOAD}’s {file.name} is larger than {most / 2**20:.0f} MB, which no model needs."
        )
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        wrong = best_match(
            Draft202012Validator(_SCHEMAS.get(file.name, {"type": "object"})).iter_errors(said)
        )
        banned = (
            next((key for key in _keys(said) if key in _FORBIDDEN), None)
            if file.name != "vocab.json"
            else None
        )
    except (ValueError, RecursionError) as error:
        raise ModelRefused(
            f"{UPLOAD}’s {file.name} cannot be read as JSON. Save or download it again."
        ) from error
    if banned:
        raise ModelRefused(
            f"{UPLOAD}’s {file.name} has {banned!r}, which asks for code of its own. No code from a checkpoint is run here."
        )
    if wrong is not None:
        place = ".".join(map(str, wrong.absolute_path)) or "the whole file"
        raise ModelRefused(f"{UPLOAD}’s {file.name} does not fit at {place!r}: {wrong.message[:160]}.")
    return said


def _keys(said: Any) -> Iterator[str]:
    """Keys of a configuration and of the objects in it; a tokenizer's vocabulary is no configuration."""
    stack = [said]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield from one
            stack += [value for key, value in one.items() if key not in ("vocab", "model", "weight_map")]
        elif isinstance(one, list):
            stack += one
