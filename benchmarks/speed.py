"""Print one table: how fast the library is, beside peers and beside what is possible. Correctness is asserted on the way.

    python -m benchmarks.speed [--only NAME …] [--quick] [--threads N] [--json FILE] [--ray] [--big]

Two sides that are compared run by turns in one process, after a warm-up; times are medians, ratios the median over turns. A
result that differs from its peer's ends the run. A peer that is not installed is left out and the table says so; captum and
networkx come with the library, others with `benchmarks/requirements-peers.txt`, in an environment of their own. Where a
peer's code is not free, a plain version of the published algorithm stands in for it and says so.

NAME is one of surgery, flow, rollout, atman, integrated-gradients, peers, methods, memory, faithfulness, start, ray.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GROUPS = {
    "surgery": ("_speed_surgery", "surgery"),
    "flow": ("_speed_graphs", "attention_flow"),
    "rollout": ("_speed_graphs", "attention_rollout"),
    "atman": ("_speed_atman", "atman"),
    "integrated-gradients": ("_speed_gradients", "integrated_gradients"),
    "peers": ("_speed_gradients", "peers"),
    "methods": ("_speed_whole", "every_method"),
    "memory": ("_speed_memory", "memory"),
    "faithfulness": ("_speed_whole", "faithfulness"),
    "start": ("_speed_start", "start"),
    "ray": ("_speed_start", "two_workers"),
}
SLOW = ("ray",)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    args = parser().parse_args(argv)
    if "torch" not in sys.modules:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    from benchmarks._speed_base import Plan, load, table
    from benchmarks.figures import machine

    torch.set_num_threads(args.threads)
    names = args.only or [name for name in GROUPS if name not in SLOW or getattr(args, name)]
    plan = Plan(
        seconds=min(1.0, args.seconds) if args.quick else args.seconds, quick=args.quick, big=args.big, sentences=3 if args.quick else 6,
        chromium=args.chromium, model=args.model, decoder=args.decoder,
    )  # fmt: skip
    said: dict[str, Any] = machine() | {"threads": args.threads, "quick": args.quick}
    found, loads = [], [load()]
    for name in names:
        module, function = GROUPS[name]
        for row in getattr(importlib.import_module(f"benchmarks.{module}"), function)(plan):
            found.append(row)
            loads.append(load())
            said["load"] = f"{min(loads)} to {max(loads)}"
            print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)
            if args.json:  # a run that is cut short leaves what it has
                rows = [row.to_json() for row in found]
                args.json.write_text(json.dumps({"machine": said, "rows": rows}, indent=1), encoding="utf-8")
    print(f"{', '.join(f'{key} {value}' for key, value in said.items())}\n\n{table(found)}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", nargs="+", choices=list(GROUPS), metavar="NAME", help="some of the groups")
    made.add_argument("--quick", action="store_true", help="fewer turns, and nothing that takes minutes")
    made.add_argument("--seconds", type=float, default=6.0, help="for each comparison (6)")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch (all cores)")
    made.add_argument("--json", type=Path, help="write the rows there too")
    made.add_argument("--ray", action="store_true", help="also two workers against one, which takes minutes")
    made.add_argument("--big", action="store_true", help="memory of models of up to 1.5 billion parameters")
    made.add_argument("--model", default="sst2")
    made.add_argument("--decoder", default="gpt2-mini")
    made.add_argument("--chromium", default="/usr/bin/chromium")
    return made


if __name__ == "__main__":
    sys.exit(main())
