"""The README's command lines run as they stand; its Python is run as a doctest."""

import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
LINES = re.findall(r"^python -m attnlab_core (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE)
NEEDY = ("DATA", "results", "analyse", "--limit", "task ", "submit ", "leaderboard", "picture.png")
"""Of lines that need data or results which a fresh copy does not have, or that take minutes; those of the shared task run in their order elsewhere."""
QUICK = [line for line in LINES if not any(word in line for word in NEEDY)]


def test_there_are_command_lines():
    assert len(QUICK) >= 3
    assert len(LINES) - len(QUICK) >= 3


@pytest.mark.parametrize("line", QUICK)
def test_command_line_of_the_readme(line, capsys):
    from attnlab_core.__main__ import main

    assert main(shlex.split(line)) == 0
    said = capsys.readouterr()
    assert said.out.strip()
    assert not said.err


@pytest.mark.parametrize("line", sorted(set(LINES) - set(QUICK)))
def test_the_other_lines_are_understood(line):
    from attnlab_core.__main__ import _parser

    assert _parser().parse_args(shlex.split(line, comments=True)).command
