"""Sample texts for each task and each shipped model, so that nobody starts before an empty box."""

from __future__ import annotations

SAMPLES: dict[str, tuple[tuple[str, str | None], ...]] = {
    "classification": (
        ("There is nothing to dislike here.", None),
        ("The movie was not as bad as I expected.", None),
        ("I would not call it a failure, and I would not call it good.", None),
        ("Great acting cannot save a script this lazy.", None),
        ("It is impossible not to be charmed by this film.", None),
        ("Anyone who hated the first part will love this one.", None),
        ("A long, slow and strangely beautiful film.", None),
    ),
    "masked": (
        ("The doctor said that {mask} would be late.", None),
        ("The keys to the cabinet {mask} on the table.", None),
        ("Paris is the capital of {mask}.", None),
    ),
    "causal": (
        ("The keys to the cabinet", None),
        ("When Mary and John went to the store, John gave a drink to", None),
        ("The capital of France is", None),
    ),
    "answering": (
        (
            "Where was the author of the book born?",
            "The book was written by Ada Brown. Ada Brown was born in York and worked in London.",
        ),
        (
            "What did Mary pick up?",
            "Mary went to the kitchen. She picked up the milk. John took the apple to the garden.",
        ),
    ),
}

SHIPPED: dict[str, tuple[tuple[str, str | None], ...]] = {
    "agreement": (
        ("The keys to the cabinet", None),
        ("The boy who the teachers praised", None),
        ("The letters that my sister wrote in the garden", None),
        ("The captain of the two old ships", None),
        ("My brother and his wife", None),
    ),
    "gpt2-mini": (
        ("The old man opened the door and", None),
        ("The keys to the cabinet", None),
        ("When Mary and John went into the shop, John gave a book to", None),
        ("She had never seen so", None),
    ),
    "pronouns": (
        ("The nurse told the engineer that {mask} would be late.", None),
        ("The doctor said that {mask} was tired.", None),
        ("Anna thanked Peter because {mask} had helped her.", None),
        ("The carpenter lent the secretary {mask} umbrella.", None),
        ("The children {mask} playing in the garden.", None),
    ),
    "qa": (
        (
            "In which town does Anna's mother work?",
            "Clara is the mother of Anna. Helen is the mother of Tom. Clara works in Lund. Helen works in Bern.",
        ),
        (
            "Who painted the picture that hangs in the town hall?",
            "The picture in the town hall is called 'Grey Harbour'. 'Grey Harbour' was painted by Ida Holm in 1911. "
            "Paul Reeve painted 'The Mill'.",
        ),
        (
            "In which town does Anna's mother work?",
            "Helen is the mother of Tom. Clara works in Lund. Helen works in Bern.",
        ),
    ),
}


def samples(task: str, mask: str = "[MASK]", model: str = "") -> dict[str, tuple[str, str | None]]:
    """The samples of a shipped model, else of a task: a label → the text and the second text.

    The model's own mask token is written in. The label is the text, with the second one where a text comes twice.
    """
    found: dict[str, tuple[str, str | None]] = {}
    for raw, second in SHIPPED.get(model) or SAMPLES.get(task, ()):
        text = raw.replace("{mask}", mask)
        found[f"{text} ({second})" if text in found else text] = (text, second)
    return found
