"""The models that come with the library: they load quickly and without a network, pass the self-check and know their trade."""

from __future__ import annotations

import json
import re
import socket
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

import attnlab_core as al
from attnlab_core import models
from attnlab_core.pictures import Picture
from attnlab_core.shapes import COLOURS, KINDS, scene, shapes

NAMES = ["agreement", "gpt2-mini", "pronouns", "qa", "shapes-clip", "shapes-vit", "sst2"]
TASKS = {
    "agreement": "classification", "gpt2-mini": "causal", "pronouns": "masked", "qa": "answering", "shapes-clip": "matching", "shapes-vit": "classification", "sst2": "classification",
}  # fmt: skip
MB = 10**6
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> al.Lab:
    return al.load(request.param)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_the_shelf_holds_all_and_stays_small() -> None:
    cards = models.shipped()
    assert sorted(cards) == NAMES
    assert {name: card.task for name, card in cards.items()} == TASKS
    sizes = [file.stat().st_size for card in cards.values() for file in card.folder.iterdir()]
    assert max(sizes) <= 50 * MB
    assert sum(sizes) <= 170 * MB


def test_a_shipped_model_loads_in_a_second_without_a_network(shipped: al.Lab, no_network: None) -> None:
    def timed() -> float:
        began = time.process_time()  # what else the machine does is not counted
        lab = al.load(shipped.name)
        assert lab.task == TASKS[shipped.name]
        return time.process_time() - began

    assert statistics.median(timed() for _ in range(3)) < 1


def test_without_edits_its_answer_is_the_untouched_models(shipped: al.Lab) -> None:
    if shipped.pictures and shipped.texts:
        given = shipped.reader.processor
        inputs = given.tokenizer(["a red star", "a moon"], return_tensors="pt", padding=True)
        inputs |= given.image_processor(scene(0).pixels, return_tensors="pt")
    elif shipped.pictures:
        inputs = shipped.reader.processor(scene(0).pixels, return_tensors="pt")
    else:
        inputs = words_for(shipped)
    shipped.model(**inputs)  # the plain model takes what its tokenizer gives
    assert shipped.summary()["dtype"] == "float32"


def words_for(shipped: al.Lab) -> Any:
    return shipped.tokenizer(
        "The keys [MASK] here ." if shipped.task == "masked" else "The keys", return_tensors="pt"
    )


ANSWERS: dict[str, list[tuple[str, str | None, str]]] = {
    "agreement": [("The keys to the cabinet", None, "plural"), ("The man with the dogs", None, "singular")],
    "gpt2-mini": [("She shook her", None, " head"), ("They were sitting in the drawing", None, "-")],
    "pronouns": [
        ("My mother said that [MASK] was tired.", None, "she"),
        ("My father said that [MASK] was tired.", None, "he"),
        ("The girl washed [MASK] hands.", None, "her"),
    ],
    "qa": [
        ("Where does Anna's mother work?", "Clara is the mother of Anna. Clara works in Lund. Peter works in Bern.", "Lund"),
        ("Where does Anna's mother work?", "Clara works in Lund. Peter works in Bern.", "no answer"),
        ("Who wrote the opera?", "The opera was written by Paul Marsh in 1893, and first performed in Leeds.", "Paul Marsh"),
    ],
    "sst2": [("A warm and funny film.", None, "positive"), ("A dull and clumsy film.", None, "negative")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "second", "answer"),
    [(name, *row) for name, rows in ANSWERS.items() for row in rows],
)
def test_it_answers_what_anybody_would(name: str, text: str, second: str | None, answer: str) -> None:
    run = al.load(name).run(al.Prompt(text, second=second))
    assert run.prediction == answer


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_vit_names_a_shape(kind: str) -> None:
    lab = al.load("shapes-vit")
    said = [
        lab.run(al.Prompt(image=Picture.of(scene(seed, [kind]).pixels))).prediction
        for seed in range(900_000, 900_024)
    ]
    assert said.count(kind) >= 18


def test_gpt2_mini_writes_words() -> None:
    lab = al.load("gpt2-mini")
    import torch

    torch.manual_seed(1)
    inputs = lab.tokenizer("The old man opened the door and", return_tensors="pt")
    made = lab.model.generate(**inputs, max_new_tokens=60, do_sample=True, top_k=20, pad_token_id=0)
    words = re.findall(r"[a-z]+", lab.tokenizer.decode(made[0]).lower())
    assert len(set(words)) > 20
    common = {
        "the",
        "and",
        "to",
        "of",
        "a",
        "he",
        "in",
        "his",
        "was",
        "had",
        "it",
        "that",
        "with",
        "her",
        "she",
        "i",
    }
    assert sum(word in common for word in words) / len(words) > 0.2


def figures(value: Any) -> set[float]:
    """Every accuracy and F1 in percent, and perplexity, of a JSON document that was measured on at least 500 rows."""
    if not isinstance(value, dict):
        return set()
    found = {number for name, part in value.items() if name != "training" for number in figures(part)}
    if max((value.get(name, 0) for name in ("rows", "items", "masked", "pairs", "tokens")), default=0) >= 500:
        found |= {100 * value[name] for name in ("accuracy", "f1") if name in value}
        found |= {value[name] for name in ("per_token", "per_word") if name in value}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_was_measured(name: str) -> None:
    folder = models.shipped()[name].folder
    card = (folder / "README.md").read_text(encoding="utf-8")
    for heading in ("## How it was made", "## Data", "## Measured", "## Known failures", "## Intended use"):
        assert heading in card, f"{name} lacks {heading}"
    assert re.match(r"---\nlicense: \S+\n", card)
    measured = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    wanted = figures(measured)
    assert wanted, "nothing was measured"
    told = {float(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*(?:\.\d+)?\b", card)}
    missing = {value for value in wanted if not any(abs(value - number) < 0.0501 for number in told)}
    assert not missing, f"measured in training, not in the card: {sorted(missing)}"


def test_the_folder_is_an_ordinary_one(shipped: al.Lab, tmp_path: Path) -> None:
    """It can be copied anywhere and loaded by its path."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(models.shipped()[shipped.name].folder, copy)
    lab = al.load(copy)
    assert lab.task == shipped.task
    assert (lab.layers, lab.heads) == (shipped.layers, shipped.heads)


def test_shapes_clip_matches_what_was_drawn() -> None:
    """Of eight captions of a drawn picture the right one, for the kind, the colour, the texture and whose colour is whose."""
    lab, right = al.load("shapes-clip"), {"kind": 0, "colour": 0, "texture": 0, "pair": 0}
    for seed in range(910_000, 910_016):
        (one,), two = shapes(seed, [KINDS[seed % 8]]), shapes(seed, [KINDS[seed % 8], KINDS[(seed + 3) % 8]])
        options = {
            "kind": [f"a {kind}" for kind in KINDS],
            "colour": [f"a photo of a {colour} {one.kind}" for colour in COLOURS],
            "texture": [
                f"a {look}{one.colour} {one.kind}" for look in ("", "striped ", "dotted ", "checked ")
            ],
        }
        picture = Picture.of(scene(seed, [one.kind]).pixels)
        wanted = {
            "kind": f"a {one.kind}",
            "colour": f"a photo of a {one.colour} {one.kind}",
            "texture": f"a {one.name}",
        }
        for asked, captions in options.items():
            said = lab.run(al.Prompt("\n".join(captions), image=picture)).prediction
            right[asked] += said == wanted[asked]
        a, b = two
        if a.colour == b.colour:
            continue
        captions = [
            f"a {x} {a.kind} and a {y} {b.kind}" for x, y in ((a.colour, b.colour), (b.colour, a.colour))
        ]
        picture = Picture.of(scene(seed, [a.kind, b.kind]).pixels)
        right["pair"] += lab.run(al.Prompt("\n".join(captions), image=picture)).prediction == captions[0]
    assert min(right.values()) >= 11, right
