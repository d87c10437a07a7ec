"""A round as a folder: the whole of it for the organiser, and beside it what can be published."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput
from attnlab_core.rounds._baselines import example
from attnlab_core.rounds._format import DOCUMENT
from attnlab_core.rounds._round import Round

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "round.json"
PUBLISHED = "publish"
MOST_BYTES = 256 * 2**20
TRACK_WORDS = {
    "explain": "scores of tokens, as many as the model reads (special ones counted), for every sentence of both splits",
    "edit": "edits of attention as JSON, one list for all sentences or one for each",
    "discover": "a claim: a suite or sentences of your own, edits, a control, a direction and a size",
}


def write(round_: Round, folder: Path) -> list[str]:
    """Write a round into a folder, which is made; the files, the secret one first. Runs the model for the examples.

    Raises:
        BadInput: There is a round already, or the folder cannot be written.
    """
    publish = folder / PUBLISHED
    whole = round_.to_json(secret=True)
    examples = {f"example-{track}.json": example(round_, track) for track in round_.tracks}
    texts = {
        FILE: _json(round_.to_json(secret=False)),
        "submission.schema.json": _json(DOCUMENT),
        **{file: _json(said, indent=None) for file, said in examples.items()},
        "README.md": _readme(round_),
    }
    try:
        publish.mkdir(parents=True, exist_ok=True)
        _secret(folder / FILE, _json(whole))
        for file, text in texts.items():
            (publish / file).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise BadInput(f"There is a round in {folder} already. Choose another folder.") from None
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror}.") from error
    return [str(folder / FILE), *(str(publish / file) for file in texts)]


def there(given: str) -> bool:
    """Whether a text names a round's folder or file, rather than a round in a database."""
    path = Path(given)
    return path.suffix == ".json" or (path / FILE).is_file()


def read(given: str | Path) -> Round:
    """The round in a folder or a file.

    Raises:
        BadInput: There is none, or it cannot be read.
    """
    path = Path(given)
    file = path / FILE if path.is_dir() else path
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadInput(f"{file} has more than {MOST_BYTES >> 20} MB: that is no round.")
        return Round.from_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BadInput(f"{file} is no text in UTF-8: that is no round.") from None


def _secret(file: Path, text: str) -> None:
    """A new file that its owner alone can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
        made.write(text)


def _json(said: Mapping[str, Any], indent: int | None = 1) -> str:
    return json.dumps(said, ensure_ascii=False, indent=indent, allow_nan=False) + "\n"


def _readme(round_: Round) -> str:
    """How to take part, for whoever gets the published folder."""
    dates = [f"{word} {one}" for word, one in (("from", round_.opens), ("until", round_.closes)) if one]
    hidden = len(round_.hidden)
    lines = [
        f"# {' '.join(round_.title.split())}",
        "",
        *([round_.about, ""] if round_.about else []),
        f"A round of AttentionLab's shared task, named `{round_.name}`. The model is `{round_.model['name']}`"
        + (f", revision `{round_.model['revision']}`" if round_.model["revision"] else "")
        + f", weights `{str(round_.model['digest'])[:12]}`. Of {len(round_.rows)} sentences, {hidden} are scored when the round "
        "is closed; their labels are not in `round.json`.",
        "",
        f"A team has {round_.per_day} submissions within 24 hours in a track"
        + (f". Open {' '.join(dates)} (UTC where no zone is named)." if dates else "."),
        "",
        "| track | a submission holds |",
        "|---|---|",
        *(f"| {track} | {TRACK_WORDS[track]} |" for track in round_.tracks),
        "",
        "Begin with an example, here or from AttentionLab:",
        "",
        "```",
        f"attnlab submit example round.json --track {next(iter(round_.tracks))} --out mine.json",
        "attnlab submit check mine.json --round round.json",
        "```",
        "",
        "`check` says everything that is wrong, and sends nothing. The organiser says where submissions are taken: on a Leaderboard "
        "page, or with `attnlab submit send mine.json --team NAME`. The format is in `submission.schema.json`. Nothing that a "
        "submission says of its own figures counts: everything is computed again.",
    ]
    return "\n".join(lines) + "\n"
