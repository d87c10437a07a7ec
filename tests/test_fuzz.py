"""Whatever is typed, pasted or linked: a result, or one line that says what is wrong. Never a traceback."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as draw

from tests.fuzz import JSON, MANY, SCALARS, TEXTS, edits, hold, quietly, sound
from tests.test_pages import labs

__all__ = ["labs"]


@pytest.mark.parametrize("count", MANY)
@pytest.mark.parametrize("task", ["classification", "masked", "causal", "answering"])
def test_any_text_is_read_or_refused(task, count, labs):
    from attnlab_core import Prompt

    lab = labs(task)

    def check(text: str, second: str | None) -> None:
        prompt = quietly(lambda: lab.fit(Prompt(text, second)))
        run = None if prompt is None else quietly(lambda: lab.run(prompt[0]))
        if run is not None:
            sound(run)

    hold(check, count, TEXTS, draw.none() | TEXTS if task != "answering" else TEXTS)


@pytest.mark.parametrize("count", MANY)
def test_any_text_is_explained_word_by_word(count, lab):
    from attnlab_core import attribute

    def check(text: str, method: str) -> None:
        fitting = quietly(lambda: lab.fit(text))
        run = None if fitting is None else quietly(lambda: lab.run(fitting[0]))
        found = None if run is None else quietly(lambda: attribute(run, method))
        if found is not None:
            assert len(found.scores) == len(run.tokens)
            for by in ("token", "word"):
                assert len(found.to_frame(by=by))

    hold(
        check,
        count // 2,
        TEXTS,
        draw.sampled_from(["raw_attention", "attention_rollout", "input_x_gradient"]),
    )


@pytest.mark.parametrize("count", MANY)
def test_any_edit_acts_or_is_refused(count, lab):
    from attnlab_core.edits import edit_from_json

    def check(said: Any) -> None:
        edit = quietly(lambda: edit_from_json(said))
        if edit is None:
            return
        json.dumps(edit.to_json())
        assert edit_from_json(edit.to_json()) == edit
        run = quietly(lambda: lab.run("There is nothing to dislike here.", (edit,)))
        if run is not None:
            sound(run, edit.rescales)

    hold(check, count, edits())


@pytest.mark.parametrize("count", MANY)
def test_any_stack_of_a_file_is_taken_or_refused(count):
    from pages.ui import stack

    def check(said: Any, raw: bytes, wrap: bool) -> None:
        quietly(lambda: stack.unpack({"edits": said} if wrap else said))
        quietly(lambda: stack.read_file(raw))
        quietly(
            lambda: stack.read_file(json.dumps({"edits": said}, default=str).encode("utf-8", "surrogatepass"))
        )

    hold(check, count, draw.lists(edits(), max_size=4) | JSON, draw.binary(max_size=60), draw.booleans())


@pytest.mark.parametrize("count", MANY)
def test_any_link_is_opened_or_passed_over(count):
    from pages.ui import links, stack

    def check(said: Any, noise: str, at: int, letter: str) -> None:
        links.unpack(noise)
        try:
            packed = links.pack(said)
        except UnicodeEncodeError:
            assume(False)
        assert json.dumps(links.unpack(packed)) == json.dumps(json.loads(json.dumps(said)))
        spot = at % max(len(packed), 1)
        for bent in (
            packed[:spot] + letter + packed[spot + 1 :],
            packed[:spot],
            packed + packed,
            packed[::-1],
        ):
            found = links.unpack(bent)
            if found is not None:
                quietly(lambda found=found: stack.unpack(found))

    hold(
        check, count, JSON | edits(), draw.text(max_size=80) | TEXTS, draw.integers(0, 500), draw.characters()
    )


def test_a_link_that_unfolds_without_end_is_passed_over():
    import base64
    import zlib

    from pages.ui import links

    def packed(text: str) -> str:
        return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")

    assert links.unpack(packed("[" * 100_000)) is None
    assert links.unpack(packed('"' + "a" * 50_000_000 + '"')) is None
    assert links.unpack(packed("[" * 20_000 + "]" * 20_000)) is None


@pytest.mark.parametrize("count", MANY)
def test_any_session_file_is_opened_or_refused(count):
    from attnlab_core import session

    whole = json.loads(
        session.Session(
            "compare", (session.State("compare", text="A film.", edits=({"op": "scale", "factor": 2.0},)),)
        ).to_text()
    )

    def check(raw: bytes, value: Any, path: list[int], drop: bool) -> None:
        quietly(lambda: session.read(raw))
        bent = copy.deepcopy(whole)
        place: Any = bent
        for step in path[:-1]:
            keys = (
                list(place)
                if isinstance(place, dict)
                else range(len(place))
                if isinstance(place, list)
                else []
            )
            inner = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
            if inner:
                place = place[inner[step % len(inner)]]
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[path[-1] % len(keys)]
        if drop:
            del place[key]
        else:
            place[key] = value
        quietly(lambda: session.read(json.dumps(bent)))

    hold(
        check,
        count,
        draw.binary(max_size=80),
        JSON,
        draw.lists(draw.integers(0, 9), min_size=1, max_size=4),
        draw.booleans(),
    )


@pytest.mark.parametrize("count", MANY)
def test_whatever_a_browser_sends_is_a_view_or_nothing(count):
    """The messages of the canvases: heads, graph, painter."""
    from pages.ui import heads, painter

    names = draw.sampled_from(
        ["layer", "head", "merge", "view", "block", "side", "least", "specials", "first", "rescale"]
    )

    def check(said: dict[str, Any], cell: Any) -> None:
        view = heads.taken(said, 6, 12)
        assert 0 <= view.layer < 6
        assert 0 <= view.head < 12
        heads.in_address(view)
        found = painter._checked(cell, (0, 3, 5))
        assert found is None or (found[0] in (0, 3, 5) and found[1] in (0, 3, 5) and 0 <= found[2] <= 1)

    hold(
        check,
        count,
        draw.dictionaries(names, JSON, max_size=6),
        JSON | draw.lists(SCALARS, min_size=3, max_size=3),
    )
