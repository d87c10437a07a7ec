"""The command line: what each command prints, and how it ends on bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import attnlab_core as al
from attnlab_core import plausibility
from attnlab_core.__main__ import main
from attnlab_core.pictures import SUFFIXES, Picture
from attnlab_core.shapes import scene
from attnlab_core.testing import tiny_lab
from tests.hub_server import save

ROOT = Path(__file__).parents[1]
TEXT = "There is nothing to dislike here."
DOUBLED = '{"op": "scale", "factor": 2, "where": {"keys": ["nothing"]}}'
KNOB = {"name", "kind", "default", "choices", "low", "high", "optional", "help"}
METHODS = {
    *("raw_attention", "attention_rollout", "attention_flow", "atman", "integrated_gradients"),
    *("input_x_gradient", "gradient_norm", "occlusion", "random"),
}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save(tmp_path_factory.mktemp("models") / "classifier"))


@pytest.fixture(scope="module")
def sees(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that reads pictures."""
    folder, lab = tmp_path_factory.mktemp("models"), tiny_lab(architecture="vit", image_size=16, patch_size=4)
    lab.model.save_pretrained(folder)
    lab.reader.processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 150 pictures, of every format, and what is none."""
    folder = tmp_path_factory.mktemp("data") / "drawn"
    (folder / "more.png").mkdir(parents=True)
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    Image.fromarray(scene(999).pixels).save(folder / "more.png" / "deeper.png")
    for k in reversed(range(150)):
        ending = SUFFIXES[k % len(SUFFIXES)]
        Image.fromarray(scene(k).pixels).save(folder / f"{k:03}{ending.upper() if k % 2 else ending}")
    return folder


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command that must end well; its JSON object."""

    def asked(*argv: str) -> dict[str, Any]:
        status = main([*argv, "--json"])
        said = capsys.readouterr()
        assert (status, said.err) == (0, "")
        found = json.loads(said.out, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
        assert isinstance(found, dict)
        return found

    return asked


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with status 2, nothing on standard output and one line on standard error."""

    def complained(*argv: str) -> str:
        try:
            status = main(argv)
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        assert (status, said.out) == (2, "")
        assert said.err.count("\n") == 1, said.err
        assert said.err.endswith("\n")
        return said.err

    return complained


def test_list_names_all_there_is(ask: Ask) -> None:
    said = ask("list")
    assert {"methods", "edits", "metrics", "tasks", "experiments", "models"} <= said.keys()
    assert {one["name"] for one in said["methods"]} >= METHODS
    assert {one["name"] for one in said["edits"]} >= {"scale", "suppress"}
    assert {one["name"] for one in said["tasks"]} >= {"sst2", "squad", "wikitext2", "custom"}
    assert {one["name"] for one in said["metrics"]} >= {
        "aopc_compr",
        "aopc_suff",
        "taucorr_loo",
        "auprc_plau",
    }
    for kind in said.values():
        for one in kind:
            assert {"name", "label", "summary", "knobs"} <= one.keys()
            assert one["label"]
            assert one["summary"]
            assert "\n" not in one["summary"]
            assert all(knob.keys() >= KNOB and knob["help"] for knob in one["knobs"])


def test_run_says_tokens_and_probabilities(ask: Ask, model: str) -> None:
    said = ask("run", "--model", model, "--text", TEXT)
    assert said["prediction"] == next(iter(said["probabilities"]))
    assert said["probabilities"].keys() == {"negative", "positive"}
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    assert {token["text"]: token["special"] for token in said["tokens"]}["[CLS]"]
    word = next(token for token in said["tokens"] if token["text"] == "nothing")
    assert TEXT[word["start"] : word["end"]] == "nothing"
    assert not said.keys() & {"before", "after", "edited_calls"}


def test_run_with_edits_says_before_and_after(ask: Ask, model: str) -> None:
    plain = ask("run", "--model", model, "--text", TEXT)
    said = ask("run", "--model", model, "--text", TEXT, "--edit", DOUBLED)
    assert said["before"]["probabilities"] == plain["probabilities"]
    assert said["after"]["probabilities"] != plain["probabilities"]
    assert said["after"]["prediction"] == next(iter(said["after"]["probabilities"]))
    assert said["edited_calls"] == 2
    halved = DOUBLED.replace("2", "0.5").replace("nothing", "dislike")
    both = ask("run", "--model", model, "--text", TEXT, "--edit", DOUBLED, "--edit", halved)
    assert both["after"] != said["after"]
    assert both["before"] == said["before"]


def test_run_reads_pairs(ask: Ask, model: str) -> None:
    said = ask("run", "--model", model, "--text", TEXT, "--second", "A truly great film.")
    assert [token["text"] for token in said["tokens"]].count("[SEP]") == 2
    alone = ask("run", "--model", model, "--text", TEXT)
    assert said["probabilities"] != alone["probabilities"]


def test_attribute_prints_every_method(ask: Ask, model: str) -> None:
    said = ask("attribute", "--model", model, "--text", TEXT, "--method", "all", "--target", "positive")
    assert said["target"] == "positive"
    assert {one["method"] for one in said["attributions"]} >= METHODS
    for one in said["attributions"]:
        assert len(one["scores"]) == len(said["tokens"])
        assert one["seconds"] >= 0
        assert isinstance(one["params"], dict)


def test_attribute_takes_chosen_methods_targets_knobs_and_edits(ask: Ask, model: str) -> None:
    call = (
        "attribute",
        "--model",
        model,
        "--text",
        TEXT,
        "--method",
        "raw_attention",
        "--method",
        "occlusion",
    )
    said = ask(*call)
    assert [one["method"] for one in said["attributions"]] == ["raw_attention", "occlusion"]
    assert said["target"] == said["prediction"]
    other = ({"negative", "positive"} - {said["target"]}).pop()
    assert ask(*call, "--target", other.upper())["target"] == other
    layer = ask(*call, "--param", "raw_attention.layer=0")
    assert layer["attributions"][0]["params"]["layer"] == 0
    assert layer["attributions"][0]["scores"] != said["attributions"][0]["scores"]
    assert ask(*call, "--edit", DOUBLED)["attributions"][0]["scores"] != said["attributions"][0]["scores"]
    contrast = ask(*call, "--target", "positive", "--rather-than", "negative")
    assert contrast["target"] == "positive rather than negative"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "--text", TEXT, "--edit", "{"), "An edit is JSON"),
        (("run", "--text", TEXT, "--edit", "[1]"), "edit"),
        (("run", "--text", TEXT, "--edit", '{"factor": 2}'), "op"),
        (("run", "--text", TEXT, "--edit", '{"op": "scle"}'), "Did you mean 'scale'"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "factr": 2}'), "Did you mean 'factor'"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "factor": "x"}'), "factor"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "where": {"key": [1]}}'), "Did you mean 'keys'"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "where": {"keys": 1.5}}'), "keys"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "where": {"keys": ["elephant"]}}'), "elephant"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "where": {"keys": [99]}}'), "99"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "where": {"layers": [7]}}'), "layer 7"),
        (("run", "--text", TEXT, "--edit", '{"op": "scale", "where": {"heads": [-1]}}'), "head"),
        (("run", "--text", ""), "empty"),
        (("run", "--text", " \n\t"), "empty"),
        (("run", "--text", "word " * 100), "at most 64"),
        (("run", "--text", TEXT, "--device", "toaster"), "toaster"),
        (("run", "--text", TEXT, "--revision", "main"), "revision"),
        (("run",), "--text"),
        (("attribute", "--text", TEXT, "--method", "attention_rolout"), "Did you mean 'attention_rollout'"),
        (("attribute", "--text", TEXT, "--target", "positiv"), "Did you mean 'positive'"),
        (("attribute", "--text", TEXT, "--target", "9"), "label 9"),
        (("attribute", "--text", TEXT, "--rather-than", "negative"), "rather than"),
        (("attribute", "--text", TEXT, "--method", "random", "--param", "random.sed=1"), "sed"),
        (("attribute", "--text", TEXT, "--method", "random", "--param", "seed"), "method.knob=value"),
        (("attribute", "--text", TEXT, "--method", "random", "--param", "atman.factor=1"), "atman"),
        (("attribute", "--text", TEXT, "--method", "random", "--param", "random.seed=x"), "seed"),
        (("attribute", "--text", TEXT, "--mask", "x"), "mask"),
    ],
)
def test_bad_input_ends_with_two_and_one_line(
    argv: tuple[str, ...], words: str, complaint: Callable[..., str], model: str
) -> None:
    assert words in complaint(argv[0], "--model", model, *argv[1:])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "list"),
        (("rnu",), "run"),
        (("run", "--model", "./nowhere", "--text", TEXT), "no folder"),
        (("run", "--model", "", "--text", TEXT), "empty"),
        (
            ("attribute", "--model", "x", "--text", TEXT, "--method", "flow"),
            "There is no method called 'flow'",
        ),
    ],
)
def test_a_call_of_wrong_form_ends_with_two_and_one_line(
    argv: tuple[str, ...], words: str, complaint: Callable[..., str]
) -> None:
    assert words in complaint(*argv)


def test_without_json_it_prints_for_people(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "attention_rollout" in capsys.readouterr().out
    assert main(["run", "--model", model, "--text", TEXT, "--edit", DOUBLED]) == 0
    assert "without edits" in capsys.readouterr().out
    assert main(["attribute", "--model", model, "--text", TEXT, "--method", "raw_attention"]) == 0
    assert "nothing" in capsys.readouterr().out


def test_any_script_comes_through_as_it_is(ask: Ask, model: str) -> None:
    text = 'שלום "world" 😀 <b>*x*</b>\nlast'
    said = ask("run", "--model", model, "--text", text)
    assert said["prompt"]["text"] == text
    assert all(0 <= token["start"] <= token["end"] <= len(text) for token in said["tokens"])


def test_the_module_runs_as_a_program(model: str) -> None:
    command = [sys.executable, "-m", "attnlab_core", "run", "--model", model, "--text", TEXT]
    edit = DOUBLED.replace("nothing", "elephant")
    done = subprocess.run(
        [*command, "--edit", edit], capture_output=True, text=True, cwd=ROOT, check=False, timeout=600
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1  # the model was loaded, and nothing else was said
    assert "elephant" in done.stderr


def test_a_pattern_is_judged(ask):
    said = ask("judge", "--model", "sst2", "--text", TEXT, "--edit", '{"op": "invert"}')
    assert said["plausibility"]["words"] == "outside anything seen"
    assert said["reference"]["held_back"] > 1000
    plain = ask("judge", "--model", "sst2", "--text", TEXT)["plausibility"]
    assert plain["distance"] is None
    assert plain["percentile"] < 99


def test_a_reference_is_fitted_from_a_file(ask, complaint, model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert "fit a reference first" in complaint("judge", "--model", model, "--text", TEXT)
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(f"Line {n} of {n % 7} lines, all of them short." for n in range(160)))
    said = ask("fit", "--model", model, "--texts", str(file))
    assert said["held_back"] == 96
    assert ask("judge", "--model", model, "--text", TEXT)["reference"]["corpus"] == "texts of texts.txt"
    assert "cannot be read" in complaint("fit", "--model", model, "--texts", str(tmp_path / "none.txt"))
    file.write_text("one line\n")
    assert "both need 60" in complaint("fit", "--model", model, "--texts", str(file))


def test_a_reference_is_fitted_from_a_folder_of_pictures(ask, complaint, sees, drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = ("judge", "--model", sees, "--image", str(drawn / "000.png"))
    assert f"attnlab_core fit --model {sees} --images FOLDER." in complaint(*asked)
    said = ask("fit", "--model", sees, "--images", str(drawn))
    assert (said["read"], said["texts"], said["held_back"]) == ("pictures", 60, 90)
    judged = ask(*asked, "--edit", '{"op": "invert"}')
    assert judged["reference"] == {"corpus": "pictures of drawn", "texts": 60, "held_back": 90}
    assert judged["plausibility"]["percentile"] > ask(*asked)["plausibility"]["percentile"]
    named = ask(
        "fit", "--model", sees, "--images", str(drawn), "--corpus", "scenes", "--out", f"{tmp_path}/own"
    )
    assert (named["corpus"], named["file"]) == ("scenes", str(tmp_path / "own"))
    first, again = (plausibility.Reference.load(Path(one["file"])) for one in (said, named))
    files = sorted(path for path in drawn.iterdir() if path.is_file() and path.suffix != ".txt")
    wanted = plausibility.fit(al.load(sees), [Picture.read(file) for file in files])
    for name in ("mean", "whiten", "natural", "scores", "head_scores"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        torch.testing.assert_close(getattr(first, name), getattr(wanted, name))


def test_pictures_are_told_as_pictures(sees, drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["fit", "--model", sees, "--images", str(drawn)]) == 0
    said = capsys.readouterr()
    assert "pictures read: 150 of 150" in said.err
    assert "pictures: 150 of 150" in said.err
    assert said.out.startswith("fitted on 60 pictures, 90 held back; ")
    assert main(["judge", "--model", sees, "--image", str(drawn / "000.png")]) == 0
    assert "among 90 pictures: pictures of drawn" in capsys.readouterr().out


@pytest.fixture
def broken(drawn: Path, tmp_path: Path) -> Path:
    """A folder with folders and files that are no good."""
    for folder, names in {"few": ("000.png", "006.png"), "bad": ("000.png",), "lost": ("000.png",)}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            shutil.copy(drawn / name, tmp_path / folder / name)
    (tmp_path / "empty" / "more").mkdir(parents=True)
    (tmp_path / "bad" / "010.jpg").write_bytes((drawn / "000.png").read_bytes()[:200])
    (tmp_path / "lost" / "010.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "texts.txt").write_text("one line\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("reads", "argv", "words"),
    [
        ("pictures", ("--images", "nowhere"), "nowhere cannot be read (No such file or directory)"),
        ("pictures", ("--images", "few/000.png"), "000.png cannot be read (Not a directory)"),
        ("pictures", ("--images", "empty"), "empty holds no pictures"),
        ("pictures", ("--images", "bad"), "bad/010.jpg: The picture cannot be decoded"),
        ("pictures", ("--images", "lost"), "lost/010.jpg cannot be read (No such file or directory)"),
        ("pictures", ("--images", "few"), "Of 2 pictures 1 are to fit on and 1 to hold back; both need 60"),
        ("pictures", ("--images", "few", "--out", "nowhere/out"), "out cannot be written: there is no such"),
        ("pictures", ("--texts", "texts.txt"), "reads pictures, not text"),
        ("text", ("--images", "few"), "reads text, not pictures"),
        ("text", ("--images", "bad"), "reads text, not pictures"),  # told before the rest is read
        ("both", ("--images", "few"), "reads text and pictures together"),
        ("text", (), "one of the arguments --texts --images is required"),
        ("text", ("--texts", "texts.txt", "--images", "few"), "not allowed with"),
    ],
)
def test_what_cannot_be_fitted_is_told_in_one_line(
    reads, argv, words, complaint, model, sees, broken, monkeypatch
) -> None:
    monkeypatch.chdir(broken)
    if reads == "both":
        monkeypatch.setattr("attnlab_core._loading.lab", lambda _: tiny_lab("matching"))
    assert words in complaint("fit", "--model", sees if reads == "pictures" else model, *argv)


def test_a_reference_that_cannot_be_written_is_told_in_one_line(complaint, sees, drawn, tmp_path):
    asked = ("fit", "--model", sees, "--images", str(drawn), "--out", str(tmp_path))
    assert f"{tmp_path} cannot be written: Is a directory." in complaint(*asked)


def test_no_reference_is_advised_where_none_is_fitted(complaint, drawn, monkeypatch):
    monkeypatch.setattr("attnlab_core._loading.lab", lambda _: tiny_lab("matching"))
    said = complaint("judge", "--model", "x", "--image", str(drawn / "000.png"), "--text", "a film\na story")
    assert "reads text and pictures together" in said
    assert "fit --model" not in said


@pytest.fixture
def rows(tmp_path: Path) -> str:
    file = tmp_path / "mine.csv"
    lines = [
        "id,text,label",
        *(f"{k},the film was {word},negative" for k, word in enumerate("bad dull long good".split())),
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def test_evaluate_measures_keeps_and_writes_a_page(ask: Ask, model: str, rows: str, tmp_path: Path) -> None:
    db, page = str(tmp_path / "results.db"), tmp_path / "page.html"
    said = ask(
        *(
            "evaluate",
            "custom",
            "--model",
            model,
            "--data",
            rows,
            "--db",
            db,
            "--out",
            str(page),
            "--layers",
            "all",
        ),
        *("--edit", '{"op": "invert"}', "--layers", "0"),
    )
    assert said["schema"] == "attentionlab.report"
    assert {row["condition"] for row in said["tables"]["effects"]} == {"invert", "invert, layer 0"}
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    kept = ask("results", "show", str(said["stored"]), "--db", db)
    assert kept["tables"] == said["tables"]
    other = tmp_path / "all.html"
    assert ask("analyse", "--db", db, "--out", str(other))["results"] == [said["stored"]]
    assert "invert, layer 0" in other.read_text(encoding="utf-8")


def test_experiments_are_told_in_words_too(model: str, rows: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "evaluate",
                "custom",
                "--model",
                model,
                "--data",
                rows,
                "--edit",
                '{"op": "uniform"}',
                "--no-store",
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "uniform" in said
    assert "mine, 4 rows" in said


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("evaluate", "sst3"), "sst2"),
        (("evaluate", "custom", "--data", "/nowhere.csv"), "nowhere"),
        (("evaluate", "custom", "--edit", '{"op": "invert"}', "--layers", "7"), "layer"),
        (("evaluate", "custom", "--limit", "0", "--edit", '{"op": "invert"}'), "limit"),
        (("evaluate", "custom", "--db", "nosuch://x"), "nosuch"),
        (("bench", "custom", "--method", "atmen"), "atman"),
        (("analyse", "--out", "page.html", "--db", "empty.db"), "no such results"),
        (("results", "show", "77", "--db", "empty.db"), "77"),
        (("evaluate", "custom", "--engine", "spark"), "spark"),
    ],
)
def test_experiments_on_bad_input(
    argv: tuple[str, ...], reason: str, complaint: Callable[..., str], model: str, rows: str, tmp_path: Path
) -> None:
    given = [str(tmp_path / part) if part in ("empty.db", "page.html") else part for part in argv]
    if argv[0] in ("evaluate", "bench"):
        given += ["--model", model]
        given += [] if "--data" in argv else ["--data", rows]
        given += [] if "--db" in argv else ["--no-store"]
    assert reason in complaint(*given)
