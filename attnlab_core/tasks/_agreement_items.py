"""English subject-verb agreement: a sentence up to its verb, the verb's right form and the wrong one.

The items measure a language model (is the right form the likelier one after the prefix?) and train or measure a
classifier (singular or plural?). Words and templates are this project's own; all nouns are common in novels of the
19th century. Nouns of the two splits are disjoint, as heads and as attractors, so a test item has none that a
training item has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Number = Literal["singular", "plural"]
Split = Literal["train", "test"]


@dataclass(frozen=True)
class Item:
    """One prefix and the two forms of the verb that may follow it.

    Attributes:
        prefix: The sentence up to the verb, without a space at its end.
        right: The form that agrees with the subject.
        wrong: The form of the other number.
        number: The subject's.
        kind: The template's name, one of `KINDS`.
        attractors: How many nouns of the other number stand between the subject and the verb.
    """

    prefix: str
    right: str
    wrong: str
    number: Number
    kind: str
    attractors: int


@dataclass(frozen=True)
class _Noun:
    forms: tuple[str, str]  # singular, plural
    sort: str  # person, thing or place


@dataclass(frozen=True)
class _Part:
    """A piece of a sentence with the nouns in it: True for a plural one."""

    text: str
    plurals: tuple[bool, ...] = ()


_IRREGULAR = {
    "child": "children",
    "mouse": "mice",
    "wife": "wives",
    "knife": "knives",
    "leaf": "leaves",
    "thief": "thieves",
    "wolf": "wolves",
}
_NOUNS = {
    (
        "train",
        "person",
    ): "man boy king soldier doctor servant lady child sister sailor farmer student aunt nurse guest "
    "daughter lover cat horse wolf thief traveller mother husband priest hunter driver policeman stranger",
    (
        "test",
        "person",
    ): "woman girl clerk officer creature teacher gentleman friend brother master lawyer merchant "
    "cousin son uncle visitor dog bird mouse peasant father wife guard writer prisoner pupil",
    (
        "train",
        "thing",
    ): "book key picture table lamp knife hat ring bottle wall tree ship gun bell watch glass basket "
    "paper bag rose story question light rock chain wheel",
    (
        "test",
        "thing",
    ): "letter door chair candle coat dress box window flower boat carriage sword cup plate curtain "
    "note bed leaf song answer stone stick wagon drawer",
    ("train", "place"): "house garden road church village hill river room shop farm station forest tower",
    ("test", "place"): "street field town castle island school cottage mountain valley corner hotel bridge",
}
_VERBS = {
    "all": "was/were is/are has/have seems/seem looks/look stands/stand falls/fall remains/remain appears/appear "
    "comes/come",
    "person": "was/were is/are has/have does/do walks/walk sees/see knows/know thinks/think wants/want says/say "
    "goes/go sits/sit lives/live speaks/speak looks/look works/work waits/wait laughs/laugh eats/eat runs/run",
}
_DETERMINERS = (
    ["The"] * 8 + ["My", "His", "Her", "Our", "Their"],
    {False: ["This", "That", "A", "Every"], True: ["These", "Those", "Two", "Some"]},
)
_ADJECTIVES = (
    "old young little poor great good new dark strange beautiful quiet heavy white black small tall".split()
)
_ADVERBS = "often never always still now certainly soon already really hardly probably sometimes also".split()
_NEAR = {
    ("person", "person"): "with behind beside near before".split(),
    ("person", "thing"): "with behind near beside under".split(),
    ("person", "place"): "from in near of behind".split(),
    ("thing", "person"): "of from for near behind".split(),
    ("thing", "thing"): "under on beside near with behind".split(),
    ("thing", "place"): "in near from behind of".split(),
    ("place", "person"): "of behind near with".split(),
    ("place", "thing"): "with near behind beside".split(),
    ("place", "place"): "near behind beside beyond".split(),
}
_SAW = "saw found liked remembered left wanted watched loved knew passed forgot noticed needed".split()
_DID = {
    "person": "saw found liked remembered left watched loved knew followed met helped feared".split(),
    "other": "belonged to|lay beside|stood near|came from|fell behind|hid".split("|"),
}
_ASIDE = "in spite of|because of|unlike|like|thanks to|far from|instead of|without".split("|")
_CAME = "came spoke left arrived returned laughed called slept".split()


def _plural(noun: str) -> str:
    if noun.endswith("man"):
        return noun[:-3] + "men"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return _IRREGULAR.get(noun) or noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def nouns(split: Split) -> dict[str, str]:
    """Singular → plural of every noun that the items of a split use.

    >>> nouns("train")["wolf"], "wolf" in nouns("test")
    ('wolves', False)
    """
    return {
        noun: _plural(noun) for (part, _), words in _NOUNS.items() if part == split for noun in words.split()
    }


class _Writer:
    """Draws words for one item; `number` is the subject's, True for plural."""

    def __init__(self, rng: random.Random, split: Split) -> None:
        self.rng, self.split = rng, split
        self.used: set[str] = set()

    def noun(self, *sorts: str) -> _Noun:
        """A noun that this item does not have yet."""
        sort = self.rng.choice(sorts or ("person", "person", "thing", "place"))
        word = self.rng.choice([w for w in _NOUNS[self.split, sort].split() if w not in self.used])
        self.used.add(word)
        return _Noun((word, _plural(word)), sort)

    def head(self, noun: _Noun, plural: bool) -> str:
        """A noun phrase to begin a sentence with."""
        always, sometimes = _DETERMINERS
        first = self.rng.choice(always if self.rng.random() < 0.85 else sometimes[plural])
        adjective = [self.rng.choice(_ADJECTIVES)] if self.rng.random() < 0.2 else []
        first = "An" if first == "A" and (adjective or noun.forms)[0][0] in "aeiou" else first
        return " ".join([first, *adjective, noun.forms[plural]])

    def phrase(self, noun: _Noun, plural: bool) -> str:
        """A noun phrase inside a sentence."""
        first = self.rng.choice(["the"] * 9 + ["my", "his", "her", "our"])
        return f"{first} {noun.forms[plural]}"

    def chain(self, before: _Noun, plurals: Sequence[bool]) -> str:
        """Prepositional phrases, one for each number, each hanging on the noun before it."""
        text = ""
        for plural in plurals:
            noun = self.noun("person", "thing", "place")
            near = self.rng.choice(_NEAR[before.sort, noun.sort])
            text, before = f"{text} {near} {self.phrase(noun, plural)}", noun
        return text


_Made = tuple[str, _Noun]  # a prefix, and the noun that its verb must suit


def _simple(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun = w.noun()
    return w.head(noun, plural), noun


def _adjective(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun = w.noun()
    one, two = w.rng.sample(_ADJECTIVES, 2)
    extra = f"{one} " if w.rng.random() < 0.5 else ""
    return f"{w.rng.choice(_DETERMINERS[0])} {extra}{two} {noun.forms[plural]}", noun


def _adverb(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun = w.noun()
    return f"{w.head(noun, plural)} {w.rng.choice(_ADVERBS)}", noun


def _prepositional(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun = w.noun()
    return w.head(noun, plural) + w.chain(noun, others), noun


def _object_relative(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun, agent = w.noun(), w.noun("person")
    that = w.rng.choice(["that ", "whom " if noun.sort == "person" else "which ", ""])
    rest = w.chain(agent, others[1:])
    return f"{w.head(noun, plural)} {that}{w.phrase(agent, others[0])}{rest} {w.rng.choice(_SAW)}", noun


def _subject_relative(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun, other = w.noun(), w.noun()
    sort = "person" if noun.sort == "person" else "other"
    that = w.rng.choice(["that", "who" if noun.sort == "person" else "which"])
    rest = w.chain(other, others[1:])
    did = w.rng.choice(_DID[sort])
    return f"{w.head(noun, plural)} {that} {did} {w.phrase(other, others[0])}{rest}", noun


def _coordination(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    """Plural: the two together are the subject. Singular: the two are in a relative clause that hangs on it."""
    one, two = w.noun("person"), w.noun("person")
    if plural:
        numbers = w.rng.choice([(False, False), (False, False), (False, True), (True, False)])
        return f"{w.head(one, numbers[0])} and {w.phrase(two, numbers[1])}", one
    noun = w.noun("thing", "place")
    that = w.rng.choice(["that ", "which ", ""])
    pair = f"{w.phrase(one, False)} and {w.phrase(two, False)}"
    return f"{w.head(noun, False)} {that}{pair} {w.rng.choice(_SAW)}", noun


def _aside(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    noun, other = w.noun("person"), w.noun()
    rest = w.chain(other, others[1:])
    return f"{w.head(noun, plural)}, {w.rng.choice(_ASIDE)} {w.phrase(other, others[0])}{rest},", noun


def _opening(w: _Writer, plural: bool, others: Sequence[bool]) -> _Made:
    """A clause of either number comes first; nothing stands between the subject and its verb."""
    other, noun = w.noun("person"), w.noun()
    when = w.rng.choice(["When", "While", "After", "Before"])
    first = f"{when} {w.phrase(other, w.rng.random() < 0.5)} {w.rng.choice(_CAME)}"
    return f"{first}, {w.phrase(noun, plural)}", noun


_Template = Callable[[_Writer, bool, Sequence[bool]], _Made]
_BARE: dict[str, _Template] = {  # nothing stands between the subject and the verb
    "simple": _simple,
    "adjective": _adjective,
    "adverb": _adverb,
    "coordination": _coordination,
    "opening clause": _opening,
}
_LONG: dict[str, _Template] = {  # up to three nouns stand between
    "prepositional phrase": _prepositional,
    "object relative": _object_relative,
    "subject relative": _subject_relative,
    "long-distance adverbial": _aside,
}
KINDS = (*_BARE, *_LONG)
MOST = 3  # attractors


def make(n: int, *, seed: int, attractors: tuple[int, ...] = (0, 1), split: Split = "test") -> list[Item]:
    """Write `n` items: the same for the same arguments, half of them singular, in random order.

    Kinds and numbers of attractors are as balanced as `n` allows; with no attractor, half of the kinds that can have
    one have a noun of the subject's own number there. Prefixes may repeat, above all the short ones.

    Args:
        n: How many.
        seed: Of the words drawn and of the order.
        attractors: The numbers of attractors to write items with, 0 to 3.
        split: Which nouns to draw from; those of the other split do not occur.

    >>> item = make(1, seed=3, attractors=(1,))[0]
    >>> item.number, item.attractors, item.right != item.wrong
    ('singular', 1, True)
    """
    if not attractors or not set(attractors) <= set(range(MOST + 1)):
        raise ValueError(f"attractors {attractors!r}: give numbers from 0 to {MOST}.")
    rng = random.Random(f"agreement {seed} {split}")
    items = []
    for k in range(n):
        turn, plural = divmod(k, 2)
        turn, place = divmod(turn, len(attractors))
        kinds = KINDS if attractors[place] == 0 else tuple(_LONG)
        items.append(_write(rng, split, kinds[turn % len(kinds)], bool(plural), attractors[place]))
    rng.shuffle(items)
    return items


def _write(rng: random.Random, split: Split, kind: str, plural: bool, attractors: int) -> Item:
    writer = _Writer(rng, split)
    others: list[bool] = []
    if kind in _LONG:
        same = rng.choice([0, 1] if attractors else [1, 1, 2])
        others = [not plural] * attractors + [plural] * min(same, MOST - attractors)
        rng.shuffle(others)
    prefix, noun = (_BARE | _LONG)[kind](writer, plural, others)
    verbs = _VERBS["person" if noun.sort == "person" else "all"].split()
    forms = rng.choice(verbs[:3] if rng.random() < 0.5 or kind == "adverb" else verbs).split("/")
    number: Number = "plural" if plural else "singular"
    return Item(prefix, forms[plural], forms[not plural], number, kind, attractors)
