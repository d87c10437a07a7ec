"""Finding and loading a model: one that is shipped, a folder, or an id of the Hugging Face Hub.

Weights are read from safetensors only and no code from a checkpoint is ever run. The Hub is reached through
`huggingface_hub`, so `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE` and `HF_ENDPOINT` mean what they mean everywhere.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from attnlab_core.errors import BadInput, ModelNotFound, ModelRefused, UnknownName
from attnlab_core.hub import WEIGHTS, fetch, first_line, quiet, refuse_weights

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

TASKS = {
    "classification": "AutoModelForSequenceClassification",
    "masked": "AutoModelForMaskedLM",
    "causal": "AutoModelForCausalLM",
    "answering": "AutoModelForQuestionAnswering",
}
CHECKPOINTS = Path(__file__).parent / "checkpoints"
# A declared architecture belongs to the first task one of whose marks is in its name.
_MARKS = {
    "classification": ("ForSequenceClassification",),
    "answering": ("ForQuestionAnswering",),
    "masked": ("ForMaskedLM", "ForPreTraining", "WithLMHeadModel"),
    "causal": ("ForCausalLM", "LMHeadModel", "DoubleHeadsModel"),
}
_HUB_ID = re.compile(r"(?!.*(--|\.\.))(?=.{1,96}$)(\w[\w.-]*/)?\w[\w.-]*")
_LOADING = threading.Lock()  # from_pretrained changes process-wide defaults while it runs


@dataclass(frozen=True)
class Card:
    """What is known of a shipped model without loading it; `text` is its model card."""

    name: str
    summary: str
    task: str
    folder: Path
    text: str


def shipped() -> dict[str, Card]:
    """The models that come with the library, by name; reads a few small files and loads nothing.

    >>> "sst2" in shipped()
    True
    """
    return {
        folder.name: _card(folder) for folder in sorted(p.parent for p in CHECKPOINTS.glob("*/config.json"))
    }


def load(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    device: str | None = None,
    task: str | None = None,
    batch_size: int = 16,
) -> Lab:
    """Load a model with its tokenizer, in single precision and ready to read.

    Args:
        name: a shipped name ("sst2"), a folder, or a Hub id ("openai-community/gpt2").
        revision: branch, tag or commit of a Hub model; `lab.revision` is the commit it stood for.
        device: "cpu", "cuda", ...; left out, the GPU when there is one.
        task: "classification", "masked", "causal" or "answering"; left out, read from the model's configuration.
        batch_size: how many rows the methods put through the model at once.

    Returns:
        The lab. A download that was broken off goes on from the files it has, and a model that was loaded once
        loads again without a network.

    Raises:
        BadInput: a name, revision, task or device of impossible form, or a near miss of a shipped name.
        ModelNotFound: no such model, no way to reach it, or not open to this user.
        ModelRefused: a model that is there and cannot be used: pickled weights, own code, no head for the task.
    """
    from attnlab_core.lab import Lab

    name = os.fspath(name).strip()
    if task is not None and task not in TASKS:
        raise UnknownName(task, TASKS, "task")
    folder = _local(name)
    if revision is not None and (folder or not re.fullmatch(r"(?!.*\.\.)\w[\w./-]*", revision)):
        raise BadInput(
            f"The revision {revision!r} cannot be used for {name!r}: it is a branch, tag or commit on the Hub."
        )
    place, commit = _device(device), None
    if folder is None:
        if not _HUB_ID.fullmatch(name):
            raise BadInput(
                f"{name!r} is no model name: give {_choices()}, a folder, or a Hub id such as 'owner/name'."
            )
        with quiet():
            folder = fetch(
                name, revision, lambda found: _head(_read_config(found, name), task, name), _choices()
            )
        commit = folder.name
    config = _read_config(folder, name)
    head = _head(config, task, name)
    refuse_weights([path.name for path in folder.iterdir()], name)
    with _LOADING, quiet():
        model, tokenizer = _build(folder, head, name)
    try:
        model.to(place)
    except RuntimeError as error:
        raise BadInput(f"{name!r} does not fit on {place}: {first_line(error)} Use device='cpu'.") from error
    others = partial(load, device=device, batch_size=batch_size)
    return Lab(model, tokenizer, name=name, revision=commit, batch_size=batch_size, loader=others)


def _choices() -> str:
    return f"a shipped model ({', '.join(shipped()) or 'none here'})"


def _local(name: str) -> Path | None:
    """The folder a name stands for, or None for what can only be a Hub id."""
    known = shipped()
    if name in known:
        return known[name].folder
    if not name:
        raise BadInput(
            f"The model's name is empty: give {_choices()}, a folder, or a Hub id such as 'owner/name'."
        )
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        raise BadInput(
            f"{name!r} is a file: give the folder it is in, with config.json and model.safetensors."
        )
    if name[0] in "./~" or "\\" in name or name.count("/") > 1:
        raise ModelNotFound(f"There is no folder {name!r}: check the path.")
    if "/" not in name and get_close_matches(name, known, n=1, cutoff=0.8):
        raise UnknownName(name, known, "shipped model")
    return None


def _device(device: str | None) -> str:
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device).cpu()
    except Exception as error:  # torch raises many kinds here, and all mean the same
        raise BadInput(
            f"The device {device!r} cannot be used here: {first_line(error)} Leave it out, or use 'cpu'."
        ) from error
    return device


def _card(folder: Path) -> Card:
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    front = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    fields = (yaml.safe_load(front[1]) if front else None) or {}
    body = text[front.end() :] if front else text
    prose = next((line for line in body.splitlines() if line[:1].isalnum()), "")
    task = _declared(_read_config(folder, folder.name)) or ""
    return Card(folder.name, str(fields.get("summary") or prose), task, folder, text)


def _read_config(folder: Path, name: str) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise ModelRefused(
            f"{name!r} is no model folder: it has no config.json. Give the folder that save_pretrained wrote."
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelRefused(
            f"The config.json of {name!r} cannot be read: {first_line(error)} Save or download it again."
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ModelRefused(
            f"The config.json of {name!r} names no model_type: it is not a transformers model."
        )
    return config


def _declared(config: Mapping[str, Any]) -> str | None:
    """The task of the first architecture a configuration names; None when that is none of ours."""
    architecture = str((config.get("architectures") or [""])[0])
    return next((task for task, marks in _MARKS.items() if any(mark in architecture for mark in marks)), None)


def _head(config: dict[str, Any], task: str | None, name: str) -> type:
    """The transformers class to load: the task's, when this kind of model has one."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind, architecture = config["model_type"], str((config.get("architectures") or [""])[0])
    if kind not in CONFIG_MAPPING:
        code = "brings code of its own, and no code from a checkpoint is run here"
        unknown = f"is unknown to transformers {transformers.__version__}"
        why = code if config.get("auto_map") else unknown
        raise ModelRefused(
            f"The model type {kind!r} of {name!r} {why}. Choose a model that transformers knows."
        )
    if config.get("quantization_config"):
        raise ModelRefused(
            f"The weights of {name!r} are quantised. Choose the model in half or full precision."
        )
    autos = {t: getattr(transformers, auto) for t, auto in TASKS.items()}
    fits = [t for t, auto in autos.items() if CONFIG_MAPPING[kind] in auto._model_mapping]
    both_ways = "masked" in fits and not config.get("is_decoder") and not config.get("is_encoder_decoder")
    if both_ways and "causal" in fits:
        fits.remove("causal")  # an encoder sees the words to come
    wanted = task or _declared(config)
    if wanted is None and (not architecture or architecture.endswith("Model")):  # no head is declared
        wanted = next((t for t in ("masked", "causal") if t in fits), None)
    if wanted not in fits:
        asked = (
            f"has no head for the task {task!r}"
            if task
            else f"is a {architecture or kind}, no task read here"
        )
        hint = f"Tasks of its kind: {', '.join(fits)}" if fits else f"Tasks read here: {', '.join(TASKS)}"
        raise ModelRefused(f"{name!r} {asked}. {hint}; choose a checkpoint made for one of them.")
    return autos[wanted]


def _build(folder: Path, head: type, name: str) -> tuple[Any, Any]:
    """Model and tokenizer from a folder. Random weights are refused: a head must have been trained."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoTokenizer
    from transformers.utils import logging as transformers_logging

    def bar(factory: Any, args: Any, kwargs: Any) -> Any:
        return transformers_logging.EmptyTqdm(*args, **kwargs)

    plain: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    before = transformers_logging.set_tqdm_hook(bar)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **plain)
        model, info = head.from_pretrained(  # type: ignore[attr-defined]
            folder,
            **plain,
            use_safetensors=True,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except SafetensorError as error:
        place = (folder / WEIGHTS[0]).resolve()
        raise ModelRefused(
            f"The weights of {name!r} are damaged: {first_line(error)} Delete {place} and load it again."
        ) from error
    except Exception as error:  # checkpoints fail in many ways inside transformers; all become one line
        raise ModelRefused(
            f"transformers cannot load {name!r}: {first_line(error)} Choose another checkpoint or revision."
        ) from error
    finally:
        transformers_logging.set_tqdm_hook(before)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelRefused(
            f"{name!r} has no fast tokenizer (tokenizer.json), which is needed to place tokens in the text."
        )
    missing = sorted(info["missing_keys"])
    if missing:
        some = ", ".join(missing[:2]) + (", …" if len(missing) > 2 else "")
        raise ModelRefused(
            f"{name!r} lacks {len(missing)} weights of a {type(model).__name__} ({some}), so the head would be random. "
            "Choose a checkpoint that was trained for this task, or another task."
        )
    return model.eval(), tokenizer
