"""Short passages with questions that need two facts, made from a seed.

A two-hop question names one thing ("the Sea Lark"), means another (the firm that built it), and asks for a fact about
that one. Every passage states the same kind of fact about somebody else too, so nothing but the bridge tells which
answer is meant: take the bridging sentence out and the question has no answer, let it name the other one and the
answer changes.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from case_studies import words
from case_studies.words import QUOTED, RELATIONS, Cast, Entity, Relation, Split

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from case_studies._story import Closing, Record, Step

NAME = "multi_hop"
TITLE = "Multi-hop questions"
QUESTION = "Does attention pass through the bridge?"
MODEL = "qa"
FRESH = 1000
"""Added to the study's seed: its settings were chosen on passages of smaller seeds."""

Variant = Literal["whole", "removed", "replaced"]
Chain = tuple[Relation, Relation]

CALLED = {
    kind: f"the {kind}"
    for kind in "book painting song film ship town school club hospital museum street band".split()
}
CALLED |= {
    "firm": "the company",
    "yard": "the shipyard",
    "publisher": "the publisher",
    "building": "the building",
}
KIN = (
    "mother father sister brother aunt uncle cousin grandmother grandfather wife husband daughter son niece nephew"
).split()
KIN_CHAINS = """mother/cousin mother/aunt father/uncle father/cousin sister/husband brother/wife aunt/husband uncle/wife
    cousin/son cousin/daughter aunt/daughter uncle/son daughter/husband son/wife niece/husband nephew/wife""".split()
DANGLING = tuple(
    f"{{s}} {end}?"
    for end in ("in", "known for", "from", "of", "made of", "built of", "by", "belong to", "sung in", "lie")
)
CIRCLES = ("written_by/wrote", "wrote/written_by", "has_pet/pet_of", "pet_of/has_pet")
# How often a passage is about a bridge of each kind.
BRIDGES = """person 9 town 4 firm 2.5 school 1.5 club 1.5 museum 1.5 book 1.2 hospital 1 ship 1 street 1 band 1 film 1
    building 0.8 painting 0.7 song 0.7 pet 0.7 yard 0.4 publisher 0.4"""
BRIDGE_SHARES: dict[str, float] = dict(
    zip(BRIDGES.split()[::2], map(float, BRIDGES.split()[1::2]), strict=True)
)


@dataclass(frozen=True, slots=True)
class Swap:
    """What changes when the bridging sentence names another entity of the passage."""

    sentence: str
    bridge: str
    answer: str
    supporting: int


@dataclass(frozen=True, slots=True)
class Item:
    """One question on one passage.

    `supporting` numbers the sentences in the order of the chain, the bridging one first; `start` is the place in
    `context` of the answer that the last of them states. Where the passage does not hold the answer, it is `""` and `None`.
    """

    question: str
    context: str
    answer: str
    start: int | None
    sentences: tuple[str, ...]
    supporting: tuple[int, ...]
    bridge: str
    hops: int
    kind: str
    variant: Variant
    entity: str
    names: tuple[str, ...] = field(repr=False)
    swap: Swap | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Fact:
    """That a relation holds between two entities."""

    relation: Relation
    subject: Entity
    object: Entity


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence to be: some facts and one template, or one with a bar between the parts for each fact."""

    facts: tuple[Fact, ...]
    template: str

    def text(self, instead: Mapping[Fact, Fact] | None = None) -> str:
        facts = [(instead or {}).get(fact, fact) for fact in self.facts]
        parts = self.template.split("|")
        if not facts:
            return _sentence(self.template)
        return _sentence("".join(_fill(part, fact) for part, fact in zip(parts, facts, strict=True)))


def _clash(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two facts cannot both hold of one entity: two places of work, or a pupil with a job."""
    return bool((one & other) - {"pupil"}) or {"pupil", "child"} <= one | other


def _fits(thing: str, subject: str) -> bool:
    return thing == subject or (subject == "firm" and thing in {"yard", "publisher"})


def _chains(first: Relation, second: Relation) -> bool:
    name = f"{first.name}/{second.name}"
    sexes = {first.sexes[1], second.sexes[0]} - {"."}
    return (
        bool(first.nouns)
        and _fits(first.object, second.subject)
        and first is not second
        and len(sexes) < 2
        and name not in CIRCLES
        and not (first.name in KIN and second.name in KIN and name not in KIN_CHAINS)
        and not _clash(first.object_marks, second.subject_marks)
        and not (second.name == "makes" and first.object in {"yard", "publisher"})
    )


KINDS = tuple((one, two) for one, two in itertools.product(RELATIONS.values(), repeat=2) if _chains(one, two))
ABOUT = {
    kind: tuple(relation for relation in RELATIONS.values() if relation.subject == kind)
    for kind in {relation.subject for relation in RELATIONS.values()}
}


FEMALE = {"she": "she", "her": "her", "child": "daughter", "sibling": "sister", "niece": "niece"}
FEMALE |= {"grandchild": "granddaughter", "parent": "mother"}
MALE = {"she": "he", "her": "his", "child": "son", "sibling": "brother", "niece": "nephew"}
MALE |= {"grandchild": "grandson", "parent": "father"}


def _fill(template: str, fact: Fact) -> str:
    thing = fact.object.text
    article = "an" if thing[0].lower() in "aeio" or thing.startswith("um") else "a"
    return template.format(
        s=fact.subject.text, o=thing, an=article, **(FEMALE if fact.subject.sex == "w" else MALE)
    )


def _sentence(text: str, end: str = ".") -> str:
    text = text[0].upper() + text[1:] if text[0] not in "'\"" else text
    return text if text.endswith(end) else text + end


class Passage:
    """One passage while it is written: its facts first, then its sentences."""

    def __init__(self, rng: random.Random, split: Split, kind: Chain) -> None:
        self.rng, self.first, self.second = rng, *kind
        real = "town" not in (self.first.subject, self.second.subject)
        self.cast = Cast(rng, split, real_towns=real and rng.random() < 0.7)
        self.marks: dict[Entity, frozenset[str]] = {}
        self.facts: list[Fact] = []
        self._chains()
        self._others()

    def _add(self, relation: Relation, subject: Entity, thing: Entity) -> Fact:
        fact = Fact(relation, subject, thing)
        self.facts.append(fact)
        for entity, marks in (
            (subject, relation.subject_marks | {relation.name}),
            (thing, relation.object_marks),
        ):
            self.marks[entity] = self.marks.get(entity, frozenset()) | marks
        return fact

    def _new(self, *roles: tuple[str, str]) -> Entity:
        """An entity that fills several roles, each a kind and a sex; the most special kind wins."""
        sexes = [sex for _, sex in roles if sex != "."]
        return self.cast.new(roles[0][0], sexes[0] if sexes else ".")

    def _chains(self) -> None:
        one, two, rng = self.first, self.second, self.rng
        asker = (one.subject, one.sexes[0])
        middle = (one.object, one.sexes[1]), (two.subject, two.sexes[0])
        end = (two.object, two.sexes[1])
        self.entity, bridge, self.other = self._new(asker), self._new(*middle), self._new(*middle)
        self.bridging = self._add(one, self.entity, bridge)
        self.answering = self._add(two, bridge, self._new(end))
        self.rival = self._add(two, self.other, self._new(end))
        self.marks[self.other] |= one.object_marks  # it may become the bridge
        if rng.random() < 0.8:
            self._add(one, self._new(asker), self._new(*middle) if one.alone else self.other)
        if rng.random() < 0.2:
            self._add(two, self._new((two.subject, two.sexes[0])), self._new(end))
        if two.subject == one.subject and rng.random() < 0.4:
            self._extra(self.entity, two)

    def _extra(self, subject: Entity, relation: Relation) -> None:
        held = self.marks.get(subject, frozenset())
        if _clash(held, relation.subject_marks | {relation.name}) or relation.sexes[0] not in (
            ".",
            subject.sex,
        ):
            return
        self._add(relation, subject, self._new((relation.object, relation.sexes[1])))

    def _others(self) -> None:
        """More facts, about whoever is there already; no second family in a passage about one."""
        rng = self.rng
        kin = self.first.name in KIN or self.second.name in KIN
        people = [fact.subject for fact in self.facts]
        for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 3))):
            subject = rng.choice(people)
            about = ABOUT[subject.kind if subject.kind in ABOUT else "firm"]
            relation = rng.choice(about)
            if len(self.facts) < 8 and not (kin and relation.name in KIN):
                self._extra(subject, relation)

    def lines(self) -> list[Line]:
        """Every fact in a sentence, some two in one or the second by a pronoun, among sentences that say nothing."""
        rng, left = self.rng, list(self.facts)
        rng.shuffle(left)
        blocks: list[list[Line]] = []
        while left:
            fact = left.pop()
            mate = next((other for other in left if other.subject is fact.subject), None)
            block = mate and self._together(fact, mate)
            if mate and block:
                left.remove(mate)
            blocks.append(block or [self._single(fact)])
        fillers = rng.sample(words.FILLERS, min(9 - len(self.facts), rng.choice((0, 0, 1, 1, 2, 3))))
        blocks += [[Line((), text)] for text in fillers]
        rng.shuffle(blocks)
        return [line for block in blocks for line in block]

    def _together(self, one: Fact, two: Fact) -> list[Line] | None:
        roll = self.rng.random()
        if roll < 0.4:
            return self._join(one, two)
        return (self._refer(one, two) or self._refer(two, one)) if roll < 0.75 else None

    def _single(self, fact: Fact) -> Line:
        rng, roll = self.rng, self.rng.random()
        before = f"{rng.choice(words.OPENINGS)} " if roll < 0.1 else ""
        after = rng.choice(words.CLOSINGS) if roll > 0.92 else ""
        template = rng.choice(fact.relation.says).replace("{does}", rng.choice(words.DOINGS))
        return Line((fact,), before + template + after)

    def _join(self, one: Fact, two: Fact) -> list[Line] | None:
        """Two facts about one entity in one sentence; a fact about two people comes last."""
        if one.object.kind == "person":
            one, two = two, one
        clauses = [[rest for rest in map(_clause, fact.relation.says) if rest] for fact in (one, two)]
        if one.object.kind == "person" or not all(clauses):
            return None
        front, back = map(self.rng.choice, clauses)
        who = "who" if one.subject.kind == "person" else "which"
        shape = f"{{s}} {front} and |{back}" if self.rng.random() < 0.5 else f"{{s}}, {who} {front}, |{back}"
        return [Line((one, two), shape)]

    def _refer(self, one: Fact, two: Fact) -> list[Line] | None:
        """Two sentences on one entity, the second by a pronoun or "the town"; neither is the bridging one."""
        kind = one.subject.kind
        pronoun = CALLED.get(kind, "") or ("she" if one.subject.sex == "w" else "he")
        said = [text for text in two.relation.says if text.startswith(("{s} ", "{s}'s")) and _plain(text)]
        says = [text for text in said if f" {pronoun.removeprefix('the ')} " not in text]
        if self.bridging in (one, two) or kind in (one.object.kind, "pet") or not says:
            return None
        owner = {"she": "her", "he": "his"}.get(pronoun, f"{pronoun}'s")
        text = self.rng.choice(says).replace("{s}'s", owner).replace("{s}", pronoun)
        return [self._single(one), Line((two,), text)]

    def question(self, *facts: Fact) -> str:
        """Asks for the last fact's object by way of the facts before it."""
        rng, *before, last = self.rng, *facts
        entity = facts[0].subject
        named, possessive, heavy = entity.text, entity.kind not in QUOTED, False
        if entity.kind in (*QUOTED, "ship") and rng.random() < 0.3:
            named = f"the {entity.kind} {entity.text.removeprefix('the ')}"
        for fact in before:
            noun = rng.choice(fact.relation.nouns)
            named, possessive = noun.format(s=named), possessive and noun.startswith("{s}'s")
            heavy = not noun.startswith("{s}'s") and not noun.endswith("{s}")
        asks = [ask for ask in last.relation.asks if possessive or "{s}'s" not in ask]
        asks = [ask for ask in asks if not (heavy and ask.endswith(DANGLING))] or asks
        ask = rng.choice(asks)
        if rng.random() < 0.06 and not ask.startswith("{s}"):
            ask = f"{rng.choice(words.ASKING)} {ask[0].lower()}{ask[1:]}"
        return _sentence(ask.format(s=named), "?")


def _clause(template: str) -> str:
    """What a template says after its subject; empty where it is not of that form."""
    start, _, rest = template.partition("{s} ")
    return rest if not start and _plain(template) else ""


def _plain(template: str) -> bool:
    return template.count("{s}") == 1 and "," not in template and not template.startswith("{s} and ")


def _item(passage: Passage, hops: int, rng: random.Random) -> Item | None:
    """The whole passage with its question; none where the answer could be read in two places."""
    lines = passage.lines()
    sentences = tuple(line.text() for line in lines)
    place = {fact: number for number, line in enumerate(lines) for fact in line.facts}
    chain = (passage.bridging, passage.answering)
    facts = chain if hops == 2 else (rng.choice(chain),)
    question = passage.question(*facts)
    supporting = tuple(place[fact] for fact in facts)
    answer, context = facts[-1].object.name, " ".join(sentences)
    start = _start(sentences, supporting[-1], answer)
    rival = passage.rival.object.name
    stated_once = [name for name in (answer, rival) if hops == 2 or facts[0] is passage.answering]
    if any(context.lower().count(name.lower()) != 1 for name in stated_once):
        return None
    if answer.lower() in question.lower() or rival.lower() in question.lower():
        return None
    swap = None
    if hops == 2:
        sentence = lines[supporting[0]].text(
            {passage.bridging: replace(passage.bridging, object=passage.other)}
        )
        swap = Swap(sentence, passage.other.name, rival, place[passage.rival])
    return Item(
        question=question,
        context=context,
        answer=context[start : start + len(answer)],
        start=start,
        sentences=sentences,
        supporting=supporting,
        bridge=passage.bridging.object.name if hops == 2 else "",
        hops=hops,
        kind="/".join(fact.relation.name for fact in facts),
        variant="whole",
        entity=facts[0].subject.name,
        names=tuple(passage.cast.proper),
        swap=swap,
    )


def _start(sentences: Sequence[str], number: int, answer: str) -> int:
    before = sum(len(sentence) + 1 for sentence in sentences[:number])
    found = re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", sentences[number], re.IGNORECASE)
    return before + next(found).start()


def without_bridge(item: Item) -> Item:
    """The same passage without the bridging sentence (of a one-hop item: the one with the answer); no answer is left."""
    gone, rest = item.supporting[0], item.supporting[1:]
    sentences = item.sentences[:gone] + item.sentences[gone + 1 :]
    return replace(
        item,
        context=" ".join(sentences),
        answer="",
        start=None,
        sentences=sentences,
        supporting=tuple(number - (number > gone) for number in rest),
        variant="removed",
        swap=None,
    )


def with_other_bridge(item: Item) -> Item:
    """The same passage, its bridging sentence naming the other entity; the answer is that one's.

    Raises:
        ValueError: the item has no bridge to change.
    """
    if item.swap is None:
        raise ValueError("Only a whole two-hop item has another bridge.")
    number, swap = item.supporting[0], item.swap
    sentences = (*item.sentences[:number], swap.sentence, *item.sentences[number + 1 :])
    context, start = " ".join(sentences), _start(sentences, swap.supporting, swap.answer)
    return replace(
        item,
        context=context,
        answer=context[start : start + len(swap.answer)],
        start=start,
        sentences=sentences,
        supporting=(number, swap.supporting),
        bridge=swap.bridge,
        variant="replaced",
        swap=None,
    )


@cache
def _draws() -> dict[str, tuple[Chain, float]]:
    """How often each chain is drawn: bridges of every kind, and not too many bonds of people."""
    share = {
        relation.name: 0.5 if relation.subject == relation.object else 1.0 for relation in RELATIONS.values()
    }
    firsts: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    for one in dict(KINDS):
        firsts[one.object] += share[one.name]
    for one, two in KINDS:
        seconds[one.name] += share[two.name]
    return {
        f"{one.name}/{two.name}": (
            (one, two),
            BRIDGE_SHARES[one.object]
            * share[one.name]
            / firsts[one.object]
            * share[two.name]
            / seconds[one.name],
        )
        for one, two in KINDS
    }


def make(
    n: int,
    *,
    seed: int,
    split: Split = "test",
    hops: Sequence[int] = (2,),
    variants: Mapping[str, float] | None = None,
    kinds: Sequence[str] | None = None,
) -> list[Item]:
    """Makes questions with their passages, the same ones for the same arguments.

    Args:
        n: how many.
        seed: which ones.
        split: whose names; no name is in both splits.
        hops: how many facts a question needs; drawn anew for every item.
        variants: the shares of `"whole"`, `"removed"` and `"replaced"`; a one-hop item that should be
            replaced is left whole.
        kinds: only these chains, such as `"mother/works_in"`.
    """
    rng = random.Random(f"{seed} {split}")
    draws = [_draws()[kind] for kind in kinds or _draws()]
    chains = [chain for chain, _ in draws]
    weights = list(itertools.accumulate(share for _, share in draws))
    names, shares = zip(*(variants or {"whole": 1.0}).items(), strict=True)
    items: list[Item] = []
    while len(items) < n:
        passage = Passage(rng, split, rng.choices(chains, cum_weights=weights)[0])
        item = _item(passage, rng.choice(tuple(hops)), rng)
        if item is None:
            continue
        variant = rng.choices(names, shares)[0]
        if variant == "removed":
            item = without_bridge(item)
        elif variant == "replaced" and item.hops == 2:
            item = with_other_bridge(item)
        items.append(item)
    return items


def study(lab: Lab, *, seed: int = 0) -> dict[str, Any]:
    """The figures: answers with and without the bridge, attention by layer, knock-outs, methods, and a graph.

    Raises:
        BadInput: the model does not answer questions, or reads no passage in one piece.
    """
    from case_studies import _multi_hop_study, _story

    _story.needs(lab, "answering", "it reads the answer off a passage.")
    return _multi_hop_study.study(lab, seed=seed)


def story(record: Record) -> tuple[list[Step], Closing]:
    """The steps and the end, told from a record alone."""
    from case_studies import _multi_hop_story

    return _multi_hop_story.story(record)
