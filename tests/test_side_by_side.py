"""Two things side by side: what stands for what, what differs, and the page that shows it."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest
import torch

from attnlab_core import charts, pairs
from attnlab_core.methods import Attribution
from attnlab_core.prompt import Token, Word
from tests.test_pages import backend, labs, shown, visit  # noqa: F401

KNOWN = {"method": "m", "target": "good", "signed": True}


def account(words: list[tuple[str, list[float]]], **more) -> Attribution:
    """An explanation made by hand: words, each with the scores of its pieces."""
    tokens, made, scores = [], [], []
    for number, (text, pieces) in enumerate(words):
        first = len(scores)
        scores += pieces
        tokens += [Token(text, segment=0, word=number) for _ in pieces]
        made.append(Word(text, 0, 0, 0, tuple(range(first, len(scores)))))
    said = KNOWN | more
    return Attribution(
        said["method"], said["method"], torch.tensor(scores, dtype=torch.float64), tuple(tokens), tuple(made),
        said["target"], said.get("params", {}), 0.0, said["signed"], "",
    )  # fmt: skip


def test_inserted_words_are_kept_as_such_and_the_others_are_subtracted():
    one = account([("the", [0.5]), ("film", [1.0]), ("bad", [-4.0])])
    two = account([("the", [0.25]), ("film", [3.0]), ("not", [2.0]), ("bad", [-1.0])])
    found = pairs.compare(one, two)
    assert list(found.frame["text"]) == ["the", "film", "not", "bad"]
    assert found.frame["difference"].tolist()[:2] == [0.25, -2.0]
    assert found.frame["difference"].tolist()[3] == -3.0
    assert math.isnan(found.frame["a"][2])
    assert math.isnan(found.frame["difference"][2])
    assert found.frame["b"][2] == 2.0
    assert (found.top, found.shares, found.signed) == (4.0, False, True)
    assert pairs.compare(one, account([("bad", [3.0])])).top == 7.0  # a difference is on the scale, too
    assert found.agreement.words == 3


def test_repeated_words_stay_apart():
    one = account([("as", [1.0]), ("good", [2.0]), ("as", [3.0]), ("it", [4.0])])
    two = account([("as", [10.0]), ("bad", [0.0]), ("as", [30.0]), ("it", [40.0])])
    found = pairs.compare(one, two)
    rows = [
        (r["text"], r["number"], r["difference"])
        for r in found.frame.to_dict("records")
        if not math.isnan(r["difference"])
    ]
    assert rows == [("as", 1, -9.0), ("as", 2, -27.0), ("it", 0, -36.0)]


def test_pieces_are_summed_whatever_their_number():
    one, two = account([("unbelievable", [1.0, 2.0, 3.0])]), account([("Unbelievable", [4.0])])
    assert pairs.compare(one, two).frame["difference"].tolist() == [2.0]


def test_two_methods_are_compared_by_shares():
    one = account([("a", [2.0]), ("b", [-8.0])])
    two = account([("a", [0.5]), ("b", [0.25])], method="other")
    found = pairs.compare(one, two)
    assert found.shares
    assert found.frame["a"].tolist() == [0.25, -1.0]
    assert found.frame["b"].tolist() == [1.0, 0.5]
    assert found.frame["difference"].tolist() == [-0.75, -1.5]
    assert found.frame["score_a"].tolist() == [2.0, -8.0]


def test_other_settings_of_one_method_are_other_methods():
    words = [("a", [2.0]), ("b", [1.0])]
    assert pairs.compare(account(words, params={"k": 1}), account(words, params={"k": 2})).shares


def test_where_one_method_takes_no_side_sizes_are_compared():
    one = account([("a", [2.0]), ("b", [-4.0])])
    two = account([("a", [1.0]), ("b", [2.0])], method="amount", signed=False)
    found = pairs.compare(one, two)
    assert found.sizes
    assert not found.signed
    assert found.frame["difference"].tolist() == [0.0, 0.0]


def test_agreement_by_hand():
    one = account([("a", [1.0]), ("b", [2.0]), ("c", [3.0]), ("d", [4.0])])
    two = account([("a", [2.0]), ("b", [1.0]), ("c", [3.0]), ("d", [4.0])])
    found = pairs.compare(one, two).agreement
    assert found.spearman == pytest.approx(1 - 6 * 2 / (4 * 15))  # two neighbours changed places
    assert (found.top, found.shared, found.by_chance) == (3, ("d", "c"), 2.25)


def test_too_few_shared_words_have_no_order():
    found = pairs.compare(
        account([("a", [1.0]), ("b", [2.0])]), account([("c", [1.0]), ("b", [2.0])])
    ).agreement
    assert found.words == 1
    assert math.isnan(found.spearman)
    assert found.shared == ("b",)


def test_texts_that_share_nothing():
    found = pairs.compare(account([("a", [1.0])]), account([("b", [2.0])]))
    assert found.agreement.words == 0
    assert found.agreement.shared == ()
    assert (
        charts.pair_strips(found).count("al-gap'") == 4
    )  # each word where it is not, and both in the difference


def test_attention_of_pieces_is_summed_over_keys_and_averaged_over_queries():
    weights = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.4, 0.4], [0.6, 0.3, 0.1]])
    found = pairs.by_place(weights, [(0,), (1, 2)])
    assert torch.allclose(found, torch.tensor([[0.5, 0.5], [0.4, 0.6]]))


def test_attention_differences_are_those_of_the_words_both_have(lab):
    one, two = lab.run("The film is bad."), lab.run("The film is not bad.")
    found = pairs.patterns(one, two, (0, 1), (1, None))
    assert found.by == "token"
    gone = [k for k, token in enumerate(two.tokens) if token.text == "not"]
    assert [b for _, b in found.pairs] == [k for k in range(len(two.tokens)) if k not in gone]
    a, b = found.pairs[2], found.pairs[4]
    expected = one.pattern.weights[0, 1][a[0], b[0]] - two.pattern.weights[1].mean(0)[a[1], b[1]]
    assert float(found.difference[2, 4]) == pytest.approx(float(expected), abs=1e-6)


def test_models_with_other_pieces_are_compared_by_word(lab, decoder_lab):
    text = "The movie was great"
    found = pairs.patterns(lab.run(text), decoder_lab.run(text), (0, None), (0, None))
    assert found.by == "word"
    assert [
        found.texts[0][a] for a, _ in found.pairs if not found.texts[0][a].startswith("[")
    ] == text.split()
    assert torch.allclose(found.first.sum(-1), torch.ones(len(found.first), dtype=torch.float64), atol=1e-5)


def test_figures_show_text_as_text():
    nasty = account([("<b>x</b>", [1.0]), ("'\"", [2.0])])
    found = pairs.compare(nasty, nasty)
    assert "<b>x" not in charts.pair_strips(found)
    assert "<b>x" not in charts.pair_legend(found, ("<b>x", "<b>x"))
    assert "<b>x" not in charts.pair_bars({"<b>x": 0.2}, {"<b>x": 0.1})


def test_points_are_never_minus_zero():
    said = charts.pair_bars({"a": 0.2}, {"a": 0.200001})
    assert "A − B: 0.0 points" in said


def test_one_scale_for_both():
    found = pairs.compare(account([("a", [1.0])]), account([("a", [4.0])]))
    strips = charts.pair_strips(found)
    full = charts.pair_strips(pairs.compare(account([("a", [4.0])]), account([("a", [4.0])])))
    paint = [part.split("'")[0] for part in strips.split("style='background")[1:]]
    strongest = full.split("style='background")[1].split("'")[0]
    assert paint[1] == strongest  # B has the greatest score
    assert paint[0] != strongest


def columns(count: int) -> dict:
    """The axis below the names of so many columns."""
    cells = pd.DataFrame([(0, k, 0.5) for k in range(count)], columns=["query", "key", "weight"])
    return charts.attention_chart(cells, ["internationalization"] * count).to_dict()["encoding"]["x"]["axis"]


def test_names_of_many_columns_stand_upright_and_give_way():
    few, many = columns(6), columns(20)
    assert (few["labelAngle"], few["labelOverlap"]) == (-55, False)
    assert (many["labelAngle"], many["labelOverlap"]) == (-90, "greedy")


class TestPage:
    def wait(self, at):
        for _ in range(100):
            task = at.session_state["_task_sides"]
            if task.done.wait(0.2):
                break
        at.run()
        assert not at.exception, at.exception[0].stack_trace
        return at

    def open(self, backend, **query):  # noqa: F811
        return self.wait(visit("side_by_side", backend, **query))

    def test_the_first_view_is_a_result(self, backend):  # noqa: F811
        at = self.open(backend)
        assert [box.value for box in at.text_area] == ["The film is bad.", "The film is not bad."]
        page = shown(at)
        assert "al-pair" in page
        assert "A − B:" in page
        assert "only in B" in page
        heights = [json.loads(chart.proto.spec)["height"] for chart in at.get("vega_lite_chart")]
        assert len(heights) == 3
        assert len(set(heights)) == 1
        assert "Agreement" in "".join(text.value for text in at.markdown)
        assert not at.error

    def test_two_methods_share_everything_else(self, backend):  # noqa: F811
        at = self.open(backend)
        at.button(key="preset.Two methods").click().run()
        self.wait(at)
        assert [box.label for box in at.selectbox if box.key.startswith("way")] == [
            "Method (A)",
            "Method (B)",
        ]
        assert len(at.text_area) == 1
        assert "share of the strongest word" in shown(at)
        assert "so is the attention" in shown(at)

    def test_with_and_without_an_edit(self, backend):  # noqa: F811
        at = self.open(backend)
        at.button(key="preset.With and without an edit").click().run()
        self.wait(at)
        assert at.selectbox(key="scaled_b").value == "nothing"
        assert at.selectbox(key="changed").value == "none"
        assert "A − B: 0.0 points" not in shown(at)

    def test_a_link_holds_all(self, backend):  # noqa: F811
        said = {
            "apart": ["Text", "Edits", "Layer and head"], "text": "A good film.", "text_b": "A good, good film.",
            "changed_b": "one word, more or less attention", "scaled_b": "good (2)", "times_b": "×4",
            "at_layer": "0", "at_layer_b": "1", "at_head_b": "head 1",
        }  # fmt: skip
        at = self.open(backend, **said)
        assert at.selectbox(key="scaled_b").value == "good (2)"
        assert at.select_slider(key="times_b").value == 4.0
        assert "A layer 0, mean of all heads; B layer 1, head 1" in "".join(head.value for head in at.header)

    def test_edits_as_json_act_on_their_side(self, backend):  # noqa: F811
        edits = '[{"op": "zero", "where": {"keys": ["good"]}}]'
        at = self.open(backend, apart=["Edits"], text="A good film.", changed_b="as JSON", json_b=edits)
        assert not at.error
        assert "A − B: 0.0 points" not in shown(at)

    @pytest.mark.parametrize(
        "said", ["{", "[3]", '[{"op": "nosuch"}]', '[{"op": "zero", "where": {"keys": ["absent"]}}]']
    )
    def test_edits_that_do_not_fit_are_one_line(self, said, backend):  # noqa: F811
        at = visit(
            "side_by_side", backend, apart=["Edits"], text="A good film.", changed_b="as JSON", json_b=said
        )
        assert len(at.error) == 1
        assert at.error[0].value.startswith("B\\:")

    def test_a_word_that_one_text_lacks_is_explained(self, backend):  # noqa: F811
        at = visit(
            "side_by_side", backend, apart=["Text"], text="A good film.", text_b="A film.",
            changed="one word, more or less attention", scaled="good",
        )  # fmt: skip
        assert [error.value[:3] for error in at.error] == ["B\\:"]

    def test_an_empty_side_is_explained(self, backend):  # noqa: F811
        at = self.open(backend)
        at.text_area(key="text_b").set_value("  ").run()
        assert any("empty" in info.value for info in at.info)

    def test_models_that_answer_other_questions(self, backend):  # noqa: F811
        backend().lab("tiny/causal").result(60)
        at = self.open(backend, apart=["Model"], text="The movie was great", model_b="tiny/causal")
        page = shown(at)
        assert "answer different questions" in page
        assert "cut words into different pieces" in page
        assert any("its own answer" in info.value for info in at.info)

    @pytest.mark.parametrize(
        "text", ["<b>bold</b> **stars** <script>alert(1)</script>", "x " * 4000, "שלום עולם"]
    )
    def test_any_text_is_shown_as_text(self, text, backend):  # noqa: F811
        at = self.open(backend, apart=["Text"], text=text, text_b=text)
        assert "<script>" not in shown(at)
        assert "<b>bold" not in shown(at)
        assert not at.error

    def test_by_sentences(self, backend):  # noqa: F811
        at = self.open(backend, by="sentences", text="Good. Bad.", text_b="Good. Bad, too.", apart=["Text"])
        assert "Bad, too." in shown(at)

    def test_the_link_of_the_menu_reopens_both_sides(self, backend):  # noqa: F811
        from urllib.parse import parse_qs, urlsplit

        at = self.open(backend, apart=["Text"], text="A good film.", text_b="A good, good film.")
        at.session_state["share"] = True
        at.run()
        link = next(block.value for block in at.code if "side_by_side" in block.value)
        said = parse_qs(urlsplit(link).query)
        assert (said["text"], said["text_b"]) == (["A good film."], ["A good, good film."])
        again = self.open(backend, **said)
        assert [box.value for box in again.text_area] == ["A good film.", "A good, good film."]

    def test_a_text_of_ones_own_is_explained_in_two_ways(self, backend):  # noqa: F811
        at = visit("compare", backend)
        at.session_state["text"] = "My own film."
        at.switch_page("pages/side_by_side.py").run()
        self.wait(at)
        assert [box.value for box in at.text_area] == ["My own film."]
        assert "Method (B)" in [box.label for box in at.selectbox]
