"""The page Graph: its edges against the methods of the same names, what the browser draws, and the page in Chromium."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from attnlab_core.prompt import subscripted
from pages.ui import canvas, graph, graph_figures, heads_figures
from tests import test_heads_page, test_pages

pytestmark = pytest.mark.pages

labs, backend, visit = test_heads_page.labs, test_pages.backend, test_pages.visit
packed, sent, TRIPLE = test_heads_page.packed, test_heads_page.sent, test_heads_page.TRIPLE

METHODS = {"raw": "raw_attention", "rollout": "attention_rollout", "flow": "attention_flow"}


@pytest.fixture(params=["encoder", "decoder"])
def run(request, lab, decoder_lab):
    from attnlab_core.testing import SENTENCES

    return (lab if request.param == "encoder" else decoder_lab).run(SENTENCES[0])


def weights(run) -> np.ndarray:
    return np.where(run.pattern.visible, run.pattern.weights, np.nan)


def edges_of(data: dict, side: int = 0) -> np.ndarray:
    """The codes as numbers, as the browser reads them."""
    codes = np.frombuffer(base64.b64decode(data["codes"][side]), "<u2").astype(float)
    values = codes / (canvas.HIDDEN - 1) * data["high"]
    shape = (data["layers"], len(data["queries"]), len(data["keys"]))
    return np.where(codes == canvas.HIDDEN, np.nan, values).reshape(shape)


def shared(at) -> str:
    """The link of the menu Share, opened."""
    at.session_state["share"] = True
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return next(block.value for block in at.code if block.value.startswith("http"))


class TestTheGraph:
    @pytest.mark.parametrize("merge", ["mean", 0, 3])
    @pytest.mark.parametrize("kind", ["rollout", "flow"])
    def test_totals_are_the_scores_of_the_method(self, kind, merge, run):
        from attnlab_core import attribute
        from attnlab_core.graph import graph as made

        for source in (0, len(run.tokens) - 1):
            params = {"query": source} | ({} if merge == "mean" else {"head": merge})
            scores = attribute(run, METHODS[kind], **params).scores
            np.testing.assert_allclose(made(weights(run), source, kind, merge).totals, scores, atol=1e-6)

    @pytest.mark.parametrize("merge", ["mean", "max", 1])
    def test_flow_is_conserved_and_fits_the_pipes(self, merge, run):
        from attnlab_core.graph import graph as made
        from attnlab_core.graph import merge_heads
        from attnlab_core.methods._graph import to_shares

        source = len(run.tokens) - 1
        pipes = to_shares(merge_heads(np.nan_to_num(weights(run)), merge, every=False))
        for sink in range(len(run.tokens)):
            edges = np.nan_to_num(made(weights(run), source, "flow", merge, sink).edges)
            assert (edges <= pipes + 1e-8).all()
            np.testing.assert_allclose(edges[1:].sum(1), edges[:-1].sum(2), atol=1e-8)  # in = out, inside
            assert edges[-1].sum() == pytest.approx(edges[-1, source].sum())  # leaves the source alone
            np.testing.assert_array_equal(np.delete(edges[0].sum(0), sink), 0)  # and reaches its sink alone
            assert edges[0, :, sink].sum() == pytest.approx(edges[-1, source].sum(), abs=1e-8)

    def test_flows_to_all_tokens_are_those_to_each_added_up(self, run):
        from attnlab_core.graph import graph as made

        each = [made(weights(run), 0, "flow", "mean", sink).edges for sink in range(len(run.tokens))]
        np.testing.assert_allclose(made(weights(run), 0, "flow").edges, sum(each), atol=1e-9)

    @pytest.mark.parametrize("merge", ["mean", "max", 2])
    def test_raw_edges_are_the_weights(self, merge, run):
        from attnlab_core.graph import graph as made

        given = weights(run)
        expected = given[:, merge] if merge == 2 else getattr(np, merge)(given, axis=1)
        found = made(given, 1, "raw", merge)
        np.testing.assert_allclose(found.edges, expected, rtol=1e-5)
        if merge != "max":
            ways = np.eye(len(run.tokens))[1]
            for layer in reversed(np.nan_to_num(expected)):
                ways = ways @ layer
            np.testing.assert_allclose(found.totals, ways, atol=1e-7)
        assert found.shares().max() <= 1 + 1e-6

    def test_causal_models_have_no_edge_to_the_future(self, decoder_lab):
        from attnlab_core.graph import KINDS
        from attnlab_core.graph import graph as made
        from attnlab_core.testing import SENTENCES

        run = decoder_lab.run(SENTENCES[0])
        for kind in KINDS:
            found = made(weights(run), len(run.tokens) - 1, kind)
            assert np.isnan(found.edges[:, ~np.tri(len(run.tokens), dtype=bool)]).all()
            frame = found.to_frame()
            assert (frame["key"] <= frame["query"]).all()
            assert set(frame.query(f"layer == {len(found.edges) - 1}")["query"]) == {found.source}

    @pytest.mark.parametrize("wrong", [{"source": 99}, {"sink": -1}, {"merge": 9}])
    def test_what_is_not_there_is_named(self, wrong, run):
        from attnlab_core.errors import BadInput
        from attnlab_core.graph import graph as made

        with pytest.raises(BadInput, match="There is no"):
            made(weights(run), **({"source": 0, "kind": "flow"} | wrong))


class TestThePage:
    @pytest.mark.parametrize("edges", ["raw attention", "rollout", "flow"])
    @pytest.mark.parametrize("task", ["classification", "masked", "causal", "answering"])
    def test_every_task_and_kind(self, task, edges, backend):
        from attnlab_core.graph import graph as made
        from attnlab_core.prompt import Prompt

        name, text = f"tiny/{task}", {"masked": "There is [MASK] to dislike.", "answering": "What is the capital?"}.get(
            task, "There is nothing."
        )  # fmt: skip
        more: dict[str, Any] = {"second": "Paris is the capital of France."} if task == "answering" else {}
        backend().lab(name).result(60)
        at = visit("graph", backend, model=name, text=text, edges=edges, **more)
        assert not at.error
        run = backend().lab(name).result().run(Prompt(text, more.get("second")))
        data, kind = sent(at), edges.split()[0]
        assert data["source"] == run.goal().reads[0]
        np.testing.assert_allclose(
            edges_of(data), made(weights(run), data["source"], kind).edges, atol=1e-3 * data["high"]
        )

    def test_another_position_head_and_sink(self, backend):
        at = visit("graph", backend, edges="flow", merged="head 1", to="nothing", **{"from": "dislike"})
        data = sent(at)
        texts = [token["text"] for token in data["keys"]]
        assert texts[data["source"]] == "dislike"
        reached = np.nan_to_num(edges_of(data))[0].sum(0)
        assert [texts[k] for k in np.nonzero(reached > 1e-4)[0]] == ["nothing"]
        assert data["totals"][0][texts.index("nothing")] == pytest.approx(reached.max(), abs=1e-3)

    @pytest.mark.parametrize("part", ["encoder", "decoder", "cross"])
    def test_an_encoder_decoder_has_three_graphs(self, part, backend):
        backend().lab("tiny/pair").result(60)
        text = "There is nothing to dislike here."
        at = visit("graph", backend, model="tiny/pair", text=text, part=part, edges="rollout", crossed="1")
        data = sent(at)
        pattern = backend().lab("tiny/pair").result().run(text).patterns[part]
        assert [token["text"] for token in data["queries"]] == subscripted(pattern.queries)
        assert (data["kind"], data["layers"]) == (("raw", 1) if part == "cross" else ("rollout", 2))
        if part == "cross":
            np.testing.assert_allclose(edges_of(data)[0], pattern.weights[1].mean(0), atol=1e-4)

    def test_before_and_after_the_edits_of_a_link(self, backend):
        from attnlab_core.edits import edit_from_json

        at = visit("graph", backend, e=packed(TRIPLE))
        data, run = sent(at), backend().lab().result().run("There is nothing to dislike here.")
        for side, one in enumerate((run, run.again(edit_from_json(TRIPLE)))):
            np.testing.assert_allclose(edges_of(data, side), one.pattern.mean_heads(), atol=1e-4)
        assert "Under 1 edit" in test_pages.shown(at)
        link = shared(at)
        from pages.ui.links import unpack

        assert unpack(parse_qs(urlsplit(link).query)["e"][0]) == [TRIPLE]

    def test_a_long_text_comes_in_places_and_says_so(self, backend):
        backend().lab("tiny/long").result(60)
        at = visit("graph", backend, model="tiny/long", text="good story well told here " * 30, edges="flow")
        data = sent(at)
        assert len(data["keys"]) <= heads_figures.MOST_TOKENS
        assert data["bin"] > 1
        assert any("too many to show one by one" in warning.value for warning in at.warning)
        assert data["source"] == len(data["queries"]) - 1

    @pytest.mark.parametrize("edges", ["raw attention", "rollout", "flow"])
    def test_a_graph_between_sentences(self, edges, backend):
        from attnlab_core.graph import graph as made
        from attnlab_core.pairs import by_place
        from attnlab_core.prompt import sentences

        text = "There is nothing to dislike here. The story was told well."
        at = visit("graph", backend, text=text, edges=edges, unit="sentences", **{"from": text[34:]})
        data, run = sent(at), backend().lab().result().run(text)
        special = [(k,) for k, token in enumerate(run.tokens) if token.special]
        places = sorted([one.positions for one in sentences(run.encoding)] + special)
        pooled = np.array(
            [[by_place(head, places).numpy() for head in layer] for layer in run.pattern.weights]
        )
        texts = [token["text"] for token in data["queries"]]
        assert data["source"] == texts.index(text[34:]) == 2
        expected = made(pooled, 2, edges.split()[0]).edges
        np.testing.assert_allclose(edges_of(data), expected, atol=1e-3 * data["high"])
        if edges == "flow":
            assert at.selectbox(key="to").value == "all sentences, each by itself"

    def test_the_answer_is_read_in_the_sentence_that_holds_its_position(self, backend):
        backend().lab("tiny/causal").result(60)
        data = sent(
            visit("graph", backend, model="tiny/causal", text="One film. Two films.", unit="sentences")
        )
        assert [token["text"] for token in data["queries"]][data["source"]] == "Two films."

    def test_an_edit_that_does_not_fit_is_explained_and_the_graph_stays(self, backend):
        absent = {"op": "scale", "factor": 2.0, "where": {"keys": ["absent"]}}
        at = visit("graph", backend, e=packed(absent))
        assert any("absent" in error.value for error in at.error)
        assert len(sent(at)["codes"]) == 1

    def test_a_position_of_another_text_is_let_go(self, backend):
        at = visit("graph", backend, **{"from": "nothing"})
        at.text_area(key="text").set_value("A good story.").run()
        assert not at.exception
        assert sent(at)["source"] == 0


class TestView:
    @pytest.mark.parametrize(
        "said", [{}, {"least": "x", "side": 3}, {"level": 1}, {"place": "nan", "level": 2}]
    )
    def test_what_makes_no_sense_is_left_as_it_was(self, said):
        assert graph.taken(said) == graph.View()

    def test_an_address_says_it_all(self):
        view = graph.View(0.25, False, False, "before", 2, 3)
        assert graph.taken(graph.in_address(view)) == view
        assert graph.in_address(graph.View()) == {}

    def test_what_the_browser_chose_goes_into_the_link(self, backend):
        at = visit("graph", backend)
        view = graph.View(least=0.3, specials=False, level=1, place=4)
        states = at._tree.get_widget_states()
        widget = states.widgets.add()
        widget.id = at.get("bidi_component")[0].proto.id
        widget.json_value = json.dumps({"view": asdict(view)})
        at._run(states)
        assert not at.exception
        link = shared(at)
        said = {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}
        assert graph.taken(said) == view
        assert sent(visit("graph", backend, **said))["start"] == asdict(view)


def looked_at(run, kind="raw", after=None, source=0):
    return graph_figures.sight(heads_figures.read(run, after, "encoder", "weights"), kind, "mean", source)


class TestFiles:
    def test_the_numbers_are_every_edge_below_the_source(self, lab):
        from attnlab_core.edits import edit_from_json

        run = lab.run("There is nothing to dislike here.")
        after = run.again(edit_from_json(TRIPLE))
        seen = looked_at(run, after=after, source=2)
        found = graph_figures.figure(run, after, seen, graph.View(), "Encoder")
        n = len(run.tokens)
        assert len(found.frame) == (run.lab.layers - 1) * n * n + n
        row = found.frame.query("layer == 0 and query == 1 and key == 3").iloc[0]
        assert (row["query_text"], row["key_text"]) == ("There", "nothing")
        assert row["weight"] == pytest.approx(float(run.pattern.weights[0, :, 1, 3].mean()))
        assert row["after"] == pytest.approx(float(after.pattern.weights[0, :, 1, 3].mean()))
        said = found.document()
        assert (said["edges_are"], said["source"], len(said["totals"])) == ("raw", 2, 2)
        json.dumps(said)

    def test_the_picture_holds_the_tokens(self, lab):
        from attnlab_core import charts

        run = lab.run("There is nothing to dislike here.")
        drawn = charts.svg(graph_figures.figure(run, None, looked_at(run), graph.View(), "Encoder").chart())
        assert drawn.startswith("<svg")
        assert "dislike" in drawn

    def test_only_what_hangs_together_with_the_root_is_drawn(self, lab):
        run = lab.run("There is nothing to dislike here.")
        seen = looked_at(run)
        view = graph.View(least=0.5)
        part = graph_figures.drawn(seen, view)
        top = max(edge[0] for edge in part.edges)
        for layer, query, _, weight in part.edges:
            above = {key for other, _, key, _ in part.edges if other == layer + 1} if layer < top else {0}
            assert query in above
            row = np.nan_to_num(seen.before.edges[layer, query])
            assert weight >= 0.5 * part.reach or weight == pytest.approx(row.max(), abs=1e-4)
        assert min(edge[0] for edge in part.edges) == 0  # every way goes on to the input
        bare = graph_figures.drawn(seen, replace(view, least=0.0, specials=False))
        special = {k for k, token in enumerate(run.tokens) if token.special and k != 0}
        assert not special & {place for _, q, k, _ in bare.edges for place in (q, k)}

    def test_of_very_many_edges_the_strongest_are_drawn(self, lab, monkeypatch):
        seen = looked_at(lab.run("There is nothing to dislike here."))
        every = graph_figures.drawn(seen, graph.View(least=0.0)).edges
        monkeypatch.setattr(graph_figures, "MOST", 20)
        few = graph_figures.drawn(seen, graph.View(least=0.0)).edges
        assert 0 < len(few) <= 20
        assert set(few) < set(every)
        assert "const MOST = 3000;" in canvas.asset("graph_edges.js")  # the browser has the same bound


@pytest.mark.browser
class TestInTheBrowsersWords:
    """The script that filters and traces, asked by itself."""

    ASK = """([code, data, view]) => {
        const Edges = new Function(code + "; return Edges")();
        const edges = new Edges();
        edges.lay(data);
        const { edges: drawn, reach, of } = edges.drawn(view);
        return { drawn: drawn.map((e) => [e.layer, e.query, e.key, e.weight]), reach, of, shares: edges.shares(view).map((s) => [...s]) };
    }"""

    @pytest.mark.parametrize("picked", [(-1, -1), (1, 3), (0, 2), (2, 0)])
    @pytest.mark.parametrize("kind", ["raw", "rollout", "flow"])
    def test_it_draws_and_traces_as_python_does(self, kind, picked, browser, lab):
        run = lab.run("There is nothing to dislike here.")
        seen = looked_at(run, kind)
        page = browser.new_page()
        code = canvas.asset("canvas.js", "graph_edges.js")
        for view in (
            graph.View(0.2, level=picked[0], place=picked[1]),
            graph.View(0.0, False, False, level=picked[0], place=picked[1]),
        ):
            found = page.evaluate(self.ASK, [code, graph.payload(seen, "m", "t", view), asdict(view)])
            drawn = graph_figures.drawn(seen, view)
            assert found["of"] == drawn.of
            assert found["reach"] == pytest.approx(drawn.reach, abs=1e-4)
            assert sorted(edge[:3] for edge in found["drawn"]) == sorted(
                list(edge[:3]) for edge in drawn.edges
            )
            root = picked if picked[0] > 0 else (None, None)
            shares = seen.before.shares(*root)
            for level, mine in enumerate(found["shares"]):
                np.testing.assert_allclose(mine, shares[level], atol=1e-3)
        page.close()


@pytest.mark.browser
@pytest.mark.slow
class TestInChromium:
    def opened(self, visitor, url, **settings):
        page = visitor(url, **settings)
        page.locator("canvas[data-canvas=graph][data-geometry]").wait_for()
        page.wait_for_timeout(500)
        return page

    def node(self, page, level, row):
        canvas_ = page.locator("canvas[data-canvas=graph]")
        canvas_.scroll_into_view_if_needed()
        box, place = canvas_.bounding_box(), json.loads(canvas_.get_attribute("data-geometry"))
        return box["x"] + place["left"] + level * place["across"], box["y"] + place["top"] + (
            row + 0.5
        ) * place["step"]

    def edges(self, page):
        page.wait_for_timeout(150)
        return int(page.locator(".graph").get_attribute("data-edges"))

    def test_a_click_shows_a_nodes_sources_and_the_same_click_all_again(self, address, visitor):
        from playwright.sync_api import expect

        page = self.opened(visitor, f"{address}graph?least=0.05")
        whole = self.edges(page)
        page.mouse.click(*self.node(page, 3, 5))
        expect(page.locator(".title")).to_have_text("What leads to “dislike” after layer 2")
        assert 0 < self.edges(page) < whole
        page.wait_for_url("**level=3**")
        page.get_by_role("button", name="Share", exact=True).click()
        link = page.locator("[data-testid=stPopoverBody] code").first.inner_text()
        again = self.opened(visitor, link)
        expect(again.locator(".title")).to_have_text("What leads to “dislike” after layer 2")
        again.mouse.click(*self.node(again, 3, 5))
        expect(again.locator(".title")).to_have_text("What leads to “[CLS]” after layer 5")
        assert self.edges(again) == whole

    def test_by_keys_and_by_touch(self, address, visitor):
        from playwright.sync_api import expect

        page = self.opened(visitor, f"{address}graph", has_touch=True)
        canvas_ = page.locator("canvas[data-canvas=graph]")
        canvas_.focus()
        for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        expect(page.locator(".title")).to_have_text("What leads to “There” after layer 4")
        page.keyboard.press("Escape")
        expect(page.locator(".title")).to_have_text("What leads to “[CLS]” after layer 5")
        page.touchscreen.tap(*self.node(page, 0, 3))
        expect(page.locator(".title")).to_have_text("From “nothing” in the input to “[CLS]” after layer 5")

    def test_the_table_and_a_download_hold_the_numbers(self, address, visitor):
        page = self.opened(visitor, f"{address}graph?edges=flow&least=0")
        page.locator("details.table summary").click()
        rows = page.locator(".scroll tbody tr")
        rows.nth(1).wait_for()
        layer, query, key, weight = rows.nth(0).locator("td").all_inner_texts()
        page.get_by_role("button", name="Download").click()
        with page.expect_download() as caught:
            page.get_by_role("button", name="CSV", exact=True).click()
        lines = [
            line.split(",") for line in Path(caught.value.path()).read_text(encoding="utf-8-sig").splitlines()
        ]
        cell = next(line for line in lines if [line[0], line[3], line[4]] == [layer, query, key])
        assert float(cell[-1]) == pytest.approx(float(weight), abs=1e-3)
        with page.expect_download() as caught:
            page.get_by_role("button", name="SVG", exact=True).click()
        assert Path(caught.value.path()).read_bytes().startswith(b"<svg")

    def test_a_long_text_stays_fluid(self, address, visitor):
        page = self.opened(
            visitor, f"{address}graph?model=gpt2-mini&edges=rollout&text=" + "+".join(["good"] * 64)
        )
        page.locator("[data-choice=least]").fill("0.02")
        assert self.edges(page) > 300
        assert (
            float(page.locator(".graph").get_attribute("data-refreshed")) < 1000
        )  # tenths of it on an idle machine
        page.mouse.move(*self.node(page, 2, 30))
        page.wait_for_timeout(200)
        assert json.loads(page.locator(".graph").get_attribute("data-spot")) == {"level": 2, "place": 30}
        assert float(page.locator(".graph").get_attribute("data-drawn")) < 250

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_a_phone_never_scrolls_sideways(self, theme, address, visitor):
        text = "+".join(["Donaudampfschifffahrtsgesellschaft", *["good"] * 50])
        page = self.opened(
            visitor, f"{address}graph?text={text}", viewport={"width": 390, "height": 844}, color_scheme=theme
        )
        wide = page.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
        )
        inner = page.locator(".graph").evaluate("h => h.scrollWidth - h.clientWidth")
        assert max(wide, inner) <= 0
