"""Links that reopen a state: edits and settings packed into one query parameter."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

MOST = 65536
"""Characters of JSON that a link may hold; more is refused in both directions."""


def pack(value: Any) -> str:
    """A JSON value as text for a query parameter.

    >>> unpack(pack([{"op": "scale", "factor": 2}]))
    [{'op': 'scale', 'factor': 2}]
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if len(text) > MOST:
        raise ValueError(f"This state is too large for a link: {len(text)} characters, at most {MOST}.")
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpack(packed: str) -> Any:
    """The value of a link, or None for anything that `pack` did not make."""
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        opened = zlib.decompressobj()
        text = opened.decompress(raw, 4 * MOST)
        return None if opened.unconsumed_tail or not opened.eof else json.loads(text)
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return None


def address(current: str, page: str, **parameters: Any) -> str:
    """The full address of a page with its parameters, those that are empty left out; a list repeats its parameter.

    >>> address("http://127.0.0.1:8501/compare?text=old", "manipulate", text="a b", w=["x", "y"], e="")
    'http://127.0.0.1:8501/manipulate?text=a+b&w=x&w=y'
    """
    parts = urlsplit(current)
    query = urlencode({k: v for k, v in parameters.items() if v not in ("", None, [], ())}, doseq=True)
    folder = parts.path.rpartition("/")[0]
    return urlunsplit((parts.scheme, parts.netloc, f"{folder}/{page}", query, ""))
