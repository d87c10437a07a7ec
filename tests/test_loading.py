"""Loading: shipped names, folders, and the real download path against a small Hub on the loopback."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from attnlab_core import models
from attnlab_core.errors import BadInput, ModelNotFound, ModelRefused, UnknownName
from tests.hub_server import Files, Hub, Repo, folder_files, save, serve

ROOT = Path(__file__).parents[1]
CARD = "---\nlicense: apache-2.0\n---\n# sst2\n\nTells good from bad.\n\nMore.\n"
# Loads one model a line, and answers each with a line; what goes to standard error is not ours.
CHILD = """
import json, sys, time
from attnlab_core.errors import AttentionLabError, Cancelled
from attnlab_core.models import load
from attnlab_core.progress import watching
print("ready", flush=True)
for line in sys.stdin:
    asked, steps, start = json.loads(line), [], time.monotonic()
    cancel = asked.pop("cancel", False)
    def watcher(done, total):
        steps.append([done, total])
        if cancel:
            raise Cancelled("Stopped.")
    try:
        with watching(watcher):
            lab = load(**asked)
        answer = {"task": lab.task, "revision": lab.revision, "prediction": lab.run("A great [MASK].").prediction}
    except AttentionLabError as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps({**answer, "steps": steps, "seconds": time.monotonic() - start}), flush=True)
"""


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "classifier")


@pytest.fixture
def shelf(tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models that holds one."""
    shutil.copytree(classifier, tmp_path / "shelf" / "sst2")
    (tmp_path / "shelf" / "sst2" / "README.md").write_text(CARD)
    monkeypatch.setattr(models, "CHECKPOINTS", tmp_path / "shelf")
    return tmp_path / "shelf"


@contextmanager
def child(errors: Path, **environment: str) -> Iterator[Any]:
    """Another Python that loads models on request: the Hub's address and cache are read when it starts."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    settings = {
        "NO_PROXY": "*",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_ETAG_TIMEOUT": "15",
        "OMP_NUM_THREADS": "1",
    }
    settings |= {"PYTHONPATH": str(ROOT), **environment}
    with errors.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=inherited | settings,
            cwd=ROOT,
        )
        assert process.stdin
        assert process.stdout

        def ask(name: str, **options: Any) -> dict[str, Any]:
            process.stdin.write(json.dumps({"name": name, "device": "cpu", **options}) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            print(name, answer)  # noqa: T201  shown when a check fails
            return answer

        try:
            assert process.stdout.readline() == "ready\n"
            yield ask
        finally:
            process.stdin.close()
            process.wait(timeout=300)
            process.stdout.close()


def refused(answer: dict[str, Any], kind: str, *words: str) -> None:
    """Check that an answer is an error of this kind, on one line that has the words."""
    assert answer.get("error") == kind, answer
    assert "\n" not in answer["text"]
    for word in words:
        assert word in answer["text"]


def fill(hub: Hub, files: Files, masked: Files, big: Files) -> None:
    """Put one repository of every sort on the hub."""
    config = json.loads(files["config.json"])
    plain = {name: data for name, data in files.items() if name != "model.safetensors"}
    own = json.dumps({**config, "model_type": "homemade", "auto_map": {"AutoModel": "code.Model"}}).encode()
    other = json.dumps({**config, "architectures": ["BertForTokenClassification"]}).encode()
    extras = {
        "pytorch_model.bin": b"x",
        "onnx/model.safetensors": b"x",
        "code.py": b"x",
        "model.fp16.safetensors": b"x",
    }
    hub.repos = {
        "someone/good": Repo({"main": {**files, **extras}, "refs/pr/1": masked}),
        "someone/other": Repo({"main": files}),
        "oldname": Repo({"main": files}),
        "someone/big": Repo({"main": big}),
        "someone/gated": Repo({"main": files}, gated=True),
        "someone/private": Repo({"main": files}, token="hf_right"),
        "someone/hidden": Repo({"main": files}, token="hf_another"),
        "someone/pickled": Repo({"main": {**plain, "pytorch_model.bin": b"x"}}),
        "someone/own-code": Repo({"main": {**files, "config.json": own}}),
        "someone/tagger": Repo({"main": {**files, "config.json": other}}),
        "someone/adapter": Repo({"main": {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"}}),
    }


@pytest.mark.slow
def test_the_hub_from_the_first_download_to_the_last_without_a_network(
    tmp_path: Path, classifier: Path
) -> None:
    masked = folder_files(save(tmp_path / "masked", "masked"))
    # Larger than the pieces the client writes (10 MiB), so that there is something to resume from.
    big = folder_files(save(tmp_path / "big", max_position_embeddings=100_000))
    home, errors = tmp_path / "home", tmp_path / "errors.txt"
    environment = {"HF_HOME": str(home), "HF_TOKEN": "hf_right"}
    with serve() as hub, child(errors, HF_ENDPOINT=hub.url, **environment) as ask:
        fill(hub, folder_files(classifier), masked, big)

        found = ask("someone/good")
        assert found["task"] == "classification"
        assert found["prediction"] in ("negative", "positive")
        assert found["revision"] == hub.repos["someone/good"].commit("main")
        assert found["steps"][-1][0] == found["steps"][-1][1] > 0
        assert found["steps"] == sorted(found["steps"])
        fetched = {
            path.rsplit("/", 1)[1] for method, path, _ in hub.seen if method == "GET" and "/resolve/" in path
        }
        assert {"config.json", "tokenizer.json", "model.safetensors"} <= fetched
        assert not any(name.endswith((".bin", ".py", "fp16.safetensors")) for name in fetched)
        assert len(hub.downloads("model.safetensors")) == 1  # not the one in the folder onnx
        tokens = {headers.get("authorization") for _, path, headers in hub.seen if "someone/good" in path}
        assert tokens == {"Bearer hf_right"}
        assert ask("oldname")["task"] == "classification"
        assert ask("someone/private")["task"] == "classification"

        change = ask("someone/good", revision="refs/pr/1")
        assert change["task"] == "masked"
        assert change["revision"] == hub.repos["someone/good"].commit("refs/pr/1")
        hub.seen.clear()
        assert ask("someone/good", revision=change["revision"])["task"] == "masked"
        assert not hub.seen  # a commit never changes, so nothing is asked

        refused(ask("someone/missing"), "ModelNotFound", "someone/missing", "HF_TOKEN")
        refused(ask("someone/hidden"), "ModelNotFound", "someone/hidden", "HF_TOKEN")
        refused(ask("someone/good", revision="v9"), "ModelNotFound", "revision 'v9'")
        refused(ask("someone/gated"), "ModelNotFound", "gated", f"{hub.url}/someone/gated", "HF_TOKEN")
        hub.seen.clear()
        refused(ask("someone/pickled"), "ModelRefused", "pickle", "refs/pr/N")
        refused(ask("someone/own-code"), "ModelRefused", "homemade", "code of its own")
        refused(ask("someone/tagger"), "ModelRefused", "BertForTokenClassification", "classification, masked")
        refused(ask("someone/adapter"), "ModelRefused", "adapter")
        refused(ask("someone/good", task="causal"), "ModelRefused", "causal", "classification")
        assert not hub.downloads("model.safetensors")  # each is told before the weights travel

        refused(ask("someone/big", cancel=True), "Cancelled", "Stopped")
        hub.seen.clear()
        hub.break_off("model.safetensors", 11_000_000, 0)
        refused(ask("someone/big"), "ModelNotFound", "broke off", "run again")
        tokenizers = len(hub.downloads("tokenizer.json"))
        hub.break_off("model.safetensors", 11_000_000)
        assert ask("someone/big")["task"] == "classification"
        first, failed, again, resumed = hub.downloads("model.safetensors")
        assert failed["range"] == resumed["range"] == "bytes=10485760-"
        assert "range" not in first
        assert "range" not in again
        assert len(hub.downloads("tokenizer.json")) == tokenizers  # a file that came whole is kept
    # The hub is gone now: connections are refused.
    with child(errors, HF_ENDPOINT=hub.url, **environment) as ask:
        cached = ask("someone/good")
        assert (cached["task"], cached["revision"]) == ("classification", found["revision"])
        assert ask("someone/good", revision="refs/pr/1")["task"] == "masked"
        gone = ask("someone/other")
        refused(gone, "ModelNotFound", "cannot be reached", hub.url, "shipped model")
        assert gone["seconds"] < 10  # one try; six with their pauses take longer
    with child(errors, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1", **environment) as ask:
        assert ask("someone/good")["revision"] == found["revision"]
        refused(ask("someone/other"), "ModelNotFound", "HF_HUB_OFFLINE", "shipped model")
        refused(ask("someone/gated"), "ModelNotFound", "HF_HUB_OFFLINE")
        refused(ask("someone/good", revision="v9"), "ModelNotFound", "HF_HUB_OFFLINE")
        weights = next(home.glob("hub/models--someone--good/snapshots/*/model.safetensors"))
        for path in home.glob("hub/models--someone--good/snapshots/*/model.safetensors"):
            path.unlink()
        assert not weights.exists()
        refused(ask("someone/good"), "ModelNotFound", "HF_HUB_OFFLINE")  # half a model is none
    assert errors.read_text() == ""  # no bars, no reports, no tracebacks


def test_a_folder_loads_in_single_precision_and_in_evaluation_mode(tmp_path: Path, classifier: Path) -> None:
    folder = shutil.copytree(classifier, tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v.half() for k, v in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    lab = models.load(folder, device="cpu", batch_size=3)
    assert (lab.task, lab.labels, lab.revision) == ("classification", ("negative", "positive"), None)
    assert {weight.dtype for weight in lab.model.parameters()} == {torch.float32}
    assert not lab.model.training
    assert lab.batch_size == 3


def test_the_task_is_read_from_the_architecture(tmp_path: Path) -> None:
    for architecture, head in (("bert", "masked"), ("bert", "answering"), ("gpt2", "causal")):
        assert models.load(save(tmp_path / head, head, architecture), device="cpu").task == head


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": None}, "names no model_type"),
        ({"model_type": "homemade"}, "unknown to transformers"),
        ({"model_type": "homemade", "auto_map": {"AutoModel": "x.Y"}}, "code of its own"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"architectures": ["BertForTokenClassification"]}, "no task read here"),
        ({"architectures": ["BertForMaskedLM"]}, "head would be random"),
        ({"architectures": ["BertModel"]}, "head would be random"),
        ({"hidden_size": 16}, "cannot load"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    tmp_path: Path, classifier: Path, change: dict[str, Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(classifier, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelRefused, match=words) as caught:
        models.load(folder, device="cpu")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_files_that_cannot_be_used_are_refused(tmp_path: Path, classifier: Path) -> None:
    folder = shutil.copytree(classifier, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelRefused, match=r"damaged.*Delete .*model\.safetensors"):
        models.load(folder, device="cpu")
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelRefused, match="pickle"):
        models.load(folder, device="cpu")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelRefused, match="no weights"):
        models.load(folder, device="cpu")
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelRefused, match=r"config\.json .* cannot be read"):
        models.load(folder, device="cpu")
    (folder / "config.json").unlink()
    with pytest.raises(ModelRefused, match=r"has no config\.json"):
        models.load(folder, device="cpu")


def test_a_task_without_a_head_is_refused(classifier: Path) -> None:
    with pytest.raises(ModelRefused, match="head would be random"):
        models.load(classifier, task="answering", device="cpu")
    with pytest.raises(ModelRefused, match="no head for the task 'causal'"):
        models.load(classifier, task="causal", device="cpu")
    with pytest.raises(UnknownName, match="Did you mean 'masked'"):
        models.load(classifier, task="maskd", device="cpu")


@pytest.mark.parametrize(
    ("name", "options", "kind", "words"),
    [
        ("sst22", {}, UnknownName, "Did you mean 'sst2'"),
        ("", {}, BadInput, "empty"),
        ("owner name", {}, BadInput, "no model name"),
        ("a--b/c", {}, BadInput, "no model name"),
        ("owner/" + "x" * 100, {}, BadInput, "no model name"),
        ("./nowhere", {}, ModelNotFound, "no folder"),
        ("a/b/c", {}, ModelNotFound, "no folder"),
        (__file__, {}, BadInput, "is a file"),
        ("owner/name", {"revision": "../../x"}, BadInput, "revision"),
        (".", {"revision": "main"}, BadInput, "revision"),
        ("owner/name", {"device": "toaster"}, BadInput, "device 'toaster'"),
    ],
)
def test_a_name_of_wrong_form_is_told_before_any_network(
    name: str,
    options: dict[str, str],
    kind: type[Exception],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    shelf: Path,
) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(models, "fetch", no_network)
    with pytest.raises(kind, match=words) as caught:
        models.load(name, **options)
    assert "\n" not in str(caught.value)


def test_a_shipped_name_goes_before_a_folder_of_that_name(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sst2").mkdir()
    monkeypatch.chdir(tmp_path)
    card = models.shipped()["sst2"]
    assert card == models.Card("sst2", "Tells good from bad.", "classification", shelf / "sst2", CARD)
    lab = models.load("sst2", device="cpu")
    assert (lab.name, lab.task, lab.revision) == ("sst2", "classification", None)


def test_the_shipped_models_have_a_card_each() -> None:
    start = time.monotonic()
    cards = models.shipped()
    assert time.monotonic() - start < 1  # nothing is loaded
    assert "sst2" in cards
    for card in cards.values():
        assert card.task in models.TASKS
        assert card.summary
        assert "\n" not in card.summary
        assert card.text.startswith("---\n")


def test_loading_leaves_the_libraries_talking_as_before(classifier: Path) -> None:
    handlers = [*logging.getLogger("transformers").handlers, *logging.getLogger("huggingface_hub").handlers]
    before = [list(handler.filters) for handler in handlers], transformers_logging.get_verbosity()
    models.load(classifier, device="cpu")
    assert before == ([list(handler.filters) for handler in handlers], transformers_logging.get_verbosity())
    assert transformers_logging.set_tqdm_hook(None) is None
