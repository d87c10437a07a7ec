"""Record what two pages show before anything was computed: `python -m pages.ui.record`.

The first screen shows the recorded finding for the seconds until the model is there, Experiments a recorded report until
another is asked for; both say that they are recorded.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages.ui import backend, experimenting, panels, state
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


def experiment(lab: Lab) -> dict[str, Any]:
    """The usual changes of attention over the pairs of the negation study, as the document of a report."""
    from attnlab_core.experiments import run
    from attnlab_core.experiments._conditions import usual
    from attnlab_core.experiments.evaluate import Evaluate
    from attnlab_core.tasks.custom import Custom
    from case_studies._suites import to_file

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        to_file("negation", Path("negation.csv"))
        asked = Evaluate(task=Custom(), data="negation.csv", conditions=usual(lab, search=False))
        return run(asked, lab, folder=Path(folder)).to_json()


def _rounded(probabilities: Any) -> dict[str, float]:
    return {label: round(p, 6) for label, p in probabilities.items()}


def main() -> None:
    """Load the default model, record, write."""
    lab = backend.load(DEFAULT)
    said = finding(lab)
    state.RECORDED.parent.mkdir(exist_ok=True)
    state.RECORDED.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{state.RECORDED}: {said['text']} {said['factors']}\n")
    report = experiment(lab)
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    experimenting.RECORDED.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{experimenting.RECORDED}: {report['rows']} rows\n")


if __name__ == "__main__":
    main()
