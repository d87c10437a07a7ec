"""Small data sets of our own in the published formats, and for each a task and a lab that can answer it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from attnlab_core.lab import Lab
from attnlab_core.prompt import Prompt
from attnlab_core.shapes import KINDS
from attnlab_core.tasks import Row, Stretch
from attnlab_core.tasks.agreement import Agreement
from attnlab_core.tasks.captions import Captions
from attnlab_core.tasks.custom import Custom, write
from attnlab_core.tasks.hotpotqa import Hotpotqa
from attnlab_core.tasks.shapes import Shapes
from attnlab_core.tasks.squad import Squad
from attnlab_core.tasks.sst2 import Sst2
from attnlab_core.tasks.wikitext2 import Wikitext2
from attnlab_core.tasks.winobias import Winobias
from attnlab_core.testing import tiny_lab

REVIEWS = [
    ("a quiet joy ", 1),
    ('the "plot" is a bore', 0),
    ("it sings", 1),
    ("it drags on", 0),
    ("so so dull", 0),
]
PLACE = "Lund is a town in Sweden. Bern is a town, too."
ARTICLES = {
    "version": "1.1",
    "data": [
        {
            "title": "Towns",
            "paragraphs": [
                {
                    "context": PLACE,
                    "qas": [
                        {
                            "id": "q1",
                            "question": " What is Bern?",
                            "answers": [{"text": "a town", "answer_start": 34}],
                        },
                        {
                            "id": "q2",
                            "question": "Where is Lund?",
                            "answers": [{"text": "Sweden", "answer_start": 18}],
                        },
                    ],
                },
                {"context": "No one asked.", "qas": [{"id": "q3", "question": "Who?", "answers": []}]},
            ],
        }
    ],
}
TITLES = ("Doctor", "Film", "Movie", "Story")
HOTPOT = {
    "_id": "h1",
    "question": "What is the movie of the doctor?",
    "answer": "Paris",
    "type": "bridge",
    "context": [[name, [f"The {name} is here.", f" The {name} came to Paris."]] for name in TITLES],
    "supporting_facts": [["Movie", 0], ["Doctor", 1], ["Doctor", 7]],
}
TEXT = (
    " \n = A title = \n \n The cat sat on the mat , and the dog @-@ like one too . \n It was not as bad as I expected . \n"
    * 3
)
BIAS = {
    "pro_stereotyped_type1.txt.dev": "1 [The clerk] saw the cook because [she] was near.\n2 The clerk saw [the cook] because [he] was far from [his] home.\n",
    "anti_stereotyped_type1.txt.dev": "1 [The clerk] saw the cook because [he] was near.\n2 The clerk saw [the cook] because [she] was far from [her] home.\n",
    "pro_stereotyped_type2.txt.dev": "1 The cook saw [the clerk] and thanked [her].\n",
    "anti_stereotyped_type2.txt.dev": "1 The cook saw [the clerk] and thanked [him].\n",
}
OWN = [
    Row(
        "a",
        Prompt("It was not bad."),
        ("positive",),
        "negative",
        (Stretch(0, 7, 10), Stretch(0, 11, 14)),
        "not/bad",
        "g",
    ),
    Row("b", Prompt('A "dull" film,\nin all.'), ("negative",)),
]


def sst2(folder: Path) -> Path:
    rows = "".join(f"{text}\t{label}\n" for text, label in REVIEWS)
    return put(folder / "sst2/dev.tsv", f"sentence\tlabel\n{rows}")


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def winobias(folder: Path) -> Path:
    for name, text in BIAS.items():
        put(folder / "winobias" / name, text)
    return put(folder / "winobias/male_occupations.txt", "cook\n")


def custom(folder: Path) -> Path:
    write(OWN, folder / "own.csv")
    return folder / "own.csv"


NUMBERS = {"id2label": {0: "singular", 1: "plural"}, "label2id": {"singular": 0, "plural": 1}}
DRAWN = {
    "architecture": "vit",
    "image_size": 16,
    "patch_size": 4,
    "id2label": dict(enumerate(KINDS)),
    "label2id": {kind: number for number, kind in enumerate(KINDS)},
}
CASES: dict[str, tuple[Any, Callable[[Path], Path | None], dict[str, Any]]] = {
    "sst2": (Sst2(), sst2, {"task": "classification"}),
    "squad": (Squad(), lambda f: put(f / "xquad/xquad.en.json", json.dumps(ARTICLES)), {"task": "answering"}),
    "hotpotqa": (
        Hotpotqa(),
        lambda f: put(f / "hotpot_dev_v1.json", json.dumps([HOTPOT])),
        {"task": "answering"},
    ),
    "wikitext2": (
        Wikitext2(window=20, stride=7),
        lambda f: put(f / "wiki.valid.raw", TEXT),
        {"task": "causal", "architecture": "gpt2"},
    ),
    "winobias": (Winobias(), winobias, {"task": "masked"}),
    "agreement": (Agreement(items=8), lambda f: None, {"task": "causal", "architecture": "gpt2"}),
    "agreement, classifier": (Agreement(items=8), lambda f: None, {"task": "classification"} | NUMBERS),
    "custom": (Custom(), custom, {"task": "classification"}),
    "shapes": (Shapes(count=4), lambda f: None, DRAWN),
    "captions": (Captions(count=5), lambda f: None, {"task": "matching"}),
}


@cache
def lab_of(case: str) -> Lab:
    return tiny_lab(**CASES[case][2])
