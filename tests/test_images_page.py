"""The page Images: maps over a picture, the brush, one's own picture, and models that read something else."""

from __future__ import annotations

import io
import json
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

import attnlab_core as al
from attnlab_core import charts
from attnlab_core.gradient import attention_gradient
from attnlab_core.pictures import Picture
from attnlab_core.shapes import shapes
from pages.ui import brush, captioning, page_report, patch_gradient, picturing
from tests import test_pages
from tests.walk import settle

labs, backend = test_pages.labs, test_pages.backend


def visit(page: str, backend, **query):
    """The page with the models that are asked for there."""
    for name in {"shapes-vit", *(value for key, value in query.items() if key in ("vision", "model"))}:
        backend().lab(name).result(60)
    return test_pages.visit(page, backend, **query)


@pytest.fixture(scope="module")
def run():
    return al.load("shapes-vit").run(al.Prompt(image=picturing.sample("a star and a moon")))


def test_each_method_has_a_map_and_the_table_holds_every_patch(backend):
    at = visit("images", backend, m=["Raw attention", "AtMan"])
    assert [one.value for one in at.markdown if one.value in ("**Raw attention**", "**AtMan**")] == [
        "**Raw attention**",
        "**AtMan**",
    ]
    (table,) = at.dataframe
    assert list(table.value.columns) == ["patch", "Raw attention", "AtMan"]
    assert len(table.value) == 100
    assert not at.error


@pytest.mark.slow
def test_captions_are_explained_with_the_picture(backend):
    at = visit("images", backend, vision="shapes-clip", m=["AtMan", "Occlusion"])
    (box,) = [one for one in at.text_area if one.key == "captions"]
    assert box.value == captioning.captions(*picturing.SAMPLES["a star and a moon"])
    (table,) = at.dataframe
    assert list(table.value.columns) == ["word or patch", "AtMan", "Occlusion"]
    words = [word for line in box.value.splitlines() for word in line.split()]
    assert list(table.value["word or patch"][: len(words)]) == words
    assert len(table.value) == len(words) + 100
    assert any("this much lies in the picture" in one.value for one in at.markdown)
    (rows,) = [one.proto.body for one in at.get("html") if "class='al-part'" in one.proto.body]
    assert [rows.count(f">caption {k}</span>") for k in range(1, 6)] == [2, 2, 2, 2, 0]
    at.text_area(key="captions").set_value("a star").run()
    assert any("at least two" in one.value for one in at.error)
    at.text_area(key="captions").set_value("a star\na cross").run()
    assert not at.error
    at.selectbox(key="picture").set_value("one heart").run()
    assert at.text_area(key="captions").value == captioning.captions(*picturing.SAMPLES["one heart"])


@pytest.mark.parametrize("sample", picturing.SAMPLES)
def test_the_first_caption_of_a_sample_is_the_right_one(sample):
    lines = captioning.captions(*picturing.SAMPLES[sample]).splitlines()
    seed, kinds, copies = picturing.SAMPLES[sample]
    drawn = {f"{shape.colour} {shape.kind}" for shape in shapes(seed, kinds, copies=copies)}
    assert {part.partition(" ")[2] for part in lines[0].split(" and ")} <= drawn
    run = al.load("shapes-clip").run(al.Prompt("\n".join(lines), image=picturing.sample(sample)))
    assert run.prediction == lines[0]


@pytest.mark.parametrize("view", ["Brush", "Gradient"])
def test_the_other_views_take_text_and_pictures_too(backend, view):
    at = visit("images", backend, vision="shapes-clip", view=view, lowered="34.35")
    if view == "Gradient":
        waited(at, "gradient")
    assert not at.error
    both = al.load("shapes-clip").run(
        al.Prompt(
            captioning.captions(*picturing.SAMPLES["a star and a moon"]),
            image=picturing.sample("a star and a moon"),
        )
    )
    places = [patch.positions[0] for patch in both.encoding.patches]
    (edit,) = brush.made(both, {34: -1, 35: -1}, 0.0, 5.0)
    assert edit.where.keys == (places[34], places[35])
    mean = both.pattern.weights[:, :, places[0] - 1].mean((0, 1))
    torch.testing.assert_close(brush.attention(both, None), mean)
    assert picturing.looking(both) == list(range(6))


def test_a_downloaded_figure_holds_the_picture_under_every_map(run):
    found = [al.attribute(run, name) for name in ("raw_attention", "random")]
    frame = charts.score_frame(found, "token", False)
    drawn = charts.svg(charts.picture_chart(frame, run.prompt.image, run.tokens))
    sizes = re.findall(r"<image [^>]*?width=\"(\d+)\" height=\"(\d+)\"", drawn)
    assert sizes == [(str(charts.MAP_SIDE),) * 2] * 2
    assert drawn.count('aria-roledescription="rect mark"') == 200


def test_the_samples_are_what_they_are_called():
    """Of every sample the model's first answers are the shapes that its label names."""
    lab = al.load("shapes-vit")
    for label, (_, kinds, _) in picturing.SAMPLES.items():
        found = list(lab.run(al.Prompt(image=picturing.sample(label))).probabilities)[: len(kinds)]
        assert set(found) == set(kinds), (label, found)


def test_an_address_opens_what_was_painted(backend):
    at = visit("images", backend, view="Brush", lowered="34.35.44", less="0.2")
    assert "6 of 6 attention calls were edited" in test_pages.shown(at)
    assert at.slider(key="less").value == 0.2


def test_a_painting_is_two_edits(run):
    made = brush.made(run, {3: 1, 5: -1, 6: -1}, 0.0, 5.0)
    assert [(edit.factor, edit.where.keys) for edit in made] == [(0.0, (6, 7)), (5.0, (4,))]
    assert brush.made(run, {3: 1}, 0.0, 1.0) == ()
    after = run.again(*made)
    assert (after.pattern.weights[..., [6, 7]] == 0).all()
    assert brush.said(run, after).startswith(brush.said(run, None))


@pytest.mark.parametrize(
    "said",
    [
        None,
        "x",
        {},
        {"doc": "d"},
        {"doc": "d", "painted": 3},
        {"doc": "d", "painted": [[1], ["a", 1], [2, 5], [400, 1], [True, 1], None]},
    ],
)
def test_what_a_browser_should_not_say_paints_nothing(said, monkeypatch):
    monkeypatch.setattr(brush.st, "query_params", {})
    assert brush.painted(said, "d", 100) == {}


@pytest.mark.parametrize("said", ["", "x", "-1", "1e3", "100", "9" * 400, "١"])
def test_nor_does_an_address(said, monkeypatch):
    monkeypatch.setattr(brush.st, "query_params", {"lowered": said})
    assert set(brush.painted(None, "d", 100)) <= {1}


def test_a_model_of_text_is_sent_to_its_page_and_back(backend):
    at = visit("images", backend, vision="tiny/masked")
    assert any("reads text" in one.value for one in at.info)
    at = visit("compare", backend, model="shapes-vit")
    assert any("reads pictures" in one.value for one in at.info)
    assert not at.error


@pytest.mark.slow
def test_other_pages_do_not_offer_it(backend):
    assert "shapes-vit" not in visit("compare", backend).selectbox(key="model").options
    assert visit("images", backend).selectbox(key="vision").options == ["shapes-vit", "shapes-clip"]


def waited(at, slot: str):
    """The page once the work of a slot is done."""
    task = at.session_state[f"_task_{slot}"]
    assert task.done.wait(90)
    assert not task.failed
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def test_the_brush_shows_where_the_class_token_looks_before_and_after(backend, run):
    at = visit("images", backend, view="Brush", lowered="34.35.44")
    assert [one.value for one in at.markdown if one.value in ("**Before**", "**After**")] == [
        "**Before**",
        "**After**",
    ]
    assert at.selectbox(key="seen").value == "5"
    after = run.again(*brush.made(run, {34: -1, 35: -1, 44: -1}, 0.0, 5.0))
    for layer in (None, 5):
        weights = [one.pattern.weights[:, :, 0] for one in (run, after)]
        wanted = [one.mean((0, 1)) if layer is None else one[layer].mean(0) for one in weights]
        for of, expected in zip((run, after), wanted, strict=True):
            torch.testing.assert_close(brush.attention(of, layer), expected)
    assert (brush.attention(after, None)[[35, 36, 45]] == 0).all()


def test_two_maps_on_one_scale_have_one_end(run):
    frames = {}
    for label, factor in {"Before": 1.0, "After": 0.25}.items():
        values = torch.linspace(0, factor, len(run.tokens))
        frames[label] = picturing.scored(run, values, label, 1.0)
    shares = [charts.shares(frame).query("not special")["share"].max() for frame in frames.values()]
    assert shares == [1.0, 0.25]
    table = picturing.table_of(frames)
    assert list(table.columns) == ["patch", "Before", "After"]
    assert len(table) == 100
    drawn = charts.svg(picturing.together(frames, run))
    assert drawn.count("<image ") == 2
    assert drawn.count('aria-roledescription="rect mark"') == 200
    assert ">Before<" in drawn


def test_a_large_picture_is_sent_small():
    large = Picture.of(np.zeros((500, 1000, 3), np.uint8))
    assert (picturing.small(large).width, picturing.small(large).height) == (600, 300)


def test_a_step_along_the_gradient_is_run_and_can_be_painted_on(backend, run):
    at = waited(visit("images", backend, view="Gradient", patches="2"), "gradient")
    told = "\n".join(one.value for one in at.markdown)
    assert "predicted **+" in told
    assert "6 of 6 attention calls were edited" in test_pages.shown(at)
    found = attention_gradient(run, list(run.probabilities)[1])
    known = patch_gradient.chosen(run, found.keys(), 2)
    assert sorted(known.values()) == [-1, -1, 1, 1]
    order = found.keys()[1:].argsort().tolist()
    assert {place for place, sign in known.items() if sign > 0} == set(order[-2:])
    next(one for one in at.button if one.label == "Paint on from here").click()
    at.run()
    assert not at.exception
    assert at.segmented_control(key="view").value == "Brush"
    assert (at.slider(key="less").value, at.slider(key="more").value) == (0.0, 2.0)
    lowered = ".".join(str(place) for place in sorted(known) if known[place] < 0)
    assert lowered in at.query_params["lowered"]
    assert "2.0" in at.query_params["more"]
    assert not at.error


def test_no_step_is_no_edit(backend):
    at = waited(visit("images", backend, view="Gradient", patches="0"), "gradient")
    assert "No step is taken" in test_pages.shown(at)
    assert not any("predicted" in one.value for one in at.markdown)


@pytest.mark.slow
def test_the_search_shows_where_attention_goes(backend, run):
    at = visit("images", backend, view="Search", may="layer 5 only", steps="10")
    at.button(key="search").click()
    at = waited(at.run(), "search")
    assert not at.error
    assert [one.value for one in at.header] == [
        f"Where attention goes to make it “{list(run.probabilities)[1]}”"
    ]
    titles = [one.value for one in at.markdown if one.value in ("**Before**", "**After**", "**Change**")]
    assert titles == ["**Before**", "**After**", "**Change**"]
    said = at.session_state["_board"].figures["search"].document()
    assert said["search"]["target"] == list(run.probabilities)[1]
    assert {tuple(row) for row in said["patches"]} == {("patch", "Before", "After", "Change")}
    assert len(json.dumps(said)) < 500_000


@pytest.mark.parametrize(
    ("view", "more", "figures"),
    [("Explain", {"m": ["Raw attention"]}, 1), ("Brush", {"lowered": "34.35"}, 2), ("Gradient", {}, 1)],
)
def test_the_report_holds_the_picture_and_names_the_model(backend, run, view, more, figures):
    at = visit("images", backend, view=view, **more)
    if view == "Gradient":
        waited(at, "gradient")
    made = page_report.made(
        at.session_state["_board"], at.session_state["_visits"]["images"], run.lab.summary(), ""
    )
    assert len(re.findall(r"<image [^>]*data:image/png;base64,", made)) == figures
    assert "shapes-vit" in made


@pytest.mark.slow
def test_the_report_holds_the_words_beside_the_picture(backend):
    at = visit("images", backend, vision="shapes-clip", m=["Occlusion"])
    made = page_report.made(at.session_state["_board"], at.session_state["_visits"]["images"], {}, "")
    assert "The words" in made
    assert "a green star and a pink moon" in made
    assert len(re.findall(r"<image [^>]*data:image/png;base64,", made)) == 1


def test_the_tour_leads_on_to_a_painted_picture(backend, run):
    at = visit("leaderboard", backend, tour="7")
    (link,) = [one.proto for one in at.main.get("page_link") if one.proto.label == "Paint over a picture"]
    assert link.page.strip("/").endswith("images")
    said = dict(parse_qsl(link.query_string))
    known = brush._checked([[int(place), -1] for place in said["lowered"].split(".")], 100)
    assert run.prediction == "moon"
    assert run.again(*brush.made(run, known, 0.0, 5.0)).prediction == "star"


# --- in a browser


def painted(page) -> str:
    return page.locator(".al-verdict").first.inner_text()


@pytest.mark.browser
@pytest.mark.slow
class TestBrowser:
    def opened(self, address, visitor, **more):
        page = visitor(f"{address}images?view=Brush&picture=a+star+and+a+moon", **more)
        page.locator(".brush canvas").wait_for()
        page.wait_for_function("document.querySelector('.al-verdict')")
        page.wait_for_timeout(500)
        return page

    def stroke(self, page, kind: str, run) -> None:
        """Drag over the middle of a shape, with the largest brush."""
        seed, kinds, copies = picturing.SAMPLES["a star and a moon"]
        from attnlab_core.shapes import scene

        shape = next(one for one in scene(seed, kinds, copies=copies).shapes if one.kind == kind)
        page.locator(".brush input[type=range]").fill("3")
        box = page.locator(".brush canvas").bounding_box()
        at = [box["x"] + box["width"] * shape.x / 80, box["y"] + box["height"] * shape.y / 80]
        reach = box["width"] * shape.radius / 80 / 2
        page.mouse.move(at[0] - reach, at[1])
        page.mouse.down()
        page.mouse.move(at[0] + reach, at[1], steps=4)
        page.mouse.up()

    def test_a_model_of_text_and_pictures_is_explained_from_cold(self, address, visitor):
        """Hundred patches and their words take a while to weigh, which nobody asked for yet."""
        page = visitor(f"{address}images?vision=shapes-clip")
        for method in (
            "Raw attention",
            "Attention rollout",
            "Attention flow",
            "AtMan",
            "Integrated gradients",
        ):
            page.locator("strong", has_text=method).wait_for()
        settle(page)
        assert page.locator("[data-testid=stVegaLiteChart] svg").count() == 5
        assert "this much lies in the picture" in page.inner_text("body")

    def test_a_stroke_changes_the_verdict(self, address, visitor, run):
        """With the likelier of two shapes painted away, the other one is the answer; undo brings it back."""
        page = self.opened(address, visitor)
        before, first = painted(page), run.prediction
        assert before.startswith(first)
        self.stroke(page, first, run)
        page.wait_for_function(
            "old => !document.querySelector('.al-verdict').innerText.startsWith(old)", arg=first
        )
        assert "lowered=" in page.url
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function(
            "old => document.querySelector('.al-verdict').innerText.startsWith(old)", arg=first
        )
        page.wait_for_function("!location.search.includes('lowered=')")

    def test_the_maps_follow_a_stroke_and_stay_in_place(self, address, visitor, run):
        """What the class token looks at is painted anew where it stands; only the second map changes its share of the painted."""
        page = self.opened(address, visitor)
        settle(page)
        charts_ = page.locator("[data-testid=stVegaLiteChart] svg")
        assert charts_.count() == 2
        page.evaluate("window.kept = [...document.querySelectorAll('[data-testid=stVegaLiteChart] svg')]")
        before = charts_.nth(1).inner_html()
        self.stroke(page, run.prediction, run)
        page.wait_for_function("old => window.kept[1].innerHTML !== old", arg=before)
        assert page.evaluate("window.kept.every(one => document.contains(one))")
        painted = charts_.nth(1).locator("path[aria-roledescription='rect mark']")
        places = [int(place) for place in parse_qs(urlsplit(page.url).query)["lowered"][0].split(".")]
        assert all(painted.nth(place).get_attribute("opacity") == "0" for place in places)

    def test_by_keyboard(self, address, visitor):
        page = self.opened(address, visitor)
        canvas = page.locator(".brush canvas")
        canvas.focus()
        for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
            canvas.press(key)
        page.wait_for_function("location.search.includes('lowered=21')")
        assert "1 patch lowered" in canvas.get_attribute("aria-label")
        canvas.press("Delete")
        page.wait_for_function("!location.search.includes('lowered=')")

    def test_ones_own_picture_is_read(self, address, visitor, tmp_path):
        page = self.opened(address, visitor)
        pixels = np.zeros((60, 90, 3), np.uint8)
        pixels[10:50, 20:60] = (240, 140, 20)
        made = io.BytesIO()
        Image.fromarray(pixels).save(made, "JPEG")
        page.locator("input[type=file]").first.set_input_files(
            {
                "name": "<img src=x onerror=window.pwned=1>.jpg",
                "mimeType": "image/jpeg",
                "buffer": made.getvalue(),
            }
        )
        for _ in range(100):  # the canvas gets the shape of the picture
            box = page.locator(".brush canvas").bounding_box()
            if box and abs(box["width"] / box["height"] - 1.5) < 0.02:
                break
            page.wait_for_timeout(200)
        else:
            pytest.fail("the picture is not shown")
        page.locator("input[type=file]").first.set_input_files(
            {"name": "none.png", "mimeType": "image/png", "buffer": b"<svg onload=alert(1)>"}
        )
        page.get_by_text("no picture that can be read").wait_for()
        assert not page.evaluate("window.pwned")
