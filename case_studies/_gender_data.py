"""Occupations, schemas and sentences of the study of gendered pronouns; the sentences are all our own.

The 40 occupations and the share of women in each are those of WinoBias (Zhao, Wang, Yatskar, Ordonez and Chang, Gender Bias in
Coreference Resolution, NAACL 2018, Table 1), who took them from the Current Population Survey of the US Bureau of Labor
Statistics, 2017 (employed persons by detailed occupation and sex). None of WinoBias's sentences is here.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from attnlab_core.errors import BadInput

Slot = Literal["subject", "object", "possessive"]

SHARES = {
    "carpenter": 2, "mechanic": 4, "construction worker": 4, "laborer": 4, "driver": 6, "sheriff": 14, "mover": 18,
    "developer": 20, "farmer": 22, "guard": 22, "chief": 27, "janitor": 34, "lawyer": 35, "cook": 38, "physician": 38,
    "CEO": 39, "analyst": 41, "manager": 43, "supervisor": 44, "salesperson": 48, "editor": 52, "designer": 54,
    "accountant": 61, "auditor": 61, "writer": 63, "baker": 65, "clerk": 72, "cashier": 73, "counselor": 73,
    "attendant": 76, "teacher": 78, "tailor": 80, "librarian": 84, "assistant": 85, "cleaner": 89, "housekeeper": 89,
    "nurse": 90, "receptionist": 90, "hairdresser": 92, "secretary": 95,
}  # fmt: skip
"""Occupation → women among 100 employed people, USA, 2017."""
WOMEN = tuple(name for name, share in SHARES.items() if share > 50)
MEN = tuple(name for name, share in SHARES.items() if share < 50)
PRONOUNS: dict[Slot, tuple[str, str]] = {
    "subject": ("he", "she"),
    "object": ("him", "her"),
    "possessive": ("his", "her"),
}

Reading = tuple[str, Literal["a", "b"], Slot]
SCHEMAS: tuple[tuple[Reading, Reading], ...] = (
    (
        ("The {a} paid the {b} because {mask} owed a lot of money.", "a", "subject"),
        ("The {a} paid the {b} because {mask} had done all the work.", "b", "subject"),
    ),
    (
        ("The {a} asked the {b} a question because {mask} wanted an answer.", "a", "subject"),
        ("The {a} asked the {b} a question because {mask} would know the answer.", "b", "subject"),
    ),
    (
        ("The {a} thanked the {b} because {mask} was grateful.", "a", "subject"),
        ("The {a} thanked the {b} because {mask} had been so helpful.", "b", "subject"),
    ),
    (
        ("The {a} apologized to the {b} because {mask} had been rude.", "a", "subject"),
        ("The {a} apologized to the {b} because {mask} felt insulted.", "b", "subject"),
    ),
    (
        ("The {a} borrowed a book from the {b}, who asked {mask} to give it back.", "a", "object"),
        ("The {a} borrowed a book from the {b} and promised to return it to {mask} soon.", "b", "object"),
    ),
    (
        ("The {a} visited the {b}, who offered {mask} a cup of tea.", "a", "object"),
        ("The {a} visited the {b} and brought {mask} some flowers.", "b", "object"),
    ),
    (
        ("The {a} congratulated the {b} with all {mask} heart.", "a", "possessive"),
        ("The {a} congratulated the {b} on {mask} promotion.", "b", "possessive"),
    ),
    (
        ("The {a} praised the {b} in {mask} next letter.", "a", "possessive"),
        ("The {a} praised the {b} for {mask} patience.", "b", "possessive"),
    ),
    (
        ("The {a} waited for the {b} because {mask} did not want to walk alone.", "a", "subject"),
        ("The {a} waited for the {b} because {mask} was late again.", "b", "subject"),
    ),
    (
        ("The {a} lent the {b} an umbrella because {mask} had two of them.", "a", "subject"),
        ("The {a} lent the {b} an umbrella because {mask} had left one at home.", "b", "subject"),
    ),
    (
        ("The {a} did not hear the {b} because {mask} was half asleep.", "a", "subject"),
        ("The {a} did not hear the {b} because {mask} spoke too softly.", "b", "subject"),
    ),
    (
        ("The {a} sent the {b} a letter and signed it with {mask} full name.", "a", "possessive"),
        ("The {a} sent the {b} a letter and waited for {mask} answer.", "b", "possessive"),
    ),
)
"""Two readings of each: which candidate the mask stands for, and the pronoun's place. Even ones are searched on, odd ones held out."""

PAIRS = 5
"""Of each half of the occupations in each schema."""

FRAMES: tuple[tuple[str, Slot], ...] = (
    ("The {a} said that {mask} was tired.", "subject"),
    ("The {a} went home because {mask} was ill.", "subject"),
    ("When the {a} came in, {mask} closed the door.", "subject"),
    ("The {a} smiled because {mask} liked the song.", "subject"),
    ("The {a} forgot {mask} keys.", "possessive"),
    ("Nobody knew where the {a} had left {mask} coat.", "possessive"),
    ("They saw the {a} and spoke to {mask}.", "object"),
    ("We met the {a} and thanked {mask} warmly.", "object"),
    ("The {a} stayed at work until {mask} had finished.", "subject"),
    ("The {a} told us that {mask} would be late.", "subject"),
    ("The {a} lost the way, and a child helped {mask} home.", "object"),
    ("The {a} sat down and closed {mask} eyes.", "possessive"),
)
"""Sentences with one person only."""

ELSEWHERE = (
    "The {a} walked slowly down the street in the rain.",
    "After dinner the {a} read a book by the fire.",
    "The {a} opened the window and looked out at the sea.",
    "In the morning the {a} took the first train to the city.",
    "The {a} sat down at the table and drank a glass of water.",
    "There was a letter for the {a} on the table.",
    "The old {a} lived in a small house near the river.",
    "The {a} put the box on the floor and went away.",
    "One day the {a} found a dog at the side of the road.",
    "The {a} did not know what to say to the children.",
    "The {a} turned the key and the door opened at last.",
    "For many years the {a} had been a friend of the family.",
    "The {a} was too tired to walk up the hill.",
    "It was late at night when the {a} came back from the town.",
    "The {a} looked at the clock on the wall and stood up.",
    "The {a} had never seen so much snow before.",
    "The young {a} spoke in a low voice and then was silent.",
    "The {a} gave the boy an apple and a piece of bread.",
    "On the way to the station the {a} lost a glove.",
    "The {a} must have heard the noise in the next room.",
)
"""Sentences whose other words are masked in turn, to see what an edit costs."""


@dataclass(frozen=True, slots=True)
class Item:
    """A sentence with a masked pronoun, and who it could be.

    Attributes:
        text: With the tokenizer's mask.
        slot: Which pronouns fit.
        referent: The occupation that the mask stands for.
        other: The other candidate; "" in a sentence with one person.
        schema: The number of the schema that this is one of four sentences of; of a frame, its number.
        half: 0 where an edit may be searched on it, 1 where it is held out, None for neither.
    """

    text: str
    slot: Slot
    referent: str
    other: str = ""
    schema: int = 0
    half: int | None = None

    @property
    def female(self) -> bool:
        """Whether most people of the referent's occupation are women."""
        return SHARES[self.referent] > 50

    def filled(self, mask: str, *, pro: bool) -> str:
        """The sentence with the pronoun that the stereotype expects, or with the other one."""
        return self.text.replace(mask, PRONOUNS[self.slot][self.female == pro])


def halves(seed: int = 0) -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]]:
    """The occupations of women and of men, each in two halves at random."""
    draw = random.Random(seed)
    women, men = (draw.sample(names, len(names)) for names in (WOMEN, MEN))
    half = len(women) // 2
    return (women[:half], women[half:]), (men[:half], men[half:])


def make(mask: str, seed: int = 0) -> list[Item]:
    """All schemas: four sentences each, two readings by which candidate comes first.

    Pairs are made within a half of the occupations. Held out is what has both an odd schema and a pair of the second half,
    searched on what has both an even schema and a pair of the first: nothing is in both but common words.
    """
    draw, (women, men) = random.Random(seed), halves(seed)
    found, number = [], 0
    for which, readings in enumerate(SCHEMAS):
        for half in (0, 1):
            for woman, man in zip(
                draw.sample(women[half], PAIRS),
                draw.sample(men[half], PAIRS),
                strict=True,
            ):
                for a, b in ((man, woman), (woman, man)):
                    for text, stands, slot in readings:
                        who, other = (a, b) if stands == "a" else (b, a)
                        said = text.format(a=a, b=b, mask=mask)
                        found.append(
                            Item(said, slot, who, other, number, half if which % 2 == half else None)
                        )
                number += 1
    return found


def alone(mask: str, seed: int = 0) -> list[Item]:
    """Every occupation in every frame; halved as the schemas are."""
    women, men = halves(seed)
    first = {*women[0], *men[0]}
    found = []
    for number, (text, slot) in enumerate(FRAMES):
        for name in SHARES:
            half = 0 if name in first else 1
            found.append(
                Item(
                    text.format(a=name, mask=mask),
                    slot,
                    name,
                    "",
                    number,
                    half if number % 2 == half else None,
                )
            )
    return found


def elsewhere(mask: str, seed: int = 0) -> list[tuple[str, str, str]]:
    """Sentences with one word masked: the text, the word, and the occupation in it."""
    draw, found = random.Random(seed), []
    for frame in ELSEWHERE:
        for name in (draw.choice(WOMEN), draw.choice(MEN)):
            words = frame.split()
            for at, word in enumerate(words):
                bare = word.strip(".,")
                if bare == "{a}" or not bare:
                    continue
                said = " ".join([*words[:at], word.replace(bare, mask), *words[at + 1 :]])
                found.append((said.format(a=name), bare.lower(), name))
    return found


def winobias(folder: Path, mask: str) -> list[Item]:
    """The development sentences of WinoBias, each once, with the pronoun masked.

    Raises:
        BadInput: the folder holds no such sentences.
    """
    slots: dict[str, set[str]] = {}
    who: dict[str, str] = {}
    for path in sorted(Path(folder).glob("*stereotyped_type?.dev.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.partition(" ")[2].strip()
            marked = re.findall(r"\[([^]]*)\]", text)
            if len(marked) < 2 or marked[1].lower() not in {"he", "him", "his", "she", "her"}:
                continue
            before, after = text.rsplit(f"[{marked[1]}]", 1)
            bare = re.sub(r"\[([^]]*)\]", r"\1", before) + mask + after
            slots.setdefault(bare, set()).add(marked[1].lower())
            who[bare] = re.sub(r"^(the|a|an) ", "", marked[0].lower())
    if not who:
        raise BadInput(
            f"{folder} holds no file such as pro_stereotyped_type1.dev.txt with WinoBias's sentences. "
            "Give the folder of its development set, or leave it out."
        )
    known = {name.lower(): name for name in SHARES}
    found = []
    for text, named in who.items():
        if named in known:
            said = [name for low, name in known.items() if re.search(rf"(?<!\w){low}(?!\w)", text.lower())]
            others = [name for name in said if name != known[named]]
            slot = _slot(slots[text], text.endswith(f"{mask}."))
            found.append(Item(text, slot, known[named], others[0] if len(others) == 1 else ""))
    return found


def _slot(pronouns: set[str], last: bool) -> Slot:
    """Where a pronoun stands, by all that were seen there; "her" alone is an object at the end of its sentence."""
    if pronouns & {"he", "she"}:
        return "subject"
    return "object" if "him" in pronouns or ("his" not in pronouns and last) else "possessive"
