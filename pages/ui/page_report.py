"""The open page as a report: its figures, what was asked, how to read it, and what to cite."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attnlab_core import citing, html_report
from pages.ui import sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.session import State
    from pages.ui.shown import Board

AGAIN = ("scores",)
"""Figures that another one holds already."""


def made(board: Board, of: State, model: Mapping[str, Any], link: str) -> str:
    """The report as HTML.

    Args:
        board: The page as it was drawn.
        of: What was set on it.
        model: What is known of the model.
        link: The address that reopens it; may be empty.
    """
    from attnlab_core.report import made_now

    when = made_now()
    head = html_report.Head(
        board.title,
        facts=facts(of, model),
        link=link,
        notes={name: [line for line in lines if line] for name, lines in board.notes.items()},
        versions={"AttentionLab": citing.__version__, **when["versions"]},
        made=when["made"],
        cite=[citing.text(), *(f"{name}: {source}" for name, source in board.cited.items() if source)],
        bibtex=citing.bibtex(),
    )
    parts = [
        html_report.Part(
            one.title, one.text, one.body, () if one.body else one.charts, one.frame, one.caption
        )
        for one in board.figures.values()
        if one.name not in AGAIN
    ]
    return html_report.page(head, parts)


def facts(of: State, model: Mapping[str, Any]) -> dict[str, str]:
    """What was asked, in words."""
    which = [
        of.model,
        *(f"{part} {str(model[part])[:16]}" for part in ("revision", "digest") if model.get(part)),
    ]
    said = {
        "Model": ", ".join(which) if of.model else "",
        "Text": of.text,
        "Second text": of.second,
        "Explained": of.target,
        "Rather than": of.rather,
        "Methods": ", ".join(of.methods),
    }
    for number, card in enumerate(of.edits, 1):
        edit = card["edit"] if isinstance(card.get("edit"), dict) else card
        off = "" if card.get("on", True) else " (switched off)"
        said[f"Edit {number}"] = (
            f"{sentences.of_edit(edit)}{off}\n{_short(json.dumps(edit, ensure_ascii=False))}"
        )
    return {name: value for name, value in said.items() if value}


def _short(text: str) -> str:
    return text if len(text) <= 2000 else f"{text[:2000]}… ({len(text):,} letters; the session file has all)"
