"""Which head of a model is loaded: the one its configuration declares, or the one for a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attnlab_core._late import transformers
from attnlab_core.errors import ModelRefused, TaskNeeded

TASKS = {
    "classification": ("AutoModelForSequenceClassification", "AutoModelForImageClassification"),
    "masked": ("AutoModelForMaskedLM",),
    "causal": ("AutoModelForCausalLM",),
    "answering": ("AutoModelForQuestionAnswering",),
    "matching": ("AutoModelForZeroShotImageClassification",),
    "visual_answering": ("AutoModelForVisualQuestionAnswering",),
}
"""The task → the transformers classes that have a head for it; a kind of model belongs to the first that knows it."""
PICTURES = "ForImageClassification"
WITH_TEXT = ("matching", "visual_answering")
"""The tasks of models that read text with a picture."""
# A declared architecture belongs to the first task one of whose marks is in its name.
_MARKS = {
    "matching": ("CLIPModel",),
    "visual_answering": ("BlipForQuestionAnswering",),
    "classification": ("ForSequenceClassification", PICTURES),
    "answering": ("ForQuestionAnswering",),
    "masked": ("ForMaskedLM", "ForPreTraining", "WithLMHeadModel"),
    "causal": ("ForCausalLM", "LMHeadModel", "DoubleHeadsModel"),
}


def declared(config: Mapping[str, Any]) -> str | None:
    """The task of the first architecture a configuration names; None when that is none of ours."""
    architecture = str((config.get("architectures") or [""])[0])
    return next((task for task, marks in _MARKS.items() if any(mark in architecture for mark in marks)), None)


def head(config: dict[str, Any], task: str | None, name: str) -> type:
    """The transformers class to load: the task's, when this kind of model has one."""
    auto = transformers()
    known = auto.models.auto.configuration_auto.CONFIG_MAPPING
    kind, architecture = config["model_type"], str((config.get("architectures") or [""])[0])
    if kind not in known:
        code = "brings code of its own, and no code from a checkpoint is run here"
        unknown = f"is unknown to transformers {auto.__version__}"
        why = code if config.get("auto_map") else unknown
        raise ModelRefused(
            f"The model type {kind!r} of {name!r} {why}. Choose a model that transformers knows."
        )
    if config.get("quantization_config"):
        raise ModelRefused(
            f"The weights of {name!r} are quantised. Choose the model in half or full precision."
        )
    fits = fitting(config)
    wanted = task or declared(config)
    if wanted is None and (not architecture or architecture.endswith("Model")):  # no head is declared
        wanted = next((t for t in ("masked", "causal") if t in fits), None)
    if wanted is None and not architecture and fits:
        raise TaskNeeded(name, fits)
    if wanted not in fits:
        asked = (
            f"has no head for the task {task!r}"
            if task
            else f"is a {architecture or kind}, no task read here"
        )
        hint = f"Tasks of its kind: {', '.join(fits)}" if fits else f"Tasks read here: {', '.join(TASKS)}"
        raise ModelRefused(f"{name!r} {asked}. {hint}; choose a checkpoint made for one of them.")
    return _class(config["model_type"], wanted)


def reads_pictures(config: Mapping[str, Any]) -> bool:
    """Whether the first architecture that a configuration names reads pictures, by themselves or with text."""
    architecture = str((config.get("architectures") or [""])[0])
    return architecture.endswith(PICTURES) or declared(config) in WITH_TEXT


def reads_text(config: Mapping[str, Any]) -> bool:
    """Whether that architecture reads text, by itself or with pictures."""
    return not reads_pictures(config) or declared(config) in WITH_TEXT


def _class(kind: str, task: str) -> Any:
    """The class with the head for a task, for a kind of model that has one."""
    auto = transformers()
    known = auto.models.auto.configuration_auto.CONFIG_MAPPING[kind]
    return next(c for c in (getattr(auto, name) for name in TASKS[task]) if known in c._model_mapping)


def fitting(config: Mapping[str, Any]) -> list[str]:
    """The tasks that a kind of model has a head for."""
    auto = transformers()
    kind = auto.models.auto.configuration_auto.CONFIG_MAPPING[config["model_type"]]
    fits = [t for t, names in TASKS.items() if any(kind in getattr(auto, n)._model_mapping for n in names)]
    both_ways = "masked" in fits and not config.get("is_decoder") and not config.get("is_encoder_decoder")
    if both_ways and "causal" in fits:
        fits.remove("causal")  # an encoder sees the words to come
    return fits
