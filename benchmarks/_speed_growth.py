"""How the time grows with the length of the text, the layers of the model and the rows of the data: figures, and a chart.

    python -m benchmarks._speed_growth [--out docs/growth.svg] [--json FILE] [--quick]

The text grows on the shipped `sst2`, the data on `agreement` (an experiment with its usual conditions); the layers are those of
models with random weights and sst2's width. Times are medians over at least three turns, but for the experiment, which runs once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._speed_base import Plan, alone, side_by_side, text_of

TOKENS = (16, 32, 64, 128, 256)
LAYERS = (2, 4, 8, 16, 24)
ROWS = (32, 64, 128, 256)
ACROSS = 32  # tokens where layers grow
METHODS = (
    "attention_rollout",
    "attention_flow",
    "atman",
    "occlusion",
    "input_x_gradient",
    "integrated_gradients",
)
EXACT = tuple(name for name in METHODS if name != "integrated_gradients")
"""With random weights the steps that integrated gradients needs say nothing."""


def by_tokens(plan: Plan, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Reading a text, and each method, by its tokens."""
    lab = plan.lab(plan.model)
    for tokens in sizes:
        yield from seconds(plan, lab, tokens, METHODS, {"panel": "tokens", "size": tokens})


def by_layers(plan: Plan, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The same, by the layers of the model."""
    from attnlab_core.testing import tiny_lab

    for layers in sizes:
        lab = tiny_lab(
            hidden_size=384, intermediate_size=1536, num_attention_heads=12, num_hidden_layers=layers, max_position_embeddings=64,
        )  # fmt: skip
        yield from seconds(plan, lab, ACROSS, EXACT, {"panel": "layers", "size": layers})


def seconds(
    plan: Plan, lab: Any, tokens: int, methods: Sequence[str], point: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Seconds of one reading and of each method on it."""
    import attnlab_core as al

    text = text_of(lab, tokens)
    run = lab.run(text)
    yield point | {"what": "reading", "seconds": (alone("", lambda: lab.run(text), plan).ours or 0) / 1000}
    for name in methods:
        taken = alone("", lambda name=name: al.attribute(run, name), plan).ours or 0
        yield point | {"what": name, "seconds": taken / 1000}


def by_rows(plan: Plan, sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """An experiment, by the rows of its data."""
    from attnlab_core.experiments import run
    from attnlab_core.experiments._conditions import usual
    from attnlab_core.experiments.evaluate import Evaluate
    from attnlab_core.tasks import task_from_json

    lab = plan.lab("agreement")
    for rows in sizes:
        wanted = Evaluate(
            task=task_from_json("agreement"), limit=rows, conditions=usual(lab, search=False, donors=())
        )
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            run(wanted, lab, folder=Path(folder))
            yield {
                "panel": "rows",
                "size": rows,
                "what": "experiment",
                "seconds": time.perf_counter() - began,
            }


def exponents(points: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The power with which each time grows between the two largest sizes of its panel."""
    import math

    found = {}
    for panel, what in dict.fromkeys((one["panel"], one["what"]) for one in points):
        *_, less, more = [one for one in points if (one["panel"], one["what"]) == (panel, what)]
        power = math.log(more["seconds"] / less["seconds"]) / math.log(more["size"] / less["size"])
        found[f"{what} by {panel}"] = round(power, 2)
    return found


def chart(points: Sequence[dict[str, Any]]) -> str:
    """Three panels with logarithmic axes, as SVG."""
    import altair as alt
    import pandas as pd

    from attnlab_core.charts import look

    pens, names = look(False), ("reading", *METHODS, "experiment")
    frame = pd.DataFrame(points)
    titles = {
        "tokens": "tokens of the text",
        "layers": f"layers ({ACROSS} tokens)",
        "rows": "rows of the data",
    }
    colours = ["#5f6368", "#1b7f5c", "#7b3294", "#c2410c", "#b8860b", "#2563eb", "#d6336c", "#111111"]
    axis = alt.Axis(gridColor=pens["line"], gridOpacity=0.6, labelFlush=False)

    def ticks(panel: str) -> alt.Axis:
        sizes = sorted({one["size"] for one in points if one["panel"] == panel})
        return alt.Axis(gridColor=pens["line"], gridOpacity=0.6, labelFlush=False, values=sizes, format="d")

    base = [
        alt.Chart(frame[frame["panel"] == panel])
        .mark_line(point=True, strokeWidth=2.2)
        .encode(
            x=alt.X("size:Q", title=title, axis=ticks(panel), scale=alt.Scale(type="log", base=2, nice=False)),
            y=alt.Y("seconds:Q", title="seconds", axis=axis, scale=alt.Scale(type="log")),
            color=alt.Color("what:N", title=None, sort=list(names), scale=alt.Scale(domain=list(names), range=colours)),
        )
        .properties(width=260, height=250)
        for panel, title in titles.items()
    ]  # fmt: skip
    return side_by_side(base)


def main() -> int:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if "torch" not in sys.modules:
        os.environ["OMP_NUM_THREADS"] = str(os.cpu_count() or 1)
    plan, most = Plan(seconds=0.5 if args.quick else 2), 3 if args.quick else None
    points = [*by_tokens(plan, TOKENS[:most]), *by_layers(plan, LAYERS[:most]), *by_rows(plan, ROWS[:most])]
    print(json.dumps({"points": points, "exponents": exponents(points)}, indent=1))
    if args.json:
        args.json.write_text(json.dumps(points, indent=1), encoding="utf-8")
    if args.out:
        args.out.write_text(chart(points), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
