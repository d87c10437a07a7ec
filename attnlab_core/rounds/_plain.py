"""JSON from strangers as plain types: bounded, finite, not packed, every name once; and values shortened for messages."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

MOST_BYTES = 8 * 2**20
_TURNING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
"""Characters that turn the direction of what follows."""


class NotPlain(ValueError):
    """What is wrong with a text as JSON, as a sentence."""


def parsed(raw: bytes | str) -> dict[str, Any]:
    """One JSON object from a file's content.

    Raises:
        NotPlain: It is too large, no UTF-8, no JSON or no object, nested too deeply, or a name stands twice in an object.
    """
    if len(raw) > MOST_BYTES:
        raise NotPlain(
            f"The file has {len(raw) / 2**20:.1f} MB, and a submission has {MOST_BYTES >> 20} MB at most."
        )
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        said = json.loads(text, parse_constant=_not_finite, object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise NotPlain("The file is no text in UTF-8. Submit plain JSON, not packed.") from None
    except RecursionError:
        raise NotPlain("The document is nested too deeply.") from None
    except NotPlain:
        raise
    except ValueError as error:
        raise NotPlain(f"The file is no JSON: {short(str(error))}.") from None
    if not isinstance(said, dict):
        raise NotPlain("A submission is one JSON object. Begin with the example: submit example.")
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise NotPlain(f"The name {short(name)!r} stands twice in one object: which one is meant?")
        found[name] = value
    return found


def _not_finite(word: str) -> Any:
    raise NotPlain(f"The file is no JSON: {word} is no number in JSON.")


def odd(text: str, *, several: bool) -> str:
    """What a text holds that no text should: characters that steer, or halves of characters; empty where it is sound.

    Args:
        text: Any.
        several: It may have several lines.
    """
    for letter in text:
        kind = unicodedata.category(letter)
        if kind == "Cs":
            return "half a character"
        if (kind == "Cc" and not (several and letter in "\n\r\t")) or letter in _TURNING:
            return f"the control character U+{ord(letter):04X}"
    return ""


def short(value: Any, most: int = 60) -> str:
    """A value in a message: one line, no longer than may be."""
    text = value if isinstance(value, str) else repr(value)[: 4 * most]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
