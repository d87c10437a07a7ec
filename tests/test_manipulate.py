"""The page Manipulate, driven without a browser: the stack, the painting, the gradient and the search."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from attnlab_core.prompt import sentences
from pages.ui.links import unpack
from tests import test_pages as world

pytestmark = pytest.mark.pages

labs, backend = world.labs, world.backend
visit, shown = world.visit, world.shown

NOTHING = {"op": "scale", "factor": 3.0, "where": {"keys": ["nothing"]}}
DISLIKE = {"op": "suppress", "factor": 0.5, "where": {"keys": ["dislike"]}}


def packed(*edits) -> str:
    from pages.ui.links import pack

    return pack(list(edits))


def calm(at):
    """Run until nothing works in the background."""
    until = time.monotonic() + 120
    tasks = [
        name for name in ("gradient", "helps", "search", "written") if f"_task_{name}" in at.session_state
    ]
    while any(at.session_state[f"_task_{n}"].running for n in tasks) and time.monotonic() < until:
        time.sleep(0.05)
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def sheet(at) -> dict:
    """What the painter was given to show."""
    return json.loads(at.get("bidi_component")[0].proto.json)


def paint(at, cells, stroke=1, settled=False):
    """What the browser sends after a stroke: the whole painting."""
    component, seq = at.get("bidi_component")[0], sheet(at)["ack"] + 1
    message = {"doc": sheet(at)["doc"], "seq": seq, "stroke": stroke, "settled": settled, "cells": cells}
    states = at._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = component.proto.id
    widget.json_value = json.dumps({"painting": message})
    at._run(states)
    assert not at.exception, at.exception[0].stack_trace
    assert sheet(at)["ack"] == seq
    return at


def stack(at) -> list[dict]:
    return [card.to_json() for card in at.session_state["_stack"]] if "_stack" in at.session_state else []


def link(at) -> dict[str, list[str]]:
    return parse_qs(urlsplit(world.shared(at)).query)


def drawn(*cells, layer=1, head=0) -> dict:
    return {"op": "draw", "cells": [list(c) for c in cells], "where": {"layers": [layer], "heads": [head]}}


def test_painting_is_an_edit_and_strokes_are_steps(backend):
    at = visit("manipulate", backend)
    plain = shown(at)
    paint(at, [[0, 3, 0.9]], stroke=1)
    assert stack(at) == [drawn((0, 3, 0.9))]
    assert shown(at) != plain
    assert "1 of 2 attention calls were edited" in shown(at)
    paint(at, [[0, 3, 0.9], [0, 4, 0.2]], stroke=1)
    paint(at, [[0, 3, 0.9], [0, 4, 0.2], [2, 2, 0]], stroke=2)
    at.button(key="undo").click().run()
    assert stack(at) == [drawn((0, 3, 0.9), (0, 4, 0.2))]
    at.button(key="undo").click().run()
    assert stack(at) == []
    assert sheet(at)["cells"] == []
    assert shown(at) == plain
    at.button(key="redo").click().run()
    assert stack(at) == [drawn((0, 3, 0.9), (0, 4, 0.2))]


def test_a_step_back_in_the_painter_is_one_of_the_stack(backend):
    at = visit("manipulate", backend)
    paint(at, [[0, 3, 0.9]], stroke=1)
    paint(at, [[0, 3, 0.9], [1, 1, 0.5]], stroke=2)
    paint(at, [[0, 3, 0.9]], stroke=3)
    paint(at, [], stroke=4)
    assert stack(at) == []
    assert at.button(key="undo").disabled
    assert not at.button(key="redo").disabled


def test_the_painter_shows_the_pattern_without_its_own_cells(backend):
    at = visit("manipulate", backend)
    before = sheet(at)
    paint(at, [[0, 3, 0.9]])
    after = sheet(at)
    assert after["cells"] == [[0, 3, 0.9]]
    assert after["base"] == before["base"]
    assert after["doc"] == before["doc"]


@pytest.mark.parametrize(
    "cells",
    [
        "x",
        [[0]],
        [[99, 0, 0.5]],
        [[0, 0, "a"]],
        [[0, -1, 0.4]],
        [[0, 1.5, 0.4]],
        [None],
        [[0, 0, float("nan")]],
    ],
)
def test_what_is_no_painting_is_left_alone(cells, backend):
    from pages.ui import painter

    on = painter.Sheet("doc", 0, 0, (0, 1, 2))
    assert [painter._checked(cell, on.places) for cell in cells if isinstance(cells, list)] in ([None], [])


def test_a_causal_model_hides_what_comes_later(backend):
    backend().lab("tiny/causal").result(60)
    at = visit("manipulate", backend, model="tiny/causal", text="The keys to the cabinet")
    said = sheet(at)
    n = len(said["tokens"])
    assert said["visible"] == "".join("1" if k <= q else "0" for q in range(n) for k in range(n))


def test_a_long_text_shows_its_most_attended_tokens(backend):
    at = visit("manipulate", backend, text="good " * 50)
    assert len(sheet(at)["tokens"]) == 32
    assert "The 32 tokens that get the most attention in this head" in shown(at)


def test_the_draft_is_kept_below_a_painting(backend):
    at = visit("manipulate", backend, w="nothing")
    assert stack(at) == []
    paint(at, [[0, 3, 0.9]])
    assert [edit["op"] for edit in stack(at)] == ["scale", "draw"]
    assert not at.button_group(key="w").value


def test_cards_can_be_switched_moved_and_deleted(backend):
    at = visit("manipulate", backend, e=packed(NOTHING, DISLIKE))
    both = shown(at)
    assert [toggle.label for toggle in at.toggle][:2] == ["Scale ×3 on “nothing”, all layers", "Suppress ×0\\.5 on “dislike”, all layers"]  # fmt: skip
    first = at.session_state["_stack"][0].number
    at.toggle(key=f"c{first}.1.on").set_value(False).run()
    assert stack(at)[0] == {"edit": NOTHING, "on": False}
    assert shown(at) != both
    at.button(key=f"c{first}.1.arrow_downward").click().run()
    assert stack(at) == [DISLIKE, {"edit": NOTHING, "on": False}]
    at.button(key=f"c{first}.1.delete").click().run()
    assert stack(at) == [DISLIKE]
    for _ in range(3):
        at.button(key="undo").click().run()
    assert stack(at) == [NOTHING, DISLIKE]
    assert shown(at) == both


def test_a_card_is_opened_renamed_and_changed(backend):
    at = visit("manipulate", backend, e=packed(NOTHING))
    number = at.session_state["_stack"][0].number
    at.session_state[f"c{number}.1.open"] = True
    at.run()
    at.text_input(key=f"c{number}.1.name").set_value("more of it").run()
    assert stack(at) == [{"edit": NOTHING, "name": "more of it"}]
    at.session_state[f"c{number}.1.open"] = True
    at.run()
    at.select_slider(key=f"c{number}.1.knob.factor").set_value(6.0).run()
    assert stack(at)[0]["edit"]["factor"] == 6.0
    assert stack(at)[0]["edit"]["where"] == NOTHING["where"]


TWO = ("There is nothing to dislike here.", "The story was told well.")


@pytest.mark.parametrize("op", ["scale", "uniform"])
def test_a_sentence_is_edited_as_a_whole(op, backend):
    from pages.ui.widgets import plain

    at = visit("manipulate", backend, text=" ".join(TWO), among="sentences")
    at.selectbox(key="op").set_value(op).run()
    pills = at.button_group(key="sw")
    assert list(pills.options) == [plain(text) for text in TWO]
    pills.set_value([plain(TWO[1])]).run()
    assert f"{op.capitalize()}" in shown(at)
    assert f"on “{TWO[1]}”" in shown(at)
    (edit,) = unpack(link(at)["e"][0])
    assert edit["where"] == {"keys": [TWO[1]]}
    assert not {"w", "sw", "among"} & set(link(at))  # the link holds it once
    at.button(key="keep").click().run()
    assert stack(at) == [edit]
    assert not at.button_group(key="sw").value


def test_sentences_that_are_alike_are_edited_by_their_places(backend):
    from pages.ui.widgets import plain

    at = visit("manipulate", backend, text="A film. A film.", among="sentences")
    at.button_group(key="sw").set_value([plain("A film. (2)")]).run()
    (edit,) = unpack(link(at)["e"][0])
    run = backend().lab().result().run("A film. A film.")
    assert edit["where"]["keys"] == list(range(4, 7)) == list(sentences(run.encoding)[1].positions)


def test_a_card_is_changed_by_sentences(backend):
    """It opens with sentences where it acts on whole ones, and what is chosen there is what it then acts on."""
    from pages.ui.widgets import plain

    zero = {"op": "zero", "where": {"keys": [TWO[1]]}}
    at = visit("manipulate", backend, text=" ".join(TWO), e=packed(zero))
    number = at.session_state["_stack"][0].number
    at.session_state[f"c{number}.1.open"] = True
    at.run()
    box = at.button_group(key=f"c{number}.1.knob.sw")
    assert box.value == [plain(TWO[1])]
    at.session_state[f"c{number}.1.open"] = True
    box.set_value([plain(TWO[0])]).run()
    assert stack(at) == [{"op": "zero", "where": {"keys": [TWO[0]]}}]
    at.session_state[f"c{number}.1.open"] = True
    at.button_group(key=f"c{number}.1.knob.among").set_value("words").run()
    words = at.button_group(key=f"c{number}.1.knob.w").value
    assert words == [plain(text) for text in (*TWO[0][:-1].split(), ". (1)")]
    assert stack(at) == [{"op": "zero", "where": {"keys": [TWO[0]]}}]


def test_keeping_an_edit_makes_room_for_another(backend):
    at = visit("manipulate", backend, w="nothing")
    said = shown(at)
    at.button(key="keep").click().run()
    assert [edit["op"] for edit in stack(at)] == ["scale"]
    assert not at.button_group(key="w").value
    assert shown(at).count("points") == said.count("points")


def test_a_link_brings_everything_back(backend):
    off = {"edit": DISLIKE, "name": "less", "on": False}
    at = visit("manipulate", backend, e=packed(NOTHING, off))
    at.selectbox(key="layer").set_value(0).run()
    at.selectbox(key="head").set_value(2).run()
    paint(at, [[0, 3, 0.9], [2, 1, 0.125]])
    query = {name: values[0] for name, values in link(at).items()}
    again = visit("manipulate", backend, **query)
    assert stack(again) == [NOTHING, off, drawn((0, 3, 0.9), (2, 1, 0.125), layer=0, head=2)]
    assert sheet(again)["cells"] == sheet(at)["cells"]
    assert [line for line in shown(again).split("\n") if "al-verdict" in line] == [
        line for line in shown(at).split("\n") if "al-verdict" in line
    ]


def test_a_card_that_does_not_fit_the_text_is_named(backend):
    at = visit("manipulate", backend, e=packed(NOTHING), text="A long film.")
    assert len(at.error) == 1
    assert "Scale ×3 on “nothing”" in at.error[0].value
    assert "\n" not in at.error[0].value


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xff\xfe\x00", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"7", "no edits"),
        (b'{"a": 1}', "no edits"),
        (b"[7]", "is no edit"),
        (b'[{"op": "nosuch"}]', "nosuch"),
        (b'[{"op": "scale", "factor": "x"}]', "factor"),
        (b'[{"op": "draw", "cells": [[0, 1, 7]]}]', "from 0 to 1"),
        (b"[" + b'{"op": "invert"},' * 60 + b'{"op": "invert"}]', "61 edits"),
        (b" " * (3 * 2**20), "MB"),
    ],
)
def test_a_bad_file_is_one_clear_line(raw, says, monkeypatch):
    from attnlab_core.errors import BadInput
    from pages.ui import stack, state

    monkeypatch.setattr(state, "get", lambda key, default=None: default)
    monkeypatch.setattr(state, "put", lambda key, value: None)
    with pytest.raises(BadInput, match=says) as caught:
        stack.read_file(raw)
    assert "\n" not in str(caught.value)


def test_a_file_is_saved_and_loaded(backend):
    from pages.ui import carrying

    at = visit("manipulate", backend, e=packed(NOTHING, drawn((0, 3, 0.9))))
    run = backend().lab().result().run("There is nothing to dislike here.")
    said = carrying.document("sst2", run, at.session_state["_stack"])
    other = visit("manipulate", backend, text="Another text.")
    other.file_uploader(key="file").upload("edits.json", said.encode(), "application/json").run()
    assert stack(other) == [NOTHING, drawn((0, 3, 0.9))]
    assert other.text_area(key="text").value == "There is nothing to dislike here."
    assert not other.error
    other.button(key="undo").click().run()
    assert stack(other) == []


def test_a_bad_upload_is_one_line_and_changes_nothing(backend):
    at = visit("manipulate", backend, e=packed(NOTHING))
    at.file_uploader(key="file").upload("edits.json", b'[{"op": "nosuch"}]', "application/json").run()
    assert stack(at) == [NOTHING]
    assert len(at.error) == 1
    assert "nosuch" in at.error[0].value
    assert "\n" not in at.error[0].value


def test_the_founding_example_is_told_from_the_numbers(backend):
    at = visit("manipulate", backend)
    at.button(key="founding").click().run()
    assert at.text_area(key="text").value == "The movie was not as bad as I expected."
    assert stack(at) == [{"op": "scale", "factor": 2.0, "where": {"keys": ["not"]}}]
    lab = backend().lab().result()
    p = lab.run("The movie was not as bad as I expected.").probabilities
    told = shown(at)
    if "positive" in p:
        assert "negative 0.65" in told
        assert "positive 0.58" in told
        assert f"{max(p, key=p.get)} {max(p.values()):.2f}" in told
    at.text_area(key="text").set_value("Another film.").run()
    assert "negative 0.65" not in shown(at)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ((0.6, 0.4), (0.45, 0.55), "The guess holds"),
        ((0.6, 0.4), (0.55, 0.45), "stays there"),
        ((0.3, 0.7), (0.2, 0.8), "not what was guessed"),
        ((0.4, 0.6), (0.6, 0.4), "the other way"),
    ],
)
def test_the_sentence_on_the_guess_follows_the_numbers(was, now, says):
    from types import SimpleNamespace

    from pages.ui import presets

    runs = [
        SimpleNamespace(probabilities=dict(zip(("negative", "positive"), p, strict=True))) for p in (was, now)
    ]
    measured = [max(run.probabilities.items(), key=lambda pair: pair[1]) for run in runs]
    said = presets.sentence(measured, *runs)
    assert says in said
    assert f"{abs(100 * (now[1] - was[1])):.1f} points" in said


def test_the_gradient_is_shown_and_a_suggestion_used(backend):
    at = calm(visit("manipulate", backend, view="Gradient"))
    assert "The steepest cells" in shown(at)
    assert "More attention on" in shown(at)
    at.button(key="find").click().run()
    calm(at)
    told = [block.value for block in at.markdown if "predicted" in block.value]
    assert len(told) == 10, (at.error, [block.value for block in at.markdown])
    at.button(key="use.0").click().run()
    assert len(stack(at)) == 1
    assert "attention calls were edited" in shown(at)


def test_the_map_is_coloured_by_what_is_chosen(backend):
    at = visit("manipulate", backend, e=packed(NOTHING))
    seen = {}
    for colour in ("change", "entropy", "first", "gradient"):
        at.selectbox(key="colour").set_value(colour).run()
        calm(at)
        seen[colour] = at.get("vega_lite_chart")[0].proto.spec
    assert len(set(seen.values())) == 4


def test_a_search_runs_in_the_background_and_is_opened_as_an_edit(backend):
    pytest.importorskip("attnlab_core.edits.bias")
    at = visit("manipulate", backend, view="Optimise")
    at.button(key="search").click().run()
    calm(at)
    assert not at.error
    assert any("verdict" in block.value and "P\\(" in block.value for block in at.markdown)
    at.button(key="open-small").click().run()
    assert [edit["edit"]["op"] for edit in stack(at)] == ["bias"]
    assert "attention calls were edited" in shown(at)


def test_a_model_that_goes_on_with_texts_writes_before_and_after(backend):
    backend().lab("tiny/causal").result(60)
    at = visit("manipulate", backend, model="tiny/causal", text="The keys to the cabinet", e=packed({"op": "scale", "factor": 3.0, "where": {"keys": ["keys"]}}))  # fmt: skip
    at.slider(key="more_tokens").set_value(5).run()
    at.button(key="write").click().run()
    calm(at)
    assert {"**As it is**", "**Edited**"} <= {str(block.value) for block in at.markdown}


class TestTask:
    def test_it_is_stopped_by_hand_and_by_nobody_looking(self):
        from attnlab_core.progress import step
        from pages.ui.tasks import Task

        def make(task):
            task.stop.set()
            step(1, 2)
            raise AssertionError("it went on")

        task = Task(("m",), make)
        task.work()
        assert (task.running, task.result, task.failed) == (False, None, "")
        task = Task(("m",), lambda _: 1, seen=time.monotonic() - 1000)
        task.work()
        assert task.result is None

    def test_another_question_stops_the_one_before_and_results_are_kept(self):
        from attnlab_core.progress import step
        from pages.ui.backend import Backend

        begun, kept = [], Backend()

        def slow(task):
            begun.append(task)
            for number in range(3000):
                time.sleep(0.01)
                step(number, 3000)

        task = kept.begin(("m", "slow"), slow)
        while not begun:
            time.sleep(0.01)
        task.stop.set()
        assert task.done.wait(20)
        assert task.result is None
        one = kept.begin(("m", "quick"), lambda _: "there")
        assert one.done.wait(20)
        time.sleep(0.05)
        assert kept.begin(("m", "quick"), lambda _: "never").result == "there"

    def test_what_goes_wrong_is_one_line(self):
        from pages.ui.tasks import Task

        def make(_):
            raise RuntimeError("first\nsecond")

        task = Task(("m",), make)
        task.work()
        assert task.failed == "RuntimeError: first"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"op": "scale", "factor": 2.0, "where": {"keys": ["nothing"]}}, "Scale ×2 on “nothing”, all layers"),
        (drawn(*[(0, k, 0.5) for k in range(5)], layer=4, head=7), "Painted: layer 4, head 7, 5 cells"),
        ({"op": "invert", "where": {"layers": [0, 1], "heads": [3]}}, "Invert, layers 0, 1, head 3"),
        ({"op": "zero", "where": {"keys": ["a"], "queries": ["b"]}}, "Zero on “a”, seen from “b”, all layers"),
        ({"op": "mean_pattern", "amount": 0.5}, "Mean pattern 50 %, all layers"),
        ({"op": "noise", "sd": 0.25, "seed": 3}, "Noise sd 0.25 seed 3, all layers"),
        ({"op": "invert", "where": {"layers": list(range(9))}}, "Invert, layers 0, 1, 2, 3…"),
    ],
)  # fmt: skip
def test_edits_are_said_in_words(edit, said):
    from pages.ui import sentences

    assert sentences.of_edit(edit) == said


def legend_of_map(at) -> str:
    return next(text for text in shown(at).splitlines() if "linear-gradient" in text and "<p" in text)


def test_the_map_says_what_its_colours_mean_in_two_lines_whatever_it_shows(backend):
    """What is below must not move while one paints."""
    at = visit("manipulate", backend)
    plain = legend_of_map(at)
    assert "Entropy: 0" in plain
    assert "bits" in plain
    assert "No edit acts yet" in plain
    paint(at, [[0, 3, 0.9]])
    edited = legend_of_map(at)
    assert "Change by the edits: 0" in edited
    assert "No edit acts yet" not in edited
    assert plain.count("<p") == edited.count("<p") == 2
    assert plain.count("white-space:nowrap") == edited.count("white-space:nowrap") == 2


def test_verdict_and_bars_stay_where_they_are_when_the_first_edit_comes(backend):
    at = visit("manipulate", backend)

    def order() -> list[str]:
        bodies = [str(element.proto.body) for element in at.get("html")]
        kinds = ("class='al-verdict'", "class='al-bars'", "edited words outlined")
        return [kind for body in bodies for kind in kinds if kind in body]

    plain = order()
    assert not at.info
    at.session_state["w"] = ["nothing"]
    at.run()
    assert not at.exception
    assert order()[: len(plain)] == plain
    assert order()[-1] == "edited words outlined"


def test_the_painter_speaks_the_answer_and_the_box_beside_it_is_silent(backend):
    at = visit("manipulate", backend)
    assert "role='status'" not in shown(at)
    assert "aria-label='Answer'" in shown(at)
    assert sheet(at)["verdict"]
    assert "role='status'" in shown(visit("compare", backend))


def test_buttons_with_an_icon_have_a_name(backend):
    at = visit("manipulate", backend)
    paint(at, [[0, 3, 0.9]])
    for key, name in (("undo", "Undo the last change of the edits"), ("redo", "Redo what was undone")):
        assert at.button(key=key).label == name
    card = at.session_state["_stack"][0].number
    names = {str(b.key).rpartition(".")[2]: b.label for b in at.button if str(b.key).startswith(f"c{card}.")}
    assert names == {
        "arrow_upward": "Let it act earlier",
        "arrow_downward": "Let it act later",
        "delete": "Take this edit off the stack",
    }


def test_a_sample_that_was_put_in_the_box_is_told_again_until_the_browser_must_have_it(backend):
    """The first run of a page is often cut short, and what it told the browser is lost then."""
    backend().lab("tiny/causal").result(60)
    at = visit("manipulate", backend, model="gpt2-mini", wait=False)
    assert at.text_area(key="text").proto.set_value
    at.run()
    assert at.text_area(key="text").proto.set_value
    for _ in range(4):
        at.run()
    assert not at.text_area(key="text").proto.set_value


@pytest.mark.parametrize(("words", "named"), [(8, 1), (40, 3)])
def test_columns_of_the_maps_are_named_as_far_as_there_is_room(words, named, backend):
    at = visit(
        "manipulate",
        backend,
        text="there is nothing to dislike here and now ".strip() + " there" * (words - 8),
    )
    assert "Once an edit acts" in shown(at)
    chart = json.loads(at.get("vega_lite_chart")[-1].proto.spec)
    positions = chart["encoding"]["x"]["axis"]["values"]
    assert len(positions) <= 17
    assert positions[1] - positions[0] == named
