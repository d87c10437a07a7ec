"""Fit what plausibility is measured against for the shipped models, and write it beside their weights: one command.

    python -m training.plausibility --data DATA [--model NAME ...] [--out FOLDER]
    python -m training.plausibility --model shapes-vit

DATA is a folder with `sst2/` (for `sst2`), `qamr/` and `wikitext2/` (for `qa`) and `books/*.txt` (for all others); `shapes-vit`
needs none, its pictures are drawn. Every model is read on texts or pictures of the kind that it was made for; two novels, SST-2's
development set, the test split of the generated passages and half of the pictures' seeds are left for measuring. The files
hold figures only, no text and no picture. A model that is trained anew needs its file made anew.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

import attnlab_core as al
from attnlab_core import models, plausibility
from attnlab_core.pictures import Picture
from attnlab_core.progress import watching
from case_studies import multi_hop
from training import agreement, common, qa, shapes_vit, sst2
from training.pronouns import wikitext

COUNT = 3000  # texts for each model
SHORTEST, LONGEST = 5, 40  # words of a sentence
RARE = 400  # texts that hold a word which tells sentences from phrases
DRAWN, KEPT = 2_000_000, 3_000_000  # first seeds of pictures to read, and to measure on; no one else's
APART = 10_000  # from the pictures of one `seed` to those of the next
Text = al.Prompt | str
Corpus = tuple[list[Text], str]  # texts, and what they are
Maker = Callable[
    [Path, int, int, al.Lab, bool], Corpus
]  # DATA, how many, seed, the model, those for measuring


def whole(texts: Sequence[str]) -> list[str]:
    """Those of 5 to 40 words that are no part of another one: SST-2 holds sentences and their phrases."""
    counts = Counter(word for text in texts for word in set(text.split()))
    holding: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for word in set(text.split()):
            if counts[word] < RARE:
                holding[word].append(f" {text} ")
    fit = [text for text in texts if SHORTEST <= len(text.split()) <= LONGEST]
    rarest = [(text, min(text.split(), key=counts.__getitem__)) for text in fit]
    return [text for text, word in rarest if sum(f" {text} " in other for other in holding[word]) == 1]


def reviews(data: Path, count: int, seed: int, _: al.Lab, held_out: bool = False) -> Corpus:
    """Whole sentences of SST-2: of its training set, or of its development set."""
    train, dev = ([text for text, _ in sst2.read(data / f"sst2/{name}.tsv")] for name in ("train", "dev"))
    found = whole(train)
    if held_out:
        own = set(dev)
        found = [text for text in whole(train + dev) if text in own]
    return [
        *random.Random(seed).sample(found, min(count, len(found)))
    ], f"whole sentences of SST-2's {'development' if held_out else 'training'} set, 5 to 40 words"


def prose(data: Path, held_out: bool, cut: Callable[[str], Iterable[str]]) -> list[str]:
    """The pieces of 5 to 40 words into which `cut` takes novels."""
    parts = [part for book in common.novels(data, held_out).values() for text in book for part in cut(text)]
    return [part for part in parts if SHORTEST <= len(part.split()) <= LONGEST]


def sentences(data: Path, count: int, seed: int, _: al.Lab, held_out: bool = False) -> Corpus:
    """Sentences of novels: of those that the models were trained on, or of the two others."""
    fit = prose(data, held_out, common.sentences)
    return [*random.Random(seed).sample(fit, min(count, len(fit)))], "sentences of novels, 5 to 40 words"


def beginnings(data: Path, count: int, seed: int, _: al.Lab, held_out: bool = False) -> Corpus:
    """Sentences of novels, broken off after 3 to 15 words, as the model is asked about them."""
    draw, fit = random.Random(seed), prose(data, held_out, agreement.beginnings)
    chosen = draw.sample(fit, min(count, len(fit)))
    texts = [" ".join(words[: draw.randint(3, min(15, len(words) - 1))]) for words in map(str.split, chosen)]
    texts = [text.rstrip(" ,;:—") for text in texts]
    return [*texts], "beginnings of sentences of novels, 3 to 15 words"


def questions(data: Path, count: int, seed: int, lab: al.Lab, held_out: bool = False) -> Corpus:
    """One half questions of QAMR, each sentence among up to four others; one half generated passages of one and two hops."""
    draw = random.Random(seed)
    made = multi_hop.make(
        count // 2,
        seed=seed,
        split="test" if held_out else "train",
        hops=(1, 2, 2),
        variants=qa.VARIANTS,
    )
    texts: list[Text] = [al.Prompt(item.question, second=item.context) for item in made]
    running = [part for text in wikitext(data / "wikitext2/valid.txt") for part in common.sentences(text)]
    running = [part for part in running if 5 < len(part.split()) < 60 and part.count("[UNK]") < 2]
    facts, store, numbers = qa.read_qamr(data / "qamr", lab.tokenizer, running)
    maker = qa.Maker(lab.tokenizer, store, range(len(numbers), len(store.ids)), len(numbers))
    draw.shuffle(facts)
    for fact in facts[-count // 2 :] if held_out else facts[: count - len(made)]:
        row = maker.among(fact, draw)
        texts.append(
            al.Prompt(
                lab.tokenizer.decode(row.ids[1 : row.second - 1]),
                second=lab.tokenizer.decode(row.ids[row.second : -1]),
            )
        )
    draw.shuffle(texts)
    return texts, "questions of QAMR and generated questions of one and two hops, with their passages"


def scenes(_: Path, count: int, seed: int, __: al.Lab, held_out: bool = False) -> Corpus:
    """Drawn scenes, mixed as the model was trained on."""
    first = (KEPT if held_out else DRAWN) + APART * seed
    pixels = shapes_vit.drawn(first, min(count, APART))[0]
    return [
        al.Prompt(image=Picture.of(one)) for one in pixels
    ], "drawn scenes of one to three shapes among clutter"


CORPORA: dict[str, Maker] = {
    "sst2": reviews,
    "pronouns": sentences,
    "gpt2-mini": sentences,
    "agreement": beginnings,
    "qa": questions,
    "shapes-vit": scenes,
}
DRAWING = {"shapes-vit"}  # these need no data


def told(name: str, every: float = 20) -> Callable[[int, int], None]:
    """A watcher that prints a line every so many seconds."""
    last = time.monotonic()

    def watcher(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > every:
            last = time.monotonic()
            print(f"{name}: {done}/{total}", flush=True)

    return watcher


def add_corpora(parser: argparse.ArgumentParser) -> None:
    """The options that `chosen` reads."""
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", nargs="+", choices=sorted(CORPORA), help="left out: all that are shipped")


def chosen(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[str]:
    """The models asked for; ends the program where one of them needs data and there is none."""
    names = args.model or [name for name in models.shipped() if name in CORPORA]
    needy = [name for name in names if name not in DRAWING]
    if needy and args.data is None:
        parser.error(
            f"{', '.join(needy)} need texts: give --data DATA, or --model {' '.join(sorted(DRAWING))}"
        )
    return names


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_corpora(parser)
    parser.add_argument("--out", type=Path, help="a folder for NAME.npz; left out, the models' own folders")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in chosen(parser, args):
        began = time.monotonic()
        lab = al.load(name)
        texts, corpus = CORPORA[name](args.data, args.count, args.seed, lab, False)
        with watching(told(name)):
            found = plausibility.fit(lab, texts, corpus=corpus, seed=args.seed)
        path = args.out / f"{name}.npz" if args.out else models.CHECKPOINTS / name / plausibility.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        found.save(path)
        print(
            f"{name}: fitted on {found.texts} texts, {found.held_back} held back; {path}, "
            f"{path.stat().st_size / 1000:.0f} kB, {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
