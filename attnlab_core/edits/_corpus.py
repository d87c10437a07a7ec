"""A small corpus for averages: plain sentences of five to forty words, of many kinds."""

from __future__ import annotations

from attnlab_core.errors import BadInput

TEXTS = (
    "The train left early this morning.",
    "I have never seen a river so wide.",
    "Rain is expected in the north, with some sun later in the day.",
    "She put the letter in a drawer and forgot about it for years.",
    "The plot makes little sense, but the actors seem to enjoy themselves, and so did I.",
    "What time does the market close?",
    "Nobody knew who had painted the door red.",
    "The committee will meet again in March to decide whether the bridge can be saved or has to be built anew.",
    "Bread, olives, two lemons and a little salt are all you need.",
    "He apologised at once.",
    "It is one of those books that you finish in an evening and think about for a month.",
    "Water boils at a lower temperature in the mountains, because the air presses less on its surface.",
    "My brother and his friends repaired the boat, although none of them had ever held a saw before.",
    "The service was slow, the soup was cold, and the waiter blamed the weather.",
    "In 1921 the town had four schools, a theatre and a factory that made clocks.",
    "If you turn left after the church, you will see the museum on the other side of the square.",
    "The children who lived next door were not allowed to play in the street after dark.",
    "Most of the birds that nest on the island arrive in spring and leave before the first storms of autumn.",
    "A cat slept on the piano.",
    "Although the first version had been rejected twice, the engineers kept the idea, changed the material, and showed "
    "it again a year later to a committee that no longer remembered why it had said no.",
    "Thank you for your help; without it we would still be looking for the key.",
    "The author describes the city with warmth, yet the story loses its way after the second chapter.",
    "Prices rose by three per cent last year, less than many had feared.",
    "Can anyone tell me how this machine works?",
)


def checked(given: object) -> tuple[str, ...]:
    """A list of texts, as JSON gives it, as a tuple; `BadInput` where one is no text or has no word."""
    if isinstance(given, list | tuple) and all(isinstance(text, str) and text.strip() for text in given):
        return tuple(given)
    raise BadInput(f"texts is a list of texts with words in them, not {str(given)[:60]!r}.")
