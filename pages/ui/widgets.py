"""Small things that every page uses: notices, words to choose from, downloads, links."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import shown, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import altair as alt
    import pandas as pd

    from attnlab_core.prompt import Encoding, Word

T = TypeVar("T")

MOST_LETTERS = 20_000
MOST_PILLS = 60
_NAMED = re.compile(r":(?=//|[\w+-]+/?\w*:)")
"""The colon of an address, an icon or an emoji, which Streamlit looks for in what Markdown left."""
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]()#+-.!|<>$:~^=&"})


def plain(text: str) -> str:
    """A text for places where Streamlit reads Markdown: shown letter by letter, on one line."""
    return _NAMED.sub(":\u2060", " ".join(text.split())).translate(_MARKDOWN)


def say(kind: str, text: str) -> None:
    """One line of `error`, `warning` or `info`, shown as it stands."""
    icons = {"error": ":material/error:", "warning": ":material/warning:", "info": ":material/info:"}
    getattr(st, kind)(plain(text), icon=icons[kind])


def small(text: str) -> None:
    """Small print, as it stands; darker than Streamlit's own, which is hard to read."""
    from attnlab_core import charts

    red, green, blue = charts.palette(state.dark()).muted
    st.html(f"<p style='font-size:.88rem;margin:0;color:rgb({red},{green},{blue})'>{html.escape(text)}</p>")


def told(error: BaseException) -> str:
    """What a person is told of an error: our own texts as they are, others with their kind."""
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, AttentionLabError) else f"{type(error).__name__}: {first}"


def unique(texts: Sequence[str]) -> list[str]:
    """The words with a number where one occurs more than once: a word is a place."""
    seen: dict[str, int] = {}
    labels = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        labels.append(f"{text} ({seen[text]})" if texts.count(text) > 1 else text)
    return labels


def places(encoding: Encoding, words: Sequence[Word]) -> tuple[int | str, ...]:
    """Words as an edit names them: by their text where that means just this place, else by position."""
    named: list[int | str] = []
    for word in words:
        try:
            alone = encoding.find(word.text) == word.positions
        except AttentionLabError:  # punctuation that find does not take for a word
            alone = False
        named.extend([word.text] if alone else word.positions)
    return tuple(named)


def words_box(
    label: str, texts: Sequence[str], key: str, default: Sequence[str] = (), bound: bool = True
) -> list[int]:
    """Words to click on, or of a long text to search among; the numbers of those that are chosen.

    Where it is `bound`, they are in the address, too.
    """
    bind: Any = "query-params" if bound else None
    labels = unique(texts)
    start = [text for text in default if text in labels]
    if len(labels) > MOST_PILLS:
        found = st.multiselect(label, labels, start, key=f"{key}s", bind=bind, placeholder="Search a word")
        return sorted(labels.index(text) for text in found)
    shown = {plain(text): number for number, text in enumerate(labels)}
    rtl = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in texts[0])
    with st.container(key=f"rtl-{key}" if rtl else None):
        chosen = st.pills(
            label, list(shown), selection_mode="multi", default=[plain(text) for text in start], key=key,
            bind=bind, wrap=True,
        )  # fmt: skip
    return sorted(shown[text] for text in chosen)


def set_words(texts: Sequence[str], key: str, numbers: Sequence[int]) -> None:
    """Choose words in a `words_box` that is yet to be drawn."""
    labels = unique(texts)
    state.put(key, [plain(labels[number]) for number in numbers] if len(labels) <= MOST_PILLS else [])
    state.put(f"{key}s", [labels[number] for number in numbers] if len(labels) > MOST_PILLS else [])


def one_of(label: str, options: Sequence[T], key: str, default: T, bound: bool = True, **more: Any) -> T:
    """A control of which one option is always chosen; in the address, if `bound`.

    An address that says none of them, as `?by=`, leaves none chosen at first; what is chosen then is the default.
    """
    if state.get(key, default) is None:
        state.put(key, default)
    found = st.segmented_control(
        label,
        options,
        default=default,
        required=True,
        key=key,
        bind="query-params" if bound else None,
        **more,
    )
    if found is None:
        st.rerun()
    return found


def pick(label: str, options: Sequence[str], key: str, start: int, **more: Any) -> int:
    """A box of options, which are different and may change from text to text; the number of the one that is chosen."""
    if state.get(key) is not None and state.get(key) not in options:
        state.put(key, options[start])
    found = st.selectbox(label, list(options), start, key=key, bind="query-params", width=190, **more)
    return list(options).index(found)


def downloads(
    name: str,
    chart: Callable[[], alt.TopLevelMixin],
    frame: pd.DataFrame,
    document: Callable[[], dict[str, Any]],
) -> None:
    """A menu with the figure as SVG and PNG and its numbers as CSV and JSON; nothing is made before it is asked for."""
    from attnlab_core import charts

    shown.figure(name, charts=(chart,), document=document)
    shown.numbers(name, frame)

    def as_json() -> str:
        return json.dumps(document(), ensure_ascii=False, indent=1, default=str)

    files: list[tuple[str, str, Callable[[], Any]]] = [
        ("SVG", "image/svg+xml", lambda: charts.svg(chart())),
        ("PNG", "image/png", lambda: charts.png(chart())),
        ("CSV", "text/csv", lambda: frame.to_csv(index=False).encode("utf-8-sig")),
        ("JSON", "application/json", as_json),
    ]
    with st.popover("Download", icon=":material/download:", key=f"get.{name}"):
        for kind, mime, make in files:
            st.download_button(
                kind, make, f"attentionlab-{name}.{kind.lower()}", mime, on_click="ignore", key=f"get.{name}.{kind}",
                width="stretch",
            )  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], label: str) -> None:
    """A table of texts; it scrolls within its own box."""
    from attnlab_core import charts

    line = "rgb({},{},{})".format(*charts.palette(state.dark()).line)
    cell = f"style='padding:.3rem .7rem .3rem 0;text-align:left;border-bottom:1px solid {line}'"
    top = "".join(f"<th scope='col' {cell}>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td {cell}><bdi>{html.escape(str(value))}</bdi></td>" for value in row) + "</tr>"
        for row in rows
    )
    st.html(
        f"<div role='region' tabindex='0' aria-label='{html.escape(label)}' style='overflow-x:auto'>"
        "<table style='border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap;font-size:.92rem'>"
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )
