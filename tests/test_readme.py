"""The README's command lines run as they stand; its Python is run as a doctest."""

import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
LINES = re.findall(r"^python -m attnlab_core (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_command_lines():
    assert len(LINES) >= 3


@pytest.mark.parametrize("line", LINES)
def test_command_line_of_the_readme(line, capsys):
    from attnlab_core.__main__ import main

    assert main(shlex.split(line)) == 0
    said = capsys.readouterr()
    assert said.out.strip()
    assert not said.err
