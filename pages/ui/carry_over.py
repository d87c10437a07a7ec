"""Does what was found on one sentence work on others? Tried by word, by role, and in the same heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import samples, state, waiting, widgets

if TYPE_CHECKING:
    from attnlab_core.carrying import Carried
    from attnlab_core.search import Search

WAYS = {
    "word": "the same words",
    "role": "the same kinds of places",
    "head": "a new search in the same heads",
}
MEANING = (
    "*The same words*: the same change between words that both sentences have. *The same kinds of places*: each head’s mean "
    "change between kinds of places, such as from a word to the one before it. *A new search in the same heads*: only the "
    "choice of heads is carried over. Beside each stands the same in other heads of the same layers, drawn at random."
)
MOST = 24
REVIEWS = (
    "A warm, funny and surprisingly wise film.",
    "The plot falls apart long before the end.",
    "I could not have asked for a better evening at the cinema.",
    "Two hours of my life that I will not get back.",
    "The actors do what they can with a script that gives them nothing.",
    "It is never dull, and at its best it is thrilling.",
    "Not a single joke works.",
    "Nothing in it is new, but all of it is done with love.",
)


def show(name: str, search: Search, fewest: Search | None) -> None:
    """The other sentences, and what the change does to them."""
    st.markdown("**Does it work on other sentences?**", help=MEANING)
    lab = search.before.lab
    own = samples.samples(lab.task, lab.tokenizer.mask_token or "", name)
    given = REVIEWS if name == "sst2" else [text for text, second in own.values() if second is None]
    with st.expander("The other sentences"):
        said = st.text_area(
            "One a line", "\n".join(given), key="others", height=160, max_chars=4000, persist_state="page"
        )
    lines = tuple(dict.fromkeys(line.strip() for line in said.splitlines() if line.strip()))[:MOST]
    lines = tuple(line for line in lines if line != search.before.prompt.text)
    asked = (name, "carry", search.before.prompt, search.edit, lines)
    if lines and st.button(f"Try it on {len(lines)} sentences", key="carry", icon=":material/move_down:"):
        state.drop_task("carry")
        state.put("_carry", asked)
    if lines and state.get("_carry") == asked:
        task = state.task("carry", asked, lambda work: _try(work, search, fewest, lines))
        waiting.follow("carry", task, lambda found: _draw(search, fewest, found))


def _try(task: Any, search: Search, fewest: Search | None, lines: tuple[str, ...]) -> list[Carried]:
    from attnlab_core.carrying import carry

    task.phase = "Reading the sentences"
    runs = [search.before.lab.run(line).again(*search.before.edits) for line in lines]
    found = []
    for by in ("word", "role", "head"):
        task.phase = f"Trying {WAYS[by]}"
        few = fewest if by == "head" and fewest is not None else search
        found.append(carry(few, runs, by))
    return found


def _draw(search: Search, fewest: Search | None, found: list[Carried]) -> None:
    rows = []
    for one in found:
        said = one.to_json()
        label = WAYS[one.by]
        if one.by == "head" and fewest is not None:
            label += f" ({fewest.figures()['heads']} that suffice here)"
        rows.append(
            (
                label.capitalize(),
                f"{said['turned']} of {said['of']}",
                f"{said['mean_effect']:+.2f}".replace("-", "−"),
                f"{said['mean_control']:+.2f}".replace("-", "−"),
            )
        )
    st.markdown(
        f"{len(found[0].runs)} sentences, {found[0].turned[1]} of which the model does not call "
        f"**{widgets.plain(search.target)}**. Effects are changes of its log-probability, in nats, mean over sentences."
    )
    heads = ["Carried over", f"Turned to {search.target}", "Effect", "In other heads"]
    widgets.table(heads, rows, "What the change does to other sentences")
