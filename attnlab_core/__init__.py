"""AttentionLab's library: take hold of a transformer's attention, change it, and see what the model does then.

>>> import attnlab_core as al
>>> from attnlab_core.testing import tiny_lab
>>> lab = tiny_lab()
>>> run = lab.run("There is nothing to dislike here.")
>>> tuple(run.pattern.weights.shape) == (lab.layers, lab.heads, len(run.tokens), len(run.tokens))
True
>>> edited = run.again(al.Scale(factor=2.0, where=al.Where(keys=("nothing",))))
>>> edited.edited_calls
2
>>> round(al.attribute(run, "attention_rollout").scores.sum().item(), 6)
1.0

The names below are imported when they are first used, so importing the package is free.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnlab_core.carrying import Carried, carry
    from attnlab_core.edits import Edit, Where, edit_from_json
    from attnlab_core.edits.bias import Bias
    from attnlab_core.edits.draw import Draw
    from attnlab_core.edits.focus import Focus
    from attnlab_core.edits.invert import Invert
    from attnlab_core.edits.mean_pattern import MeanPattern
    from attnlab_core.edits.noise import Noise
    from attnlab_core.edits.patch import Patch
    from attnlab_core.edits.scale import Scale
    from attnlab_core.edits.sharpen import Sharpen
    from attnlab_core.edits.smooth import Smooth
    from attnlab_core.edits.soften import Soften
    from attnlab_core.edits.suppress import Suppress
    from attnlab_core.edits.transplant import Transplant
    from attnlab_core.edits.uniform import Uniform
    from attnlab_core.edits.zero import Zero
    from attnlab_core.errors import AttentionLabError
    from attnlab_core.generation import Generation, generate
    from attnlab_core.gradient import AttentionGradient, attention_gradient, suggest
    from attnlab_core.lab import Lab
    from attnlab_core.methods import Attribution, attribute, attribute_all
    from attnlab_core.models import load
    from attnlab_core.pattern import AttentionPattern
    from attnlab_core.pictures import Picture
    from attnlab_core.profiling import Case, Profile, profile
    from attnlab_core.progress import watching
    from attnlab_core.prompt import Prompt
    from attnlab_core.run import Run
    from attnlab_core.search import Search, optimise
    from attnlab_core.targets import Target

__version__ = "0.1.0"
__all__ = [
    "AttentionGradient",
    "AttentionLabError",
    "AttentionPattern",
    "Attribution",
    "Bias",
    "Carried",
    "Case",
    "Draw",
    "Edit",
    "Focus",
    "Generation",
    "Invert",
    "Lab",
    "MeanPattern",
    "Noise",
    "Patch",
    "Picture",
    "Profile",
    "Prompt",
    "Run",
    "Scale",
    "Search",
    "Sharpen",
    "Smooth",
    "Soften",
    "Suppress",
    "Target",
    "Transplant",
    "Uniform",
    "Where",
    "Zero",
    "attention_gradient",
    "attribute",
    "attribute_all",
    "carry",
    "edit_from_json",
    "generate",
    "load",
    "optimise",
    "profile",
    "suggest",
    "watching",
]

_HOMES = {
    "carrying": ("Carried", "carry"),
    "edits": ("Edit", "Where", "edit_from_json"),
    "edits.bias": ("Bias",),
    "edits.draw": ("Draw",),
    "edits.focus": ("Focus",),
    "edits.invert": ("Invert",),
    "edits.mean_pattern": ("MeanPattern",),
    "edits.noise": ("Noise",),
    "edits.patch": ("Patch",),
    "edits.scale": ("Scale",),
    "edits.sharpen": ("Sharpen",),
    "edits.smooth": ("Smooth",),
    "edits.soften": ("Soften",),
    "edits.suppress": ("Suppress",),
    "edits.transplant": ("Transplant",),
    "edits.uniform": ("Uniform",),
    "edits.zero": ("Zero",),
    "errors": ("AttentionLabError",),
    "generation": ("Generation", "generate"),
    "gradient": ("AttentionGradient", "attention_gradient", "suggest"),
    "lab": ("Lab",),
    "methods": ("Attribution", "attribute", "attribute_all"),
    "models": ("load",),
    "pattern": ("AttentionPattern",),
    "pictures": ("Picture",),
    "profiling": ("Case", "Profile", "profile"),
    "progress": ("watching",),
    "prompt": ("Prompt",),
    "run": ("Run",),
    "search": ("Search", "optimise"),
    "targets": ("Target",),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"attnlab_core.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
