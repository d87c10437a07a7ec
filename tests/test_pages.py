"""Every page, driven without a browser, over a tiny model of random weights."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.pages

ROOT = Path(__file__).resolve().parents[1]

NASTY = "<b>bold</b> **stars** `tick` $x$ :red[y] [a](http://b.c) 🙂 مرحبا ’quoted’ <script>alert(1)</script>"


@pytest.fixture(scope="module")
def labs():
    from attnlab_core.testing import tiny_lab

    made: dict[str, object] = {}

    def lab(task: str):
        if task not in made:
            made[task] = tiny_lab(task, "gpt2" if task == "causal" else "bert")
        return made[task]

    return lab


@pytest.fixture
def backend(labs, monkeypatch):
    """The pages' backend over tiny models: `sst2` is a classifier, `tiny/<task>` one of another task."""
    import streamlit as st

    from pages.ui import backend as module
    from pages.ui import state

    def load(name: str):
        from attnlab_core import models

        task = "classification" if name == module.DEFAULT else name.removeprefix("tiny/")
        return models.load(name) if task == name else labs(task)

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module.gc, "freeze", lambda: None)
    st.cache_resource.clear()
    yield state.backend
    st.cache_resource.clear()


def visit(page: str, backend, *, wait: bool = True, **query: str | list[str]) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page(f"pages/{page}.py").run()
    if wait:
        backend().lab().result(60)
        settle(at.run())
    assert not at.exception, at.exception[0].stack_trace
    return at


def shared(at: AppTest) -> str:
    """The link in the menu Share, once that is open."""
    at.session_state["share"] = True
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return next(block.value for block in at.code if block.value.startswith("http"))


def settle(at: AppTest) -> AppTest:
    """Run until this visitor's job is done, as the polling of a browser would."""
    until = time.monotonic() + 60
    while "_job" in at.session_state and at.session_state["_job"][1].running and time.monotonic() < until:
        time.sleep(0.05)
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def shown(at: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in at.get("html"))


def words(at: AppTest) -> list[str]:
    return [str(text) for text in at.get("markdown")]


PAGES = (
    *(
        "start",
        "compare",
        "side_by_side",
        "manipulate",
        "heads",
        "graph",
        "next_tokens",
        "images",
        "negation",
        "gender_bias",
        "multi_hop",
    ),
    *("encoder_and_decoder", "fine_tuning", "redundancy", "experiments", "leaderboard", "models"),
)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_drawn(page, backend):
    at = visit(page, backend)
    assert len(at.title) == 1
    assert not at.error


@pytest.mark.parametrize("page", PAGES)
def test_every_page_script_draws_the_frame_when_it_is_reached_by_itself(page, backend):
    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60).run()
    assert not at.exception, at.exception[0].stack_trace
    assert len(at.title) == 1
    assert {link.proto.label for link in at.sidebar.get("page_link")} >= {
        "Start",
        "Compare",
        "Manipulate",
        "Models",
    }


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_one_that_is_not_there(page, backend):
    for link in visit(page, backend).get("page_link"):
        assert link.proto.page.strip("/").split("/")[-1] in (*PAGES, "")


def test_the_first_screen_does_not_wait_for_the_model(backend, monkeypatch):
    from pages.ui import backend as module

    monkeypatch.setattr(module.Backend, "lab", lambda self, name="": Future())
    at = visit("start", backend, wait=False)
    assert "al-verdict" in shown(at)
    assert "Recorded on" in "".join(badge.value for badge in at.markdown)
    assert shown(at).count("class='al-row'") == 5


def test_the_recorded_dial_moves_the_recorded_verdict(backend, monkeypatch):
    from pages.ui import backend as module
    from pages.ui import state

    monkeypatch.setattr(module.Backend, "lab", lambda self, name="": Future())
    at = visit("start", backend, wait=False)
    said = json.loads(state.RECORDED.read_text(encoding="utf-8"))
    for factor in (0.0, 4.0):
        at.select_slider(key="x").set_value(factor).run()
        top = max(said["factors"][f"{factor:g}"].values())
        assert f"{100 * top:.1f} %" in shown(at)


def test_own_sentence_and_a_doubled_word_move_the_verdict(backend):
    at = visit("start", backend)
    at.text_input(key="text").set_value("A dull film, and a long one.").run()
    before = shown(settle(at))
    assert "edited" not in before
    pills = at.button_group(key="w")
    pills.set_value([pills.options[1]]).run()
    assert "edited" in shown(at)
    assert "Live" in "".join(badge.value for badge in at.markdown)


@pytest.mark.parametrize("page", ["start", "compare", "manipulate", "heads"])
@pytest.mark.parametrize(
    "text", [NASTY, "🙂", "שלום עולם", "x " * 4000, "a\n\nb", "as good as it gets, as ever"]
)
def test_any_text_is_shown_as_text(page, text, backend):
    at = visit(page, backend, text=text)
    assert "<script>" not in shown(at)
    assert "<b>bold" not in shown(at)
    assert not at.error
    if len(text) > 1000:
        assert any("were cut" in warning.value for warning in at.warning)


@pytest.mark.parametrize("page", ["start", "compare", "manipulate", "heads"])
def test_an_empty_text_is_explained(page, backend):
    at = visit(page, backend)
    box = at.text_input(key="text") if page == "start" else at.text_area(key="text")
    settle(box.set_value("   ").run())
    assert any("empty" in info.value for info in at.info)


def test_compare_shows_every_method_of_the_catalogue(backend):
    from attnlab_core.knobs import title
    from attnlab_core.methods import methods

    at = visit("compare", backend)
    pills = at.button_group(key="m")
    labels = list(pills.options)
    assert sorted(labels) == sorted(title(method) for method in methods().values())
    pills.set_value(labels).run()
    page = shown(settle(at))
    assert all(f"<div class='al-label'>{label}</div>" in page for label in labels)
    assert "Rank correlation between methods" in page


def test_a_knob_on_the_page_reaches_the_method(backend):
    at = visit("compare", backend)
    assert "layer 1, the last" in shown(at)
    at.number_input(key="k.raw_attention.layer").set_value(0).run()
    assert "layer 0 of 2" in shown(settle(at))


def test_a_knob_that_does_not_fit_is_one_line_and_the_others_stay(backend):
    at = visit("compare", backend)
    at.number_input(key="k.raw_attention.layer").set_value(77).run()
    page = shown(settle(at))
    assert "There is no layer 77" in page
    assert "Integrated gradients" in page


@pytest.mark.parametrize("task", ["masked", "causal", "answering"])
@pytest.mark.parametrize("page", ["compare", "manipulate"])
def test_every_task_has_samples_that_run(page, task, backend):
    backend().lab(f"tiny/{task}").result(60)
    at = visit(page, backend, model=f"tiny/{task}")
    menu = at.selectbox(key="sample")
    settle(menu.set_value(menu.options[0]).run())
    assert "al-verdict" in shown(at)
    assert not at.error


def test_manipulate_says_what_it_did(backend):
    at = visit("manipulate", backend, w="nothing")
    assert "edited" in shown(at)
    code = "\n".join(block.value for block in at.code)
    assert '"keys": ["nothing"]' in code
    assert "python -m attnlab_core run --model sst2" in code
    assert "attention calls were edited" in shown(at)


def test_edits_in_a_link_are_reopened(backend):
    from pages.ui import links

    edits = [
        {"op": "suppress", "factor": 0.5, "where": {"keys": ["dislike"]}},
        {"op": "scale", "factor": 3, "where": {"keys": ["nothing"], "layers": [1]}},
    ]
    at = visit("manipulate", backend, e=links.pack(edits))
    said = next(json.loads(block.value) for block in at.code if block.value.startswith("["))
    assert said == [edits[0], {"op": "scale", "factor": 3.0, "where": {"layers": [1], "keys": ["nothing"]}}]
    assert not at.button_group(key="w").value


def test_the_same_link_opened_again_from_another_page_holds_again(backend):
    from pages.ui import links

    said = links.pack([{"op": "scale", "factor": 3, "where": {"keys": ["nothing"]}}])
    at = visit("manipulate", backend, e=said)
    card = at.session_state["_stack"][0]
    at.button(key=f"c{card.number}.{at.session_state['_generation']}.delete").click().run()
    assert at.session_state["_stack"] == ()
    at.switch_page("pages/models.py").run()
    at.query_params["e"] = said
    at.switch_page("pages/manipulate.py").run()
    assert [card.edit["op"] for card in at.session_state["_stack"]] == ["scale"]


@pytest.mark.parametrize("link", ["%%%", "AAAA", "eJyrBQABaw", "x" * 5000, ""])
def test_a_damaged_link_starts_the_page_clean(link, backend):
    at = visit("manipulate", backend, e=link)
    assert not at.error


@pytest.mark.parametrize(
    "said", [7, {"op": "scale"}, [{"op": "nosuch"}], [{"op": "scale", "where": {"keys": ["absent"]}}], [3]]
)
def test_a_link_whose_edits_do_not_fit_is_explained(said, backend):
    from pages.ui import links

    visit("manipulate", backend, e=links.pack(said))


def test_two_visitors_never_see_each_others_edits(backend):
    one, other = visit("manipulate", backend, w="nothing"), visit("manipulate", backend, w="dislike")
    first = (shown(one), shown(other))
    assert first[0] != first[1]
    one.run()
    other.run()
    assert (shown(one), shown(other)) == first


def test_a_model_that_cannot_be_loaded_is_one_line(backend, tmp_path):
    at = visit("compare", backend, model=str(tmp_path / "nowhere"))
    at.button(key="load").click().run()
    backend().lab(str(tmp_path / "nowhere")).exception(60)
    at.run()
    assert len(at.error) == 1
    assert "\n" not in at.error[0].value


class TestLinks:
    @pytest.mark.parametrize("value", [[], {"a": [1, 2.5, None, "ü😀"]}, "text", 3])
    def test_round_trip(self, value):
        from pages.ui.links import pack, unpack

        packed = pack(value)
        assert unpack(packed) == value
        assert packed.isascii()
        assert not set(packed) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")

    @pytest.mark.parametrize("garbage", ["", "a", "%", "äö", "AAAA", "eJw", "eJyrBQABaw==x", "\x00"])
    def test_garbage_is_none(self, garbage):
        from pages.ui.links import unpack

        assert unpack(garbage) is None

    def test_a_bomb_is_none(self):
        import base64
        import zlib

        from pages.ui.links import pack, unpack

        bomb = base64.urlsafe_b64encode(zlib.compress(b'"' + b"a" * 10_000_000 + b'"', 9)).decode()
        assert unpack(bomb) is None
        with pytest.raises(ValueError, match="too large"):
            pack("a" * 100_000)


class TestCharts:
    @pytest.fixture
    def frame(self):
        import pandas as pd

        texts = ["<i>as</i>", "good", "<i>as</i>"]
        rows = [
            {
                "method": m,
                "label": m.upper(),
                "position": k,
                "text": t,
                "special": False,
                "score": s,
                "signed": m == "a",
            }
            for m, scores in {"a": (0.5, -1.0, 0.0), "b": (0.2, 0.1, 0.4), "c": (0.0, 0.0, 0.0)}.items()
            for k, (t, s) in enumerate(zip(texts, scores, strict=True))
        ]
        return pd.DataFrame(rows)

    def test_html_is_escaped_and_repeated_words_stay_apart(self, frame):
        from attnlab_core import charts

        for figure in (charts.word_strips(frame), charts.score_table(frame, dark=True)):
            assert "<i>as" not in figure
            assert "&lt;i&gt;as&lt;/i&gt;" in figure
        assert charts.word_strips(frame).count("role='listitem'") == 9

    def test_every_row_is_scaled_to_its_own_strongest_word(self, frame):
        from attnlab_core.charts import shares

        found = shares(frame).groupby("method")["share"]
        assert found.apply(lambda s: s.abs().max()).to_dict() == {"a": 1.0, "b": 1.0, "c": 0.0}
        assert found.get_group("a").to_list() == [0.5, -1.0, 0.0]

    def test_rank_agreement_is_spearmans(self, frame):
        from scipy.stats import spearmanr

        from attnlab_core.charts import rank_agreement

        found = rank_agreement(frame)
        wide = frame.pivot_table(index="position", columns="label", values="score")
        assert found.loc["A", "B"] == pytest.approx(spearmanr(wide["A"], wide["B"]).statistic)
        assert found["C"].isna().all()

    @pytest.mark.parametrize("dark", [False, True])
    def test_words_can_be_read_on_every_colour(self, dark):
        from attnlab_core.charts import _colours as charts

        c = charts.palette(dark)
        for signed in (False, True):
            for step in range(-100 if signed else 0, 101):
                paper = charts.mix(step / 100, signed, c)
                light, deep = sorted((charts.light(paper), charts.light(charts.ink(paper))), reverse=True)
                assert (light + 0.05) / (deep + 0.05) >= 4.5
        assert charts.mix(0, True, c) == charts.mix(0, False, c) == c.page

    def test_pictures_are_made_without_a_network(self, frame):
        from attnlab_core import charts

        chart = charts.score_chart(frame, title="<title>")
        assert charts.svg(chart).startswith("<svg")
        assert charts.png(chart)[:4] == b"\x89PNG"
        assert charts.png(chart) != charts.png(charts.score_chart(frame, title="other")), (
            "the text is not drawn"
        )
        assert charts.svg(charts.agreement_chart(charts.rank_agreement(frame))).startswith("<svg")
        assert charts.svg(charts.probability_chart({"a": 0.6}, {"b": 0.2})).startswith("<svg")

    def test_a_probability_is_never_rounded_to_certainty(self):
        from attnlab_core.charts import percent

        assert [percent(p) for p in (0.0, 1e-6, 0.5, 1 - 1e-6, 1.0)] == [
            "0.0 %",
            "< 0.1 %",
            "50.0 %",
            "> 99.9 %",
            "100.0 %",
        ]


def test_words_are_named_as_places():
    from pages.ui.widgets import plain, unique

    assert unique(["as", "good", "as"]) == ["as (1)", "good", "as (2)"]
    assert plain("a*b* `c`\n$d$") == r"a\*b\* \`c\` \$d\$"


def test_shared_modules_import_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, pages.ui.shell, attnlab_core.charts, pages.ui.panels, pages.ui.workbench, pages.ui.optimise_tab, pages.ui.heads; print({'torch','transformers','captum'} & {*sys.modules})"
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip().splitlines()[-1] == "set()"


def test_memory_is_bounded_and_keyed_by_value():
    from pages.ui.backend import Memo

    memo = Memo(budget=10)
    for number in range(5):
        memo.put(("model", number), number, 4)
    assert [memo.get(("model", number)) for number in range(5)] == [None, None, None, 3, 4]
    memo.put(("model", 9), "too large", 11)
    assert memo.get(("model", 9)) is None
    memo.drop("model")
    assert memo.get(("model", 4)) is None


def test_a_job_can_be_stopped(labs):
    from attnlab_core import Prompt
    from pages.ui.backend import Backend, Job, Question

    job = Job(Question("sst2", Prompt("A film.")), (("random", ()),))
    job.stop.set()
    Backend()._work(job)
    assert not job.running
    assert not job.found


def test_the_examples_in_the_links_module_hold():
    import doctest

    from pages.ui import links

    assert doctest.testmod(links).failed == 0


def finished(at: AppTest, slot: str) -> AppTest:
    """Run until long work is done, as the polling of a browser would."""
    until = time.monotonic() + 120
    while at.session_state[f"_task_{slot}"].running and time.monotonic() < until:
        time.sleep(0.1)
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def test_an_experiment_is_run_kept_and_read_again(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    at = visit("experiments", backend)
    assert any("480 rows" in head.value for head in at.header)  # the recorded one
    at.number_input(key="rows").set_value(8).run()
    at.multiselect(key="conditions").set_value(["invert", "its own attention put back"]).run()
    at.button(key="go").click().run()
    finished(at, "experiment")
    said = "\n".join(str(text.value) for text in at.markdown)
    assert "its own attention put back" in said
    assert "no attention moves" in said
    assert any(head.value == "Past runs" for head in at.header)
    assert any("8 rows" in head.value for head in at.header)
    from attnlab_core.store import Store

    (entry,) = Store().find()
    assert entry.rows == 8


@pytest.mark.parametrize("measure", ["Explanations", "Layers", "Evidence"])
def test_the_other_experiments_run_on_the_page(measure, backend, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    at = visit("experiments", backend, measure=measure)
    at.number_input(key="rows").set_value(4).run()
    at.button(key="go").click().run()
    finished(at, "experiment")
    assert not at.error, at.error[0].value
    assert any(head.value.startswith(measure) for head in at.header), [head.value for head in at.header]


def test_two_results_are_seen_side_by_side(backend, tmp_path, monkeypatch):
    """The choice in the table is put where the browser would put it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    from attnlab_core.report import report_from_json
    from attnlab_core.store import Store

    said = json.loads((ROOT / "pages/recorded/experiment.json").read_text(encoding="utf-8"))
    store = Store()
    store.add_all([report_from_json(said), report_from_json(said | {"rows": 481})])
    compared = []
    monkeypatch.setattr(
        Store, "compare", lambda self, *ids, real=Store.compare: compared.append(ids) or real(self, *ids)
    )
    from pages.ui import past

    def choose(frame, **how):
        return {"selection": {"rows": [0, 1]}} if how.get("key") == "past" else None

    monkeypatch.setattr(past.st, "dataframe", choose)
    at = visit("experiments", backend)
    assert compared == [(2, 1)] * len(compared)
    assert compared
    assert (
        sum("Accuracy falls" in str(text.value) for text in at.markdown) == 3
    )  # the recorded one, and the two
