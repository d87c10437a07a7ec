"""Occlusion (blank-out): what happens when a word is taken away."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch

from attnlab_core.errors import BadInput
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._inputs import blank, form, measured, word_embeddings
from attnlab_core.prompt import Id
from attnlab_core.targets import Goal, Quantity


def occlusion(
    run: Run,
    goal: Goal,
    *,
    replace: Literal["mask", "unk", "pad", "delete"] = "mask",
    absolute: bool = False,
    quantity: Quantity = "probability",
    specials: bool = False,
) -> Found:
    """How much of the answer is lost when a word is blanked out.

    One token after the other is replaced (or deleted) and the model runs again; the score is what the target had before
    minus what it has then. Tokens are taken one by one, so of two that say the same neither seems to matter, and a text
    with a hole may be unlike anything the model was trained on.

    Args:
        replace: What stands in the token's place; a model without such a token uses its end-of-text token. Deleting
            shifts what follows, so it is for classifiers only.
        absolute: Drop the sign, as the paper's blank-out does.
        quantity: What is compared: the target's probability, its log-probability or its logit.
        specials: Blank out special tokens too; without it they score 0.

    Raises:
        BadInput: deleting does not fit the task, or would leave nothing.

    Source: Abnar and Zuidema 2020, section 2 (blank-out); Zeiler and Fergus 2014.
    """
    ids = list(run.encoding.ids)
    places = [k for k, fixed in enumerate(form(run).tolist()) if specials or not fixed]
    if run.lab.causal:
        places = [k for k in places if k <= max(goal.reads)]  # later tokens are never seen
    if replace == "delete":
        _refuse_deletion(run)
        done, notes = "deleting it", ()
        passes = partial(_deleted, ids)
    else:
        number, name, notes = blank(run.lab, replace)
        done = f"replacing it with {name}"
        places = [k for k in places if ids[k] != number]
        passes = partial(_replaced, word_embeddings(run)[0], word_embeddings(run, [number])[0, 0])
    chosen = [None, *places]  # the first pass leaves the text as it is
    value = partial(goal.value, quantity=quantity)
    found = measured(run, value, len(chosen), lambda part: passes(chosen[part]), goal)
    scores = torch.zeros(len(ids), dtype=torch.float64)
    scores[places] = found[0] - found[1:]
    words = (
        f"{quantity.replace('_', '-').capitalize()} of the target minus the same after {done}, token by token"
    )
    return Found(
        scores.abs() if absolute else scores,
        f"{words}, without its sign." if absolute else f"{words}.",
        signed=not absolute,
        details={"passes": len(chosen)},
        notes=notes,
    )


def _deleted(ids: list[Id], places: list[int | None]) -> dict[str, Any]:
    """One pass a place, with its token deleted; None deletes nothing."""
    return {"ids": [[None if k == place else number for k, number in enumerate(ids)] for place in places]}


def _replaced(plain: torch.Tensor, blanked: torch.Tensor, places: list[int | None]) -> dict[str, Any]:
    """One pass a place, with another embedding there; None replaces nothing.

    Embeddings are exchanged and not ids: some models read positions, or where a text ends, off the ids.
    """
    rows = plain.repeat(len(places), 1, 1)
    for row, place in zip(rows, places, strict=True):
        if place is not None:
            row[place] = blanked
    return {"embeddings": rows}


def _refuse_deletion(run: Run) -> None:
    if run.lab.pictures:
        raise BadInput("A picture has all its patches: none can be deleted. Choose mask, which blanks them.")
    if run.lab.task != "classification":
        raise BadInput(
            "Deleting a token moves the places that are read; choose mask, unk or pad for this task."
        )
    if len(run.tokens) == 1:
        raise BadInput("The only token cannot be deleted; choose mask, unk or pad, or give a longer text.")
