"""Which task a model class is read for, and what feeds it: text, pictures, or both."""

from __future__ import annotations

from attnlab_core._texts import Texts
from attnlab_core.errors import ModelRefused
from attnlab_core.joint import READERS, Joint
from attnlab_core.patches import Patches

TASKS = {
    "ForSequenceClassification": "classification",
    "ForImageClassification": "classification",
    "ForMaskedLM": "masked",
    "WithLMHeadModel": "masked",
    "ForCausalLM": "causal",
    "LMHeadModel": "causal",
    "ForQuestionAnswering": "answering",
    "ForQuestionAnsweringSimple": "answering",
}
"""The end of a model class's name → the task it is read for."""


def reader_of(class_name: str) -> type[Texts | Patches | Joint]:
    """What feeds a model of a class."""
    return READERS.get(class_name) or (Patches if class_name.endswith("ForImageClassification") else Texts)


def task_of(class_name: str) -> str:
    """The task a model class is read for, by the end of its name; `ModelRefused` for any other."""
    if class_name in READERS:
        return READERS[class_name].task
    for ending, task in TASKS.items():
        if class_name.endswith(ending):
            return task
    raise ModelRefused(
        f"{class_name} has none of the tasks that can be read: classification of text or pictures, masked or causal language "
        f"modelling, extractive question answering, captions (CLIP), questions about pictures (BLIP). Choose a checkpoint with one of these heads."
    )
