"""Models of text and a picture against the models themselves, each tower by itself, captum, and cases worked by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForZeroShotImageClassification, BertTokenizerFast
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import attnlab_core as al
from attnlab_core import plausibility, record
from attnlab_core.__main__ import main
from attnlab_core.errors import BadInput, ModelRefused, TextTooLong
from attnlab_core.lab import Lab
from attnlab_core.methods import attribute, methods
from attnlab_core.pictures import Picture
from attnlab_core.prompt import CONTINUATION, PICTURE, Prompt
from attnlab_core.tasks import tasks
from attnlab_core.testing import tiny_lab, tiny_picture, tiny_tokenizer
from tests.examples import EDITS

CAPTIONS = ("There is nothing to dislike.", "a truly great film", "The city")
MATCHED = tiny_picture(text="\n".join(CAPTIONS))
ASKED = tiny_picture(text="What is the film?")
TEXTS, SEEN = [(0, 8), (8, 14), (14, 18)], (18, 23)
QUESTION, PATCHES, ANSWER = (0, 7), (7, 12), (12, 13)


@pytest.fixture(scope="module")
def clip() -> Lab:
    return tiny_lab("matching")


@pytest.fixture(scope="module")
def blip() -> Lab:
    return tiny_lab("visual_answering")


@pytest.fixture(scope="module")
def matched(clip):
    return clip.run(MATCHED)


@pytest.fixture(scope="module")
def answered(blip):
    return blip.run(ASKED)


def pixels(lab: Lab, prompt: Prompt) -> torch.Tensor:
    assert prompt.image is not None
    return lab.reader.processor.image_processor(prompt.image.image, return_tensors="pt")["pixel_values"]


def ids(lab: Lab, text: str) -> torch.Tensor:
    return lab.tokenizer(text, return_tensors="pt")["input_ids"]


@torch.no_grad()
def alone(lab: Lab, caption: str, **more):
    """The model by itself on one caption and the picture: no batch, no padding, nobody watching."""
    return lab.model(input_ids=ids(lab, caption), pixel_values=pixels(lab, MATCHED), **more)


# --- what is read, and what is answered


def test_captions_are_rated_as_each_is_by_itself(clip, matched):
    scores = torch.stack([alone(clip, caption).logits_per_image[0, 0] for caption in CAPTIONS])
    torch.testing.assert_close(matched.logits[0], scores, rtol=1e-5, atol=1e-5)
    expected = dict(zip(CAPTIONS, scores.softmax(0).tolist(), strict=True))
    assert matched.probabilities == pytest.approx(expected, abs=1e-6)
    assert matched.prediction == max(expected, key=expected.__getitem__)


def test_an_answer_is_written_as_the_model_writes_it(blip, answered):
    made = blip.model.generate(
        input_ids=ids(blip, ASKED.text), pixel_values=pixels(blip, ASKED), max_new_tokens=1
    )
    assert answered.prediction == blip.tokenizer.decode(made[0, -1:])


def test_the_probability_of_an_answer_is_what_the_model_loses_on_it(blip, answered):
    said = blip.tokenizer("the city", add_special_tokens=False)["input_ids"]
    labels = torch.tensor([[blip.model.decoder_start_token_id, *said]])
    loss = blip.model(
        input_ids=ids(blip, ASKED.text), pixel_values=pixels(blip, ASKED), labels=labels
    ).loss.item()
    assert answered.value("the city", "log_probability") == pytest.approx(-loss * len(said), abs=1e-4)


def test_places_are_the_captions_words_and_the_patches(clip, matched):
    texts = [token.text for token in matched.tokens]
    assert texts[8:14] == ["[CLS]", "a", "truly", "great", "film", "[SEP]"]
    assert texts[18:] == ["[CLS]", "r0 c0", "r0 c1", "r1 c0", "r1 c1"]
    found = matched.tokens[9:13]
    assert [MATCHED.text[token.start : token.end] for token in found] == ["a", "truly", "great", "film"]
    assert [word.text for word in matched.encoding.words][-5:] == ["city", *texts[19:]]
    assert all(matched.encoding.words[token.word].text for token in matched.tokens if token.word is not None)
    for number, word in enumerate(matched.encoding.words):
        assert all(matched.tokens[place].word == number for place in word.positions)
    assert matched.encoding.find("great") == (11,)
    assert matched.encoding.find("r1 c0") == (21,)
    assert {token.segment for token in matched.tokens[19:]} == {PICTURE}


# --- attention


def test_the_attention_of_each_tower_stands_in_its_block(clip, matched):
    eager = alone(clip, CAPTIONS[1], output_attentions=True)
    seen = torch.cat(eager.vision_model_output.attentions)
    read = torch.cat(eager.text_model_output.attentions)
    shown = matched.pattern.weights
    assert shown.shape == (3, 4, 23, 23)
    a, b = SEEN
    torch.testing.assert_close(shown[1:, :, a:b, a:b], seen, rtol=1e-5, atol=1e-6)
    a, b = TEXTS[1]
    torch.testing.assert_close(shown[:, :2, a:b, a:b], read, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(shown[:, 2:, a:b, a:b], read.mean(1, keepdim=True).expand(-1, 2, -1, -1))
    blocks = torch.zeros(23, 23, dtype=torch.bool)
    for low, high in (*TEXTS, SEEN):
        blocks[low:high, low:high] = True
    assert (shown[..., ~blocks] == 0).all()
    torch.testing.assert_close(
        shown[0, :, 18:, 18:], torch.eye(5).expand(4, -1, -1)
    )  # no picture is read there
    torch.testing.assert_close(shown.sum(-1), torch.ones(3, 4, 23))


def test_the_question_looks_at_the_picture_and_the_answer_at_the_question(blip, answered):
    with torch.no_grad():
        seen = blip.model.vision_model(pixel_values=pixels(blip, ASKED), output_attentions=True)
        asked = blip.model.text_encoder(
            input_ids=ids(blip, ASKED.text),
            attention_mask=torch.ones(1, 7),
            encoder_hidden_states=seen.last_hidden_state,
            output_attentions=True,
        )
    shown = answered.pattern.weights
    assert shown.shape == (10, 4, 13, 13)
    (a, b), (c, d), (e, f) = QUESTION, PATCHES, ANSWER
    torch.testing.assert_close(shown[:2, :, c:d, c:d], torch.cat(seen.attentions), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(shown[2:6:2, :, a:b, a:b], torch.cat(asked.attentions), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(shown[3:6:2, :, a:b, c:d].sum(-1), torch.ones(2, 4, 7))
    torch.testing.assert_close(shown[7::2, :, e:f, a:b].sum(-1), torch.ones(2, 4, 1))
    torch.testing.assert_close(shown.sum(-1), torch.ones(10, 4, 13))


def test_the_softmax_of_the_scores_is_the_attention(matched, answered):
    for run in (matched, answered):
        heads = 2 if run is matched else 4  # those a call lacks are means of the others
        found = run.scores()["encoder"].softmax(-1)[:, :heads]
        torch.testing.assert_close(found, run.pattern.weights[:, :heads], rtol=1e-5, atol=1e-6)


# --- edits


def test_an_edit_of_a_caption_leaves_the_others_and_the_picture_alone(matched):
    after = matched.again(al.Scale(factor=4, where=al.Where(keys=("great",))))
    assert after.edited_calls == 3
    moved = (after.logits - matched.logits)[0].abs()
    assert moved[1] > 1e-4
    assert moved[[0, 2]].max() < 1e-5
    changed = (after.pattern.weights - matched.pattern.weights).abs().amax((0, 1))
    assert changed[8:14, 8:14].max() > 0.01
    changed[8:14, 8:14] = 0
    assert changed.max() < 1e-6


def test_an_edit_of_a_patch_by_hand(clip, matched):
    """Attention to a patch doubled and rows brought back to one, inside the picture's tower alone, by a hook."""
    after = matched.again(al.Scale(factor=2, where=al.Where(keys=("r1 c0",))))
    own = torch.nn.functional.softmax

    def doubled(scores: torch.Tensor, *args, **more) -> torch.Tensor:
        weights = own(scores, *args, **more)
        if scores.ndim == 4 and scores.shape[-1] == 5:
            weights[..., 3] *= 2
            weights = weights / weights.sum(-1, keepdim=True)
        return weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "softmax", doubled)
        scores = [float(alone(clip, caption).logits_per_image) for caption in CAPTIONS]
    torch.testing.assert_close(after.logits[0], torch.tensor(scores), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(after.logits, matched.logits, atol=1e-3)


def test_a_batch_of_edits_is_what_each_is_alone(matched, answered):
    for run in (matched, answered):
        goal = run.goal()
        edits = [al.Suppress(factor=0.1, where=al.Where(keys=(k,))) for k in (1, 3, len(run.tokens) - 2)]
        together = goal.each(run.evaluate(rows=[(edit,) for edit in edits], goal=goal))
        each = torch.stack([goal.each(run.again(edit).logits[None])[0] for edit in edits])
        torch.testing.assert_close(together, each, rtol=1e-4, atol=1e-5)


def test_scores_behind_the_mask_are_refused_in_one_line(matched):
    with pytest.raises(BadInput, match="visible_min"):
        attribute(matched, "atman", variant="official")


def test_the_search_turns_the_verdict_of_both(matched, answered):
    for run, wished in ((matched, list(matched.probabilities)[1]), (answered, "film")):
        found = al.optimise(run, wished, plausibility=0, steps=40)
        assert found.after.prediction == wished
        again = run.again(found.edit)
        torch.testing.assert_close(again.logits, found.after.logits)
    longer = al.optimise(answered, "the city", plausibility=0, steps=5)
    assert longer.effect > 0


# --- methods


def test_integrated_gradients_of_both_sides_at_once_by_captum(clip, matched):
    """Over the captions' embeddings and the pixels together, from the same blank: each with its own baseline."""
    captum = pytest.importorskip("captum.attr")
    target = matched.goal().picks[0].index
    given = clip.reader.inputs([matched.encoding.ids])
    table = clip.model.text_model.get_input_embeddings()
    words = table(given["input_ids"]).detach()[None]
    blank = words.clone()
    for caption, (low, high) in enumerate(TEXTS):
        blank[0, caption, 1 : high - low - 1] = table.weight[clip.tokenizer.mask_token_id].detach()

    def rated(embedded: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        rows = []
        for one, seen in zip(embedded, picture, strict=True):
            handle = table.register_forward_hook(lambda *_, one=one: one)
            rows.append(clip.model(**{**given, "pixel_values": seen[None]}).logits_per_image[0])
            handle.remove()
        return torch.stack(rows).log_softmax(-1)

    by_word, by_pixel = captum.IntegratedGradients(rated).attribute(
        (words, given["pixel_values"]),
        (blank, torch.zeros_like(given["pixel_values"])),
        target=target,
        n_steps=100,
        method="gausslegendre",
        internal_batch_size=1,
    )
    found = attribute(matched, "integrated_gradients", steps=100).scores
    for caption, (low, high) in enumerate(TEXTS):
        expected = by_word[0, caption, : high - low].sum(-1).double()
        torch.testing.assert_close(found[low:high], expected, rtol=2e-3, atol=1e-4)
    by_patch = by_pixel[0].sum(0).reshape(2, 4, 2, 4).sum((1, 3)).flatten().double()
    torch.testing.assert_close(found[19:], by_patch, rtol=2e-3, atol=1e-4)


def test_rollout_of_both_towers_is_the_rollout_of_each(clip, matched):
    target = matched.goal()
    index = target.picks[0].index
    eager = alone(clip, CAPTIONS[index], output_attentions=True)
    found = attribute(matched, "attention_rollout").scores

    def rolled(layers: tuple[torch.Tensor, ...], row: int) -> torch.Tensor:
        total = torch.eye(layers[0].shape[-1], dtype=torch.float64)
        for layer in layers:
            mean = layer[0].double().mean(0)
            total = (mean + torch.eye(len(mean))) / 2 @ total
        return total[row]

    low, high = TEXTS[index]
    torch.testing.assert_close(
        found[low:high], rolled(eager.text_model_output.attentions, -1) / 2, rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(
        found[18:], rolled(eager.vision_model_output.attentions, 0) / 2, rtol=1e-4, atol=1e-6
    )


def test_words_and_patches_are_not_alike(clip, matched):
    alike = clip.similarity(matched.encoding)
    assert (alike[:18, 18:] == 0).all()
    assert alike[1:7, 1:7].abs().min() > 0


def test_an_answer_is_explained_with_all_its_words(answered):
    found = attribute(answered, "atman", "the city")
    assert len(found.scores) == len(answered.tokens) + 1
    longer = answered.with_continuation(answered.goal("the city"))
    assert longer.tokens[-1].segment == CONTINUATION
    np.testing.assert_allclose(found.scores, np.sum(found.details["per_target_token"], axis=1), atol=1e-6)


# --- what is refused


@pytest.mark.parametrize("text", ["One caption", "The same\nThe same", "", "\n \n"])
def test_captions_are_at_least_two(clip, text):
    with pytest.raises(BadInput, match=r"one a line|Give both"):
        clip.run(tiny_picture(text=text))


@pytest.mark.parametrize("task", ["matching", "visual_answering"])
def test_both_are_needed_and_neither_is_too_long(task):
    lab = tiny_lab(task)
    with pytest.raises(BadInput, match="Give both"):
        lab.run("A text.\nAnother.")
    with pytest.raises(BadInput, match="Give both"):
        lab.run(tiny_picture())
    with pytest.raises(BadInput, match="one text"):
        lab.run(Prompt("A\nB", "C", tiny_picture().image))
    with pytest.raises(TextTooLong):
        lab.run(tiny_picture(text="word " * 70 + "\nfilm"))


def test_a_caption_that_would_begin_another_one_is_refused(clip):
    with pytest.raises(BadInput, match=r"cannot hold \[CLS\]"):
        clip.run(tiny_picture(text="a great [CLS] film\nthe city"))


def test_no_word_and_no_patch_can_be_deleted(matched):
    with pytest.raises(BadInput, match="none can be deleted"):
        attribute(matched, "occlusion", replace="delete")


def test_a_target_is_one_of_the_captions(matched):
    assert matched.goal("the CITY").text == "The city"
    assert matched.goal(1).reads == (18, 13)
    with pytest.raises(BadInput, match="no label 3"):
        matched.goal(3)
    with pytest.raises(BadInput, match="label"):
        matched.goal("a cat")
    both = matched.goal(al.Target("The city", "a truly great film"))
    assert float(both.value(matched.logits[None])) == pytest.approx(
        float(matched.logits[0, 2] - matched.logits[0, 1]), abs=1e-5
    )


def test_other_models_of_text_and_pictures_are_refused_in_one_line():
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model("siglip", text_config={**small, "vocab_size": 80}, vision_config=small)
    model = AutoModelForZeroShotImageClassification.from_config(config)
    with pytest.raises(ModelRefused, match="SiglipModel has none of the tasks"):
        Lab(model, SimpleNamespace(tokenizer=tiny_tokenizer(), image_processor=None))
    with pytest.raises(ModelRefused, match="a tokenizer and an image_processor"):
        Lab(tiny_lab("matching").model, tiny_tokenizer())


def test_what_is_usual_is_not_fitted_on_both_together(clip):
    with pytest.raises(BadInput, match="text and pictures together"):
        plausibility.fit(clip, [MATCHED] * 200)


def test_a_task_of_labels_is_no_task_of_captions(clip):
    with pytest.raises(BadInput, match="matching"):
        tasks()["shapes"]().rows(lab=clip)


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_acts_on_text_and_pictures_and_its_identity_changes_nothing(name, matched, answered):
    """Or says why not: an average over texts is none over pictures."""
    cells = {"bias": ((0, 1, 2, 1, 2.0), (2, 1, 1, 2, 2.0)), "draw": ((2, 1, 0.6),)}
    needs = {"patch": {"step": 100.0}, "transplant": {"layer": 0, "head": 1}}
    scaled = {"factor": 3.0} if name == "scale" else {}
    plain = {"cells": cells[name]} if name in cells else scaled | needs.get(name, {})
    for run in (matched, answered):
        one, two = (patch.positions[0] for patch in run.encoding.patches[1:3])
        where = al.Where() if name in cells else al.Where(keys=(1, 2, one, two))
        edit = EDITS[name](**plain, where=where)
        if name == "mean_pattern":
            with pytest.raises(BadInput, match="average over texts"):
                run.again(edit)
            continue
        again = run.again(edit)
        assert again.edited_calls
        assert not torch.equal(again.logits, run.logits)
        sums = again.pattern.weights.sum(-1)
        assert not edit.rescales or torch.allclose(sums, torch.ones_like(sums), atol=1e-5)
        for key, value in edit.identity.items():
            same = EDITS[name](**(plain | {key: value}), where=where)
            torch.testing.assert_close(run.again(same).logits, run.logits, rtol=1e-4, atol=1e-5)


def test_its_own_attention_put_back_changes_nothing(matched, answered):
    for run in (matched, answered):
        again = run.again(al.Transplant())
        assert again.edited_calls
        torch.testing.assert_close(again.logits, run.logits, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(again.pattern.weights, run.pattern.weights)


# --- the same door, records, the command line


@pytest.mark.parametrize(("task", "prompt"), [("matching", MATCHED), ("visual_answering", ASKED)])
def test_a_folder_is_loaded_and_asked_from_the_command_line(task, prompt, tmp_path, capsys):
    lab = tiny_lab(task)
    save(lab, tmp_path / "model")
    loaded = al.load(tmp_path / "model")
    assert (loaded.task, loaded.pictures, loaded.texts) == (task, True, True)
    torch.testing.assert_close(loaded.run(prompt).logits, lab.run(prompt).logits)
    prompt.image.image.save(tmp_path / "noise.png")
    asked = ["attribute", "--model", str(tmp_path / "model"), "--method", "all", "--json"]
    assert main([*asked, "--image", str(tmp_path / "noise.png"), "--text", prompt.text]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["method"] for one in said["attributions"]] == list(methods())
    assert main([*asked, "--image", str(tmp_path / "noise.png")]) == 2
    assert "Give both" in capsys.readouterr().err


def test_a_record_holds_the_picture_the_text_and_the_boxes(matched):
    said = json.loads(json.dumps(record.of_attributions(matched, [attribute(matched, "raw_attention")])))
    assert Picture.at(said["prompt"]["image"]) == MATCHED.image
    assert said["prompt"]["text"] == MATCHED.text
    assert said["tokens"][22]["box"] == [0.5, 0.5, 1, 1]
    assert said["model"]["reads"] == "pictures and text"


def save(lab: Lab, folder) -> None:
    """A checkpoint as the Hub has them."""
    lab.model.save_pretrained(folder)
    assert isinstance(lab.reader.processor.image_processor, ViTImageProcessorPil)
    lab.reader.processor.image_processor.save_pretrained(folder)
    tokenizer = BertTokenizerFast(tokenizer_object=lab.tokenizer.backend_tokenizer, model_max_length=64)
    tokenizer.save_pretrained(folder)
