"""The worked round that comes with the lab: negation, with its baselines scored on both splits.

`python -m benchmarks.shared_task` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.rounds._document import Submission
from attnlab_core.rounds._round import Round
from attnlab_core.rounds._scoring import Scored

if TYPE_CHECKING:
    from attnlab_core.rounds.board import Board

FOLDER = Path(__file__).parent / "shipped" / "negation"
ROUND, BASELINES = "round.json", "baselines.jsonl"


def ship(board: Board) -> bool:
    """Put the worked round, closed and with its scored baselines, into a database that has no round yet.

    It never comes beside others, and a second call changes nothing; no model is run.

    Returns:
        Whether it was put there.
    """
    if board.rounds():
        return False
    return board.add_worked(shipped_round(), list(shipped_baselines()))


def shipped_round() -> Round:
    """The worked round."""
    return Round.from_json((FOLDER / ROUND).read_text(encoding="utf-8"))


def shipped_baselines() -> Iterator[tuple[str, Submission, dict[str, Scored]]]:
    """Its baselines: name, document, and what came out on each split."""
    for line in (FOLDER / BASELINES).read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        yield (
            said["name"],
            Submission.from_json(said["submission"]),
            {split: Scored(**one) for split, one in said["scored"].items()},
        )


def record(name: str, submission: Submission, scored: dict[str, Scored]) -> str:
    """A baseline as a line of the file."""
    each: dict[str, Any] = {split: vars(one) for split, one in scored.items()}
    said = {"name": name, "submission": submission.to_json(), "scored": each}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
