"""Finding and loading a model: one that is shipped, a folder, or an id of the Hugging Face Hub.

Weights are read from safetensors only and no code from a checkpoint is ever run. The Hub is reached through
`huggingface_hub`, so `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE` and `HF_ENDPOINT` mean what they mean everywhere.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from attnlab_core import uploads
from attnlab_core._heads import PICTURES, TASKS, WITH_TEXT, declared, fitting, reads_pictures
from attnlab_core._heads import head as head_of
from attnlab_core._late import transformers
from attnlab_core.errors import BadInput, ModelNotFound, ModelRefused, TaskNeeded, UnknownName
from attnlab_core.hub import WEIGHTS, Offer, fetch, first_line, offer, quiet, refuse_weights
from attnlab_core.hub import config as config_of
from attnlab_core.weights import DTYPES, WIDTH, dtype_of, planned, stored

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

CHECKPOINTS = Path(__file__).parent / "checkpoints"
_HUB_ID = re.compile(r"(?!.*(--|\.\.))(?=.{1,96}$)(\w[\w.-]*/)?\w[\w.-]*")
_LOADING = threading.Lock()  # from_pretrained changes process-wide defaults while it runs


@dataclass(frozen=True)
class Card:
    """What is known of a shipped model without loading it; `text` is its model card, `pictures` that it reads pictures."""

    name: str
    summary: str
    task: str
    folder: Path
    text: str
    pictures: bool = False


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
    dtype: str | None = None,
    task: str | None = None,
    batch_size: int = 16,
) -> Lab:
    """Load a model with its tokenizer, ready to read.

    Args:
        name: a shipped name ("sst2"), a folder, a Hub id ("openai-community/gpt2"), or `upload:HASH` of the app.
        revision: branch, tag or commit of a Hub model; `lab.revision` is the commit it stood for.
        device: "cpu", "cuda", ...; left out, the GPU when there is one.
        dtype: "fp32", "bf16" or "fp16"; left out, fp32. Half precision takes half the memory and gives other numbers.
        task: "classification", "masked", "causal", "answering", "matching" or "visual_answering"; left out, read from the model's configuration.
        batch_size: how many rows the methods put through the model at once.

    Returns:
        The lab. A download that was broken off goes on from the files it has, and a model that was loaded once
        loads again without a network.

    Raises:
        BadInput: a name, revision, task or device of impossible form, or a near miss of a shipped name.
        ModelNotFound: no such model, no way to reach it, or not open to this user.
        TaskNeeded: the configuration does not say what the model was trained for, and its weights do not tell.
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
    place, number, commit = _device(device), dtype_of(dtype), None
    if folder is None:
        _refuse_id(name)
        with quiet():
            folder = fetch(
                name, revision, lambda found: head_of(_read_config(found, name), task, name), _choices()
            )
        commit = folder.name
    config = _read_config(folder, name)
    head = head_of(config, task, name)
    refuse_weights([path.name for path in folder.iterdir()], name)
    with _LOADING, quiet():
        try:
            model, tokenizer = _build(folder, head, name, DTYPES[number])
        except HeadMissing as error:
            if task is None and not config.get("architectures"):  # the task was a guess
                raise TaskNeeded(name, fitting(config), "") from error
            raise
    try:
        model.to(place)
    except RuntimeError as error:
        raise BadInput(f"{name!r} does not fit on {place}: {first_line(error)} Use device='cpu'.") from error
    others = partial(load, device=device, batch_size=batch_size)
    return Lab(model, tokenizer, name=name, revision=commit, batch_size=batch_size, loader=others)


@dataclass(frozen=True)
class Weight:
    """What loading a model takes, known beforehand.

    Attributes:
        parameters: the numbers in its weights.
        download: bytes that would be fetched, or of which what the cache lacks would be.
        disk: bytes of its files.
        memory: bytes of the weights once loaded.
        source: where that is known from: "its files", "the Hub" or "its configuration".
    """

    parameters: int
    download: int
    disk: int
    memory: int
    source: str


def weigh(
    name: str, *, revision: str | None = None, dtype: str | None = None, task: str | None = None
) -> Weight:
    """What loading a model would take, without loading it: from its files, else from the Hub, else from its configuration.

    Args:
        name: as for `load`.
        revision: as for `load`.
        dtype: as for `load`; it decides the memory.
        task: as for `load`; asked for only where the configuration has to tell the size.

    Raises:
        BadInput, ModelNotFound, ModelRefused: as `load`, as far as that shows beforehand.
    """
    name, width = name.strip(), WIDTH[dtype_of(dtype)]
    found: Path | Offer | None = _local(name)
    if found is None:
        _refuse_id(name)
        found = offer(name, revision, _choices())
    if isinstance(found, Path):
        refuse_weights([path.name for path in found.iterdir()], name)
        held = stored(found, name)
        return Weight(held.parameters, 0, held.bytes, held.parameters * width, "its files")
    disk, count, source = sum(found.sizes.values()), found.parameters, "the Hub"
    if not count:
        config = _read_config(config_of(name, revision, _choices()), name)
        count, source = planned(config, head_of(config, task, name), name), "its configuration"
    return Weight(count, disk, disk, count * width, source)


def _refuse_id(name: str) -> None:
    if not _HUB_ID.fullmatch(name):
        raise BadInput(
            f"{name!r} is no model name: give {_choices()}, a folder, or a Hub id such as 'owner/name'."
        )


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
    if name.startswith(uploads.PREFIX):
        return uploads.folder_of(name)
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
    config = _read_config(folder, folder.name)
    said, task = str(fields.get("summary") or prose), declared(config) or ""
    return Card(folder.name, said, task, folder, text, reads_pictures(config))


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


class HeadMissing(ModelRefused):
    """A checkpoint without the weights of the head that its task needs."""


def _build(folder: Path, head: type, name: str, dtype: str) -> tuple[Any, Any]:
    """Model and tokenizer from a folder. Random weights are refused: a head must have been trained."""
    import torch
    from safetensors import SafetensorError

    transformers_logging = transformers().utils.logging

    def bar(factory: Any, args: Any, kwargs: Any) -> Any:
        return transformers_logging.EmptyTqdm(*args, **kwargs)

    plain: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    before = transformers_logging.set_tqdm_hook(bar)
    try:
        tokenizer = _feeder(folder, head, plain)
        model, info = head.from_pretrained(  # type: ignore[attr-defined]
            folder,
            **plain,
            use_safetensors=True,
            attn_implementation="eager",
            dtype=getattr(torch, dtype),
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
    reads = getattr(tokenizer, "tokenizer", tokenizer)
    if not head.__name__.endswith(PICTURES) and not getattr(reads, "is_fast", False):
        raise ModelRefused(
            f"{name!r} has no fast tokenizer (tokenizer.json), which is needed to place tokens in the text."
        )
    missing = sorted(info["missing_keys"])
    if missing:
        some = ", ".join(missing[:2]) + (", …" if len(missing) > 2 else "")
        raise HeadMissing(
            f"{name!r} lacks {len(missing)} weights of a {type(model).__name__} ({some}), so the head would be random. "
            "Choose a checkpoint that was trained for this task, or another task."
        )
    return model.eval(), tokenizer


def _feeder(folder: Path, head: type, plain: dict[str, Any]) -> Any:
    """The tokenizer of a model that reads text, the image processor (on Pillow) of one that reads pictures; or both."""
    from attnlab_core.joint import Feeders

    both = any(head.__name__ in TASKS[task] for task in WITH_TEXT)
    auto = transformers()
    seen = read = None
    if both or head.__name__.endswith(PICTURES):
        seen = auto.AutoImageProcessor.from_pretrained(folder, backend="pil", **plain)
    if both or seen is None:
        read = auto.AutoTokenizer.from_pretrained(folder, **plain)
    return Feeders(read, seen) if both else read or seen
