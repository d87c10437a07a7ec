"""Pictures as prompts: how they are read, cut into patches, explained and edited; and what is refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import attnlab_core as al
from attnlab_core import record
from attnlab_core.__main__ import main
from attnlab_core.errors import BadInput, ModelRefused
from attnlab_core.lab import Lab
from attnlab_core.methods import attribute, methods
from attnlab_core.patches import Patch
from attnlab_core.pictures import LONGEST, MOST_BYTES, Picture
from attnlab_core.prompt import Prompt
from attnlab_core.shapes import COLOURS, KINDS, SIZE, scene
from attnlab_core.tasks.shapes import Shapes
from attnlab_core.testing import tiny_lab, tiny_picture


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab(architecture="vit", image_size=16, patch_size=4)


@pytest.fixture(scope="module")
def run(lab):
    return lab.run(tiny_picture(size=16))


def file(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **more)
    return made.getvalue()


# --- reading


def test_a_picture_keeps_its_pixels_and_nothing_else():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    found = Picture.read(file(Image.fromarray(pixels), exif=exif))
    assert np.array_equal(found.pixels, pixels)
    assert (found.width, found.height) == (7, 9)
    assert b"home" not in found.png
    assert Image.open(io.BytesIO(found.png)).info == {}
    assert found == Picture.of(pixels)
    assert Picture.at(found.address) == found


def test_a_picture_is_turned_as_its_camera_was():
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right column
    found = Picture.read(file(Image.fromarray(pixels), exif=exif)).pixels
    assert found.shape == (6, 4, 3)
    assert (found[:, -1] == 255).all()
    assert (found[:, :-1] == 0).all()


def test_what_is_transparent_is_white_and_of_a_moving_picture_the_first_frame_is_taken():
    clear = Image.new("RGBA", (3, 3), (200, 0, 0, 0))
    assert (Picture.read(file(clear)).pixels == 255).all()
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    moving = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (
        Picture.read(moving).pixels[0, 0].tolist() == [255, 0, 0]
        or Picture.read(moving).pixels[0, 0, 0] > 250
    )


def test_a_large_picture_is_made_smaller():
    found = Picture.read(file(Image.new("RGB", (2 * LONGEST, 30))))
    assert (found.width, found.height) == (LONGEST, 15)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no picture"),
        (b"<svg onload=alert(1)>", "no picture"),
        (file(Image.new("RGB", (40, 40)))[:60], "decoded"),
        (b"\x00" * (MOST_BYTES + 1), "at most"),
        (file(Image.new("1", (9000, 9000))), "9000 × 9000"),
        (file(Image.new("RGB", (4, 4)), "TIFF"), "no picture"),
    ],
    ids=["empty", "svg", "cut off", "many bytes", "many pixels", "tiff"],
)
def test_what_is_no_picture_is_refused_in_one_line(raw, said):
    with pytest.raises(BadInput, match=said) as caught:
        Picture.read(raw)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "data:text/html,<b>", "data:image/png;base64,!!", "data:image/png;base64,AAAA"]
)
def test_an_address_that_holds_no_picture_is_refused(address):
    with pytest.raises(BadInput):
        Picture.at(address)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        Picture.read(tmp_path / "none.png")


# --- patches


def test_patches_are_the_pieces_of_the_picture_in_rows(lab, run):
    assert [token.text for token in run.tokens][:6] == ["[CLS]", "r0 c0", "r0 c1", "r0 c2", "r0 c3", "r1 c0"]
    assert run.tokens[0].special
    assert run.tokens[0].box is None
    assert run.tokens[6].box == (0.25, 0.25, 0.5, 0.5)
    given = lab.reader.processor(run.prompt.image.image, return_tensors="pt")["pixel_values"][0]
    patch = run.encoding.ids[6]
    assert isinstance(patch, Patch)
    torch.testing.assert_close(patch.pixels, given[:, 4:8, 4:8])
    with torch.no_grad():
        expected = lab.model(pixel_values=given[None]).logits
    torch.testing.assert_close(run.logits, expected, rtol=0, atol=0)


def test_where_the_processor_cuts_the_edges_off_boxes_say_so():
    lab = tiny_lab(architecture="vit", image_size=16, patch_size=4)
    lab.reader.processor = ViTImageProcessorPil(
        size={"shortest_edge": 20}, crop_size={"height": 16, "width": 16}, do_center_crop=True
    )
    wide = Picture.of(
        np.zeros((40, 80, 3), np.uint8)
    )  # becomes 20 by 40, of which the middle 16 by 16 are read
    boxes = [token.box for token in lab.encode(Prompt(image=wide)).tokens if token.box]
    assert boxes[0] == pytest.approx((0.3, 0.1, 0.4, 0.3))
    assert boxes[-1] == pytest.approx((0.6, 0.7, 0.7, 0.9))


def test_a_patch_is_named_by_row_and_column(run):
    edited = run.again(al.Scale(factor=0.0, where=al.Where(keys=("r1 c1",))))
    assert (edited.pattern.weights[..., 6] == 0).all()
    torch.testing.assert_close(edited.pattern.weights.sum(-1), torch.ones(2, 4, 17))
    with pytest.raises(BadInput, match=r"no patch 'r9 c9'.*r0 c0 to r3 c3"):
        run.again(al.Scale(where=al.Where(keys=("r9 c9",))))


def test_text_and_pictures_are_told_apart(lab):
    with pytest.raises(BadInput, match="reads pictures, not text"):
        lab.run("A text.")
    with pytest.raises(BadInput, match="pictures alone"):
        lab.run(Prompt("A text.", image=tiny_picture().image))
    with pytest.raises(BadInput, match="reads text, not pictures"):
        tiny_lab().run(tiny_picture())


@pytest.mark.parametrize(
    ("kind", "more", "specials"),
    [
        ("deit", {}, 2),
        ("beit", {"use_absolute_position_embeddings": True}, 1),
        ("dinov2_with_registers", {"num_register_tokens": 3}, 4),
    ],
)
def test_other_vision_transformers(kind, more, specials):
    """A second token beside the class token, means over patches, registers."""
    settings = AutoConfig.for_model(
        kind, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, image_size=16, patch_size=4,
        num_labels=3, **more,
    )  # fmt: skip
    torch.manual_seed(0)
    if kind == "deit":  # two classes of transformers serve it
        settings.architectures = ["DeiTForImageClassification"]
    model = AutoModelForImageClassification.from_config(settings, attn_implementation="eager")
    lab = Lab(model, ViTImageProcessorPil(size={"height": 16, "width": 16}))
    run = lab.run(tiny_picture(size=16))
    assert sum(token.special for token in run.tokens) == specials
    assert lab.check.difference == 0
    for method in ("atman", "integrated_gradients", "occlusion"):
        assert attribute(run, method).scores.isfinite().all()


def test_windows_of_patches_are_refused():
    settings = AutoConfig.for_model(
        "swin", image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=2
    )
    model = AutoModelForImageClassification.from_config(settings, attn_implementation="eager")
    with pytest.raises(ModelRefused, match="not over all patches"):
        Lab(model, ViTImageProcessorPil(size={"height": 16, "width": 16}))


def test_a_model_without_patches_is_refused():
    settings = AutoConfig.for_model(
        "resnet", embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"
    )
    with pytest.raises(ModelRefused, match="does not cut"):
        Lab(
            AutoModelForImageClassification.from_config(settings),
            ViTImageProcessorPil(size={"height": 16, "width": 16}),
        )


def test_a_folder_is_loaded_through_the_same_door(lab, run, tmp_path):
    lab.model.save_pretrained(tmp_path)
    lab.reader.processor.save_pretrained(tmp_path)
    loaded = al.load(tmp_path)
    assert loaded.pictures
    torch.testing.assert_close(loaded.run(run.prompt).logits, run.logits)


# --- methods


def test_integrated_gradients_over_pixels_summed_by_patch_are_those_over_patches(lab, run):
    """The patch projection is linear, so the path through patches is the path through pixels. By captum, over pixels."""
    captum = pytest.importorskip("captum.attr")
    pixels = lab.reader.inputs([run.encoding.ids])["pixel_values"]
    label = int(run.logits[0].argmax())
    by_pixel = captum.IntegratedGradients(
        lambda given: lab.model(pixel_values=given).logits.log_softmax(-1)
    ).attribute(pixels, torch.zeros_like(pixels), target=label, n_steps=200, method="gausslegendre")
    expected = by_pixel[0].sum(0).reshape(4, 4, 4, 4).sum((1, 3)).flatten().double()
    found = attribute(run, "integrated_gradients", steps=200).scores
    assert found[0] == 0
    torch.testing.assert_close(found[1:], expected, rtol=1e-3, atol=1e-5)


def test_occlusion_is_a_patch_of_the_mean_colour(lab, run):
    pixels = lab.reader.inputs([run.encoding.ids])["pixel_values"].clone()
    pixels[..., 4:8, 4:8] = 0
    with torch.no_grad():
        less = lab.model(pixel_values=pixels).logits.softmax(-1)[0, int(run.logits[0].argmax())]
    found = attribute(run, "occlusion")
    assert found.scores[6] == pytest.approx(max(run.probabilities.values()) - float(less), abs=1e-6)
    assert "a patch of the mean colour" in found.aggregation
    with pytest.raises(BadInput, match="none can be deleted"):
        attribute(run, "occlusion", replace="delete")


def test_patches_that_are_alike_are_suppressed_together(lab):
    """A picture whose left and right half are the same: with a threshold both copies go at once."""
    half = np.random.default_rng(1).integers(0, 256, (16, 8, 3), dtype=np.uint8)
    run = lab.run(Prompt(image=Picture.of(np.concatenate([half, half], axis=1))))
    alike = attribute(run, "atman", similarity=0.999).scores
    torch.testing.assert_close(alike[1:3], alike[3:5])
    goal = run.goal()
    pair = run.again(*(al.edits.suppress.Suppress(factor=0.1, where=al.Where(keys=(1, 3))),))
    by_hand = float(goal.value(run.logits[None]) - goal.value(pair.logits[None]))
    assert float(alike[1]) == pytest.approx(by_hand, abs=1e-5)


def test_a_mask_that_cannot_be_lifted_is_not_asked_for(run):
    """Nothing is hidden in a picture, so AtMan's published variant is the plain one."""
    plain, official = (attribute(run, "atman", variant=name).scores for name in ("visible_min", "official"))
    torch.testing.assert_close(plain, official)


# --- records, command line, drawn scenes


def test_a_record_holds_the_picture_and_the_boxes(run):
    said = json.loads(json.dumps(record.of_attributions(run, [attribute(run, "raw_attention")])))
    assert Picture.at(said["prompt"]["image"]) == run.prompt.image
    assert said["tokens"][6]["box"] == [0.25, 0.25, 0.5, 0.5]
    assert said["model"]["reads"] == "pictures"


def test_the_command_line_reads_a_picture(lab, tmp_path, capsys):
    lab.model.save_pretrained(tmp_path / "model")
    lab.reader.processor.save_pretrained(tmp_path / "model")
    tiny_picture(size=16).image.image.save(tmp_path / "noise.png")
    asked = ["attribute", "--model", str(tmp_path / "model"), "--method", "all", "--json"]
    assert main([*asked, "--image", str(tmp_path / "noise.png")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["method"] for one in said["attributions"]] == list(methods())
    assert all(len(one["scores"]) == 17 for one in said["attributions"])
    assert main(asked) == 2
    assert "--image" in capsys.readouterr().err


def test_a_scene_is_the_same_for_its_seed_and_its_masks_are_its_shapes():
    one, again = scene(7, ["star", "moon"], copies=2), scene(7, ["star", "moon"], copies=2)
    assert np.array_equal(one.pixels, again.pixels)
    assert [shape.kind for shape in one.shapes] == ["star", "star", "moon"]
    assert one.shapes[0].colour == one.shapes[1].colour
    assert not (one.masks[0] & one.masks[1]).any()
    plain = scene(3, ["circle"], clutter=0)
    (shape,), inside = plain.shapes, plain.mask("circle")
    assert inside.sum() == pytest.approx(np.pi * shape.radius**2, rel=0.05)
    y, x = np.nonzero(inside)
    assert (x.mean(), y.mean()) == pytest.approx((shape.x, shape.y), abs=1)
    if shape.texture == "plain":
        assert plain.pixels[inside].mean(0) == pytest.approx(COLOURS[shape.colour], abs=12)
    with pytest.raises(al.errors.UnknownName, match="hexagon"):
        scene(0, ["hexagon"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_is_drawn_inside_the_picture(kind):
    for seed in range(8):
        mask = scene(seed, [kind]).mask(kind)
        assert 60 < mask.sum() < SIZE**2 / 4
        assert mask[1:-1, 1:-1].sum() > 0.95 * mask.sum()


def test_drawn_questions_say_what_is_there_and_where():
    rows = list(Shapes(count=6).rows())
    assert len({row.id for row in rows}) == len(rows) > 6
    for row in rows:
        assert row.gold[0] in row.kind
        assert row.rationale is not None
        assert row.prompt.image is not None
    one = next(iter(Shapes(count=1, copies=2).rows()))
    assert one.kind.startswith("2 shapes")
    with pytest.raises(BadInput, match="made of pictures"):
        next(iter(Shapes(count=1).rows(lab=tiny_lab())))
