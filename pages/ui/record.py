"""Record the finding of the first screen: `python -m pages.ui.record`.

The app shows the recorded finding, and says that it is recorded, for the seconds until the model is there.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pages.ui import backend, panels, state
from pages.ui.backend import DEFAULT
from pages.ui.finding import FACTORS, WORD

if TYPE_CHECKING:
    from attnlab_core.lab import Lab


def finding(lab: Lab) -> dict[str, Any]:
    """The verdict at every step of the dial, and the five explanations, in plain types."""
    from attnlab_core import Scale, Where, attribute_all, charts, record

    run = lab.run(state.SENTENCE)
    edited = {f: run.again(Scale(factor=f, where=Where(keys=(WORD,)))) for f in FACTORS if f != 1.0}
    found = attribute_all(run, panels.FIVE)
    frame = charts.score_frame(found)
    head = record.header(run)
    return {
        "schema_version": head["schema_version"],
        "recorded_on": datetime.now(UTC).date().isoformat(),
        "model": head["model"],
        "versions": head["versions"],
        "text": run.prompt.text,
        "words": [word.text for word in run.encoding.words],
        "word": WORD,
        "target": found[0].target,
        "factors": {f"{f:g}": _rounded(edited.get(f, run).probabilities) for f in FACTORS},
        "scores": frame.assign(score=[round(score, 6) for score in frame["score"]]).to_dict("records"),
        "remarks": panels.remarks(found),
        "seconds": {a.method: round(a.seconds, 4) for a in found},
    }


def _rounded(probabilities: Any) -> dict[str, float]:
    return {label: round(p, 6) for label, p in probabilities.items()}


def main() -> None:
    """Load the default model, record, write."""
    said = finding(backend.load(DEFAULT))
    state.RECORDED.parent.mkdir(exist_ok=True)
    state.RECORDED.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{state.RECORDED}: {said['text']} {said['factors']}\n")


if __name__ == "__main__":
    main()
