"""Fine-tune a small BERT to answer questions with a span of a text, and write it in the Hub's format: resumable.

    python -m training.qa --data DATA --encoder ENCODER

DATA is a folder with `qamr/` (questions on single sentences, answers as token indices) and `wikitext2/valid.txt`, and for
measuring only `xquad/`. ENCODER is a folder with a BERT: `attnlab_core/checkpoints/pronouns`, or all-MiniLM-L6-v2. The run
keeps its state in `--work` and goes on from there when it is started again.

QAMR's answers stand in one sentence; here that sentence stands among up to four others, drawn anew in every pass: a
stretch of running text, or sentences that share words with the question, so that finding the sentence has to be learnt.
Another part of every batch are passages of two hops, made by `case_studies.multi_hop`, some of them with the sentence
that joins the two taken out: then the answer is absent, said by pointing at [CLS] as in SQuAD 2.0.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from attnlab_core.tasks._squad_score import exact, f1
from case_studies import multi_hop
from training import common
from training.pronouns import joined, wikitext

STEPS, FIRST, AGAIN = 3000, 2600, 0.5  # the learning rate falls twice: from its peak, and from half of it
# Until which step, questions of QAMR in a step, generated passages in a step.
MIX = ((750, 12, 6), (FIRST, 8, 16), (10**9, 12, 6))
DEPTH, BRIDGE = 4, 0.5  # the layer that is asked for the bridge, and what that counts
RATE, HEAD_RATE, MUON = 1.5e-4, 5e-4, None  # peak learning rates
EVERY, MEMORY = 5, 0.97  # steps between, and memory of, updates of the moving average
HELD_OUT = 0.05  # share of QAMR's sentences kept for measuring
LONGEST = 320  # tokens of a row
SAVE = 100  # steps between two saves
VARIANTS = {"whole": 0.75, "removed": 0.15, "replaced": 0.10}
_OPENING = {"(", "[", "``", "$", "#", "`", "-LRB-", "-LSB-"}
_CLOSING = {")", "]", "''", ",", ".", ";", ":", "!", "?", "%", "-RRB-", "-RSB-"}


@dataclass(frozen=True)
class Fact:
    """A question on one sentence; `start` and `end` are token positions within the sentence's own ids."""

    question: tuple[int, ...]
    sentence: int
    start: int
    end: int


@dataclass(frozen=True)
class Row:
    """What the model reads: token ids, where the context begins, and the answer's first and last token (0 for none).

    `bridge` is the first and last token of the bridge where it is named beside the question's entity; (0, 0) for none.
    """

    ids: tuple[int, ...]
    second: int
    start: int
    end: int
    bridge: tuple[int, int] = (0, 0)


def detokenised(tokens: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """A treebank's tokens as ordinary text, and where each of them stands in it."""
    text, places, glue, quoted = "", [], True, False
    for token in tokens:
        plain = joined(token).strip() or token
        opening = token in _OPENING or (token == '"' and not quoted)
        closing = token in _CLOSING or token.startswith(("'", "n't")) or (token == '"' and quoted)
        quoted ^= token == '"'
        text += "" if glue or closing else " "
        places.append((len(text), len(text) + len(plain)))
        text += plain
        glue = opening
    return text, places


class Sentences:
    """Sentences as token ids, with an index from their rarer words, for distractors that share words with a question."""

    def __init__(self, tokenizer: Any, texts: list[str]) -> None:
        encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        self.ids: list[list[int]] = encoded["input_ids"]
        self.offsets: list[list[tuple[int, int]]] = encoded["offset_mapping"]
        counts = Counter(token for ids in self.ids for token in set(ids))
        self.holding: dict[int, list[int]] = defaultdict(list)
        for number, ids in enumerate(self.ids):
            for token in set(ids):
                if counts[token] < len(texts) / 50:
                    self.holding[token].append(number)

    def alike(self, question: tuple[int, ...], rng: random.Random) -> int:
        """A sentence that shares words with the question, or any."""
        shared = Counter(k for token in set(question) for k in self.holding.get(token, ()))
        best = [number for number, _ in shared.most_common(12)]
        return rng.choice(best) if best else rng.randrange(len(self.ids))


def read_qamr(
    folder: Path, tokenizer: Any, others: list[str]
) -> tuple[list[Fact], Sentences, dict[str, int]]:
    """QAMR's questions, the sentences (those of QAMR first, then the others), and the number of every sentence id.

    An answer is what most of the three annotators gave; one with a gap, or none, is left out.
    """
    raw = dict(
        line.split("\t", 1)
        for line in (folder / "wiki-sentences.tsv").read_text(encoding="utf-8").splitlines()
    )
    texts, places = zip(*(detokenised(text.split()) for text in raw.values()), strict=True)
    store = Sentences(tokenizer, [*texts, *others])
    number = {name: k for k, name in enumerate(raw)}
    facts = []
    for path in sorted(folder.glob("[dt]e*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, _, _, _, question, first, *more = line.split("\t")
            given = [first, *(entry.split(":", 1)[1] for entry in more if ":" in entry)]
            answers = [tuple(map(int, text.split())) for text in given if re.fullmatch(r"[\d ]+", text)]
            answers = [a for a in answers if a and a[-1] - a[0] < len(a) + 2]
            if len(answers) < 2 or name not in number:
                continue
            answer = Counter(answers).most_common(1)[0][0]
            k = number[name]
            low, high = places[k][answer[0]][0], places[k][answer[-1]][1]
            inside = [n for n, (a, b) in enumerate(store.offsets[k]) if a < high and b > low]
            ids = tokenizer(question, add_special_tokens=False)["input_ids"]
            facts.append(Fact(tuple(ids), k, inside[0], inside[-1]))
    return facts, store, number


class Maker:
    """Rows for the model, from facts and from generated passages; `first` and `last` are [CLS] and [SEP]."""

    def __init__(self, tokenizer: Any, store: Sentences, running: range, own: int) -> None:
        self.tokenizer, self.store, self.running, self.own = tokenizer, store, running, own
        self.first, self.last = tokenizer.cls_token_id, tokenizer.sep_token_id

    def row(self, question: tuple[int, ...], context: list[int], start: int, end: int) -> Row:
        """Put question and context together; -1 for an absent answer."""
        second = len(question) + 2
        ids = (self.first, *question, self.last, *context)[: LONGEST - 1]
        found = (second + start, second + end) if start >= 0 else (0, 0)
        return Row((*ids, self.last), second, *(found if found[1] < len(ids) else (0, 0)))

    def among(self, fact: Fact, rng: random.Random) -> Row:
        """The fact's sentence among up to four others."""
        count = rng.choice((0, 1, 2, 3, 4, 4))
        kind = rng.random()
        if kind < 0.4:  # a stretch of running text
            at = rng.randrange(self.running.start, self.running.stop - count)
            around = list(range(at, at + count))
        elif kind < 0.7:
            around = [self.store.alike(fact.question, rng) for _ in range(count)]
        else:
            around = [rng.randrange(self.own) for _ in range(count)]
        around = [k for k in dict.fromkeys(around) if k != fact.sentence]
        place = rng.randint(0, len(around))
        before = sum(len(self.store.ids[k]) for k in around[:place])
        order = [*around[:place], fact.sentence, *around[place:]]
        context = [token for k in order for token in self.store.ids[k]]
        return self.row(fact.question, context, before + fact.start, before + fact.end)

    def passage(self, item: Any) -> Row:
        """A generated passage."""
        question = tuple(self.tokenizer(item.question, add_special_tokens=False)["input_ids"])
        encoded = self.tokenizer(item.context, add_special_tokens=False, return_offsets_mapping=True)

        def inside(low: int, text: str) -> tuple[int, int]:
            found = [
                n for n, (a, b) in enumerate(encoded["offset_mapping"]) if a < low + len(text) and b > low
            ]
            return found[0], found[-1]

        if item.start is None:
            return self.row(question, encoded["input_ids"], -1, -1)
        row = self.row(question, encoded["input_ids"], *inside(item.start, item.answer))
        if item.hops < 2:
            return row
        first = item.supporting[0]
        low = sum(len(sentence) + 1 for sentence in item.sentences[:first])
        at = item.sentences[first].lower().find(item.bridge.lower())
        if at < 0:
            return row
        start, end = inside(low + at, item.bridge)
        return replace(row, bridge=(row.second + start, row.second + end))


def stacked(rows: list[Row]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The model's inputs [row, token], and the answers [row, 2]."""
    batch = common.pad([list(row.ids) for row in rows])
    places = torch.arange(batch["input_ids"].shape[1])
    second = torch.tensor([[row.second] for row in rows])
    batch["token_type_ids"] = ((places >= second) & batch["attention_mask"].bool()).long()
    return batch, torch.tensor([(row.start, row.end) for row in rows])


def span_loss(model: Any, bridges: nn.Linear, rows: list[Row]) -> torch.Tensor:
    """Mean negative log-probability of the answers' first and last tokens; padding is no candidate.

    A further head reads, half-way up, where the bridge is named: without it two hops are not learnt in this time.
    """
    batch, wanted = stacked(rows)
    padding = ~batch["attention_mask"].bool()
    named = torch.tensor([row.bridge for row in rows])
    asked = named[:, 0] > 0
    with torch.autocast("cpu", torch.bfloat16):
        out = model(**batch, output_hidden_states=True)
        half = bridges(out.hidden_states[DEPTH][asked]).permute(2, 0, 1)

    def loss(logits: torch.Tensor, hidden: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        logits = logits.float().masked_fill(hidden, -1e4)
        return nn.functional.cross_entropy(logits.flatten(0, 1), right.T.flatten(), reduction="sum")

    total = loss(torch.stack([out.start_logits, out.end_logits]), padding, wanted)
    if bool(asked.any()):
        total = total + BRIDGE * loss(half, padding[asked], named[asked])
    return total / (2 * len(rows))


@torch.no_grad()
def spans(model: Any, rows: list[Row], absent: bool = False, longest: int = 30) -> list[tuple[int, int]]:
    """For every row the likeliest answer in the context; (0, 0) where absence is allowed and likelier."""
    model.eval()
    found: list[tuple[int, int]] = [(0, 0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda k: len(rows[k].ids))
    for at in range(0, len(order), 24):
        part = order[at : at + 24]
        batch, _ = stacked([rows[k] for k in part])
        out = model(**batch)
        for k, start, end in zip(part, out.start_logits, out.end_logits, strict=True):
            low, high = rows[k].second, len(rows[k].ids) - 1
            joint = (start[low:high, None] + end[None, low:high]).masked_fill(
                ~torch.ones(high - low, high - low).triu().tril(longest - 1).bool(), -1e9
            )
            best = int(joint.argmax())
            nothing = absent and float(start[0] + end[0]) > float(joint.max())
            found[k] = (0, 0) if nothing else (low + best // (high - low), low + best % (high - low))
    return found


def score(answers: list[str], gold: list[list[str]]) -> dict[str, float]:
    """Mean exact match and F1."""
    pairs = list(zip(answers, gold, strict=True))
    mean = {
        name: sum(how(a, g) for a, g in pairs) / len(pairs) for name, how in (("exact", exact), ("f1", f1))
    }
    return {"rows": len(pairs)} | {name: round(value, 4) for name, value in mean.items()}


def measure_xquad(model: Any, tokenizer: Any, path: Path, every: int = 1) -> dict[str, float]:
    """Exact match and F1 on paragraphs of SQuAD, in the form of its first version."""
    rows, contexts, gold = [], [], []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                rows.append((entry["question"], paragraph["context"]))
                gold.append([answer["text"] for answer in entry["answers"]])
    rows, gold = rows[::every], gold[::every]
    encoded = tokenizer(rows, truncation="only_second", max_length=512, return_offsets_mapping=True)
    made = [
        Row(tuple(ids), kinds.index(1), 0, 0)
        for ids, kinds in zip(encoded["input_ids"], encoded["token_type_ids"], strict=True)
    ]
    for k, (start, end) in enumerate(spans(model, made)):
        offsets = encoded["offset_mapping"][k]
        contexts.append(rows[k][1][offsets[start][0] : offsets[end][1]])
    return score(contexts, gold)


def measure_hops(model: Any, maker: Maker, items: list[Any]) -> dict[str, float]:
    """Exact match and F1 on generated passages; an absent answer is the empty text."""
    rows = [maker.passage(item) for item in items]
    answers = []
    for item, row, (start, end) in zip(items, rows, spans(model, rows, absent=True), strict=True):
        offsets = maker.tokenizer(item.context, add_special_tokens=False, return_offsets_mapping=True)[
            "offset_mapping"
        ]
        low, high = start - row.second, end - row.second
        answers.append(item.context[offsets[low][0] : offsets[high][1]] if end else "")
    return score(answers, [[item.answer] for item in items])


def measure_facts(model: Any, maker: Maker, facts: list[Fact]) -> dict[str, float]:
    """Exact match and F1 on QAMR questions whose sentences were held out, among others."""
    rows = [maker.among(fact, random.Random(k)) for k, fact in enumerate(facts)]
    texts = [
        [maker.tokenizer.decode(row.ids[a : b + 1]) for row, (a, b) in zip(rows, found, strict=True)]
        for found in (spans(model, rows), [(row.start, row.end) for row in rows])
    ]
    return score(texts[0], [[text] for text in texts[1]])


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, default=Path("attnlab_core/checkpoints/pronouns"))
    parser.add_argument("--work", type=Path, default=Path("training/runs/qa"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/qa"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    paragraphs = wikitext(args.data / "wikitext2/valid.txt")
    others = [part for text in paragraphs for part in common.sentences(text) if 5 < len(part.split()) < 60]
    others = [part for part in others if part.count("[UNK]") < 2]
    facts, store, numbers = read_qamr(args.data / "qamr", tokenizer, others)
    own = len(numbers)
    maker = Maker(tokenizer, store, range(own, len(store.ids)), own)
    kept = set(random.Random(5).sample(range(own), int(HELD_OUT * own)))
    unseen = [fact for fact in facts if fact.sentence in kept]
    facts = [fact for fact in facts if fact.sentence not in kept]
    print(
        f"{len(facts)} questions of QAMR on {own - len(kept)} sentences, {len(unseen)} held out", flush=True
    )
    fresh = multi_hop.make(400, seed=99, split="test", hops=(2,))
    torch.manual_seed(1)  # of the new head
    model = AutoModelForQuestionAnswering.from_pretrained(
        args.encoder, dtype=torch.float32, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1
    )
    bridges = nn.Linear(model.config.hidden_size, 2)
    both = nn.ModuleDict({"model": model, "bridges": bridges})
    optimisers = common.Optimisers(both, r"encoder\.layer", MUON, RATE, r"qa_outputs|bridges", HEAD_RATE)
    average = common.averaged(model, MEMORY)
    rng, order = random.Random(3), []
    while len(order) < args.steps * MIX[0][1]:
        order += rng.sample(range(len(facts)), len(facts))
    recent = 0.0

    def report(done: int) -> str:
        told = [f"loss {recent:.3f}", measure_facts(average.module, maker, unseen[::8])]
        told.append(measure_hops(average.module, maker, fresh[:100]))
        told.append(measure_hops(model, maker, fresh[:100]))
        if done % (4 * SAVE) == 0:
            told.append(
                measure_xquad(average.module, tokenizer, args.data / "xquad/xquad.en.first_half.json", 4)
            )
        return " ".join(map(str, told))

    parts = {"model": both, "average": average, "optimisers": optimisers}
    for step in common.resumable(args.work, parts, args.steps, SAVE, report):
        model.train()
        torch.manual_seed(step)  # dropout is the same after a resume
        draw = random.Random(step)
        count, hops = next(mix[1:] for mix in MIX if step < mix[0])
        rows = [maker.among(facts[k], draw) for k in order[step * MIX[0][1] :][:count]]
        made = multi_hop.make(hops, seed=step, split="train", hops=(1, 2, 2), variants=VARIANTS)
        rows += [maker.passage(item) for item in made]
        rows.sort(key=lambda row: len(row.ids))
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):  # less padding
            loss = span_loss(model, bridges, half) / 2
            loss.backward()
            recent = 0.99 * recent + 0.02 * loss.item() if recent else 2 * loss.item()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        again = AGAIN * (args.steps - step) / max(1, args.steps - FIRST)
        optimisers.step(common.trapezoid(step, FIRST, 200, 0.3) if step < FIRST else again)
        if (step + 1) % EVERY == 0:
            average.update_parameters(model)
    final = average.module
    figures = {
        "xquad": measure_xquad(final, tokenizer, args.data / "xquad/xquad.en.first_half.json"),
        "qamr_held_out": measure_facts(final, maker, unseen),
        "hops": {
            variant: measure_hops(
                final, maker, multi_hop.make(500, seed=77, split="test", hops=(2,), variants={variant: 1.0})
            )
            for variant in ("whole", "removed", "replaced")
        },
        "one_hop": measure_hops(final, maker, multi_hop.make(500, seed=78, split="test", hops=(1,))),
        "training": {"steps": args.steps, "mix": MIX},
    }
    common.ship(final, tokenizer, args.out, figures)


if __name__ == "__main__":
    main()
