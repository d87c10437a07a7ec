"""The tour: offered once, never in the way, each step a page in a prepared state."""

from __future__ import annotations

import pytest

from tests.test_pages import backend, labs, visit

__all__ = ["backend", "labs"]
pytestmark = pytest.mark.pages


def links(at) -> dict[str, object]:
    return {
        link.proto.label: link.proto
        for link in at.main.get("page_link")
        if "tour=" in link.proto.query_string
    }


def told(at) -> str:
    return "\n".join(one.value for one in at.main.markdown)


def test_a_first_visit_is_offered_the_tour_beside_the_finding(backend):
    at = visit("start", backend)
    assert "New here?" in told(at)
    assert "Begin: Turn a word up" in links(at)
    assert any("al-verdict" in str(one.proto.body) for one in at.get("html"))


def test_every_other_page_says_nothing_of_it(backend):
    assert "Tour" not in told(visit("compare", backend))


def test_skipped_is_skipped_also_by_its_address(backend):
    at = visit("start", backend)
    at.button(key="tour.leave").click().run()
    assert "New here?" not in told(at)
    assert at.query_params["tour"] == "off"
    assert "New here?" not in told(visit("start", backend, tour="off"))


def test_skipped_is_told_to_the_browser(backend):
    from pages.ui import tour

    at = visit("start", backend)
    assert not at.get("bidi_component")
    at.button(key="tour.leave").click().run()
    (told_to,) = at.get("bidi_component")
    assert tour.SAID in str(told_to.proto)


def test_who_skipped_it_lately_is_not_offered_it_but_has_its_links(backend, monkeypatch):
    from types import SimpleNamespace

    from pages.ui import tour

    def cookies(said: str) -> None:
        context = SimpleNamespace(
            cookies={tour.COOKIE: said}, theme=SimpleNamespace(type="light"), url="http://127.0.0.1/"
        )
        monkeypatch.setattr("streamlit.context", context)

    cookies(tour.OFF)
    assert "New here?" not in told(visit("start", backend))
    at = visit("start", backend, tour="1")
    assert "Tour, 1 of 7." in told(at)
    at.query_params.clear()
    at.run()
    assert "You have seen 1 of 7" in told(at)
    cookies("on")
    assert "New here?" in told(visit("start", backend))


@pytest.mark.parametrize("number", range(1, 8))
def test_every_step_opens_in_its_state_and_leads_on(number, backend):
    from pages.ui import tour

    step = tour.STEPS[number - 1]
    at = visit(step.page, backend, tour=str(number), **step.query)
    assert f"Tour, {number} of 7." in told(at)
    assert step.look in told(at)
    assert not at.error
    found = links(at)
    if number < len(tour.STEPS):
        (link,) = found.values()
        assert link.page.strip("/").endswith(tour.STEPS[number].page)
        assert f"tour={number + 1}" in link.query_string
    else:
        assert not found
    at.button(key="tour.leave").click().run()
    assert "Tour," not in told(at)


def test_what_was_seen_is_kept_for_the_visit(backend):
    at = visit("start", backend, tour="1")
    at.query_params.clear()
    at.run()
    assert "You have seen 1 of 7" in told(at)
    assert "Go on: Compare explanations" in links(at)


@pytest.mark.parametrize("nonsense", ["0", "8", "-1", "x", "１", "9" * 400, "²"])
def test_a_step_that_is_none_is_no_step(nonsense, backend):
    assert "Tour," not in told(visit("compare", backend, tour=nonsense))


def test_the_edit_of_the_tour_is_on_the_stack(backend):
    from pages.ui import tour

    at = visit("manipulate", backend, tour="4", **tour.STEPS[3].query)
    assert len(at.session_state["_stack"]) == 1


def test_a_shared_link_leaves_the_tour_out(backend):
    from pages.ui import shown

    assert "tour" in shown.PACKED
