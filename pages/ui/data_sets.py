"""The data set of an experiment: one that needs no network, a public one, or a table of the visitor's own."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import folders
from attnlab_core.errors import AttentionLabError
from pages.ui import knobs, widgets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

MINE = "A table of my own …"
PUBLIC = {
    "sst2": "SST-2",
    "squad": "SQuAD",
    "wikitext2": "WikiText-2",
    "hotpotqa": "HotpotQA",
    "winobias": "WinoBias",
}
NUMBERS = frozenset({"singular", "plural"})
MOST_BYTES = 20
SEEN = 3
"""Pictures that are shown of a data set."""
SIDE = 108
"""Pixels that one of them is wide."""


def ask(lab: Lab, kind: str) -> tuple[dict[str, Any] | None, str | None]:
    """The boxes: the task as JSON, None while there is none; and where its data are.

    Args:
        lab: Who is to answer. A model of pictures is offered data of pictures, and one of text those of text.
        kind: What is measured; each keeps its own choice.
    """
    own, public = _suites(lab), _public(lab)
    names = {**own, **public} if lab.pictures else {**own, **public, MINE: MINE}
    if not names:
        widgets.say("info", f"No data set here asks what {lab.name} answers. Choose another model.")
        return None, None
    of = f"{lab.task}.pictures" if lab.pictures else lab.task
    chosen = st.selectbox(
        "Data", list(names), format_func=names.__getitem__, key=f"data.{of}.{kind}", bind="query-params"
    )
    if chosen == MINE:
        return _mine()
    if chosen in own:
        return _made(chosen)
    where = st.text_input(
        "Where it is", key="where", placeholder="left empty: fetched from the Hub", bind="query-params",
        help="A file or folder on this server, or nothing: then it is fetched from the Hugging Face Hub by its usual id.",
    )  # fmt: skip
    return {"task": chosen}, (where.strip() or None)


def _public(lab: Lab) -> dict[str, str]:
    """The public data sets that a model can answer."""
    from attnlab_core.tasks import tasks

    known = tasks()
    return {
        name: title
        for name, title in PUBLIC.items()
        if lab.task in known[name].asks and known[name].pictures == lab.pictures
    }


def _suites(lab: Lab) -> dict[str, str]:
    """The suites that a model can answer, none of which needs the network."""
    from attnlab_core.knobs import title
    from attnlab_core.shapes import KINDS
    from attnlab_core.tasks import tasks
    from case_studies._suites import SUITES

    labels = {label.lower() for label in lab.labels}

    def fits(asks: tuple[str, ...], wanted: frozenset[str], pictures: bool = False) -> bool:
        named = lab.task != "classification" or wanted <= labels
        return lab.task in asks and named and pictures == lab.pictures

    found = {
        name: f"{one.title} (made by the study)"
        for name, one in SUITES.items()
        if fits((one.asks,), one.labels)
    }
    known, wanted = tasks(), {"shapes": frozenset(KINDS)}
    if fits(known["agreement"].asks, NUMBERS):
        found["agreement"] = "Agreement of verbs (made up)"
    for name, task in known.items():
        if task.pictures and fits(task.asks, wanted.get(name, frozenset()), pictures=True):
            found[name] = f"{title(task)} (made up)"
    return found


def _made(name: str) -> tuple[dict[str, Any], str | None]:
    """A suite as a task and its file; pictures are drawn as a few boxes say."""
    from attnlab_core.tasks import tasks

    if name in tasks():
        task = tasks()[name]
        if not task.pictures:
            return {"task": name}, None
        with st.container(horizontal=True):
            said = knobs.knobs_of(
                task, f"drawn.{name}", ("count",), bind="query-params", persist_state=None, width=140
            )
        return {"task": name, **said}, None
    from case_studies._suites import to_file

    file = _folder() / f"{name}.csv"
    if not file.exists():
        to_file(name, file)
    return {"task": "custom"}, str(file)


def _mine() -> tuple[dict[str, Any] | None, str | None]:
    """A visitor's own table."""
    upload = st.file_uploader(
        "CSV, TSV or JSON lines", ["csv", "tsv", "jsonl"], key="table", max_upload_size=MOST_BYTES,
        help="Columns: text, label, and where you like second (the context of a question), rationale (marked words), wrong, kind.",
    )  # fmt: skip
    if upload is None:
        return None, None
    raw = upload.getvalue()
    file = _folder() / f"{hashlib.sha256(raw).hexdigest()[:12]}{Path(upload.name).suffix}"
    if not file.exists():
        file.write_bytes(raw)
    return {"task": "custom"}, str(file)


def _folder() -> Path:
    base = folders.cache() / "tables"
    base.mkdir(parents=True, exist_ok=True)
    return base


def enough(task: dict[str, Any], rows: int) -> dict[str, Any]:
    """The task with as many pictures drawn as rows are asked for, where that is more than it draws by itself."""
    from attnlab_core.knobs import knobs as known
    from attnlab_core.tasks import tasks

    kind = tasks()[task["task"]]
    count = next((knob for knob in known(kind) if kind.pictures and knob.name == "count"), None)
    if count is None or rows <= count.default:
        return task
    return {**task, "count": int(min(rows, count.high or rows))}


def look(task: Mapping[str, Any], seed: int) -> None:
    """A few rows of a data set of pictures, with what is right where it is a text; nothing for a data set of texts.

    They are the first that are measured, where no more pictures are drawn than by default.
    """
    from attnlab_core.tasks import tasks

    if not tasks()[task["task"]].pictures:
        return
    try:
        rows = _first(json.dumps(task), seed)
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        return
    widgets.small("Rows such as these:")
    with st.container(horizontal=True, gap="small"):
        for row in rows:
            with st.container(width=SIDE, gap=None):
                if row.prompt.image is not None:
                    st.image(row.prompt.image.image, width=SIDE, alt=f"The picture of row {row.id}")
                widgets.small(row.id)
                widgets.small(f"“{row.gold[0]}”" if row.prompt.text else row.kind.replace("/", ", "))


@lru_cache(maxsize=16)
def _first(task: str, seed: int) -> tuple[Row, ...]:
    """The rows that fewer and more of them begin with."""
    from attnlab_core.tasks import task_from_json

    return tuple(task_from_json(task).rows(limit=SEEN, seed=seed))
