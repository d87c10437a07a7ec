"""A model as a person names it: `owner/name@revision?task=masked&dtype=bf16&device=cpu`, all but the name left out at will.

Task, number format and device stand in the name, so that they are in every link and in every key under which results are
remembered: two visitors who want the same model in two ways get two, and neither reloads the other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from attnlab_core.errors import UnknownName

OPTIONS = ("task", "dtype", "device")


@dataclass(frozen=True)
class Named:
    """The parts of such a name."""

    name: str
    revision: str | None = None
    task: str | None = None
    dtype: str | None = None
    device: str | None = None

    def __str__(self) -> str:
        options = {key: value for key in OPTIONS if (value := getattr(self, key))}
        version = f"@{self.revision}" if self.revision else ""
        return self.name + version + (f"?{urlencode(options)}" if options else "")


def parse(text: str) -> Named:
    """Take a name apart; a folder that is there is taken as it stands.

    Raises:
        UnknownName: an option that is none.

    >>> parse("owner/name@main?task=masked")
    Named(name='owner/name', revision='main', task='masked', dtype=None, device=None)
    >>> str(parse("sst2?dtype=bf16&task="))
    'sst2?dtype=bf16'
    """
    text = text.strip()
    if "\0" not in text and ("@" in text or "?" in text) and Path(text).expanduser().is_dir():
        return Named(text)
    rest, _, said = text.partition("?")
    options = dict(parse_qsl(said))
    for key in options:
        if key not in OPTIONS:
            raise UnknownName(key, OPTIONS, "setting of a model")
    name, _, revision = rest.partition("@")
    return Named(name, revision or None, **options)
