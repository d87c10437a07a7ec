"""The shared task: rounds, submissions that are scored here, and a table of them.

A `Round` holds sentences in two splits, a model and tracks. A submission is a document: scores of tokens, edits, or a claim.
Nothing that it says of itself counts: `score` works every figure out, on the public split at once and on the hidden one
when the round is closed. `ranked` puts the results in order. `Board` keeps all of it in a database, and
`attnlab_core.rounds.worker` scores in processes of their own.
"""

from __future__ import annotations

from attnlab_core.rounds._baselines import baselines, example
from attnlab_core.rounds._document import Refused, Submission, read
from attnlab_core.rounds._format import DOCUMENT, template
from attnlab_core.rounds._new import new
from attnlab_core.rounds._plain import MOST_BYTES
from attnlab_core.rounds._ranking import COLUMNS, Column, Line, columns, ranked
from attnlab_core.rounds._round import SPLITS, TRACKS, Round
from attnlab_core.rounds._scoring import METRICS, Scored, score

__all__ = [
    "COLUMNS",
    "DOCUMENT",
    "METRICS",
    "MOST_BYTES",
    "SPLITS",
    "TRACKS",
    "Column",
    "Line",
    "Refused",
    "Round",
    "Scored",
    "Submission",
    "baselines",
    "columns",
    "example",
    "new",
    "ranked",
    "read",
    "score",
    "template",
]
