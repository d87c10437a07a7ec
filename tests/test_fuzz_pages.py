"""Whatever is typed on a page or stands in its address: no exception is shown, and what was typed stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as draw

from tests.fuzz import JSON, TEXTS, edits, hold
from tests.test_pages import backend, labs, settle, visit

__all__ = ["backend", "labs"]
pytestmark = pytest.mark.pages

SEEN = ["start", "compare", "manipulate", "heads", "graph"]


def looks(pages: Sequence[str]) -> list[Any]:
    """Page and number of inputs: a few on the first one, many on all where there is time."""
    return [(pages[0], 3), *(pytest.param(page, 25, marks=pytest.mark.slow) for page in pages)]


@pytest.mark.parametrize(("page", "count"), looks(SEEN))
def test_any_text_typed_on_a_page_stays_and_shows_no_exception(page, count, backend):
    at = visit(page, backend)

    def check(text: str) -> None:
        text = text.encode("utf-8", "ignore").decode().replace("\r", "")[:20_000]  # what a browser can send
        box = (at.text_input if page == "start" else at.text_area)(key="text")
        settle(box.set_value(text).run())
        assert not at.exception
        assert (at.text_input if page == "start" else at.text_area)(key="text").value == text

    hold(check, count, TEXTS)


CHOICES = [
    "by",
    "of",
    "measure",
    "how",
    "unit",
    "helps",
    "whose",
    "scale",
    "view",
    "copies",
    "part",
    "edges",
    "values",
]
"""Parameters of controls of which one option is always chosen."""


@pytest.mark.parametrize(
    "page",
    [
        "compare",
        *(
            pytest.param(page, marks=pytest.mark.slow)
            for page in (
                "start", "manipulate", "heads", "graph", "side_by_side", "next_tokens", "images", "redundancy", "experiments", "leaderboard",
            )
        ),
    ],
)  # fmt: skip
def test_an_address_that_chooses_nothing_opens_a_page(page, backend):
    if page == "images":
        backend().lab("shapes-vit").result(60)
    at = visit(page, backend, **dict.fromkeys(CHOICES, ""))
    controls = [one for one in at.get("button_group") if one.proto.click_mode == 0 and one.key in CHOICES]
    assert all(one.value for one in controls)
    if page in ("compare", "heads", "graph", "images"):
        assert controls


@pytest.mark.parametrize(("page", "count"), looks([*SEEN, "experiments", "models", "leaderboard"]))
def test_any_address_opens_a_page(page, count, backend):
    """Parameters that are damaged, huge or of another page: no exception, and the text of the address is in the box."""
    from pages.ui import links

    keys = draw.sampled_from(
        [
            "e",
            "k",
            "w",
            "x",
            "layer",
            "head",
            "m",
            "by",
            "target",
            "rather",
            "edges",
            "view",
            "tour",
            "session",
            "second",
            "runs",
            "round",
            "track",
            "split",
            "row",
        ]
    )
    packed = (JSON | edits() | draw.lists(edits(), max_size=3)).map(
        lambda said: links.pack(json.loads(json.dumps(said).replace("\\ud", "x")))
    )
    values = draw.one_of(
        packed,
        draw.text(max_size=40),
        draw.sampled_from(["-1", "99999999999999999999", "nan", "1", "true", "nothing"]),
    )

    def check(said: dict[str, str]) -> None:
        clean = {key: value.encode("utf-8", "ignore").decode() for key, value in said.items()}
        at = visit(page, backend, text="Nothing to dislike.", **clean)
        if page not in ("experiments", "models", "leaderboard"):
            assert (at.text_input if page == "start" else at.text_area)(
                key="text"
            ).value == "Nothing to dislike."

    hold(check, count, draw.dictionaries(keys, values, max_size=6))
