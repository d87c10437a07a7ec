"""The speed benchmark: its rows and bars, its own peers, and the quick ones from end to end on tiny models."""

from __future__ import annotations

import json
import mmap

import numpy as np
import pytest
import torch

TINY = ["--model", "tiny bert", "--decoder", "tiny gpt2", "--seconds", "0", "--threads", "1"]


@pytest.fixture
def plan():
    from benchmarks._speed_base import Plan

    return Plan(seconds=0, least=1, quick=True, sentences=2, model="tiny bert", decoder="tiny gpt2")


@pytest.mark.parametrize(
    ("bar", "ours", "ratio", "reached", "said"),
    [
        ("at_most", 2.0, 1.1, True, "≤ 1.1×"),
        ("at_most", 2.0, 1.2, False, "≤ 1.1×"),
        ("at_least", 2.0, 1.2, True, "≥ 1.1×"),
        ("at_least", 2.0, 1.0, False, "≥ 1.1×"),
        ("within", 1.0, None, True, "≤ 1.1 ms"),
        ("within", 2.0, None, False, "≤ 1.1 ms"),
    ],
)
def test_a_bar_is_reached_or_not(bar, ours, ratio, reached, said):
    from benchmarks import _speed_base as base

    row = base.Row("a row", ours, ratio=ratio, bar=getattr(base, bar)(1.1))
    assert row.reached is reached
    assert row.to_json()["bar"] == said
    assert ("**no**" in base.table([row])) is not reached


def test_a_row_that_was_not_measured_reaches_nothing():
    from benchmarks._speed_base import Row, at_least, missing

    assert Row("a row", None, bar=at_least(2)).reached is None
    assert "not installed" in missing("a row", "a peer").note


def test_a_wrong_result_ends_the_run():
    from benchmarks._speed_base import agree

    assert agree("it", 1e-9, 1e-6) == "max difference 1.0e-09"
    for gap in (1e-5, float("nan")):
        with pytest.raises(SystemExit, match="differ"):
            agree("it", gap, 1e-6)


def test_sides_take_turns(plan):
    from benchmarks._speed_base import Plan, alternate

    seen = []
    times = alternate([lambda: seen.append("a"), lambda: seen.append("b")], Plan(seconds=0, least=3), warm=1)
    assert "".join(seen) == "ab" + "abbaab"
    assert [len(one) for one in times.taken] == [3, 3]


@pytest.mark.parametrize("tokens", [5, 12, 40])
def test_a_text_of_so_many_tokens(lab, tokens):
    from benchmarks._speed_base import text_of

    assert len(lab.encode(text_of(lab, tokens)).ids) == tokens


def test_the_peers_written_here_are_right():
    """Rollout and the solver against the hand example of two layers and three tokens."""
    from benchmarks._speed_graphs import bare, loop

    first = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]
    second = [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    rolled = loop(np.array([first, second]))[-1]
    by_hand = [[0.635, 0.245, 0.12], [0.14, 0.6925, 0.1675], [0.275, 0.275, 0.45]]
    np.testing.assert_allclose(rolled, by_hand, atol=1e-12)
    shares = (np.array([first, second]) + np.eye(3)) / 2
    np.testing.assert_allclose(bare(shares, 0)(), [0.95, 0.4, 0.3], atol=1e-8)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_atman_as_published_is_ours(plan, architecture):
    """In another attention function, with nothing of the library in it; a token that is turned down counts."""
    import attnlab_core as al
    from benchmarks._speed_atman import Published
    from benchmarks._speed_base import text_of

    lab = plan.lab(f"tiny {architecture}")
    run = lab.run(text_of(lab, 12))
    theirs = Published(run).scores()
    torch.testing.assert_close(al.attribute(run, "atman").scores, theirs, rtol=0, atol=1e-4)
    assert float(theirs.abs().max()) > 1e-4


def test_the_table_is_printed(tmp_path, capsys):
    """Correctness is asserted inside; a tiny model is too quick for its bars to mean anything."""
    from benchmarks import speed

    file = tmp_path / "rows.json"
    before = torch.get_num_threads()
    assert speed.main([*TINY, "--quick", "--only", "surgery", "rollout", "atman", "--json", str(file)]) == 0
    torch.set_num_threads(before)
    said, rows = capsys.readouterr().out, json.loads(file.read_text())["rows"]
    assert said.count("\n| ") == len(rows) + 2
    assert {row["reached"] for row in rows} <= {True, False, None}
    assert all("max difference" in row["checked"] for row in rows if row["name"].startswith("surgery"))


def test_faithfulness_agrees_with_the_plain_loop(plan):
    from benchmarks._speed_whole import faithfulness

    first = next(iter(faithfulness(plan)))
    assert "max difference" in first.checked
    assert first.ratio is not None


def test_the_memory_of_a_process(monkeypatch):
    """What is held counts, and what was held before the mark was set back does not."""
    from pathlib import Path

    from benchmarks._speed_memory import fresh_mark, mark

    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux to set the mark back")
    mebi = 2**20
    with mmap.mmap(-1, 64 * mebi) as big:  # from the system itself: what Python frees it may keep
        big.write(b"x" * 64 * mebi)
    fresh_mark()
    before = mark()
    with mmap.mmap(-1, 32 * mebi) as small:
        for _ in range(32):
            small.write(b"x" * mebi)
        assert 31 <= mark() - before <= 48
