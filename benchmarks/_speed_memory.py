"""Peak memory of AtMan and of integrated gradients beside a plain forward pass, by length and depth, with random weights.

    python -m benchmarks._speed_memory [--out docs/memory.svg] [--big] [--quick]

Each point is a process of its own: the model is made, then the mark of the largest resident size is set back, and read again at
the end. It counts weights, activations, and all that Python holds, as in the AtMan paper's figure 5 (Deiseroth et al. 2023).
Models have GPT-2's architecture and vocabulary. AtMan and integrated gradients begin with a run, which keeps the attention of
all layers and heads ("run"), and are stopped when their second batch of passes is done: those that follow need no more.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._speed_base import Bar, Plan, Row, side_by_side, text_of
from benchmarks.serving import ROOT

WHAT = ("forward", "run", "atman", "integrated_gradients")
MIB = 2**20
VOCABULARY = 50257
BAR = Bar("ours over theirs, at most", 1.2)


@dataclass(frozen=True)
class Size:
    """A model and a text: layers, width of the model, tokens."""

    layers: int
    width: int
    tokens: int

    @property
    def parameters(self) -> int:
        """How many, embeddings included."""
        return 12 * self.layers * self.width**2 + (VOCABULARY + 1024) * self.width


BY_LENGTH = tuple(Size(12, 768, tokens) for tokens in (64, 128, 256, 512, 1024))
BY_DEPTH = tuple(Size(layers, width, 128) for layers, width in ((6, 512), (12, 768), (24, 1024)))
BIG = (Size(24, 1280, 128), Size(36, 1280, 128), Size(48, 1600, 128))


class Enough(Exception):
    """Two batches of passes are done."""


def sizes(plan: Plan) -> list[Size]:
    """What is measured."""
    if plan.quick:
        return [Size(12, 768, 64), Size(12, 768, 256)]
    return list(dict.fromkeys((*BY_LENGTH, *BY_DEPTH, *(BIG if plan.big else ()))))


def memory(plan: Plan) -> Iterator[Row]:
    """A row for each size and method."""
    for one in measure(sizes(plan)):
        yield from rows(one)


def rows(one: dict[str, Any]) -> Iterator[Row]:
    """The rows of one size."""
    plain, label = (
        one["forward"],
        f"{one['layers']}×{one['width']}, {one['parameters'] / 1e6:.0f} M, {one['tokens']} tokens",
    )
    for what in WHAT[2:]:
        parts = {"weights and libraries": one["base"], "a run alone": one["run"]}
        note = ", ".join(f"{name} {value:,.0f} MiB" for name, value in parts.items())
        yield Row(
            f"peak memory, {what}, {label}", one[what], "MiB", "a plain forward pass", plain, one[what] / plain,
            BAR if what == "atman" else None, "", note, 1,
        )  # fmt: skip


def measure(wanted: Sequence[Size]) -> list[dict[str, Any]]:
    """Peak resident MiB of each kind of work for each size."""
    return [
        vars(size) | {"parameters": size.parameters} | {what: peak(what, size) for what in ("base", *WHAT)}
        for size in wanted
    ]


def peak(what: str, size: Size) -> float:
    """The largest resident size of a process that does one thing, MiB."""
    command = [sys.executable, "-m", "benchmarks._speed_memory", "--point", what, json.dumps(vars(size))]
    return float(subprocess.check_output(command, cwd=ROOT, text=True).strip().splitlines()[-1])


def point(what: str, size: Size) -> float:
    """Do it here, and read the largest resident size; "base" only makes the model."""
    import torch

    import attnlab_core as al
    from attnlab_core.methods import attribute
    from attnlab_core.testing import tiny_lab

    lab = tiny_lab(
        "causal", "gpt2", hidden_size=size.width, num_hidden_layers=size.layers, num_attention_heads=size.width // 64,
        max_position_embeddings=1024, vocab_size=VOCABULARY,
    )  # fmt: skip
    lab.tokenizer.model_max_length = 1024
    fresh_mark()
    if what != "base":
        text = text_of(lab, size.tokens)
        if what == "forward":
            ids = torch.tensor([lab.encode(text).ids])
            with torch.no_grad():
                lab.model(input_ids=ids, use_cache=False)
        elif what == "run":
            lab.run(text)
        else:
            run, done = lab.run(text, keep=False), []

            def watch(now: int, total: int) -> None:
                done.append(now)
                if len(done) > 2 or now == total:
                    raise Enough

            try:
                with al.watching(watch):
                    attribute(run, what)
            except Enough:
                pass
    return mark()


def fresh_mark() -> None:
    """Set the mark of this process's largest resident size back to what it has now, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def mark() -> float:
    """The largest resident size since, in MiB."""
    said = Path("/proc/self/status")
    if said.exists():
        line = next(
            line for line in said.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")
        )
        return float(line.split()[1]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1024 if sys.platform != "darwin" else used / MIB


def chart(measured: Sequence[dict[str, Any]]) -> str:
    """Peak memory by length, and by parameters, as SVG."""
    import altair as alt
    import pandas as pd

    from attnlab_core.charts import look

    pens, names = (
        look(False),
        {
            "forward": "plain forward",
            "run": "a run, attention kept",
            "atman": "AtMan",
            "integrated_gradients": "integrated gradients",
        },
    )
    long = [
        {"tokens": one["tokens"], "parameters": one["parameters"] / 1e6, "kind": names[what], "GiB": one[what] / 1024}
        for one in measured
        for what in WHAT
    ]  # fmt: skip
    frame = pd.DataFrame(long)
    width = sorted({round(value, 3) for value in frame["parameters"]})
    fixed = min(width, key=lambda value: abs(value - BY_LENGTH[0].parameters / 1e6))
    panels = {
        "tokens": (frame[frame["parameters"].round(3) == fixed], f"tokens ({fixed:.0f} M parameters)"),
        "parameters": (
            frame[frame["tokens"] == BY_DEPTH[0].tokens],
            f"million parameters ({BY_DEPTH[0].tokens} tokens)",
        ),
    }
    colour = alt.Color(
        "kind:N", title=None, sort=list(names.values()), legend=alt.Legend(orient="top", columnPadding=40),
        scale=alt.Scale(domain=list(names.values()), range=[pens["muted"], pens["text"], pens["amount"], pens["plus"]]),
    )  # fmt: skip
    axis = alt.Axis(gridColor=pens["line"], gridOpacity=0.6)
    drawn = [
        alt.Chart(part)
        .mark_line(point=True, strokeWidth=2.5)
        .encode(x=alt.X(f"{x}:Q", title=title, axis=axis), y=alt.Y("GiB:Q", title="peak memory, GiB", axis=axis), color=colour)
        .properties(width=330, height=240)
        for x, (part, title) in panels.items()
    ]  # fmt: skip
    return side_by_side(drawn)


def main() -> None:
    """Measure, print the points as JSON, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path, help="draw what was measured before")
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(point(args.point[0], Size(**json.loads(args.point[1]))))
        return
    found = (
        json.loads(args.json.read_text())
        if args.json
        else measure(sizes(Plan(quick=args.quick, big=args.big)))
    )
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(chart(found), encoding="utf-8")


if __name__ == "__main__":
    main()
