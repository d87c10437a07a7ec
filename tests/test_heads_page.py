"""The page Heads: what the browser is sent, what it says back, and the page in Chromium."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from scipy.stats import entropy

from attnlab_core.prompt import subscripted
from pages.ui import canvas, heads, heads_figures
from tests import test_pages

pytestmark = pytest.mark.pages

backend, visit = test_pages.backend, test_pages.visit

TRIPLE = {"op": "scale", "factor": 3.0, "where": {"keys": ["nothing"]}}


@pytest.fixture(scope="module")
def labs():
    """As on the other pages; `tiny/pair` is an encoder-decoder, and `tiny/long` reads long texts."""
    from attnlab_core.testing import tiny_lab

    made: dict[str, object] = {}

    def lab(task: str):
        if task not in made:
            kind: Any = {"pair": "classification", "long": "causal"}.get(task, task)
            family = "bart" if task == "pair" else "gpt2" if kind == "causal" else "bert"
            made[task] = lab = tiny_lab(
                kind, family, **{"max_position_embeddings": 400} if task == "long" else {}
            )
            lab.tokenizer.model_max_length = 400 if task == "long" else lab.tokenizer.model_max_length
        return made[task]

    return lab


@pytest.fixture
def run(lab):
    from attnlab_core.testing import SENTENCES

    return lab.run(SENTENCES[0])


def packed(*edits) -> str:
    from pages.ui.links import pack

    return pack(list(edits))


def sent(at) -> dict:
    """What the browser was sent."""
    return json.loads(at.get("bidi_component")[0].proto.json)


def numbers(data: dict, side: int = 0) -> np.ndarray:
    """The codes as numbers, as the browser reads them."""
    codes = np.frombuffer(base64.b64decode(data["codes"][side]), "<u2").astype(float)
    values = data["low"] + codes / (canvas.HIDDEN - 1) * (data["high"] - data["low"])
    shape = (data["layers"], data["heads"], len(data["queries"]), len(data["keys"]))
    return np.where(codes == canvas.HIDDEN, np.nan, values).reshape(shape)


class TestWhatIsSent:
    @pytest.mark.parametrize("task", ["classification", "masked", "causal", "answering"])
    def test_every_weight_of_every_task(self, task, backend):
        name = f"tiny/{task}"
        backend().lab(name).result(60)
        texts = {"masked": "There is [MASK] to dislike.", "answering": "What is the capital?"}
        more: dict[str, Any] = {"second": "Paris is the capital of France."} if task == "answering" else {}
        at = visit("heads", backend, model=name, text=texts.get(task, "There is nothing."), **more)
        data, lab = sent(at), backend().lab(name).result()
        assert not at.error
        from attnlab_core.prompt import Prompt

        pattern = lab.run(Prompt(texts.get(task, "There is nothing."), more.get("second"))).pattern
        expected = np.where(pattern.visible, pattern.weights, np.nan)
        np.testing.assert_allclose(numbers(data), expected, atol=1e-5)
        assert [token["text"] for token in data["keys"]] == subscripted(pattern.keys)
        segments = {token["segment"] for token in data["keys"]}
        assert (1 in segments) == (task == "answering")

    @pytest.mark.parametrize("part", ["encoder", "decoder", "cross"])
    def test_an_encoder_decoder_has_three_kinds(self, part, backend):
        backend().lab("tiny/pair").result(60)
        at = visit("heads", backend, model="tiny/pair", text="There is nothing to dislike here.", part=part)
        data = sent(at)
        assert list(at.button_group(key="part").options) == ["encoder", "decoder", "cross"]
        assert data["part"] == part
        pattern = backend().lab("tiny/pair").result().run("There is nothing to dislike here.").patterns[part]
        np.testing.assert_allclose(
            numbers(data), np.where(pattern.visible, pattern.weights, np.nan), atol=1e-5
        )
        for side, texts in (("queries", pattern.queries), ("keys", pattern.keys)):
            assert [token["text"] for token in data[side]] == subscripted(texts)

    def test_scores_whose_softmax_is_the_weights(self, backend):
        weights = numbers(sent(visit("heads", backend)))
        data = sent(visit("heads", backend, values="scores"))
        scores = numbers(data)
        assert data["kind"] == "scores"
        made = np.exp(scores) / np.nansum(np.exp(scores), -1, keepdims=True)
        np.testing.assert_allclose(made, weights, atol=1e-3)

    def test_before_and_after_the_edits_of_a_link(self, backend):
        at = visit("heads", backend, e=packed(TRIPLE))
        data = sent(at)
        before, after = numbers(data, 0), numbers(data, 1)
        place = [token["text"] for token in data["keys"]].index("nothing")
        odds = (after / (1 - after)) / (before / (1 - before))
        np.testing.assert_allclose(
            odds[0, :, :, place], 3.0, rtol=1e-2
        )  # the first layer reads the same states
        assert "Under 1 edit" in test_pages.shown(at)
        assert len(sent(visit("heads", backend))["codes"]) == 1

    def test_a_long_text_comes_in_bins_and_says_so(self, backend):
        backend().lab("tiny/long").result(60)
        at = visit("heads", backend, model="tiny/long", text="good story well told here " * 30)
        data = sent(at)
        assert len(data["keys"]) <= heads_figures.MOST_TOKENS
        assert data["bin"] > 1
        assert any(f"up to {data['bin']} that follow each other are one bin" in w.value for w in at.warning)
        np.testing.assert_allclose(np.nansum(numbers(data), -1), 1, atol=1e-3)

    def test_an_edit_that_does_not_fit_is_explained_and_the_heads_stay(self, backend):
        absent = {"op": "scale", "factor": 2.0, "where": {"keys": ["absent"]}}
        at = visit("heads", backend, e=packed(absent))
        assert any("absent" in error.value for error in at.error)
        assert len(sent(at)["codes"]) == 1


TWO = "There is nothing to dislike here. The story was told well."


@pytest.mark.parametrize("unit", ["words", "sentences"])
class TestUnits:
    def test_attention_between_them_is_pooled_as_everywhere(self, unit, backend):
        """Special tokens stay by themselves; `by_place` of the library is the oracle."""
        from attnlab_core.pairs import by_place
        from attnlab_core.prompt import sentences

        at = visit("heads", backend, text=TWO, unit=unit)
        data, run = sent(at), backend().lab().result().run(TWO)
        parts = sentences(run.encoding) if unit == "sentences" else run.encoding.words
        inside = [(part.positions, part.text, False) for part in parts]
        special = [((k,), token.text, True) for k, token in enumerate(run.tokens) if token.special]
        groups = sorted(inside + special)
        assert [token["text"] for token in data["keys"]] == subscripted([text for _, text, _ in groups])
        assert [token["special"] for token in data["keys"]] == [special for *_, special in groups]
        places = [positions for positions, *_ in groups]
        expected = [[by_place(head, places).numpy() for head in layer] for layer in run.pattern.weights]
        np.testing.assert_allclose(numbers(data), expected, atol=1e-4)
        assert (data["bin"], data["first"]) == (1, "token")  # [CLS] is first

    @pytest.mark.parametrize("part", ["encoder", "decoder", "cross"])
    def test_a_decoder_behind_an_encoder_reads_each_one_token_later(self, unit, part, backend):
        backend().lab("tiny/pair").result(60)
        run = backend().lab("tiny/pair").result().run(TWO)
        read = heads_figures.read(run, None, part, "weights", unit.removesuffix("s"))
        assert [k for row in read.rows for k in row] == list(range(len(run.tokens)))
        of = {place.text: row for place, row in zip(read.queries, read.rows, strict=True)}
        (part_of,) = (
            one
            for one in heads_figures.units.of(run.encoding, read.unit)
            if one.text in (TWO[:33], "nothing")
        )
        assert of[part_of.text] == tuple(k + (part != "encoder") for k in part_of.positions)
        np.testing.assert_allclose(np.nansum(read.before, -1), 1, rtol=1e-5)

    def test_the_first_place_is_called_what_it_is(self, unit, backend):
        backend().lab("tiny/causal").result(60)
        data = sent(visit("heads", backend, model="tiny/causal", text=TWO, unit=unit))
        assert data["first"] == unit.removesuffix("s")

    def test_the_choice_is_in_the_link_and_in_the_files(self, unit, backend, run):
        at = visit("heads", backend, text=TWO, unit=unit)
        assert parse_qs(urlsplit(test_pages.shared(at)).query)["unit"] == [unit]
        read = heads_figures.read(run, None, "encoder", "weights", unit.removesuffix("s"))
        said = heads_figures.figure(run, None, read, heads.View(1, 2), "weights").document()
        assert said["unit"] == unit.removesuffix("s")


def test_words_that_are_too_many_come_in_bins(backend):
    backend().lab("tiny/long").result(60)
    at = visit("heads", backend, model="tiny/long", text="good story well told here " * 30, unit="words")
    assert any("words are too many" in warning.value for warning in at.warning)
    np.testing.assert_allclose(np.nansum(numbers(sent(at)), -1), 1, atol=1e-3)


class TestBins:
    def places(self, count, special=(0,), border=None):
        return [
            heads_figures.Place(
                str(k), k in special, -1 if k in special else int(border is not None and k >= border)
            )
            for k in range(count)
        ]

    @pytest.mark.parametrize("count", [1, 5, 64, 65, 100, 513])
    def test_every_token_is_in_one_bin_in_order(self, count):
        size, bins = heads_figures.binning(self.places(count), 64)
        assert [k for one in bins for k in one] == list(range(count))
        assert len(bins) <= 64
        assert (size == 1) == (count <= 64)
        assert max(map(len, bins)) == size

    def test_special_tokens_and_texts_stay_apart(self):
        tokens = self.places(200, special=(0, 90, 199), border=91)
        _, bins = heads_figures.binning(tokens, 64)
        assert all([place] in bins for place in (0, 90, 199))
        assert all(len({tokens[k].segment for k in one}) == 1 for one in bins)

    def test_rows_of_weights_sum_to_what_they_did_and_scores_are_means(self):
        import torch

        random = torch.Generator().manual_seed(0)
        scores = torch.randn(2, 3, 6, 6, generator=random)
        visible = torch.ones(6, 6, dtype=torch.bool).tril().expand_as(scores)
        weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
        bins = [[0], [1, 2], [3, 4, 5]]
        found = heads_figures._reduced(weights, visible, bins, bins, "weights")
        np.testing.assert_allclose(np.nansum(found, -1), 1, rtol=1e-5)
        cell = weights[0, 0, 3:6, 1:3].sum(-1).mean()
        assert found[0, 0, 2, 1] == pytest.approx(float(cell), rel=1e-5)
        assert np.isnan(found[..., 0, 1:]).all()
        mean = heads_figures._reduced(scores, visible, bins, bins, "scores")
        seen = [float(scores[1, 2, q, k]) for q in (3, 4, 5) for k in (3, 4, 5) if k <= q]
        assert mean[1, 2, 2, 2] == pytest.approx(np.mean(seen), rel=1e-5)


class TestView:
    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"layer": "x", "head": None, "merge": "no", "least": "nan"},
            {"layer": -1, "view": 3, "least": []},
            {"least": 1e9, "first": {}},
        ],
    )
    def test_what_makes_no_sense_is_left_as_it_was(self, said):
        start = heads.View(1, 2, "all-mean", "lines", least=0.25, first=False)
        assert heads.taken(said, 4, 4, start) == start

    def test_a_layer_that_is_not_there_becomes_the_last(self):
        assert heads.taken({"layer": 40, "head": 40}, 6, 12) == heads.View(5, 11)

    def test_an_address_says_it_all(self):
        view = heads.View(3, 1, "heads-max", "lines", "within", "change", 0.2, False, False, True)
        assert heads.taken(heads.in_address(view), 6, 12) == view
        assert heads.in_address(heads.View(0, 0)) == {"layer": "0", "head": "0"}

    def test_what_the_browser_chose_goes_into_the_address_and_the_link(self, backend):
        at = visit("heads", backend)
        view = heads.View(1, 3, "layers-mean", "lines", least=0.1, specials=False)
        states = at._tree.get_widget_states()
        widget = states.widgets.add()
        widget.id = at.get("bidi_component")[0].proto.id
        widget.json_value = json.dumps({"view": asdict(view)})
        before = sent(at)["codes"]
        at._run(states)
        assert not at.exception
        assert "".join(at.query_params["head"]) == "3"
        link = test_pages.shared(at)
        said: dict[str, Any] = {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}
        assert heads.taken(said, 2, 4) == view
        assert sent(at)["codes"] == before
        again = visit("heads", backend, **said)
        assert sent(again)["start"] == asdict(view)

    def test_the_link_holds_the_edits(self, backend):
        at = visit("heads", backend, e=packed(TRIPLE))
        link = test_pages.shared(at)
        from pages.ui.links import unpack

        assert unpack(parse_qs(urlsplit(link).query)["e"][0]) == [TRIPLE]


class TestFigure:
    def test_the_numbers_are_those_of_the_chosen_head(self, run):
        read = heads_figures.read(run, None, "encoder", "weights")
        figure = heads_figures.figure(run, None, read, heads.View(1, 2), "weights")
        wide = figure.frame.pivot_table(index="query", columns="key", values="weight").to_numpy()
        np.testing.assert_allclose(wide, run.pattern.weights[1, 2].numpy())
        assert figure.document()["shown"] == "layer 1, head 2"

    def test_pictures_show_change_under_edits(self, run):
        from attnlab_core import charts
        from attnlab_core.edits import edit_from_json

        after = run.again(edit_from_json(TRIPLE))
        read = heads_figures.read(run, after, "encoder", "weights")
        figure = heads_figures.figure(run, after, read, heads.View(0, 0, side="change"), "weights")
        moved = (after.pattern.weights - run.pattern.weights)[0, 0].numpy()
        np.testing.assert_allclose(figure.frame["change"], moved.ravel(), atol=1e-7)
        drawn = charts.svg(figure.chart())
        assert drawn.startswith("<svg")
        assert "nothing" in drawn


def oracle(values: np.ndarray, view: heads.View) -> np.ndarray:
    over, _, how = view.merge.partition("-")
    some = {
        "one": values[view.layer, view.head],
        "heads": values[view.layer],
        "layers": values[:, view.head],
        "all": values,
    }[over]
    axes = tuple(range(some.ndim - 2))
    return some.max(axes) if how == "max" else some.mean(axes)


@pytest.mark.parametrize("merge", heads.MERGES)
def test_merging_is_the_mean_or_the_largest(merge, run):
    view = heads.View(1, 2, merge)
    read = heads_figures.read(run, None, "encoder", "weights")
    found = heads_figures.merged(read.before, view, "weights")
    np.testing.assert_allclose(found, oracle(run.pattern.weights.numpy(), view), rtol=1e-5)


@pytest.mark.browser
class TestInTheBrowsersWords:
    """The script that merges and filters, asked by itself."""

    ASK = """([code, data, view]) => {
        const Values = new Function(code + "; return Values")();
        const values = new Values();
        values.lay(data);
        const places = values.places(view);
        const matrix = values.matrix(view);
        return { ...places, matrix: [...matrix], figures: values.figures(matrix),
            cells: [...values.filtered(view, matrix, 0, places)].map((v) => v === -Infinity ? null : v),
            shown: values.shown(view, matrix) };
    }"""

    @pytest.fixture
    def ask(self, browser, run):
        page = browser.new_page()
        read = heads_figures.read(run, None, "encoder", "weights")
        code = canvas.asset("canvas.js", "heads_values.js")

        def answer(view, of=read):
            return page.evaluate(self.ASK, [code, heads.payload(of, "m", "weights", view), asdict(view)])

        yield answer
        page.close()

    @pytest.mark.parametrize("merge", heads.MERGES)
    def test_it_merges_as_python_does(self, merge, ask, run):
        view = heads.View(1, 2, merge)
        found = np.array(ask(view)["matrix"]).reshape(run.pattern.weights.shape[2:])
        np.testing.assert_allclose(found, oracle(run.pattern.weights.numpy(), view), atol=1e-5)

    def test_the_figures_of_a_head(self, ask, run):
        weights, n = run.pattern.weights[1, 2].double().numpy(), len(run.tokens)
        special = [token.special for token in run.tokens]
        assert ask(heads.View(1, 2))["figures"] == pytest.approx(
            {
                "entropy": entropy(weights, base=2, axis=-1).mean(),
                "first": weights[:, 0].mean(),
                "previous": np.diag(weights, -1).sum() / (n - 1),
                "special": weights[:, special].sum(-1).mean(),
            },
            abs=1e-3,
        )

    def test_filters(self, ask, run):
        weights = run.pattern.weights[1, 2].numpy()
        kept = [k for k, token in enumerate(run.tokens) if not token.special]
        inner = weights[np.ix_(kept, kept)]
        bare = ask(heads.View(1, 2, specials=False))
        assert bare["rows"] == bare["columns"] == kept
        np.testing.assert_allclose(np.array(bare["cells"]).reshape(inner.shape), inner, atol=1e-5)
        assert bare["shown"] == pytest.approx(inner.sum() / len(kept), abs=1e-3)
        full = ask(heads.View(1, 2, specials=False, rescale=True))
        sums = np.array(full["cells"]).reshape(inner.shape).sum(-1)
        np.testing.assert_allclose(sums, 1, rtol=1e-4)
        assert ask(heads.View(1, 2, first=False))["columns"] == list(range(1, len(run.tokens)))
        least = ask(heads.View(1, 2, least=0.1))["cells"]
        assert [cell is None for cell in least] == (weights.ravel() < 0.1).tolist()

    @pytest.mark.parametrize(
        ("block", "blocks"),
        [("first-second", {(0, 1)}), ("second-first", {(1, 0)}), ("within", {(0, 0), (1, 1)})],
    )
    def test_blocks_of_a_pair(self, block, blocks, ask, lab):
        from attnlab_core.prompt import Prompt

        paired = lab.run(Prompt("A good story.", "The movie was great."))
        read = heads_figures.read(paired, None, "encoder", "weights")
        found, segments = (
            ask(heads.View(0, 0, block=block), read),
            [token.segment for token in paired.tokens],
        )
        cells = np.array(found["cells"], float).reshape(len(found["rows"]), -1)
        drawn = {
            (segments[q], segments[k])
            for r, q in enumerate(found["rows"])
            for c, k in enumerate(found["columns"])
            if not np.isnan(cells[r, c])
        }
        assert drawn == blocks


@pytest.mark.browser
@pytest.mark.slow
class TestInChromium:
    def opened(self, visitor, url, **settings):
        page = visitor(url, **settings)
        page.locator("canvas[data-canvas=heatmap][data-geometry]").wait_for()
        page.wait_for_timeout(500)
        return page

    def canvas(self, page, name):
        """A canvas, its box on the screen and where its cells are."""
        canvas = page.locator(f"canvas[data-canvas={name}]")
        canvas.scroll_into_view_if_needed()
        return canvas, canvas.bounding_box(), json.loads(canvas.get_attribute("data-geometry"))

    def picture(self, page, name):
        return page.locator(f"canvas[data-canvas={name}]").evaluate("canvas => canvas.toDataURL()")

    def spot(self, page):
        page.wait_for_timeout(100)
        return json.loads(page.locator(".heads").get_attribute("data-spot"))

    def test_a_click_on_a_small_map_opens_that_head_and_its_link_reopens_it(self, address, visitor):
        from playwright.sync_api import expect

        page = self.opened(visitor, f"{address}heads?layer=0&head=0")
        before = self.picture(page, "heatmap")
        canvas, box, place = self.canvas(page, "glance")
        page.mouse.click(
            box["x"] + place["left"] + 7.5 * place["step"], box["y"] + place["top"] + 3.5 * place["step"]
        )
        expect(page.locator(".title")).to_have_text("Layer 3, head 7")
        assert self.picture(page, "heatmap") != before
        canvas.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".title")).to_have_text("Layer 4, head 6")
        page.locator("[data-choice=merge]").select_option("heads-max")
        page.locator("[data-view=heatmap]").click()
        page.locator("[data-choice=specials]").uncheck()
        page.wait_for_url("**specials=0**")
        page.get_by_role("button", name="Share", exact=True).click()
        link = page.locator("[data-testid=stPopoverBody] code").first.inner_text()
        again = self.opened(visitor, link)
        expect(again.locator(".title")).to_have_text("Largest over the heads of layer 4")
        expect(again.locator("[data-choice=head]")).to_have_value("6")
        expect(again.locator("[data-choice=specials]")).not_to_be_checked()
        assert not again.locator("canvas[data-canvas=lines]").is_visible()
        assert self.picture(again, "heatmap") == self.picture(page, "heatmap")

    def test_a_token_is_chosen_everywhere(self, address, visitor):
        page = self.opened(visitor, f"{address}heads?layer=1&head=4&view=both")
        plain = {name: self.picture(page, name) for name in ("glance", "heatmap", "lines")}
        _, box, place = self.canvas(page, "heatmap")
        page.mouse.move(
            box["x"] + place["left"] + 4.5 * place["cell"], box["y"] + place["top"] + 3.5 * place["cell"]
        )
        assert self.spot(page) == {"query": 3, "key": 4}
        assert all(self.picture(page, name) != plain[name] for name in plain)
        assert page.locator(".readout").inner_text().startswith("“nothing” → “to”: 0.")
        canvas, box, place = self.canvas(page, "lines")
        page.mouse.click(box["x"] + 20, box["y"] + place["top"] + 5.5 * place["step"])
        page.mouse.move(0, 0)
        assert self.spot(page) == {"query": 5, "key": None}  # a click stays
        assert "“dislike” attends to" in page.locator(".readout").inner_text()
        canvas.focus()
        page.keyboard.press("ArrowDown")
        assert self.spot(page) == {"query": 6, "key": None}
        page.keyboard.press("ArrowRight")
        assert self.spot(page)["query"] is None
        page.keyboard.press("Escape")
        assert self.spot(page) == {"query": None, "key": None}
        assert {name: self.picture(page, name) for name in plain} == plain

    def test_the_table_and_a_download_hold_the_numbers(self, address, visitor):
        page = self.opened(visitor, f"{address}heads?layer=1&head=4")
        page.locator("details.table summary").click()
        rows = page.locator(".scroll tbody tr")
        rows.nth(1).wait_for()
        assert rows.count() == page.locator(".scroll thead th").count() - 1
        first = float(rows.nth(1).locator("td").nth(0).inner_text())
        page.get_by_role("button", name="Download").click()
        with page.expect_download() as caught:
            page.get_by_role("button", name="CSV", exact=True).click()
        lines = Path(caught.value.path()).read_text(encoding="utf-8-sig").splitlines()
        cell = next(line.split(",") for line in lines if line.startswith("1,4,one,1,0,"))
        assert float(cell[-1]) == pytest.approx(first, abs=6e-4)

    def test_nothing_is_sent_while_hovering_and_little_while_choosing(self, address, visitor):
        sizes: list[int] = []
        page = visitor("about:blank")
        page.on("websocket", lambda ws: ws.on("framereceived", lambda data: sizes.append(len(data))))
        page.on("websocket", lambda ws: ws.on("framesent", lambda data: sizes.append(len(data))))
        page.goto(f"{address}heads?layer=1&head=4&text=" + "+".join(["good"] * 60))
        page.locator("canvas[data-geometry]").first.wait_for()
        page.wait_for_timeout(3000)
        assert max(sizes) > 300_000  # the numbers themselves
        sizes.clear()
        _, box, place = self.canvas(page, "heatmap")
        for k in range(30):
            page.mouse.move(
                box["x"] + place["left"] + (k + 0.5) * place["cell"], box["y"] + place["top"] + 20
            )
        page.wait_for_timeout(500)
        assert not sizes
        page.locator("[data-choice=head]").select_option("5")
        page.wait_for_url("**head=5**")
        assert sum(sizes) < 50_000

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_a_phone_never_scrolls_sideways(self, theme, address, visitor):
        text = "+".join(["Donaudampfschifffahrtsgesellschaft", *["good"] * 50])
        page = self.opened(
            visitor,
            f"{address}heads?text={text}",
            viewport={"width": 390, "height": 844},
            color_scheme=theme,
        )
        wide = page.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
        )
        inner = page.locator(".heads").evaluate("h => h.scrollWidth - h.clientWidth")
        assert max(wide, inner) <= 0
