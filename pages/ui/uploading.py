"""A model brought as files: dropped on the page, checked, kept, listed and deleted by whoever brought it."""

from __future__ import annotations

import hashlib
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core import uploads
from attnlab_core.errors import AttentionLabError
from pages.ui import settings, shell, state, widgets
from pages.ui.bringing import numbers, size

if TYPE_CHECKING:
    from attnlab_core.uploads import Upload

COOKIE = "_streamlit_xsrf"
NEEDED = (
    "config.json, tokenizer.json and model.safetensors, or its shards with model.safetensors.index.json, as `save_pretrained` writes "
    "them; or one .zip of the files themselves. Nothing in them is run; files that can hold code are refused."
)


def owner() -> str:
    """Who may list and delete an upload: this browser until it is closed, or this visit where it takes no cookies."""
    parts = str(st.context.cookies.get(COOKIE, "")).strip("\"'").split("|")
    try:  # the cookie holds a random number of the browser's own, masked anew in each answer
        mask, masked = bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
        token = bytes(byte ^ mask[k % len(mask)] for k, byte in enumerate(masked)).hex()
    except (IndexError, ValueError, ZeroDivisionError):
        state.begin("_owner", secrets.token_hex(16))
        token = state.get("_owner")
    return hashlib.sha256(f"attentionlab {token}".encode()).hexdigest()[:32]


def mine() -> list[Upload]:
    """This visitor's uploads, the newest first."""
    return uploads.mine(owner())


def limits() -> uploads.Limits:
    """How much this server takes and keeps."""
    bounds = settings.read()
    served = int(st.get_option("server.maxUploadSize")) * 2**20  # of one file; more does not come through
    return uploads.Limits(
        min(bounds.upload_bytes, served), kept=bounds.uploads, kept_bytes=bounds.uploads_bytes
    )


def box() -> None:
    """The field to drop files on."""
    turn, most = state.get("_upload_turn", 0), limits()
    files = st.file_uploader(
        "Files of a model, or one .zip", key=f"files.{turn}", accept_multiple_files=True,
        type=["json", "safetensors", "txt", "zip"], max_upload_size=max(1, most.bytes // 2**20), help=NEEDED,
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.text_input("What to call it", key=f"label.{turn}", max_chars=60, width=300)
        pressed = st.button("Check and keep", disabled=not files, icon=":material/upload:", key="keep")
    if pressed and files:
        take([(file.name, file) for file in files], label)
    said = state.get("_upload_said")
    if said:
        widgets.say(*said)


def take(files: list[tuple[str, uploads.IO[bytes]]], label: str) -> None:
    """Check and keep what was dropped, and say what came of it."""
    named = label or next((name.removesuffix(".zip") for name, _ in files if name.endswith(".zip")), "")
    try:
        with st.spinner("Checking the files …"):
            got = uploads.receive(files, owner(), named, limits())
    except AttentionLabError as error:
        state.put("_upload_said", ("error", widgets.told(error)))
        return
    except OSError as error:
        state.put(
            "_upload_said",
            (
                "error",
                f"The files could not be kept: {error.strerror or error}. Free some room and try again.",
            ),
        )
        return
    left = f" Not needed and not kept: {', '.join(got.left_out[:8])}." if got.left_out else ""
    state.put(
        "_upload_said",
        (
            "info",
            f"Kept as {got.upload.name}: {got.upload.label}, {numbers(got.upload.parameters)} parameters.{left}",
        ),
    )
    state.put("_upload_turn", state.get("_upload_turn", 0) + 1)  # the field lets go of the files
    st.rerun()


def shelf() -> None:
    """What this visitor brought: open it, or delete it."""
    kept = mine()
    if not kept:
        return
    bounds = limits()
    widgets.small(
        f"Yours until this browser is closed. A link to one works for whoever has it. The server keeps {bounds.kept} uploads and "
        f"{size(bounds.kept_bytes)} in all; beyond that the oldest goes."
    )
    for one in kept:
        with st.container(border=True, key=f"kept-{one.key}"):
            st.markdown(
                f"**{widgets.plain(one.label)}**: {widgets.plain(one.model_type)}, {numbers(one.parameters)} parameters, "
                f"{size(one.bytes)}, brought {time.strftime('%Y-%m-%d %H:%M', time.localtime(one.made))}"
            )
            with st.container(horizontal=True, vertical_alignment="center"):
                st.page_link(
                    shell.page("manipulate"),
                    label="Open",
                    icon=":material/tune:",
                    query_params={"model": one.name},
                )
                st.code(one.name, language=None)
                st.button(
                    "Delete",
                    on_click=partial(_delete, one.key),
                    icon=":material/delete:",
                    key=f"delete.{one.key}",
                )


def _delete(key: str) -> None:
    try:
        uploads.delete(key, owner())
        state.put("_upload_said", None)
    except AttentionLabError as error:
        state.put("_upload_said", ("error", widgets.told(error)))
