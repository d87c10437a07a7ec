"""The form of a submission: its schema as it is published, its bounds, and a document of that form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attnlab_core.rounds._round import TRACKS

if TYPE_CHECKING:
    from attnlab_core.rounds._round import Round

SCHEMA = 1
NAME = "attentionlab.submission"
MOST_EDITS = 20
"""In one list."""
MOST_EDIT_LETTERS = 200_000
"""Of one list of edits as JSON."""
MOST_SCORE = 1e6
FEWEST_OWN, MOST_OWN = 20, 500
"""Sentences that a claim may bring along."""
COMMON = ("schema", "schema_version", "round", "track", "title", "report")
CONTENT = {"explain": ("scores",), "edit": ("edits",), "discover": ("claim",)}


def _list(items: Any, most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


_EDITS = _list({"type": "object", "required": ["op"]}, MOST_EDITS)
_TEXT = {"type": "string", "minLength": 1, "maxLength": 4000}
_OWN = {
    "type": "object",
    "properties": {"text": _TEXT, "second": _TEXT, "label": _TEXT, "wrong": _TEXT},
    "required": ["text", "label"],
    "additionalProperties": False,
}
CLAIM = {
    "type": "object",
    "properties": {
        "suite": {"type": "string", "maxLength": 60},
        "kinds": _list({"type": "string", "maxLength": 120}, 40),
        "sentences": _list(_OWN, MOST_OWN, FEWEST_OWN),
        "edits": _EDITS,
        "control": _EDITS,
        "direction": {"enum": ["up", "down"]},
        "size": {"type": "number", "minimum": 0, "maximum": 100},
    },
    "required": ["edits", "control", "direction", "size"],
    "oneOf": [{"required": ["suite"]}, {"required": ["sentences"]}],
    "additionalProperties": False,
}
PARTS: dict[str, Any] = {
    "schema": {"const": NAME},
    "schema_version": {"const": SCHEMA},
    "round": {"type": "string", "maxLength": 48},
    "track": {"enum": list(TRACKS)},
    "title": {"type": "string", "minLength": 1, "maxLength": 120},
    "report": {"type": "string", "maxLength": 4000},
    "scores": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
    "edits": {"anyOf": [_EDITS, {"type": "object", "additionalProperties": _EDITS}]},
    "claim": CLAIM,
}
DOCUMENT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A submission to a round of AttentionLab's shared task",
    "type": "object",
    "properties": PARTS,
    "required": ["schema", "schema_version", "round", "track", "title"],
    "additionalProperties": False,
    "allOf": [
        {
            "if": {"properties": {"track": {"const": track}}},
            "then": {
                "required": list(parts),
                "properties": {
                    other: False for one, rest in CONTENT.items() if one != track for other in rest
                },
            },
        }
        for track, parts in CONTENT.items()
    ],
}
"""The schema as it is published; `rounds.read` checks the same, and more, in better words."""


def template(
    round_: Round, track: str, content: Mapping[str, Any], title: str, report: str = ""
) -> dict[str, Any]:
    """A document with some content, ready to be written."""
    head = {"schema": NAME, "schema_version": SCHEMA, "round": round_.name, "track": track}
    return head | {"title": title, "report": report} | dict(content)
