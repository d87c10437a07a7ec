"""What one found can be handed on: a link to any state of any page, a session file, a report, and how to cite."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import app
from attnlab_core import __version__, citing, html_report, session
from attnlab_core.errors import AttentionLabError
from tests import test_pages, walk

ROOT = Path(__file__).resolve().parents[1]
labs, backend, visit, shared = test_pages.labs, test_pages.backend, test_pages.visit, test_pages.shared
NASTY = test_pages.NASTY
SCALE = {"op": "scale", "factor": 3.0, "where": {"keys": ["nothing"]}}
TEXT = "There is nothing to dislike here."
NAMES = [entry.name for entry in app.PAGES]
ELSEWHERE = ("sample", "share", "share.open", "file", "corpus", "table")
"""Menus that put something into other boxes, and fields for files."""
PACKED = {
    "compare": ("k.",),
    "manipulate": ("e.", "c", "op", "op_on", "layers", "heads", "q", "painter", "heads_map"),
    "images": ("k.", "brush", "own_picture"),
    "heads": ("heads",),
    "graph": ("graph",),
    "models": ("files.", "label."),
    "experiments": ("past",),
    "leaderboard": ("board.",),
}
"""Controls whose state is in the address in another way than by the widget: settings, edits, what a canvas or a table chose."""
STATES = {
    "start": {"text": "A good story.", "w": "story", "x": "×0.5"},
    "compare": {
        "text": "A good story well told.", "m": ["AtMan", "Raw attention"], "by": "tokens", "specials": "true", "first": "false",
        "target": "positive", "rather": "negative", "k": {"atman": {"factor": 0.5}},
    },
    "manipulate": {"text": TEXT, "e": [SCALE], "layer": "0", "head": "2", "colour": "entropy", "view": "Gradient", "towards": "negative"},
    "heads": {"text": TEXT, "e": [SCALE], "layer": "1", "head": "2", "merge": "heads-max", "view": "lines", "values": "scores"},
    "graph": {"text": TEXT, "edges": "flow", "merged": "head 1", "from": "here", "to": "is", "least": "0.3"},
    "next_tokens": {"model": "tiny/causal", "text": TEXT, "how": "a draw", "tokens": "4", "heat": "1.5", "seed": "7"},
    "images": {"picture": "one heart", "view": "Brush", "less": "0.25", "more": "8.0", "lowered": "34.35", "raised": "12"},
    "experiments": {"measure": "Explanations", "rows": "12", "draw": "3", "deletion": "unk", "bench_methods": ["atman", "occlusion"]},
    "leaderboard": {"track": "Edit", "split": "Public", "row": "12"},
    "models": {"bring": "owner/name", "bring.dtype": "bf16: half the memory, 3 digits"},
}  # fmt: skip


MORE = {
    "manipulate": ({"view": "Optimise"}, {"model": "tiny/causal"}),
    "experiments": ({}, {"measure": "Evidence"}, {"measure": "Layers"}),
}
"""Further states in which a page has other controls."""


def document(**changes) -> bytes:
    state = session.State(
        "compare", "sst2", TEXT, methods=("AtMan",), edits=(SCALE,), knobs={"atman": {"factor": 0.5}}
    )
    return json.dumps(json.loads(session.Session("compare", (state,)).to_text()) | changes).encode()


class TestSessionFile:
    def test_it_is_read_as_it_was_written(self):
        states = (
            session.State(
                "heads",
                "qa",
                "who?",
                "a context",
                edits=(SCALE, {"edit": SCALE, "on": False, "name": "mine"}),
            ),
            session.State(
                "compare", options={"by": ("tokens",), "w": ("a", "b")}, target="positive", rather="negative"
            ),
        )
        written = session.Session(
            "compare", states, ({"page": "compare", "name": "answer", "record": {"p": 0.5}},)
        )
        found = session.read(written.to_text().encode())
        assert (found.page, found.pages, found.shown) == (written.page, states, written.shown)
        assert found.app_version == __version__
        assert found.models == ("qa",)

    @pytest.mark.parametrize(
        ("raw", "says"),
        [
            (b"\xff\xfe", "no JSON"),
            (b"[" * 100_000, "no JSON"),
            (b"[]", "no session"),
            (b'{"schema": "attentionlab.edits"}', "no session"),
            (b" " * (session.MOST_BYTES + 1), "at most"),
            (document(schema_version=session.SCHEMA + 1), "Update"),
            (document(schema_version="1"), "schema_version"),
            (document(run="rm -rf"), "'run' was unexpected"),
            (document(pages=[]), "pages"),
            (document(pages=[{"page": "compare"}] * 31), "pages"),
            (document(pages=[{"page": "compare", "evil": 1}]), "'evil' was unexpected"),
            (document(pages=[{"page": "../x"}]), "pages[0].page"),
            (document(pages=[{"page": "compare", "text": "a" * 20_001}]), "pages[0].text"),
            (document(pages=[{"page": "compare", "edits": [{"op": "scale"}] * 51}]), "edits"),
            (document(pages=[{"page": "compare", "edits": [{"op": "exec"}]}]), "no edit called"),
            (document(pages=[{"page": "compare", "options": {"a": "b"}}]), "options"),
            (document(pages=[{"page": "compare", "knobs": {"atman": {"factor": [1]}}}]), "knobs"),
            (document(page="heads"), "not whole"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused_in_one_line(self, raw, says):
        with pytest.raises(AttentionLabError, match=re.escape(says)) as told:
            session.read(raw)
        assert "\n" not in str(told.value)
        assert len(str(told.value)) < 400

    def test_records_that_make_it_too_large_are_left_out_and_named(self):
        large = {"page": "heads", "name": "heads", "record": {"cells": ["x" * 1000] * 2100}}
        small = {"page": "heads", "name": "answer", "record": {}}
        text = session.Session("heads", (session.State("heads"),), (large, small)).to_text()
        found = session.read(text)
        assert len(text.encode()) <= session.MOST_BYTES
        assert [one["name"] for one in found.shown] == ["answer"]
        assert found.left_out == ("heads",)

    def test_pages_that_are_not_there_are_refused(self):
        from pages.ui import reopening

        with pytest.raises(AttentionLabError, match="'elsewhere'"):
            reopening.read(session.Session("elsewhere", (session.State("elsewhere"),)).to_text().encode())


class TestReportFile:
    def test_it_loads_nothing_and_runs_nothing(self, lab):
        from attnlab_core import attribute, charts

        run = lab.run("<b>bold</b> nothing <script>alert(1)</script>")
        frame = charts.score_frame([attribute(run, "atman")])
        part = html_report.Part(
            NASTY, NASTY, lambda: charts.word_strips(frame), (lambda: charts.score_chart(frame, title=NASTY),) * 2, frame, NASTY
        )  # fmt: skip
        head = html_report.Head(
            NASTY, NASTY, {"Text": NASTY}, "http://127.0.0.1/?text=%3Cb%3E", {NASTY: [NASTY]}, cite=[NASTY]
        )
        page = html_report.page(head, [part])
        assert "<script" not in page
        assert "<b>bold" not in page
        assert "&lt;script&gt;alert(1)" in page
        loaded = re.findall(r"<(?:img|link|script|iframe|image|use)\b[^>]*?(?:src|href)=[\"']([^\"']*)", page)
        assert [url for url in loaded if not url.startswith("#")] == []
        assert re.findall(r"url\((?!#)[^)]*\)|@import", page) == []
        names = re.findall(r'\sid="([^"]+)"', page)
        assert len(names) == len(set(names))
        assert page.count("<svg") == 2
        assert page.count("<tbody>") == 1

    def test_only_three_marks_count_in_a_text(self):
        assert html_report.inline("**a** *b* `*c*` <i>") == "<b>a</b> <i>b</i> <code>*c*</code> &lt;i&gt;"


class TestCitation:
    def test_all_places_say_the_same(self):
        said, cff = citing.bibtex(), (ROOT / "CITATION.cff").read_text(encoding="utf-8")
        assert said in (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
        for line in (f"version: {__version__}", f"license: {citing.LICENSE}", f"name: {citing.AUTHORS}"):
            assert line in cff

    def test_every_method_but_chance_names_its_source(self):
        from attnlab_core.methods import methods

        assert [name for name, method in methods().items() if not citing.source(method)] == ["random"]
        assert citing.about(methods()["attention_flow"]).startswith(
            "Attention weights are the capacities of pipes"
        )


def widgets(at) -> dict[str, tuple[str, object]]:
    """Every control with a key: the parameter it is bound to, and its value."""
    found = {}

    def walk(block) -> None:
        for one in block.children.values():
            if hasattr(one, "children"):
                walk(one)
            proto, key = getattr(one, "proto", None), getattr(one, "key", None)
            if key and "query_param_key" in getattr(getattr(proto, "DESCRIPTOR", None), "fields_by_name", {}):
                found[key] = (proto.query_param_key, getattr(one, "value", None))

    walk(at._tree)
    return found


@pytest.fixture(autouse=True)
def _causal(request):
    """The tiny language model is there before a page asks for it."""
    if request.node.get_closest_marker("pages"):
        for name in ("tiny/causal", "shapes-vit"):
            request.getfixturevalue("backend")().lab(name).result(60)


def query(page: str) -> dict[str, str | list[str]]:
    from pages.ui.links import pack

    return {key: pack(value) if key in ("e", "k") else value for key, value in STATES.get(page, {}).items()}


def opened(address: str, backend):
    """A link as a new visitor opens it."""
    parts = urlsplit(address)
    return visit(parts.path.strip("/") or "start", backend, **parse_qs(parts.query))


TELLING = ("redundancy", "multi_hop", "gender_bias", "encoder_and_decoder", "fine_tuning")
"""Pages of stories, which take seconds to draw; of these one is in the quick run."""


@pytest.mark.pages
class TestLinks:
    @pytest.mark.parametrize("page", NAMES)
    def test_every_control_is_in_the_address(self, page, backend):
        for said in (query(page), *MORE.get(page, ())):
            for key, (bound, _) in widgets(visit(page, backend, **said)).items():
                assert bound == key or key in ELSEWHERE or key.startswith(PACKED.get(page, ())), key

    @pytest.mark.parametrize(
        "page",
        [pytest.param(name, marks=pytest.mark.slow) if name in TELLING else name for name in NAMES],
    )
    def test_a_link_reopens_the_state_in_a_fresh_visit(self, page, backend):
        at = visit(page, backend, **query(page))
        before, link = widgets(at), shared(at)
        again = opened(link, backend)
        assert urlsplit(link).path.strip("/") == ("" if page == "start" else page)
        assert {key: value for key, (_, value) in widgets(again).items()} == {
            k: v for k, (_, v) in before.items()
        }
        assert again.session_state["_board"].figures.keys() == at.session_state["_board"].figures.keys()
        first, second = (self.state(one) for one in (at, again))
        assert first == second
        assert all(key in first or key in ("e", "k", "text", "model") for key in STATES.get(page, {}))

    def state(self, at) -> dict[str, list[str]]:
        return parse_qs(urlsplit(shared(at)).query)

    def test_edits_and_settings_come_along(self, backend):
        from pages.ui.links import unpack

        for page, key in (("manipulate", "e"), ("heads", "e"), ("compare", "k")):
            said = self.state(visit(page, backend, **query(page)))
            assert unpack(said[key][0]) == STATES[page][key]

    def test_a_first_visit_has_a_link_that_says_what_is_asked(self, backend):
        said = self.state(visit("compare", backend))
        assert (said["text"], said["model"]) == ([TEXT], ["sst2"])

    def test_a_link_may_ask_a_model_about_the_sample_of_another(self, backend):
        at = visit("compare", backend, model="tiny/causal", text=TEXT)
        assert at.text_area(key="text").value == TEXT


@pytest.mark.pages
class TestSessions:
    def saved(self, at) -> bytes:
        from pages.ui import sharing

        shared(at)
        return sharing.written(
            at.session_state["_board"], tuple(at.session_state["_visits"].values())
        ).encode()

    def reopened(self, raw: bytes, backend):
        from pages.ui import reopening

        found = reopening.read(raw)
        return opened(reopening.address(found, reopening.kept().put(found)), backend)

    @pytest.mark.slow
    @pytest.mark.parametrize("page", NAMES)
    def test_a_session_reopens_its_page_as_it_was(self, page, backend):
        at = visit(page, backend, **query(page))
        before = {key: value for key, (_, value) in widgets(at).items()}
        again = self.reopened(self.saved(at), backend)
        assert {key: value for key, (_, value) in widgets(again).items()} == before

    def test_other_pages_wait_for_their_first_visit(self, backend):
        at = visit("heads", backend, **query("heads"))
        at.switch_page("pages/compare.py")
        at.query_params.clear()
        at.query_params["by"] = "tokens"
        at.run()
        raw = self.saved(at)
        said = json.loads(raw)
        assert [one["page"] for one in said["pages"]] == ["heads", "compare"]
        assert said["pages"][0]["edits"] == [SCALE]
        again = self.reopened(raw, backend)
        assert again.segmented_control(key="by").value == "tokens"
        assert [card.to_json() for card in again.session_state["_stack"]] == [SCALE]
        (link,) = (one.proto for one in again.sidebar.get("page_link") if one.proto.label == "Heads")
        waiting = parse_qs(link.query_string)
        assert (waiting["merge"], waiting["values"]) == (["heads-max"], ["scores"])
        assert not {"text", "model", "e"} & set(waiting)

    def test_what_was_computed_is_in_it(self, backend):
        said = json.loads(self.saved(visit("compare", backend)))
        records = {one["name"]: one["record"] for one in said["shown"]}
        assert records["explanations"]["attributions"][0]["scores"]
        assert records["answer"]["prompt"]["text"] == TEXT

    def test_edits_too_large_for_an_address_come_along(self, backend):
        painted = {
            "op": "draw", "mode": "set", "cells": [[q, k, 0.1 + 0.001 * q] for q in range(9) for k in range(9)],
            "where": {"layers": [0], "heads": [0]},
        }  # fmt: skip
        state = session.State("manipulate", "sst2", TEXT, edits=(painted,) * 50)
        again = self.reopened(session.Session("manipulate", (state,)).to_text().encode(), backend)
        assert len(again.session_state["_stack"]) == 50

    def test_a_model_from_elsewhere_is_told_of_and_not_loaded(self, backend, monkeypatch):
        from pages.ui import reopening

        backend().lab().result(60)
        assert reopening.missing(["sst2", "gpt2-mini", "owner/name"]) == ["owner/name"]
        assert not backend().asked("owner/name")

    def test_a_session_that_is_not_kept_any_more_says_so(self, backend):
        at = visit("compare", backend, session="gone")
        assert any("not kept any more" in one.value for one in at.info)


@pytest.mark.pages
class TestReports:
    @pytest.mark.slow
    @pytest.mark.parametrize("page", [name for name in NAMES if name != "models"])
    def test_every_page_has_one(self, page, backend):
        from pages.ui import page_report, shown

        at = visit(page, backend, **query(page))
        board, link = at.session_state["_board"], shared(at)
        of = session.State(page, "sst2", NASTY, edits=(SCALE,))
        page_ = page_report.made(board, of, {"digest": "abc"}, link)
        assert "<script" not in page_
        assert "&lt;script&gt;alert(1)" in page_
        assert f"<h1>{board.title.replace('’', '’')}" in page_
        assert "<svg" in page_ or "al-words" in page_
        assert "<tbody>" in page_
        assert "Scale ×3 on “nothing”" in page_
        assert urlsplit(link).path in page_
        assert __version__ in page_
        assert citing.TITLE in page_
        assert isinstance(board, shown.Board)

    def test_explanations_are_coloured_text_with_their_notes_and_sources(self, backend):
        from pages.ui import page_report

        at = visit("compare", backend)
        page = page_report.made(at.session_state["_board"], session.State("compare"), {}, "")
        assert page.count("class='al-row'") == 5
        assert "Follow attention back to the input" in page
        assert "AtMan: Deiseroth et al. 2023" in page


@pytest.mark.browser
@pytest.mark.slow
class TestInABrowser:
    def menu(self, page):
        page.locator(".al-verdict, .al-words, canvas, [data-testid=stVegaLiteChart], h2").first.wait_for()
        walk.settle(page)
        button = page.get_by_role("button", name="Share", exact=True)
        button.click()
        page.locator(".st-key-share-body code").first.wait_for()
        return button

    def saved(self, page, name: str, folder: Path) -> Path:
        with page.expect_download() as got:
            page.get_by_role("button", name=re.compile(name)).click()
        file = folder / got.value.suggested_filename
        got.value.save_as(file)
        return file

    @pytest.mark.parametrize("name", NAMES)
    def test_the_menu_of_every_page_with_the_network_cut(self, name, address, visitor, tmp_path):
        page = visitor(address + ("" if name == "start" else name))
        self.menu(page)
        assert session.read(self.saved(page, "Save the session", tmp_path).read_bytes()).page == name
        if name == "models":
            return
        report = self.saved(page, "Save the report", tmp_path)
        asked: list[str] = []
        for scheme, width in (("light", 1100), ("dark", 390)):
            offline = visitor("about:blank", color_scheme=scheme, viewport={"width": width, "height": 844})
            offline.on("request", lambda request: asked.append(request.url))
            offline.goto(report.as_uri())
            offline.get_by_role("heading", level=1).wait_for()
            assert offline.evaluate("document.documentElement.scrollWidth") <= width
            assert offline.evaluate("performance.getEntriesByType('resource').length") == 0
        assert asked == [report.as_uri()] * 2

    def title_and_button(self, page):
        title = page.get_by_role("heading", level=1)
        return title.bounding_box(), page.get_by_role("button", name="Share", exact=True).bounding_box()

    @pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
    def test_it_stands_beside_the_title(self, size, address, visitor):
        places = set()
        for name in ("compare", "negation", "models"):
            page = visitor(address + name, viewport=size)
            walk.settle(page)
            title, box = walk.at_rest(page, lambda page=page: self.title_and_button(page))
            assert title["x"] + 100 < box["x"]
            assert box["x"] + box["width"] <= size["width"]
            assert abs(box["y"] - title["y"]) < 40
            places.add((round(box["x"]), round(box["y"])))
        assert len(places) == 1

    def test_a_session_is_dropped_and_opened(self, address, visitor, tmp_path):
        """What was set by hand on two pages is there again in the browser of another visitor."""
        from playwright.sync_api import expect

        page = visitor(f"{address}heads?merge=heads-max")
        page.locator("canvas").first.wait_for()
        page.get_by_role("link", name="Compare", exact=True).click()
        page.get_by_role("radio", name="tokens", exact=True).click()
        page.get_by_label("Text", exact=True).fill("A good story well told.")
        page.get_by_label("Text", exact=True).press("Control+Enter")
        page.get_by_text("told").first.wait_for()
        page.wait_for_url("**by=tokens**")
        self.menu(page)
        link = page.locator(".st-key-share-body code").first.inner_text()
        file = self.saved(page, "Save the session", tmp_path)
        other = visitor(f"{address}models")
        self.menu(other)
        other.locator(".st-key-share-body input[type=file]").set_input_files(file)
        other.get_by_role("link", name="Open this session at Compare").click()
        expect(other.get_by_label("Text", exact=True)).to_have_value(
            "A good story well told.", timeout=60_000
        )
        other.locator(".al-words").first.wait_for()
        self.menu(other)
        again = other.locator(".st-key-share-body code").first.inner_text()
        assert parse_qs(urlsplit(again).query) == parse_qs(urlsplit(link).query)
        other.keyboard.press("Escape")
        other.get_by_role("link", name="Heads", exact=True).click()
        expect(other.locator("[data-choice=merge]")).to_have_value("heads-max")
        expect(other.get_by_label("Text", exact=True)).to_have_value("A good story well told.")
