"""The documentation: it builds without a warning, loads nothing from elsewhere, names everything, and its code runs."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
WRITTEN = re.findall(
    r'^```python title="(\w\S+\.py)"\n(.*?)^```$',
    (DOCS / "contributing.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
LINES = [
    (file.name, line)
    for file in sorted(DOCS.rglob("*.md"))
    for block in re.findall(r"^```\n(.*?)^```$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if re.match(r"(python -m attnlab_core|attnlab) ", line)
]
TUTORIAL = [line for name, line in LINES if name == "tutorial.md"]
CATALOGUES = {
    "methods": "methods.md",
    "edits": "edits.md",
    "metrics": "metrics.md",
    "tasks": "experiments.md",
}


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The documentation as a site, built strictly."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Loaded(HTMLParser):
    """What a page makes the browser load."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "link" and named.get("rel") in ("canonical", "next", "prev", "alternate"):
            return  # these are not loaded
        if tag != "a":
            found = (named.get(name) for name in ("src", "srcset", "href", "data", "poster", "action"))
            self.found.extend(one for one in found if one)


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert any(one.endswith(".js") for one in loaded.found)
        outside = [one for one in loaded.found if re.match(r"(https?:)?//", one)]
        assert not outside, f"{page.relative_to(site)} loads {outside}"
        for one in loaded.found:
            if page.name != "404.html" and not one.startswith(("#", "data:")):
                assert (page.parent / one.split("#")[0].split("?")[0]).exists(), (page, one)
    for style in site.rglob("*.css"):
        found = re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)]*)|@import", style.read_text(encoding="utf-8"))
        assert not found, f"{style.relative_to(site)} loads {found}"


def test_every_public_name_is_in_the_reference(site):
    import attnlab_core as al
    from attnlab_core.catalog import catalog

    said = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    anchors = set(re.findall(r'id="(attnlab_core[\w.]*)"', said))
    public = {name: getattr(al, name) for name in al.__all__}
    for name, thing in public.items():
        ends = {anchor for anchor in anchors if anchor.endswith(f".{thing.__name__}")}
        assert any(thing.__module__.startswith(end.rpartition(".")[0]) for end in ends), f"{name} is missing"
    for kind in (*CATALOGUES, "experiments"):
        for thing in catalog(f"attnlab_core.{kind}").values():
            assert f"{thing.__module__}.{thing.__name__}" in anchors
    from attnlab_core.__main__ import _parser

    for command in _parser()._subparsers._group_actions[0].choices:
        assert f"attnlab {command}</h2>" in re.sub(r"<a .*?</a>", "", said)


@pytest.mark.slow
@pytest.mark.browser
def test_it_is_read_and_searched_from_the_disk(site, browser):
    """No server, no network: the menu, the search and the pages work, and nothing outside is asked for."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page, requests, errors = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    for file in sorted(site.rglob("*.html")):
        page.goto(file.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{file.relative_to(site)} is {wide} px too wide for a phone"
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto((site / "index.html").as_uri())
    page.get_by_placeholder("Search").first.click()
    page.keyboard.type("attention_rollout", delay=20)
    page.locator(".md-search-result__item").first.wait_for(timeout=60_000)
    assert "matching document" in page.locator(".md-search-result__meta").inner_text()
    context.close()
    assert not errors
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)


@pytest.mark.parametrize("kind", CATALOGUES)
def test_everything_in_a_catalogue_is_explained(kind):
    from attnlab_core.catalog import catalog

    missing = [name for name in catalog(f"attnlab_core.{kind}") if f"`{name}`" not in read(CATALOGUES[kind])]
    assert not missing, f"docs/{CATALOGUES[kind]} says nothing of {', '.join(missing)}"


def test_every_method_has_its_assumptions_and_failures():
    from attnlab_core.catalog import catalog

    for name in catalog("attnlab_core.methods"):
        (section,) = re.findall(
            rf"^## [^\n]*\(`{name}`\)$(.*?)(?=^## |\Z)", read("methods.md"), re.MULTILINE | re.DOTALL
        )
        for part in ("**Formula.**", "**Assumes.**", "**Misleads**", "**Source.**"):
            assert part in section, f"{part} is missing for {name}"


def test_every_page_of_the_app_has_its_how_to():
    import app

    chapters = "\n".join(file.read_text(encoding="utf-8") for file in (DOCS / "howto").glob("*.md"))
    for entry in app.PAGES:
        assert re.search(rf"^#+ {re.escape(entry.title)}$", chapters, re.MULTILINE), (
            f"no heading “{entry.title}” in docs/howto"
        )


@pytest.mark.slow
def test_the_tutorials_code_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(DOCS / "tutorial.md"), False, optionflags=FLAGS, encoding="utf-8")
    assert tried > 10
    assert not failed


@pytest.mark.slow
def test_the_tutorials_commands_run_in_order(capsys, monkeypatch, tmp_path):
    from attnlab_core.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTENTIONLAB_DB", str(tmp_path / "results.db"))
    said = {}
    for line in TUTORIAL:
        if line != "attnlab app":
            assert main(shlex.split(line)[1:]) == 0, line
            said[line.split()[1]] = capsys.readouterr().out
    assert len(said) >= 5
    assert all(text.strip() for text in said.values())
    assert "negative" in said["run"]
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("line", sorted({line for _, line in LINES}))
def test_command_lines_of_the_documentation_are_understood(line):
    from attnlab_core.__main__ import _parser
    from case_studies import _story

    words = shlex.split(re.sub(r"^(python -m attnlab_core|attnlab) ", "", line), comments=True)
    if words[0] == "study":
        assert words[1] == "list" or _story.find(words[1])
    else:
        assert _parser().parse_args(words).command


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The files that “Contributing” shows, where the catalogues find them."""
    import attnlab_core.catalog
    from case_studies import _story

    for file, code in WRITTEN:
        place = tmp_path / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(code, encoding="utf-8")
        package = importlib.import_module(file.rpartition("/")[0].replace("/", "."))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(place.parent)])
    attnlab_core.catalog.catalog.cache_clear()
    _story.studies.cache_clear()
    yield
    monkeypatch.undo()
    for file, _ in WRITTEN:
        sys.modules.pop(file.removesuffix(".py").replace("/", "."), None)
    attnlab_core.catalog.catalog.cache_clear()
    _story.studies.cache_clear()


def test_what_contributing_shows_is_short():
    assert len(WRITTEN) == 5
    assert all(len(code.splitlines()) <= 45 for _, code in WRITTEN)


def test_the_method_of_contributing_keeps_the_contract(written, lab):
    import attnlab_core as al
    from tests import test_methods as contract

    for case in contract.CASES:
        contract.test_one_finite_score_a_token_with_its_meaning_in_words(case, "attention_received")
        contract.test_the_same_again(case, "attention_received")
        contract.test_all_is_left_as_found(case, "attention_received")
    contract.test_every_method_can_be_put_in_a_menu("attention_received")
    run = lab.run("There is nothing to dislike here.")
    found = al.attribute(run, "attention_received", share=0.5)
    assert found.scores.sum().item() == pytest.approx(len(run.tokens))  # every row gives out one


def test_the_edit_of_contributing_keeps_the_contract(written, lab, monkeypatch):
    import attnlab_core as al
    from attnlab_core.catalog import catalog
    from tests import examples
    from tests import test_edits as contract

    for module in (contract, examples):  # they were read before
        monkeypatch.setattr(module, "EDITS", catalog("attnlab_core.edits"))
    edit = al.edit_from_json({"op": "cap", "most": 0.2, "where": {"layers": [0]}})
    for mask in ("full", "causal", "padded"):
        contract.test_rows_sum_to_one_and_masked_cells_stay_at_zero(edit, mask)
        contract.test_only_chosen_rows_change(edit, mask)
        contract.test_its_identity_changes_nothing("cap", mask)
    contract.test_it_survives_json(edit)
    run = lab.run("There is nothing to dislike here.").again(edit)
    assert run.edited_calls == 1


def test_the_metric_of_contributing_is_what_it_says(written, lab):
    import attnlab_core as al
    from attnlab_core.metrics import judge

    run = lab.run("There is nothing to dislike here.")
    occlusion = al.attribute(run, "occlusion")
    (found,) = judge(run, [occlusion], names=["top_drop"], controls=())
    assert found.values["top_drop"] == pytest.approx(float(occlusion.scores.max()), abs=1e-5)


def test_the_data_set_of_contributing_is_measured(written, lab, tmp_path):
    import attnlab_core as al
    from attnlab_core.experiments import run as run_experiment
    from attnlab_core.experiments.evaluate import Condition, Evaluate
    from attnlab_core.tasks import task_from_json

    file = tmp_path / "reviews.csv"
    file.write_text("review,stars\nA warm film.,5\nSo so.,3\nThe plot falls apart.,1\n", encoding="utf-8")
    asked = Evaluate(
        task=task_from_json("stars"), data=str(file), conditions=(Condition("invert", (al.Invert(),)),)
    )
    report = run_experiment(asked, lab, folder=tmp_path / "runs")
    assert set(report.to_frame("scores").score) >= {"accuracy"}


def test_the_study_of_contributing_tells_its_story(written, lab):
    from case_studies import _story
    from case_studies.__main__ import told

    record = _story.run("full_stop", lab)
    assert len(record["figures"]["rows"]) == 3
    assert "It moves" in told(record)


def test_citation_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (title,) = re.findall(r"^title: (.*)$", citation, re.MULTILINE)
    (version,) = re.findall(r"^version: (.*)$", citation, re.MULTILINE)
    said = read("citing.md")
    assert f"title   = {{{title}: " in said
    assert f"version = {{{version}}}" in said
    for paper in re.findall(r'^    title: "?(.*?)"?$', citation, re.MULTILINE):
        assert paper in said, f"docs/citing.md does not name {paper}"
