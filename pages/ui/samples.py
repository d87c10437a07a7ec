"""Sample texts for each task, so that nobody starts before an empty box."""

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


def samples(task: str, mask: str = "[MASK]") -> dict[str, str | None]:
    """The samples of a task: text → second text, with the model's own mask token written in."""
    return {text.replace("{mask}", mask): second for text, second in SAMPLES.get(task, ())}
