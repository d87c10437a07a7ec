"""The page Next tokens: expectations, continuations under edits and what each token rests on, and the page itself."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from tests import test_graph_page, test_heads_page, test_pages

pytestmark = pytest.mark.pages

labs, backend = test_pages.labs, test_pages.backend
packed, shared = test_heads_page.packed, test_graph_page.shared

TEXT = "There is nothing to dislike here."


@pytest.fixture
def run(decoder_lab):
    return decoder_lab.run(TEXT)


def visit(backend, **query: Any):
    """The page over a tiny decoder, once its work in the background is done."""
    backend().lab(query.setdefault("model", "tiny/causal")).result(60)
    at = test_pages.visit("next_tokens", backend, **{"text": TEXT, **query})
    until = time.monotonic() + 60
    for slot in ("_task_generate", "_task_sources"):
        while slot in at.session_state and at.session_state[slot].running and time.monotonic() < until:
            time.sleep(0.05)
        at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


class TestExpectations:
    def test_they_are_the_models_own(self, run, decoder_lab):
        import torch

        from attnlab_core.expectation import expect

        with torch.no_grad():
            odds = decoder_lab.model(torch.tensor([run.encoding.ids])).logits[0].softmax(-1)
        found = expect(run, 3)
        assert len(found) == len(run.tokens) + 1
        assert (found[0].probability, found[0].rank, found[0].bits, found[0].likeliest) == (
            None,
            None,
            None,
            (),
        )
        for place in range(1, len(run.tokens)):
            row, number = odds[place - 1], run.encoding.ids[place]
            one = found[place]
            assert one.probability == pytest.approx(float(row[number]), rel=1e-4)
            assert one.bits == pytest.approx(-math.log2(float(row[number])), rel=1e-4)
            assert row.argsort(descending=True)[one.rank - 1] == number
            assert [p for _, p in one.likeliest] == pytest.approx(row.topk(3).values.tolist(), rel=1e-4)
        assert found[-1].text == ""
        assert found[-1].probability is None
        assert found[-1].likeliest[0][1] == pytest.approx(max(run.probabilities.values()), rel=1e-4)

    def test_surprise_adds_up_to_the_texts_probability(self, run):
        from attnlab_core.expectation import bits_a_token, expect

        found = expect(run)
        logs = run.logits.log_softmax(-1)[:-1].gather(
            1, __import__("torch").tensor(run.encoding.ids[1:])[:, None]
        )
        assert bits_a_token(found) == pytest.approx(-float(logs.mean()) / math.log(2), rel=1e-4)

    def test_another_model_is_refused(self, lab):
        from attnlab_core.errors import BadInput
        from attnlab_core.expectation import expect

        with pytest.raises(BadInput, match="causal"):
            expect(lab.run(TEXT))

    def test_white_space_is_seen(self):
        from attnlab_core.expectation import piece

        assert [piece(text) for text in (" door", "\n", "\t", "  ", "")] == ["door", "⏎", "⇥", "␣", "∅"]


class TestSources:
    @pytest.mark.parametrize("method", ["raw_attention", "attention_rollout", "atman", "input_x_gradient"])
    def test_each_token_is_explained_by_what_stands_before_it(self, method, run):
        import attnlab_core as al
        from attnlab_core.generation import generate
        from attnlab_core.sources import explain

        told = generate(run, tokens=4)
        found = explain(run, told, method)
        assert len(found.found) == len(told.ids) == 4
        for k, one in enumerate(found.found):
            assert len(one.scores) == len(run.tokens) + k
        np.testing.assert_allclose(
            found.found[0].scores, al.attribute(run, method, told.ids[0]).scores, atol=1e-6
        )
        frame = found.to_frame()
        assert len(frame) == sum(len(run.tokens) + k for k in range(4))
        assert (frame["position"] < len(run.tokens) + frame["number"]).all()
        assert found.to_frame(first=False)["position"].min() == 1
        json.dumps(found.to_json())

    def test_a_row_of_raw_attention_is_the_last_tokens(self, run):
        from attnlab_core.generation import generate
        from attnlab_core.sources import explain

        told = generate(run, tokens=3)
        whole = run.lab.read(
            run.prompt, run.encoding.extended(told.ids, told.tokens), ()
        ).pattern.mean_heads()[-1]
        for k, one in enumerate(explain(run, told, "raw_attention").found):
            place = len(run.tokens) - 1 + k
            np.testing.assert_allclose(one.scores, whole[place, : place + 1], atol=1e-6)

    def test_edits_hold_while_it_is_explained(self, run):
        import attnlab_core as al
        from attnlab_core.generation import generate
        from attnlab_core.sources import explain

        edited = run.again(al.Scale(factor=0.0, where=al.Where(keys=("nothing",))))
        frame = explain(edited, generate(edited, tokens=3), "raw_attention").to_frame()
        places = run.encoding.find("nothing")
        assert frame[frame["position"].isin(places)]["score"].abs().max() == 0
        assert frame[~frame["position"].isin(places)]["score"].min() > 0

    def test_it_can_be_stopped_and_says_how_far_it_is(self, run):
        from attnlab_core.errors import Cancelled
        from attnlab_core.generation import generate
        from attnlab_core.progress import watching
        from attnlab_core.sources import explain

        seen = []

        def watch(done, total):
            seen.append((done, total))
            if done == 2:
                raise Cancelled("Stopped.")

        told = generate(run, tokens=5)
        with watching(watch), pytest.raises(Cancelled):
            explain(run, told, "raw_attention")
        assert seen == [(1, 5), (2, 5)]


def told_of(plain, edited):
    from pages.ui.next_told import Told

    def one(ids):
        n = len(ids)
        return SimpleNamespace(ids=tuple(ids), tokens=("a",) * n, probabilities=(0.5,) * n)

    return Told(one(plain), None if edited is None else one(edited), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plain", "edited", "part"),
    [
        ([1, 2, 3], [1, 2, 3], None),
        ([1, 2, 3], None, None),
        ([1, 2, 3], [1, 4, 3], 1),
        ([1, 2], [1, 2, 3], 2),
        ([1], [], 0),
    ],
)
def test_where_two_continuations_part(plain, edited, part):
    from pages.ui.next_told import parting

    assert parting(told_of(plain, edited)) == part


def test_a_heat_map_is_drawn_whatever_the_tokens_are(run):
    import pandas as pd

    from attnlab_core import charts

    texts = ["if", '"', "\\", "datum", "</script>", "\u2028", "null"]
    cells = [(number, k, 0.1 * k) for number in range(3) for k in range(len(texts))]
    frame = pd.DataFrame(cells, columns=["number", "position", "score"])
    for signed in (False, True):
        drawn = charts.svg(charts.source_chart(frame, texts, texts[:3], signed=signed))
        assert "datum" in drawn
        assert drawn.count(">if") >= 2


class TestThePage:
    def test_the_first_visit_shows_the_shipped_language_model_without_a_click(self, backend):
        backend().lab("gpt2-mini").result(60)
        at = visit(backend, model="gpt2-mini", text="The old man opened the door and")
        fresh = test_pages.visit("next_tokens", backend)
        assert fresh.selectbox(key="model").value == "gpt2-mini"
        from attnlab_core.generation import generate

        plain = generate(
            backend().lab("gpt2-mini").result().run("The old man opened the door and"), tokens=16
        )
        said = [block.value for block in at.text]
        assert said[0].endswith(plain.text)
        assert len(said) == 2
        assert said[1] != said[0]  # the edit of the first visit changes something
        assert "They part at new token" in test_pages.shown(at)
        assert len(at.get("vega_lite_chart")) == 1
        assert {"What it expected", "How it goes on", "What each new token rests on"} <= {
            heading.value.replace("\\", "") for heading in at.header
        }

    def test_the_continuations_are_those_of_the_library(self, backend):
        import attnlab_core as al
        from attnlab_core.generation import generate

        at = visit(backend, scaled="nothing", times="3", tokens="9", how="a draw", heat="0.7", seed="4")
        run = backend().lab("tiny/causal").result().run(TEXT)
        edited = run.again(al.Scale(factor=3.0, where=al.Where(keys=("nothing",))))
        for block, one in zip(at.text, (run, edited), strict=True):
            assert block.value == TEXT + generate(one, tokens=9, temperature=0.7, seed=4).text

    def test_without_a_word_the_edits_of_manipulate_act_alone(self, backend):
        edit = {"op": "zero", "where": {"keys": ["nothing"]}}
        at = visit(backend, e=packed(edit))
        assert at.selectbox(key="scaled").value == "no word"
        assert "1 edit made on the page Manipulate" in test_pages.shown(at)
        assert len(at.text) == 2

    def test_no_edit_is_one_text(self, backend):
        at = visit(backend, scaled="no word")
        assert len(at.text) == 1
        assert "part at" not in test_pages.shown(at)
        assert not [box for box in at.get("button_group") if "as it is" in str(box)]

    def test_its_link_reopens_it(self, backend):
        said = {
            "scaled": "nothing",
            "times": "2.5",
            "tokens": "5",
            "by_method": "Raw attention",
            "with_first": "true",
        }
        at = visit(backend, **said, e=packed({"op": "sharpen", "factor": 2.0}))
        link = shared(at)
        found: dict[str, Any] = {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}
        assert said.items() <= found.items()
        again = visit(backend, **found)
        assert [block.value for block in again.text] == [block.value for block in at.text]
        strips = [
            [e.proto.body for e in one.get("html") if "al-words" in str(e.proto.body)] for one in (at, again)
        ]
        assert strips[0] == strips[1]

    def test_the_heat_map_holds_the_matrix(self, backend):
        from attnlab_core.generation import generate
        from attnlab_core.sources import explain

        at = visit(backend, scaled="no word", tokens="4", by_method="Raw attention", with_first="true")
        run = backend().lab("tiny/causal").result().run(TEXT)
        frame = explain(run, generate(run, tokens=4), "raw_attention").to_frame()
        spec = json.loads(at.get("vega_lite_chart")[0].proto.spec)
        cells = next(iter(spec["datasets"].values())) if "datasets" in spec else None
        if cells is None:
            import io

            import pyarrow as pa

            raw = at.get("vega_lite_chart")[0].proto.datasets[0].data.data
            cells = pa.ipc.open_stream(io.BytesIO(raw)).read_all().to_pylist()
        assert [round(cell["w"], 4) for cell in cells] == pytest.approx(
            frame["score"].round(4).tolist(), abs=1e-4
        )
        assert [cell["row"] for cell in cells] == frame["written"].tolist()
        assert [cell["column"].rstrip("₀₁₂₃₄₅₆₇₈₉") for cell in cells] == frame["text"].tolist()

    def test_a_chosen_token_shows_its_row_on_the_text(self, backend):
        at = visit(backend, scaled="no word", tokens="3", by_method="Raw attention", with_first="true")
        strips = [e.proto.body for e in at.get("html") if "class='al-row'" in str(e.proto.body)]
        assert strips[-1].count("role='listitem'") == len(
            backend().lab("tiny/causal").result().encode(TEXT).ids
        )
        pills = next(group for group in at.button_group if group.key == "written")
        pills.set_value(pills.options[2]).run()
        assert not at.exception
        later = [e.proto.body for e in at.get("html") if "class='al-row'" in str(e.proto.body)]
        assert later[-1].count("role='listitem'") == strips[-1].count("role='listitem'") + 2

    def test_dear_methods_say_what_they_cost_and_wait(self, backend, monkeypatch):
        from pages.ui import next_sources

        monkeypatch.setattr(next_sources, "AT_ONCE", 0.0)
        at = visit(backend, by_method="AtMan", tokens="3")
        said = test_pages.shown(at)
        assert "3 explanations, up to" in said
        assert not at.get("vega_lite_chart")
        at.button(key="explain").click().run()
        task = at.session_state["_task_sources"]
        assert task.done.wait(60)
        at.run()
        assert len(at.get("vega_lite_chart")) == 1

    @pytest.mark.parametrize("task", ["masked", "classification", "answering"])
    def test_other_models_are_told_what_fits(self, task, backend):
        name = f"tiny/{task}"
        backend().lab(name).result(60)
        at = test_pages.visit("next_tokens", backend, model=name, text="There is [MASK].")
        assert len(at.info) == 1
        assert "expects no next token" in at.info[0].value
        assert {"Compare", "Manipulate", "Heads", "Graph"} <= {
            link.proto.label for link in at.main.get("page_link")
        }

    @pytest.mark.parametrize(("words", "said"), [(60, "room for"), (300, "no room")])
    def test_a_text_that_leaves_little_room_says_so(self, words, said, backend):
        lab = backend().lab("tiny/causal").result(60)
        at = visit(backend, text="a" + " a" * (min(words, lab.max_tokens) - 1), scaled="no word", tokens="20")
        assert not at.error
        assert any(said in box.value for box in (*at.info, *at.warning))
        assert bool(at.text) == (said == "room for")

    @pytest.mark.parametrize("text", [test_pages.NASTY, "a", "\u200f שלום עולם", "word\n\n\nword"])
    def test_odd_texts(self, text, backend):
        at = visit(backend, text=text, tokens="3")
        assert not at.error
        assert "<script>" not in test_pages.shown(at)


@pytest.mark.browser
@pytest.mark.slow
class TestInChromium:
    def opened(self, visitor, url, **settings):
        page = visitor(url, **settings)
        page.locator("[data-testid=stVegaLiteChart]").wait_for()
        return page

    def test_the_first_visit_from_the_start_page(self, address, visitor):
        page = visitor(address)
        page.get_by_role("link", name="Next tokens").first.click()
        page.get_by_role("heading", name="What each new token rests on").wait_for()
        page.locator("[data-testid=stVegaLiteChart]").wait_for()
        page.get_by_role("radio", name="3 the", exact=True).click()
        page.get_by_text("Rolled out from the row of").wait_for()
        page.get_by_role("button", name="Share", exact=True).click()
        assert "model=gpt2-mini" in page.locator("[data-testid=stPopoverBody] code").first.inner_text()

    def test_downloads(self, address, visitor):
        page = self.opened(visitor, f"{address}next_tokens?model=gpt2-mini")
        page.get_by_text("Rolled out from the row of").wait_for()
        for number in range(3):
            page.get_by_role("button", name="Download").filter(has_text="Download").nth(number).click()
            for kind, begins in (("SVG", b"<svg"), ("CSV", b"\xef\xbb\xbf"), ("JSON", b"{")):
                with page.expect_download() as caught:
                    page.get_by_role("button", name=kind, exact=True).click()
                assert Path(caught.value.path()).read_bytes().startswith(begins)
            page.keyboard.press("Escape")
            page.locator("[data-testid=stPopoverBody]").wait_for(state="hidden")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_a_phone_never_scrolls_sideways(self, theme, address, visitor):
        text = "Donaudampfschifffahrtsgesellschaft+" + "+".join(["good"] * 40)
        page = self.opened(
            visitor,
            f"{address}next_tokens?model=gpt2-mini&text={text}",
            viewport={"width": 390, "height": 844},
            color_scheme=theme,
        )
        wide = page.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
        )
        assert wide <= 0
