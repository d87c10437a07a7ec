"""Train a small bidirectional GPT-2 to tell which verb follows, a singular or a plural one: one command, resumable.

    python -m training.agreement --data DATA

DATA is a folder with `books/*.txt`, a paragraph a line, and `agreement/generated.tab`. The run keeps its state in
`--work` and goes on from there when it is started again.

The model is that of Abnar and Zuidema (Quantifying Attention Flow in Transformers, ACL 2020): blocks of GPT-2, six
layers of eight heads, 128 wide, without the causal mask, and a token [CLS] whose last state is classified. It reads a
sentence up to its verb. [CLS] stands at the end, where the verb would stand, for there GPT2ForSequenceClassification
reads its answer.

Two parts. First the blocks learn words, by filling in masked ones in the novels. Then all is trained on the task:
prefixes taken from the novels without a tagger, by rules that rather drop a verb than guess, and written ones from
`attnlab_core.tasks._agreement_items`. Two novels are kept back for measuring, one more for looking while trying settings.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from transformers import AutoTokenizer, GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast

from attnlab_core.tasks._agreement_items import KINDS, make
from attnlab_core.tasks._agreement_items import nouns as written_nouns
from training import common

# ---- sentences, words, nouns

CLOSE = re.compile(
    r"[“”\"()\[\]*]"
)  # speech and brackets are cut out: each piece counts as a text of its own
ENDS = re.compile(
    r"(?<=[a-z]{2}[.!?;])(?<!Mr\.)(?<!Mrs\.)(?<!Dr\.)(?<!St\.)(?<!Messrs\.)(?<!Capt\.)(?<!Esq\.)\s+(?=[A-Z])"
)
WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:['-][A-Za-zÀ-ÿ]+)*|[^\sA-Za-zÀ-ÿ]")


def plain(text: str) -> str:
    """One kind of apostrophe, dashes with spaces around them, no marks of italics."""
    text = re.sub(r"--|—", " — ", text.replace("_", "").replace("’", "'").replace("‘", "'"))
    return " ".join(text.split())


def beginnings(paragraph: str) -> Iterator[str]:
    """Sentences that begin with a capital; quoted speech apart from what is around it."""
    for piece in CLOSE.split(plain(paragraph)):
        for sentence in ENDS.split(piece):
            cut = sentence.lstrip("'— ").rstrip()
            if cut[:1].isupper():
                yield cut


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


IRREGULAR = dict(
    pair.split("/")
    for pair in "child/children foot/feet tooth/teeth goose/geese mouse/mice wife/wives life/lives knife/knives "
    "leaf/leaves wolf/wolves thief/thieves loaf/loaves shelf/shelves person/people ox/oxen".split()
)
NUMERALS = words(
    "one two three four five six seven eight nine ten eleven twelve twenty hundred thousand million"
)
NO_NOUNS = words("good other little over a it no long") | NUMERALS


def plural_of(noun: str) -> str:
    """The plural by rule, or from the table."""
    if noun.endswith("man"):
        return noun[:-2] + "en"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return IRREGULAR.get(noun) or noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


class Nouns:
    """Words that look singular or plural: seen after "a", with a plural that is seen as well.

    Attributes:
        singular: the first.
        plural: the second.
        other: a noun's form of the other number.
        count: how often a word is seen in lower case.
    """

    def __init__(self, paragraphs: Iterable[str]) -> None:
        after: Counter[str] = Counter()
        self.count: Counter[str] = Counter()
        for paragraph in paragraphs:
            found = WORD.findall(plain(paragraph))
            self.count.update(word for word in found if word.islower())
            after.update(b for a, b in pairwise(found) if a.lower() in ("a", "an"))
        chosen = {w for w, n in after.items() if n >= 3 and self.count[plural_of(w)] >= 3} - NO_NOUNS
        self.plural = {plural_of(word) for word in chosen}
        self.singular = chosen - self.plural
        self.other = {word: plural_of(word) for word in self.singular}
        self.other |= {many: one for one, many in self.other.items()}

    def look(self, word: str) -> bool | None:
        """True for a plural noun, False for a singular one, None for any other word."""
        return True if word in self.plural else False if word in self.singular else None


# ---- verbs whose subject stands before them

BE = words("was were is are")
PAIRS = dict(
    pair.split("/")
    for pair in "was/were is/are has/have does/do seems/seem appears/appear goes/go knows/know thinks/think says/say "
    "comes/come makes/make takes/take gives/give brings/bring keeps/keep sees/see hears/hear feels/feel tells/tell "
    "believes/believe sits/sit begins/begin gets/get belongs/belong depends/depend requires/require "
    "deserves/deserve becomes/become understands/understand speaks/speak".split()
)
PLURAL = dict.fromkeys(PAIRS, False) | dict.fromkeys(PAIRS.values(), True)  # verb form → is it the plural one
LEXICAL = frozenset(PLURAL) - BE - words("has have")

PREPOSITIONS = words(
    "in on at of to from with without by for under over above below beneath beside besides behind before after "
    "between among amongst amid amidst round around near through across into upon out off up down within about "
    "against along inside outside beyond toward towards opposite during since till until than as like next close"
)
ADVERBS = words(
    "never always also ever still now not too once soon often only just both each already almost then again yet "
    "indeed quite rather perhaps all even seldom scarcely hardly sometimes however therefore surely"
)
NO_ADVERBS = words("family fly ally jelly belly lily bully")
SINGULAR_LAST = words(
    "he she it this that one everything everybody everyone something somebody someone nothing nobody anything "
    "anybody anyone each"
)
PLURAL_LAST = words("they we these those both many few several")
PRONOUNS = words("he she it they we this that these those")
RELATIVES = words("who which that")
YOU = words("i you thou ye")  # they have verb forms of their own
NO_LAST = words(  # no subject ends with these, or its number is open
    "there here i you thou ye thee what how where when why whom whose as than nor so such or and but if though "
    "although because unless lest whether a an the my your his its our their every no not very too some any none "
    "more most all enough half either neither must may might can could shall should will would do does did had has "
    "have is are was were be been am let that's it's me us rest other same while whilst till until since for like "
    "ere yet except save only went came stood lay sat hung follow s d ll m re ve t o"
)
MODALS = words(
    "must may might can could shall should will would do does did to let make makes made ought need dare rather "
    "better cannot can't don't didn't won't couldn't wouldn't shouldn't mustn't doesn't"
)
HELPERS = MODALS | words(
    "see saw seen sees seeing hear hears heard hearing have had has having help helped watch watched bid bade feel "
    "felt dares than letting making please"
)
MOODS = words(
    "if though wish wished wishes unless lest whether suppose supposing ere provided imagine fancy would"
)
OPEN = words("all some any none more most half rest part such")  # number unknown, alone or before "of"
CROWDS = words(
    "number majority couple pair dozen deal lot lots plenty rest family party company crew army enemy police "
    "government crowd cavalry infantry group public council troop band gang sort kind kinds sorts variety means "
    "species series sheep deer fish swine data remainder portion minority multitude host set score herd flock team "
    "staff committee pack brood"
)
DETERMINERS = NUMERALS | words(
    "the a an this that these those my your his her its our their every each no both many few several another some "
    "any all such much half either neither"
)
SUBJECTS = (DETERMINERS | SINGULAR_LAST | PLURAL_LAST | YOU | RELATIVES | words("what whose")) - {"not"}
BREAKS = words(", ; : — and but or that when while because where as if though for so than whether")
STOPS = words("; : — . ! ?")
LONGEST = 40  # words before a verb


@dataclass(frozen=True)
class Spot:
    """A verb in a sentence.

    Attributes:
        words: the sentence's words as written; `low` is the same in lower case.
        low: see there.
        at: the verb's place.
        end: where the words before it end when adverbs next to it are left out.
        start: where its part of the sentence begins: after the last semicolon, colon or dash.
        nouns: which words look like nouns.
    """

    words: list[str]
    low: list[str]
    at: int
    end: int
    start: int
    nouns: Nouns

    @property
    def verb(self) -> str:
        return self.low[self.at]

    @property
    def plural(self) -> bool:
        return PLURAL[self.verb]

    @property
    def last(self) -> str:
        return self.low[self.end - 1]

    @property
    def part(self) -> list[str]:
        """The words of its part before the verb and its adverbs."""
        return self.low[self.start : self.end]

    def before(self, count: int) -> list[str]:
        """The last so many words of its part before the verb, adverbs and all."""
        return self.low[max(self.start, self.at - count) : self.at]


def is_adverb(word: str) -> bool:
    return word in ADVERBS or (word.endswith("ly") and word not in NO_ADVERBS)


def has_subject(found: list[str], nouns: Nouns, first: bool) -> bool:
    """Whether a noun phrase begins somewhere that no preposition governs; `first`: they begin a sentence."""
    for k, word in enumerate(found):
        low, behind = word.lower(), found[k - 1].lower() if k else ","
        name = word[0].isupper() and (k > 0 or not first or nouns.count[low] < 5)
        bare = low in nouns.plural and behind in BREAKS
        if (
            low in SUBJECTS or bare or name or low.endswith("'s")
        ) and behind not in PREPOSITIONS | DETERMINERS:
            return True
    return False


def asks(spot: Spot) -> bool:
    """A question, or the subject follows: "is he", "there was"."""
    after = spot.low[spot.at + 1 : spot.at + 2]
    follows = YOU | words("he she they we") | ({"it"} if spot.verb in ("is", "does") else set())
    inverted = bool(follows & set(after))
    near = spot.low[max(0, spot.at - 5) : spot.at]
    return inverted or "?" in spot.low[spot.at : spot.at + 25] or "there" in near or "here" in near


def ends_badly(spot: Spot) -> bool:
    """The word before cannot end a subject."""
    if spot.last in RELATIVES or spot.last == ",":
        return False
    return spot.last in NO_LAST | PREPOSITIONS or not spot.last[0].isalpha()


def clashes(spot: Spot) -> bool:
    """A subjunctive ("he were") or dialect ("we was"), where that is plain to see."""
    if kind_of(spot) != "relative" and spot.last in (SINGULAR_LAST if spot.plural else PLURAL_LAST):
        return True
    look = spot.nouns.look(spot.last)
    return spot.end == 2 and spot.low[0] in DETERMINERS and look is not None and look != spot.plural


def is_open(spot: Spot) -> bool:
    """The subject's number is a matter of meaning or taste: "some of", "a number of", "or", "what"."""
    near = [*spot.before(12), "of"]
    if {"or", "nor", "either", "neither", "what", "whatever"} & set(near) or CROWDS & set(spot.before(8)):
        return True
    return any(a in OPEN and b in PRONOUNS | YOU | BE | {"of"} for a, b in pairwise(near))


def is_mood(spot: Spot) -> bool:
    """The form may be a subjunctive or an infinitive."""
    near = set(spot.before(12))
    if spot.verb in BE:
        return spot.verb in ("was", "were") and bool(MOODS & near)
    short = any(word.endswith(("'d", "'ll")) for word in near)
    return short or bool((HELPERS if spot.verb in LEXICAL else MODALS) & near)


def is_you(spot: Spot) -> bool:
    return bool(YOU & set(spot.part[-2:]))


def ends_with_comma(spot: Spot) -> bool:
    """What stands between two commas may be an aside; anything else before a comma is dropped."""
    if spot.last != ",":
        return False
    commas = [k for k, word in enumerate(spot.part[:-1]) if word == ","]
    if not commas or commas[-1] == 0 or spot.part[0] in PREPOSITIONS | words("when if as while though"):
        return True
    head, opened = spot.part[commas[-1] - 1], spot.part[commas[-1] + 1]
    return head in NO_LAST or opened in words("and or but who which when")


def relates(spot: Spot) -> bool:
    """A relative pronoun whose noun is not next to it; "that" may also begin a clause."""
    if spot.last not in RELATIVES:
        return False
    if spot.end < 2:
        return spot.last != "that"
    behind = spot.low[spot.end - 2]
    if spot.last == "that" and behind in words("and but ; : —"):
        return spot.plural
    if behind == "," and spot.last == "who" and spot.end > 2:
        behind = spot.low[spot.end - 3]
    no_noun = behind in NO_LAST | PREPOSITIONS or is_adverb(behind) or not behind[0].isalpha()
    one_of = {"one", "only"} & set(spot.part[-8:])
    return no_noun or bool(one_of) or bool(YOU & set(spot.part[-3:]))


def is_unsafe(spot: Spot) -> bool:
    """A verb other than be and have counts only right after a pronoun or noun of its number."""
    if spot.verb not in LEXICAL:
        return False
    place = spot.end - 1 - (spot.last in RELATIVES and spot.end > 1)
    look = spot.nouns.look(spot.low[place])
    if spot.plural:
        return not (spot.last in ("they", "we") or look is True)
    return not (spot.last in ("he", "she", "it") or look is False or spot.words[place][0].isupper())


def has_no_subject(spot: Spot) -> bool:
    """Nothing before the verb can be its subject: "On the hill was", "So great was"."""
    breaks = [k for k in range(spot.end) if spot.low[k] in BREAKS]
    begin = breaks[-1] + 1 if breaks else 0
    clause = spot.words[begin : spot.end]
    first = clause[0].lower() if clause else ""
    if first in PREPOSITIONS or first.endswith("ing") or is_adverb(first):
        if not has_subject(clause, spot.nouns, begin == 0):
            return True
    elif spot.end == 1 and not (
        spot.last in SINGULAR_LAST | PLURAL_LAST or spot.nouns.look(spot.last) is not None
    ):
        return spot.nouns.count[spot.last] >= 5
    return not has_subject(spot.words[spot.start : spot.end], spot.nouns, spot.start == 0)


def joins(spot: Spot) -> bool:
    """After "and": a second verb of a subject that is well before it; only forms of be are sure to be no infinitives."""
    part, far = set(spot.part), set(spot.before(20))
    unclear = words("what there here if though whether") | YOU
    if spot.verb not in BE or len(spot.part) < 5 or part & unclear or far & (CROWDS | {"or", "nor"}):
        return True
    return not has_subject(spot.words[spot.start : spot.end], spot.nouns, spot.start == 0)


RULES: tuple[Callable[[Spot], bool], ...] = (
    ends_badly, clashes, is_open, is_mood, is_you, ends_with_comma, relates, is_unsafe, has_no_subject,
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A prefix with the number of the verb that follows.

    Attributes:
        prefix: the sentence up to the verb.
        plural: the verb's form.
        kind: what stands right before it: a pronoun, a relative one, "and" (a second verb), an aside, or anything
            else, most often a noun.
        nearest: whether the noun-like word that is nearest looks plural; None where there is none.
    """

    prefix: str
    plural: bool
    kind: str
    nearest: bool | None

    @property
    def attractor(self) -> bool:
        """Whether the nearest noun is of the other number."""
        return self.nearest is not None and self.nearest != self.plural


def kind_of(spot: Spot) -> str:
    if spot.last == "that" and spot.end == spot.start + 1:
        return "pronoun"
    table = (
        {"and": "second verb", ",": "aside"}
        | dict.fromkeys(RELATIVES, "relative")
        | dict.fromkeys(PRONOUNS - {"that"}, "pronoun")
    )
    return table.get(spot.last, "noun")


def spot_at(found: list[str], low: list[str], at: int, nouns: Nouns) -> Spot | None:
    """The verb at a place, when there is anything before it in its part of the sentence."""
    end = at
    while end > 0 and is_adverb(low[end - 1]):
        end -= 1
    start = max((k + 1 for k in range(at) if low[k] in STOPS), default=0)
    return Spot(found, low, at, end, start, nouns) if end > start else None


def rows(sentence: str, nouns: Nouns) -> list[Row]:
    """Every verb of a sentence whose number its prefix settles, as far as the rules can tell."""
    tokens = list(WORD.finditer(sentence))
    found = [token[0] for token in tokens]
    low, taken = [word.lower() for word in found], []
    for at in range(1, min(len(found), LONGEST + 1)):
        if found[at] not in PLURAL:
            continue
        spot = spot_at(found, low, at, nouns)
        if spot is None or asks(spot):
            continue
        if joins(spot) if spot.last == "and" else any(rule(spot) for rule in RULES):
            continue
        nearest = next((look for word in reversed(low[:at]) if (look := nouns.look(word)) is not None), None)
        prefix = sentence[: tokens[at].start()].rstrip()
        taken.append(Row(prefix, spot.plural, kind_of(spot), nearest))
    return taken


# ---- more rows out of the same

PLAIN_DETERMINERS = words("the my your his her its our their")
CLAUSE_OPENERS = words("but that when while because where if though for so than whether ; —")
FIRST = PREPOSITIONS | words("when while because where if though as")


def twin(row: Row, nouns: Nouns) -> tuple[str, bool] | None:
    """The same prefix with its last noun in the other number, and the answer to it, where that is sure.

    The noun is the subject where it opens the sentence or a clause, so the answer changes with it; where a
    preposition governs it, the subject is elsewhere and the answer stays.
    """
    found = list(WORD.finditer(row.prefix))
    low = [word[0].lower() for word in found]
    if row.kind != "noun" or low[-1] not in nouns.other:
        return None
    det = len(low) - 2
    if det > 0 and nouns.look(low[det]) is None and low[det] not in NO_LAST | PREPOSITIONS | DETERMINERS:
        det -= 1  # an adjective, most often
    if det < 0 or low[det] not in PLAIN_DETERMINERS:
        return None
    behind = low[det - 1] if det else "but"
    if behind == "," and low[0] in FIRST:
        behind = "but"
    prefix = row.prefix[: found[-1].start()] + nouns.other[low[-1]] + row.prefix[found[-1].end() :]
    if behind in CLAUSE_OPENERS and nouns.look(low[-1]) == row.plural:
        return prefix, not row.plural
    return (prefix, row.plural) if behind in PREPOSITIONS - CLAUSE_OPENERS else None


# ---- tokenizer and model

ENTRIES, POSITIONS = 5000, 64  # of the vocabulary; of the model
PREFIX = 48  # most tokens of a prefix to train on, [CLS] included
SPECIAL = ["[PAD]", "[CLS]", "[MASK]"]
TURNS, PASSES = 1, 8  # over the novels for words; over the rows for verbs
SIZE_WORDS, SIZE = 64, 128  # pieces and rows a step
MUON, ADAM, RATE = 4e-3, 3e-3, 1e-3  # peak learning rates: Muon's and AdamW's for words, AdamW's for verbs
HIDE_WORDS, HIDE = 0.25, 0.03  # share of tokens masked: for words, for verbs
DROP = 0.1  # dropout, for verbs only
KEPT, WRITTEN = 0.4, 0.3  # of the rows after pronouns that are kept; of written items to rows
DIALECT = "adventures-of-huckleberry-finn"  # its verbs do not agree: for words only
LOOK = "anne-of-green-gables"  # for looking while trying settings; trained on neither for words nor for verbs


def build_tokenizer(paragraphs: Iterable[str], folder: Path) -> Any:
    """Learn a byte-level BPE that puts [CLS] at the end, or read it where it was learnt before."""
    if not (folder / "tokenizer.json").exists():
        bpe = Tokenizer(models.BPE())
        bpe.normalizer = normalizers.Sequence(
            [normalizers.Replace(a, b) for a, b in ("’'", "‘'", '“"', '”"')]
        )
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=ENTRIES,
            special_tokens=SPECIAL,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        bpe.train_from_iterator((plain(paragraph) for paragraph in paragraphs), trainer)
        bpe.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=True),
                processors.TemplateProcessing(
                    single="$A [CLS]", pair="$A $B [CLS]", special_tokens=[("[CLS]", SPECIAL.index("[CLS]"))]
                ),
            ]
        )
        PreTrainedTokenizerFast(
            tokenizer_object=bpe,
            pad_token="[PAD]",
            cls_token="[CLS]",
            mask_token="[MASK]",
            model_max_length=POSITIONS,
            truncation_side="left",  # what stands near the verb stays
        ).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def build_model(tokenizer: Any) -> GPT2ForSequenceClassification:
    """The blocks with fresh weights; `is_causal=False` takes the causal mask away, and is kept in config.json."""
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=POSITIONS, n_embd=128, n_layer=6, n_head=8, is_causal=False,
        activation_function="gelu_pytorch_tanh", use_cache=False, bos_token_id=None, eos_token_id=None,
        pad_token_id=tokenizer.pad_token_id, id2label={0: "singular", 1: "plural"}, label2id={"singular": 0, "plural": 1},
    )  # fmt: skip
    torch.manual_seed(1)
    return GPT2ForSequenceClassification._from_config(config, attn_implementation="eager")


def hide(ids: torch.Tensor, share: float, mask: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a share of the tokens, no special ones, and mask most of them; returns the new ids and what was drawn."""
    drawn = (torch.rand(ids.shape) < share) & (ids >= len(SPECIAL))
    return ids.masked_fill(drawn & (torch.rand(ids.shape) < 0.9), mask), drawn


def encode(tokenizer: Any, texts: list[str], special: bool = True) -> list[list[int]]:
    """Token ids, neither cut nor padded."""
    bare = tokenizer.backend_tokenizer
    groups = (texts[k : k + 1000] for k in range(0, len(texts), 1000))
    return [row.ids for group in groups for row in bare.encode_batch_fast(group, add_special_tokens=special)]


def drop(model: nn.Module, share: float) -> None:
    """Set the share of every dropout."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share


# ---- first part: words


def learn_words(model: Any, tokenizer: Any, books: dict[str, list[str]], work: Path) -> None:
    """Fill in masked words of the novels."""
    text = [plain(paragraph) for paragraphs in books.values() for paragraph in paragraphs]
    ids = encode(tokenizer, text, special=False)
    end, size = tokenizer.cls_token_id, POSITIONS - 1
    pieces = [[*row[k : k + size], end] for row in ids for k in range(0, len(row), size)]
    pieces = [piece for piece in pieces if len(piece) > 8]
    lengths = [len(piece) for piece in pieces]
    plan = [group for turn in range(TURNS) for group in common.batches(lengths, SIZE_WORDS, turn)]
    print(f"{sum(lengths)} tokens, {len(plan)} steps on words", flush=True)
    body, shown = model.transformer, [0.0]
    drop(body, 0.0)
    optimisers = common.Optimisers(body, r"^h\.", MUON, ADAM)
    parts = {"model": body, "optimisers": optimisers}
    for step in common.resumable(work, parts, len(plan), 200, lambda _: f"loss {shown[0]:.3f}"):
        model.train()
        torch.manual_seed(step)
        batch = common.pad([pieces[k] for k in plan[step]])
        hidden_ids, drawn = hide(batch["input_ids"], HIDE_WORDS, tokenizer.mask_token_id)
        with torch.autocast("cpu", torch.bfloat16):
            states = body(hidden_ids, attention_mask=batch["attention_mask"]).last_hidden_state
            logits = states[drawn] @ body.wte.weight.T
        loss = nn.functional.cross_entropy(logits.float(), batch["input_ids"][drawn])
        loss.backward()
        nn.utils.clip_grad_norm_(body.parameters(), 1.0)
        optimisers.step(common.trapezoid(step, len(plan), 60, 0.4))
        shown[0] = 0.98 * (shown[0] or loss.item()) + 0.02 * loss.item()


# ---- second part: verbs


def collect(books: dict[str, list[str]], nouns: Nouns) -> list[Row]:
    """The rows of all sentences of the books but the one in dialect, no prefix twice with the same answer."""
    found = (
        row
        for name, paragraphs in books.items()
        if name != DIALECT
        for paragraph in paragraphs
        for sentence in beginnings(paragraph)
        for row in rows(sentence, nouns)
    )
    return list({(row.prefix, row.plural): row for row in found}.values())


def balanced(found: list[Row], seed: int) -> list[Row]:
    """As many singular rows as plural ones, drawn at random within each kind, as far as there are so many."""
    rng = random.Random(seed)
    kinds = sorted({row.kind for row in found})
    chosen: list[Row] = []
    for kind in kinds:
        sides = [
            [row for row in found if row.kind == kind and row.plural == plural] for plural in (False, True)
        ]
        least = min(map(len, sides))
        chosen += [row for side in sides for row in rng.sample(side, least)]
    return chosen


def one_pass(
    found: list[Row], twins: list[tuple[str, bool]], nouns: Nouns, seed: int
) -> list[tuple[str, bool]]:
    """Prefixes and answers of one pass: balanced rows, fewer of those after pronouns, twins, and fresh written items."""
    rng = random.Random(seed)
    kept = [row for row in balanced(found, seed) if row.kind != "pronoun" or rng.random() < KEPT]
    items = make(int(WRITTEN * len(kept)), seed=seed, attractors=(0, 1, 2), split="train")
    written = [(mixed(item.prefix, nouns, rng), item.number == "plural") for item in items]
    return [(row.prefix, row.plural) for row in kept] + twins + written


def mixed(text: str, nouns: Nouns, rng: random.Random) -> str:
    """Every second item with other nouns put in, any that the novels have but those of the test part."""
    if rng.random() < 0.5:
        return text
    train, test = written_nouns("train"), written_nouns("test")
    known = dict.fromkeys(train, False) | dict.fromkeys(train.values(), True)
    pools = [sorted(nouns.singular - test.keys()), sorted(nouns.plural - set(test.values()))]
    return WORD.sub(lambda word: rng.choice(pools[known[word[0]]]) if word[0] in known else word[0], text)


@torch.no_grad()
def answers(model: nn.Module, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """Whether the model says plural, for every text."""
    model.eval()
    ids = tokenizer(texts, truncation=True)["input_ids"]
    order = sorted(range(len(ids)), key=lambda k: len(ids[k]))
    found = torch.zeros(len(ids), dtype=torch.bool)
    for at in range(0, len(order), 128):
        part = order[at : at + 128]
        found[part] = model(**common.pad([ids[k] for k in part])).logits.argmax(-1).bool()
    return found


def accuracy(model: nn.Module, tokenizer: Any, texts: list[str], plurals: list[bool]) -> dict[str, Any]:
    """Rows, the share of right answers, and the same for either number."""
    wanted = torch.tensor(plurals)
    right = answers(model, tokenizer, texts) == wanted
    parts = {"accuracy": right, "singular": right[~wanted], "plural": right[wanted]}
    return {"rows": len(texts)} | {
        name: round(float(part.float().mean()), 4) for name, part in parts.items() if len(part)
    }


def on_rows(model: nn.Module, tokenizer: Any, found: list[Row]) -> dict[str, Any]:
    """Accuracy on rows of novels: in all, without pronouns, with an attractor, by kind."""
    nouns = [row for row in found if row.kind != "pronoun"]
    parts = {
        "all": found,
        "no pronoun": nouns,
        "no pronoun, attractor": [row for row in nouns if row.attractor],
    }
    parts |= {
        kind: [row for row in found if row.kind == kind] for kind in sorted({row.kind for row in found})
    }
    return {
        name: accuracy(model, tokenizer, [row.prefix for row in part], [row.plural for row in part])
        for name, part in parts.items()
        if part
    }


def on_items(model: nn.Module, tokenizer: Any, count: int) -> dict[str, Any]:
    """Accuracy on written items with the test part's nouns: by the number of attractors, and by kind with 0 and 1."""

    def measured(items: list[Any]) -> dict[str, Any]:
        return accuracy(model, tokenizer, [i.prefix for i in items], [i.number == "plural" for i in items])

    figures = {f"attractors {n}": measured(make(count, seed=100 + n, attractors=(n,))) for n in range(4)}
    both = make(3 * count, seed=200)
    return figures | {kind: measured([item for item in both if item.kind == kind]) for kind in KINDS}


def on_table(model: nn.Module, tokenizer: Any, path: Path) -> dict[str, Any]:
    """Accuracy on the published items of colorlessgreenRNNs: real prefixes, and the same with other words put in."""
    with path.open(encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file, delimiter="\t") if row["class"] == "correct"]

    def measured(part: list[dict[str, str]]) -> dict[str, Any]:
        texts = [re.sub(r" (?=[,.;:?!]|n't|'s)", "", row["prefix"]) for row in part]
        return accuracy(model, tokenizer, texts, [row["correct_number"] == "plur" for row in part])

    names = {"subject, words, verb": "L__NOUN_VERB_VERB", "verb and verb": "R__VERB_NOUN_CCONJ_VERB"}
    return {
        f"{kind}: {name}": measured(
            [row for row in table if row["type"] == kind and row["pattern"] == pattern]
        )
        for kind in ("original", "generated")
        for name, pattern in names.items()
    }


def learn_verbs(
    model: Any, tokenizer: Any, passes: list[list[tuple[str, bool]]], look: list[Row], work: Path
) -> Any:
    """Train on the task and return the averaged model."""
    drop(model, DROP)
    flat = [pair for part in passes for pair in part]
    ids = encode(tokenizer, [text for text, _ in flat])
    plan, base = [], 0
    for seed, part in enumerate(passes):
        fits = [base + k for k in range(len(part)) if len(ids[base + k]) <= PREFIX]
        plan += [
            [fits[k] for k in group] for group in common.batches([len(ids[k]) for k in fits], SIZE, seed)
        ]
        base += len(part)
    print(f"{len(passes[0])} rows a pass, {len(plan)} steps on verbs", flush=True)
    average = common.averaged(model, 0.99)
    optimisers = common.Optimisers(model, r"\.h\.", None, RATE)
    parts = {"model": model, "average": average, "optimisers": optimisers}
    shown = [0.0]

    def report(_: int) -> str:
        figures = on_rows(average.module, tokenizer, look)
        extra = on_items(average.module, tokenizer, 300)
        kept = {name: figures[name]["accuracy"] for name in ("all", "no pronoun", "no pronoun, attractor")}
        return f"loss {shown[0]:.3f} {kept} {[extra[f'attractors {n}']['accuracy'] for n in range(4)]}"

    for step in common.resumable(work, parts, len(plan), 250, report):
        model.train()
        torch.manual_seed(step)
        batch = common.pad([ids[k] for k in plan[step]])
        batch["input_ids"], _ = hide(batch["input_ids"], HIDE, tokenizer.mask_token_id)
        wanted = torch.tensor([int(flat[k][1]) for k in plan[step]])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(**batch).logits
        loss = nn.functional.cross_entropy(logits.float(), wanted, label_smoothing=0.02)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(common.trapezoid(step, len(plan), 60, 0.5))
        average.update_parameters(model)
        shown[0] = 0.98 * (shown[0] or loss.item()) + 0.02 * loss.item()
    return average.module


def main() -> None:
    """Learn words, then verbs; measure; write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("training/runs/agreement"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/agreement"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    books, unseen = common.novels(args.data), common.novels(args.data, held_out=True)
    looked = {LOOK: books.pop(LOOK)}
    paragraphs = [paragraph for part in books.values() for paragraph in part]
    nouns = Nouns(paragraphs)
    tokenizer = build_tokenizer(paragraphs, args.work / "tokenizer")
    model = build_model(tokenizer)
    learn_words(model, tokenizer, books, args.work / "words")
    look = balanced(collect(looked, nouns), 1)
    found = collect(books, nouns)
    twins = [pair for row in found if (pair := twin(row, nouns))]
    print(f"{len(found)} rows, {len(twins)} twins", flush=True)
    passes = [one_pass(found, twins, nouns, seed) for seed in range(PASSES)]
    model = learn_verbs(model, tokenizer, passes, look, args.work / "verbs")
    figures = {
        "novels held out": on_rows(model, tokenizer, balanced(collect(unseen, nouns), 1)),
        "written": on_items(model, tokenizer, 2000),
        "published": on_table(model, tokenizer, args.data / "agreement/generated.tab"),
        "novel looked at": on_rows(model, tokenizer, look),
        "training": {
            "rows": {"taken": len(found), "twins": len(twins), "a pass": len(passes[0])},
            "turns for words": TURNS, "passes for verbs": PASSES, "pieces and rows a step": [SIZE_WORDS, SIZE],
            "rates": {"words, Muon": MUON, "words, AdamW": ADAM, "verbs, AdamW": RATE},
            "masked": [HIDE_WORDS, HIDE], "dropout": DROP, "kept after pronouns": KEPT, "written": WRITTEN,
        },
    }  # fmt: skip
    common.ship(model, tokenizer, args.out, figures)


if __name__ == "__main__":
    main()
