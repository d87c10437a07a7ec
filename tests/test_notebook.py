"""Results show themselves in notebooks, and the notebook of the documentation runs and says what is stored in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attnlab_core.errors import AttentionLabError

ROOT = Path(__file__).resolve().parents[1]
NASTY = "<b>bold</b> nothing **stars** <script>alert(1)</script>"
NOTEBOOK = ROOT / "docs" / "first_steps.ipynb"


@pytest.fixture(scope="module")
def results(lab):
    import attnlab_core as al
    from attnlab_core.report import report_from_json

    run = lab.run(NASTY)
    edited = run.again(al.Scale(factor=2.0, where=al.Where(layers=(0,))))
    report = report_from_json((ROOT / "pages" / "recorded" / "experiment.json").read_text(encoding="utf-8"))
    found = al.optimise(run, target="positive", steps=3)
    return {
        "run": run, "edited": edited, "attribution": al.attribute(run, "atman"), "pattern": run.pattern, "search": found, "report": report,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["run", "edited", "attribution", "pattern", "search", "report"])
def test_a_result_is_html_that_loads_and_runs_nothing(kind, results):
    page = results[kind]._repr_html_()
    assert page.startswith("<div")
    assert "<script" not in page
    assert "<b>bold" not in page
    assert re.findall(r"(?:src|href)=[\"'](?!#)", page) == []
    assert re.findall(r"url\((?!#)|@import", page) == []


def test_colours_do_not_stand_alone(results):
    """Every score of an attribution and every cell of a pattern is there as a number, too."""
    from attnlab_core.charts import score_frame

    found, pattern = results["attribution"], results["pattern"]
    page = found._repr_html_()
    assert len(re.findall("class='al-w[ ']", page)) == len(score_frame([found], "word"))
    assert page.count("<td style='background") == len(found.words)
    table = pattern._repr_html_()
    n = pattern.weights.shape[-1]
    assert "<svg" in table
    assert table.count("<td") == min(n, 40) * (min(n, 40) + 1)
    assert f"{float(pattern.weights.mean((0, 1))[0, 0]):.3f}" in table


def test_the_edited_run_says_what_it_was_before(results):
    edited = results["edited"]
    assert "as it is" in edited._repr_html_()
    assert f"{edited.edited_calls} of 2 attention calls were edited" in edited._repr_html_()


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [
        ("pattern", {"layer": 9}, "layers 0 to 1"),
        ("pattern", {"head": -1}, "heads 0 to 3"),
        ("attribution", {"by": "page"}, "'word' or 'token'"),
        ("run", {"layer": 1}, "no option 'layer'"),
    ],
)
def test_what_is_not_there_is_refused(kind, how, says, results):
    with pytest.raises(AttentionLabError, match=says):
        results[kind].show(**how)


def test_outside_of_a_notebook_it_is_a_table(results, capsys):
    results["attribution"].show(by="word")
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == ["position", "text", "special", "score"]
    assert len(said.splitlines()) == len(results["attribution"].words) + 1


def test_the_stored_notebook_is_whole():
    import nbformat

    text = NOTEBOOK.read_text(encoding="utf-8")
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(cell.execution_count == k for k, cell in enumerate(cells, 1))
    assert all(cell.outputs for cell in cells)
    assert not [
        o for cell in cells for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"
    ]
    assert "<script" not in text
    assert not re.search(r"/home/|/root/|/work/|/tmp/|site-packages", text)


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_is_stored():
    import nbformat
    from nbclient import NotebookClient

    stored, book = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    for old, new in zip(stored.cells, book.cells, strict=True):
        assert shape(old) == shape(new)


def shape(cell) -> list[tuple[str, tuple[str, ...], list[str]]]:
    """The kinds of a cell's outputs, and their words: numbers may differ in a last digit between machines."""
    found = []
    for output in cell.get("outputs", ()):
        if output.get("name") == "stderr":
            continue
        data = output.get("data", {})
        words = re.findall(
            r"[A-Za-z]{3,}",
            re.sub(r"<[^>]*>|<style.*?</style>", " ", str(data.get("text/html", output.get("text", "")))),
        )
        found.append((output.output_type, tuple(sorted(data)), words if "svg" not in str(data) else []))
    return found
