"""A session as one JSON document: the pages that were visited with what was set on each, and what was computed.

A file from elsewhere is read by a schema with limits. Nothing in it is run, and nothing is loaded because of it: it holds
names and settings, which whoever opens it may use or not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from attnlab_core import __version__
from attnlab_core.errors import BadInput
from attnlab_core.report import made_now

NAME = "attentionlab.session"
SCHEMA = 1
"""Grows by one when a field changes its meaning."""
MOST_BYTES = 2 * 2**20
"""Of a file, in both directions."""
MOST_TEXT = 20_000
_TEXT = {"type": "string", "maxLength": MOST_TEXT}
_SHORT = {"type": "string", "maxLength": 500}
_WORD = {"type": "string", "pattern": r"^[A-Za-z0-9_.]{1,80}\Z"}
_ANY = {"type": "object", "maxProperties": 100}
_PLAIN = {"type": ["string", "number", "boolean", "null"], "maxLength": 500}


def _closed(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def _some(items: Any, most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": items}


def _named(values: Any, most: int) -> dict[str, Any]:
    return {
        "type": "object", "maxProperties": most, "propertyNames": _WORD, "additionalProperties": values,
    }  # fmt: skip


STATE = _closed(
    ("page",),
    page=_WORD,
    model=_SHORT,
    text=_TEXT,
    second=_TEXT,
    methods=_some(_SHORT, 50),
    target=_SHORT,
    rather=_SHORT,
    edits=_some(_ANY, 50),
    knobs=_named(_named(_PLAIN, 50), 50),
    options=_named(_some(_TEXT, 200), 60),
)
DOCUMENT = _closed(
    ("schema", "schema_version", "page", "pages"),
    schema={"const": NAME},
    schema_version={"type": "integer", "minimum": 1},
    app_version=_SHORT,
    made=_SHORT,
    versions=_named(_SHORT, 20),
    page=_WORD,
    pages=_some(STATE, 30) | {"minItems": 1},
    shown=_some(_closed(("page", "name", "record"), page=_WORD, name=_WORD, record={"type": "object"}), 40),
    left_out=_some(_SHORT, 40),
)


@dataclass(frozen=True)
class State:
    """What was set on one page; what is empty was as a first visit finds it.

    Attributes:
        page: Its name.
        model: As it was typed.
        text: What was asked.
        second: The second text of a pair.
        methods: The explanations that were chosen, by their labels.
        target: What was explained.
        rather: As opposed to what.
        edits: The stack of edits as JSON, in order.
        knobs: Settings of methods that differ from the defaults: method → knob → value.
        options: Everything else, as the page's address says it.
    """

    page: str
    model: str = ""
    text: str = ""
    second: str = ""
    methods: tuple[str, ...] = ()
    target: str = ""
    rather: str = ""
    edits: tuple[Mapping[str, Any], ...] = ()
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What is not empty."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Session:
    """A visit.

    Attributes:
        page: The page that was open.
        pages: All that were visited, with their states.
        shown: What was computed on the open page: page, name and record of each figure.
        left_out: Figures whose records would have made the file too large.
        app_version: Of the software that wrote it.
        made: When.
        versions: Of the libraries.
    """

    page: str
    pages: tuple[State, ...]
    shown: tuple[Mapping[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()
    app_version: str = __version__
    made: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """The models it names, each once."""
        return tuple(dict.fromkeys(state.model for state in self.pages if state.model))

    def to_text(self) -> str:
        """The document; records that make it larger than a file may be are left out and named."""
        said = {"schema": NAME, "schema_version": SCHEMA, "app_version": self.app_version} | made_now()
        said |= {"page": self.page, "pages": [state.to_json() for state in self.pages]}
        kept, left = [], list(self.left_out)
        room = MOST_BYTES - len(_written(said).encode()) - 4096
        for one in sorted(self.shown, key=lambda one: len(_written(one))):
            size = len(_written(one).encode()) + 2
            if size <= room:
                kept.append(one)
                room -= size
            else:
                left.append(str(one["name"]))
        return _written(said | {"shown": kept, "left_out": left}) + "\n"


def _written(said: Any) -> str:
    return json.dumps(said, ensure_ascii=False, default=str)


def read(raw: bytes | str) -> Session:
    """Read a session from its file.

    Raises:
        BadInput: It is too large, no JSON, of a later version, does not fit the schema, or holds an edit that is none.
    """
    if len(raw) > MOST_BYTES:
        raise BadInput(
            f"The file has {len(raw) / 2**20:.1f} MB, and a session has {MOST_BYTES >> 20} MB at most. Choose one that was saved here."
        )
    try:
        said = json.loads(raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw)
    except (ValueError, RecursionError):
        raise BadInput("The file is no JSON text. Choose a session that was saved here.") from None
    if not isinstance(said, dict) or said.get("schema") != NAME:
        raise BadInput("The file is no session. Choose one that was saved from the menu “Share”.")
    version = said.get("schema_version")
    if isinstance(version, int) and version > SCHEMA:
        raise BadInput(
            f"The session is of version {version}, and this AttentionLab reads up to {SCHEMA}. Update it."
        )
    _fit(said)
    states = tuple(_state(one) for one in said["pages"])
    if said["page"] not in {state.page for state in states}:
        raise BadInput(
            f"The session was on the page {said['page']!r} and says nothing of it. It is not whole."
        )
    rest = {name: said[name] for name in ("app_version", "made", "versions") if name in said}
    return Session(
        said["page"], states, tuple(said.get("shown", ())), tuple(said.get("left_out", ())), **rest
    )


def _fit(said: Any) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        wrong = best_match(Draft202012Validator(DOCUMENT).iter_errors(said))
    except RecursionError:
        raise BadInput("The session is nested too deeply. Choose one that was saved here.") from None
    if wrong is not None:
        place = wrong.json_path.removeprefix("$").lstrip(".") or "its top level"
        why = " ".join(wrong.message.split())
        raise BadInput(
            f"The session does not fit at {place[:80]}: {why if len(why) <= 160 else f'…{why[-160:]}'}"
        )


def _state(said: Mapping[str, Any]) -> State:
    from attnlab_core.edits import edit_from_json

    for one in said.get("edits", ()):
        edit_from_json(one["edit"] if isinstance(one.get("edit"), dict) else one)
    plain: dict[str, Any] = {name: value for name, value in said.items() if name != "options"}
    plain |= {name: tuple(said[name]) for name in ("methods", "edits") if name in said}
    return State(**plain, options={key: tuple(values) for key, values in said.get("options", {}).items()})
