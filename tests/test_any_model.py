"""Any model: of any family, in half precision, of a task that has to be asked for, in every view; and no more than fit."""

from __future__ import annotations

import gc
import io
import json
import re
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

import app
from attnlab_core import folders, models, uploads
from attnlab_core.__main__ import main
from attnlab_core.errors import ModelRefused, TaskNeeded, UnknownName
from attnlab_core.methods import attribute, methods
from attnlab_core.testing import tiny_lab
from pages.ui import naming, settings
from pages.ui.shelf import Shelf
from tests.hub_server import save

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = (
    ("t5", "classification"),
    ("t5", "answering"),
    ("bart", "classification"),
    ("bart", "answering"),
    ("deberta-v2", "masked"),
    ("gptj", "causal"),
    ("llama", "causal"),
    ("modernbert", "masked"),
)
VIEWS = [entry.name for entry in app.PAGES if entry.name != "images"]
MARKED = "<img src=x onerror=window.pwned=1> **bold** $math$ <b>fat<b>.safetensors"
QUICK = [view if view == "compare" else pytest.param(view, marks=pytest.mark.slow) for view in VIEWS]
"""One view where there is no time for all."""
TEXTS = {
    "classification": {"text": "There is nothing to dislike here."},
    "masked": {"text": "There is [MASK] to dislike here."},
    "causal": {"text": "There is nothing to"},
    "answering": {"text": "What is the capital?", "second": "Paris is the capital of France."},
}


def saved(folder: Path, task: Any, architecture: str) -> Path:
    """A tiny random model and its tokenizer as a checkpoint."""
    lab = tiny_lab(task, architecture)
    lab.model.save_pretrained(folder)
    lab.tokenizer.save_pretrained(folder)
    return folder


def without(folder: Path, *keys: str) -> Path:
    """Take keys out of a configuration."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k not in keys}))
    return folder


# --- in the library ---------------------------------------------------------------------------------------------------


def test_the_self_check_says_what_it_found() -> None:
    lab = models.load("sst2", device="cpu")
    assert (lab.check.calls, lab.check.heads, lab.check.difference) == (6, 12, 0.0)
    assert lab.check.text == "Checked: 6 attention calls, no-edit difference 0.0"
    assert 0 < lab.check.seconds < 60
    assert tiny_lab("classification", "t5").check.calls == 6  # 2 of the encoder, 2 of the decoder, 2 across


def test_the_check_tells_a_difference_that_is_there() -> None:
    from attnlab_core.checked import SelfCheck

    assert SelfCheck(2, 4, 1.5e-6, 0.1).text.endswith("no-edit difference 1.5e-06")


def test_a_model_that_gives_no_numbers_is_refused() -> None:
    lab = tiny_lab()
    lab.model.classifier.weight.data.fill_(float("nan"))
    with pytest.raises(ModelRefused, match=r"NaN.*fp32"):
        type(lab)(lab.model, lab.tokenizer, name="broken")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_halves_the_memory_and_every_method_works(dtype: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", "classification", "bert")
    half, whole = (models.load(folder, device="cpu", dtype=d) for d in (dtype, None))
    assert {p.dtype for p in half.model.parameters()} == {getattr(torch, half.summary()["dtype"])}
    assert half.summary()["dtype"] == {"bf16": "bfloat16", "fp16": "float16"}[dtype]
    assert whole.summary()["dtype"] == "float32"
    text = TEXTS["classification"]["text"]
    runs = half.run(text), whole.run(text)
    for label, p in runs[1].probabilities.items():
        assert runs[0].probabilities[label] == pytest.approx(p, abs=0.03)
    for name in methods():
        scores = attribute(runs[0], name).scores
        assert scores.isfinite().all(), name
    assert models.weigh(str(folder), dtype=dtype).memory * 2 == models.weigh(str(folder)).memory


def test_a_number_format_that_is_none_is_told() -> None:
    with pytest.raises(UnknownName, match="bf16, fp16, fp32"):
        models.load("sst2", dtype="int8")


def test_the_task_is_asked_for_where_neither_configuration_nor_weights_tell(tmp_path: Path) -> None:
    folder = without(saved(tmp_path / "m", "classification", "bert"), "architectures")
    with pytest.raises(TaskNeeded, match=r"does not say.*classification, masked, answering") as caught:
        models.load(folder, device="cpu")
    assert caught.value.choices == ("classification", "masked", "answering")
    assert models.load(folder, task="classification", device="cpu").task == "classification"
    with pytest.raises(ModelRefused, match="head would be random"):
        models.load(folder, task="answering", device="cpu")


def test_the_task_is_not_asked_for_where_the_weights_tell(tmp_path: Path) -> None:
    folder = without(saved(tmp_path / "m", "masked", "bert"), "architectures")
    assert models.load(folder, device="cpu").task == "masked"
    folder = without(saved(tmp_path / "n", "causal", "gptj"), "architectures")
    assert models.load(folder, device="cpu").task == "causal"


def test_the_command_line_takes_task_and_number_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = without(saved(tmp_path / "m", "classification", "bert"), "architectures")
    command = ["run", "--model", str(folder), "--device", "cpu", "--text", "A great film.", "--json"]
    assert main(command) == 2
    assert "Say which task" in capsys.readouterr().err
    assert main([*command, "--task", "classification", "--dtype", "bf16"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model"]["task"] == "classification"
    assert said["model"]["dtype"] == "bfloat16"


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["sst2", "owner/name", "owner/name@main", "a/b?task=masked", "a/b@v1?task=causal&dtype=bf16&device=cpu"],
)
def test_a_name_is_put_together_as_it_was_taken_apart(text: str) -> None:
    assert str(naming.parse(f"  {text} ")) == text


def test_a_folder_is_a_name_whatever_is_in_it(tmp_path: Path) -> None:
    odd = tmp_path / "mine@home?task=masked"
    odd.mkdir()
    assert naming.parse(str(odd)) == naming.Named(str(odd))
    with pytest.raises(UnknownName, match="setting of a model"):
        naming.parse("sst2?tusk=masked")


def test_settings_come_from_the_environment_and_nonsense_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNLAB_MODELS", "7")
    monkeypatch.setenv("ATTNLAB_MODELS_GB", "0.5")
    monkeypatch.setenv("ATTNLAB_UPLOAD_GB", "lots")
    monkeypatch.setenv("ATTNLAB_UPLOADS", "-3")
    assert settings.read() == settings.Settings(models=7, models_bytes=2**29)


# --- what stays loaded ------------------------------------------------------------------------------------------------


def shelf(most: int = 2, most_bytes: int = 2**40) -> tuple[Shelf, list[str], list[str]]:
    """A shelf over tiny models of one size; the names it loaded, and those it dropped."""
    loaded, dropped = list[str](), list[str]()

    def load(name: str) -> Any:
        loaded.append(name)
        if name == "broken":
            raise ModelRefused("Broken.")
        return tiny_lab()

    return Shelf(load, most, most_bytes, "stays", dropped.append), loaded, dropped


def names(made: Shelf) -> list[str]:
    return [one.name for one in made.loaded()]


@pytest.fixture(autouse=True)
def _no_freezing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)  # or the tests' own objects would never be collected


def test_at_most_so_many_models_stay_and_the_longest_unused_goes_first() -> None:
    made, loaded, dropped = shelf(most=2)
    for name in ("stays", "a", "b"):
        made.lab(name).result(60)
    made.lab("a").result(60)  # used again, so that b is now the one unused the longest
    made.lab("c").result(60)
    assert names(made) == ["c", "a", "stays"]
    assert dropped == ["b"]
    made.lab("b").result(60)
    assert loaded == ["stays", "a", "b", "c", "b"]
    assert names(made) == ["b", "c", "stays"]


def test_at_most_so_many_bytes_stay() -> None:
    one = sum(p.numel() * p.element_size() for p in tiny_lab().model.parameters())
    made, _, dropped = shelf(most=10, most_bytes=int(2.5 * one))
    for name in ("stays", "a", "b", "c"):
        made.lab(name).result(60)
    assert names(made) == ["c", "stays"]
    assert dropped == ["a", "b"]
    assert made.loaded()[0].bytes == one


def test_a_model_at_work_stays_until_the_work_is_done() -> None:
    made, loaded, dropped = shelf(most=1)
    with made.using("a") as lab:
        made.lab("b").result(60)
        made.lab("c").result(60)
        assert {one.name: one.at_work for one in made.loaded()} == {"a": 1, "c": 0}
        assert made.lab("a").result() is lab
    assert dropped == ["b", "c"]  # a was asked for last
    assert names(made) == ["a"]
    assert loaded == ["a", "b", "c"]


def test_work_in_many_threads_leaves_no_model_held() -> None:
    made, _, _ = shelf(most=1)
    texts = ["There is nothing to dislike here.", "A truly great film."]

    def work(name: str) -> None:
        for _ in range(3):
            with made.using(name) as lab:
                lab.run(texts[0])

    threads = [threading.Thread(target=work, args=(f"m{k % 3}",)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [one.at_work for one in made.loaded()] == [0]


def test_a_dropped_model_leaves_the_memory() -> None:
    made, _, _ = shelf(most=1)
    gone = weakref.ref(made.lab("a").result(60).model)
    made.lab("b").result(60)
    until = time.monotonic() + 30
    while gone() is not None and time.monotonic() < until:
        time.sleep(0.05)
    assert gone() is None


def test_a_model_that_failed_is_tried_again_once_forgotten() -> None:
    made, loaded, _ = shelf()
    assert isinstance(made.lab("broken").exception(60), ModelRefused)
    assert made.lab("broken").exception(60)
    assert loaded == ["broken"]
    made.forget("broken")
    assert not made.asked("broken")
    made.lab("broken").exception(60)
    assert loaded == ["broken", "broken"]
    assert made.loaded() == []


# --- on the pages -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backend():
    """The real backend, shared by the tests of this module; uploads and results go into folders of the tests."""
    import streamlit as st

    from pages.ui import state

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gc, "freeze", lambda: None)
        patched.setenv("ATTNLAB_MODELS", "20")
        st.cache_resource.clear()
        state.backend().lab().result(120)
        yield state.backend
        st.cache_resource.clear()


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory):
    made: dict[tuple[str, str], Path] = {}

    def folder(architecture: str, task: str) -> Path:
        if (architecture, task) not in made:
            made[architecture, task] = saved(
                tmp_path_factory.mktemp(architecture) / "model", task, architecture
            )
        return made[architecture, task]

    return folder


def visit(page: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page(f"pages/{page}.py").run()
    return settle(at)


def settle(at: AppTest) -> AppTest:
    """Run until all work of this visitor is done."""
    until = time.monotonic() + 120

    def working() -> bool:
        said = at.session_state.filtered_state if hasattr(at.session_state, "filtered_state") else {}
        held = [said[key] for key in said if str(key).startswith("_task_")]
        held += [said["_job"][1]] if "_job" in said else []
        return any(one.running for one in held)

    at.run()
    while working() and time.monotonic() < until:
        time.sleep(0.05)
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def said(at: AppTest) -> str:
    """All texts of a page."""
    shown = [str(element.proto.body) for element in at.get("html")]
    kinds = (at.markdown, at.info, at.warning, at.error)
    return "\n".join([*shown, *(str(element.value) for kind in kinds for element in kind)])


@pytest.mark.pages
@pytest.mark.parametrize(("architecture", "task"), FAMILIES, ids="-".join)
@pytest.mark.parametrize("page", QUICK)
def test_every_view_takes_every_family(page: str, architecture: str, task: str, backend, folder_of) -> None:
    name = str(folder_of(architecture, task))
    backend().lab(name).result(60)
    at = visit(page, model=name, **TEXTS[task])
    assert len(at.title) == 1
    said = [error.value.replace("\\", "") for error in at.error]
    # The second text that Side by side begins with has no mask, and the page says so.
    mask = (
        backend().lab(name).result(60).tokenizer.mask_token
        if (page, task) == ("side_by_side", "masked")
        else None
    )
    expected = (
        [f"B: The text has no mask. Write {mask} where the model is to fill in a word."] if mask else []
    )
    assert said == expected


@pytest.mark.pages
@pytest.mark.slow
@pytest.mark.parametrize("name", ["sst2?dtype=bf16", "gpt2-mini?dtype=fp16", "qa?dtype=bf16"])
@pytest.mark.parametrize("page", VIEWS)
def test_every_view_takes_half_precision(page: str, name: str, backend) -> None:
    lab = backend().lab(name).result(60)
    at = visit(page, model=name, **TEXTS[lab.task])
    assert not at.error, [error.value for error in at.error]


@pytest.mark.pages
@pytest.mark.parametrize(("architecture", "task"), FAMILIES, ids="-".join)
def test_an_edit_reaches_every_family_on_the_page(architecture: str, task: str, backend, folder_of) -> None:
    from pages.ui import links

    name = str(folder_of(architecture, task))
    backend().lab(name).result(60)
    word = "capital" if task == "answering" else "nothing" if task != "masked" else "dislike"
    edit = links.pack([{"op": "scale", "factor": 4, "where": {"keys": [word]}}])
    at = visit("manipulate", model=name, e=edit, **TEXTS[task])
    assert not at.error, [error.value for error in at.error]
    assert "attention calls were edited" in said(at)


@pytest.mark.pages
def test_the_model_box_says_what_the_check_found(backend) -> None:
    at = visit("manipulate")
    (line,) = [one for one in at.markdown if "Checked" in str(one.value)]
    assert r"6 attention calls, no\-edit difference 0\.0" in line.value
    assert "watched" in line.proto.help


@pytest.mark.pages
def test_the_cost_is_said_before_a_model_is_loaded(backend, folder_of, tmp_path: Path) -> None:
    name = str(saved(tmp_path / "unseen", "classification", "bert"))
    weight = models.weigh(name)
    at = visit("compare", model=name)
    assert not backend().asked(name)
    assert f"{weight.parameters:,} parameters" in said(at)
    assert "of memory in fp32" in said(at)
    at.button(key="load").click().run()
    backend().lab(name).result(60)
    assert "Checked" in said(settle(at))


@pytest.mark.pages
def test_a_task_that_nothing_tells_is_asked_for_and_goes_into_the_name(backend, tmp_path: Path) -> None:
    name = str(without(saved(tmp_path / "m", "classification", "bert"), "architectures"))
    assert isinstance(backend().lab(name).exception(60), TaskNeeded)
    at = visit("compare", model=name)
    assert not at.error
    assert any("does not say what the model was trained for" in info.value for info in at.info)
    at.selectbox(key="task.model").set_value("classification").run()
    at.button(key="load.model").click().run()
    backend().lab(f"{name}?task=classification").result(60)
    settle(at)
    assert at.selectbox(key="model").value == f"{name}?task=classification"
    assert "al-verdict" in said(at)


@pytest.mark.pages
def test_half_precision_is_part_of_the_name_and_of_the_exported_code(backend) -> None:
    backend().lab("sst2?dtype=bf16").result(60)
    at = visit("manipulate", model="sst2?dtype=bf16", w="nothing")
    code = "\n".join(block.value for block in at.code)
    assert "--model sst2 --text" in code
    assert "--dtype bf16" in code
    assert "al.load('sst2', dtype='bf16')" in code
    assert not at.error


@pytest.mark.pages
def test_a_link_to_a_device_this_server_lacks_uses_what_is_there(backend) -> None:
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    assert str(backend().lab("sst2?device=cuda").result(60).device) == "cpu"


@pytest.mark.pages
def test_a_model_larger_than_the_server_keeps_is_refused_before_it_is_loaded(
    backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(saved(tmp_path / "large", "classification", "bert"))
    monkeypatch.setenv("ATTNLAB_MODELS_GB", "0.00001")
    error = backend().lab(name).exception(60)
    assert isinstance(error, ModelRefused)
    assert "ATTNLAB_MODELS_GB" in str(error)


@pytest.mark.pages
def test_the_models_page_lists_what_is_loaded(backend, folder_of) -> None:
    name = str(folder_of("llama", "causal"))
    backend().lab(name).result(60)
    table = next(text for text in said(visit("models")).split("\n") if "Models that are loaded now" in text)
    assert name in table
    assert "LlamaForCausalLM" in table
    assert "2 attention calls, no-edit difference 0.0" in table


@pytest.mark.pages
def test_a_model_is_brought_on_the_models_page(backend, tmp_path: Path) -> None:
    name = str(saved(tmp_path / "brought", "causal", "gptj"))
    at = visit("models", bring=name)
    assert "of memory in fp32" in said(at)
    at.selectbox(key="bring.dtype").set_value("bf16").run()
    assert "of memory in bf16" in said(settle(at))
    at.button(key="load").click().run()
    lab = backend().lab(f"{name}?dtype=bf16").result(60)
    assert lab.summary()["dtype"] == "bfloat16"
    settle(at)
    assert "is loaded" in said(at)
    assert not at.error


@pytest.mark.pages
@pytest.mark.parametrize("typed", ["sst2?tusk=x", "owner name", "./nowhere", "<b>x</b>", "a" * 300])
def test_a_name_that_is_none_is_one_line_on_the_models_page(typed: str, backend) -> None:
    at = visit("models", bring=typed)
    assert len(at.error) == 1
    assert "\n" not in at.error[0].value
    assert "<b>x" not in said(at)


@pytest.mark.pages
def test_an_upload_is_kept_offered_opened_and_deleted(
    backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are put where the browser would put them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    from pages.ui import uploading

    folder = save(tmp_path / "mine", layer_norm_eps=1e-7)
    at = visit("models")
    assert "_owner" in at.session_state  # without a browser there is no cookie
    files = [(path.name, io.BytesIO(path.read_bytes())) for path in sorted(folder.iterdir())]
    monkeypatch.setattr(uploading, "owner", lambda: "this visitor")
    got = uploads.receive(files, "this visitor", "<i>mine</i>").upload
    at.run()
    assert "<i>mine" not in said(at)
    assert any(one.value == got.name for one in at.code)
    other = visit("compare", model=got.name)
    assert got.name in other.selectbox(key="model").options
    assert "mine" in said(other)
    other.button(key="load").click().run()
    backend().lab(got.name).result(60)
    assert "al-verdict" in said(settle(other))
    at.button(key=f"delete.{got.key}").click().run()
    assert uploads.mine("this visitor") == []
    assert not (folders.cache() / "uploads" / got.key).exists()
    assert not any(one.value == got.name for one in at.code)


@pytest.mark.pages
def test_compare_says_what_it_costs_and_asks_before_it_takes_long(
    backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = visit("compare")
    line = next(str(one.value) for one in at.markdown if "Costs about" in str(one.value))
    assert "passes" in line
    assert not any(button.key == "agree" for button in at.button)
    from pages.ui import costing

    monkeypatch.setattr(costing, "LONG", 1e-4)
    monkeypatch.setattr(costing, "FEW", 0)
    at = visit("compare", text="Another text, so that nothing is remembered.")
    assert "Integrated gradients" not in "".join(s for s in said(at).split("\n") if "al-row" in s)
    at.button(key="agree").click().run()
    assert "Integrated gradients" in "".join(s for s in said(settle(at)).split("\n") if "al-row" in s)


@pytest.mark.pages
@pytest.mark.parametrize("fails", [False, True])
def test_what_is_weighed_while_the_page_waits_is_explained_at_once(
    backend, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """The estimate is there neither at the first look nor late enough for a second run of the page; or it fails."""
    from attnlab_core import costs
    from pages.ui import costing, waiting

    whole = costs.estimate

    def slow(*given: Any) -> Any:
        time.sleep(0.3)
        if fails:
            raise ValueError("no clock")
        return whole(*given)

    monkeypatch.setattr(costs, "estimate", slow)
    monkeypatch.setattr(costing, "LIGHT", 0)
    monkeypatch.setattr(costing, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "QUICK", 30.0)
    at = visit("compare", text="A text that nobody has asked about, not even here.")
    assert "Integrated gradients" in "".join(s for s in said(settle(at)).split("\n") if "al-row" in s)


def test_an_owner_is_a_browser_however_its_cookie_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from pages.ui import uploading

    def owner(token: bytes, mask: bytes) -> str:
        masked = bytes(byte ^ mask[k % 4] for k, byte in enumerate(token))
        cookies = {uploading.COOKIE: f"2|{mask.hex()}|{masked.hex()}|1700000000"}
        monkeypatch.setattr(uploading.st, "context", SimpleNamespace(cookies=cookies))
        return uploading.owner()

    one, other = bytes(range(16)), bytes(range(1, 17))
    assert owner(one, b"abcd") == owner(one, b"wxyz") != owner(other, b"abcd")
    assert one.hex() not in owner(one, b"abcd")


@pytest.mark.pages
def test_files_dropped_on_the_page_are_checked_and_kept(
    backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = save(tmp_path / "mine", layer_norm_eps=1e-8)
    files = [(path.name, path.read_bytes(), "application/octet-stream") for path in sorted(folder.iterdir())]
    at = visit("models")
    at.file_uploader[0].set_value(files).run()
    at.text_input(key="label.0").set_value("My model").run()
    at.button(key="keep").click().run()
    settle(at)
    assert not at.error, at.error[0].value
    assert any("Kept as upload" in str(info.value) for info in at.info)
    (kept,) = uploads.mine(uploads.find(next(c.value for c in at.code)).owners[0])
    assert kept.label == "My model"
    at.file_uploader[0].set_value([files[0]]).run()
    at.button(key="keep").click().run()
    assert "no weights" in settle(at).error[0].value  # a configuration alone is no model


@pytest.mark.pages
@pytest.mark.parametrize(
    ("name", "says"),
    [
        (MARKED, f"Not needed and not kept: {MARKED}."),
        ("../../x.json", "'../../x.json' has a folder in its name."),
        ("..\\..\\x.json", "has a folder in its name."),
        ("C:x.json", "has a folder in its name."),
        (
            ":red[red] :material/home: <img src=x>.json",
            "':red[red] :material/home: <img src=x>.json' has a folder in its name.",
        ),
        ("\u202exxx.json", "Not needed and not kept: \u202exxx.json."),
    ],
)
def test_the_name_of_a_file_is_shown_letter_by_letter_and_is_no_path(
    name: str, says: str, backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pages.ui import widgets

    cache = tmp_path / "one" / "two" / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    folder = save(tmp_path / "mine", layer_norm_eps=1e-9)
    files = [(path.name, path.read_bytes(), "application/octet-stream") for path in sorted(folder.iterdir())]
    at = visit("models")
    at.file_uploader[0].set_value([*files, (name, b"{}", "application/json")]).run()
    at.text_input(key="label.0").set_value(MARKED[:60]).run()
    at.button(key="keep").click().run()
    settle(at)
    told = [str(one.value) for one in (*at.info, *at.error)]
    assert any(widgets.plain(says) in one for one in told), told
    assert not re.search(r"(?<!\\)<img", said(at))
    assert list(tmp_path.rglob("x.json*")) == []
    kept = [path.name for path in (cache / "attentionlab" / "uploads").glob("*/*")]
    assert set(kept) <= uploads.NAMES


def test_the_examples_in_the_pages_modules_hold() -> None:
    import doctest

    from pages.ui import bringing, costing

    assert [doctest.testmod(module).failed for module in (bringing, costing, naming)] == [0, 0, 0]
