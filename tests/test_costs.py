"""What something costs, said before it runs: sizes as the files and the Hub have them, passes as counted, seconds about right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import attnlab_core as al
from attnlab_core import costs, models
from attnlab_core.errors import BadInput, ModelNotFound, ModelRefused, UnknownName
from attnlab_core.hub import Offer
from attnlab_core.lab import Lab
from attnlab_core.methods import attribute, methods
from attnlab_core.testing import tiny_lab
from tests.hub_server import Repo, folder_files, save, serve

ROOT = Path(__file__).resolve().parents[1]
TEXTS: dict[str, tuple[str, str | None]] = {
    "classification": ("There is nothing to dislike here.", None),
    "masked": ("There is [MASK] to dislike here.", None),
    "causal": ("There is nothing to", None),
    "answering": ("What is the capital?", "Paris is the capital of France."),
}
SHIPPED: dict[str, tuple[str, str | None]] = {
    "sst2": ("The movie was not as bad as I expected.", None),
    "agreement": ("The letters that my sister wrote in the garden", None),
    "gpt2-mini": ("The old man opened the door and", None),
    "pronouns": ("The nurse told the engineer that [MASK] would be late.", None),
    "qa": ("In which town does Anna's mother work?", "Clara is the mother of Anna. Clara works in Lund."),
}


def really(run: al.Run, name: str, target: Any = None, **params: Any) -> tuple[int, al.Attribution]:
    """How many rows a method puts through the model, counted at the model, and what it gives."""
    seen = list[int]()
    handle = run.lab.model.register_forward_pre_hook(
        lambda _, args, given: seen.append(len(given["input_ids"])), with_kwargs=True
    )
    try:
        found = attribute(run, name, target, **params)
    finally:
        handle.remove()
    return sum(seen), found


def counted(run: al.Run, name: str, target: Any = None, **params: Any) -> costs.MethodCost:
    (cost,) = costs.estimate(run, {name: params}, target, _QUICK).methods
    return cost


_QUICK = costs.Reading(8, 0, 0, 0.001, 0.001, 0.001, 0.001)


@pytest.fixture(scope="module")
def runs() -> dict[str, al.Run]:
    labs = {task: tiny_lab(task, "gpt2" if task == "causal" else "bert") for task in TEXTS}
    return {task: lab.run(al.Prompt(*TEXTS[task])) for task, lab in labs.items()}


@pytest.mark.parametrize("task", TEXTS)
@pytest.mark.parametrize("name", methods())
def test_passes_are_exactly_those_that_are_made(name: str, task: str, runs: dict[str, al.Run]) -> None:
    said = counted(runs[task], name)
    made, _ = really(runs[task], name)
    assert said.passes <= made <= said.most
    if said.most > said.passes:  # one that goes on until it is exact enough
        assert name == "integrated_gradients"
        assert said.most >= 400
    assert 0 <= said.gradients <= said.passes


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("atman", {"unit": "word"}),
        ("atman", {"unit": "sentence"}),
        ("atman", {"similarity": 0.5}),
        ("occlusion", {"replace": "delete"}),
        ("occlusion", {"specials": True}),
        ("gradient_shap", {"draws": 7}),
        ("integrated_gradients", {"steps": 400}),
    ],
)
def test_knobs_count(name: str, params: dict[str, Any], runs: dict[str, al.Run]) -> None:
    said = counted(runs["classification"], name, **params)
    assert said.passes == said.most == really(runs["classification"], name, **params)[0]


@pytest.mark.parametrize("name", ["atman", "occlusion", "gradient_norm", "gradient_shap"])
def test_a_target_of_several_words_counts(name: str, runs: dict[str, al.Run]) -> None:
    target = al.Target("dislike here")
    assert counted(runs["causal"], name, target).passes == really(runs["causal"], name, target)[0]


def test_passes_behind_the_mask_count_twice(runs: dict[str, al.Run]) -> None:
    said = counted(runs["causal"], "atman", variant="official")
    assert said.passes == really(runs["causal"], "atman", variant="official")[0]
    assert said.passes == 2 * counted(runs["causal"], "atman").passes


def test_gradients_are_counted(runs: dict[str, al.Run]) -> None:
    expected = {
        "gradient_norm": 1,
        "attention_x_gradient": 1,
        "integrated_gradients": 50,
        "gradient_shap": 64,
        "atman": 0,
    }
    assert {name: counted(runs["classification"], name).gradients for name in expected} == expected


def test_nothing_is_run_and_nothing_changes(runs: dict[str, al.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs["classification"]
    before = run.lab.run(TEXTS["classification"][0]).logits

    def no_pass(*_: object, **__: object) -> None:
        raise AssertionError("the model was run")

    with monkeypatch.context() as patched:
        patched.setattr(Lab, "_outputs", no_pass)
        found = costs.estimate(run, {name: {} for name in methods()}, None, _QUICK)
    assert len(found.methods) == len(methods())
    assert torch.equal(run.lab.run(TEXTS["classification"][0]).logits, before)


def test_a_method_that_will_not_do_says_why_beforehand() -> None:
    run = tiny_lab("classification", "t5").run(TEXTS["classification"][0])
    said = counted(run, "attention_flow")
    assert "encoder and a decoder" in said.refused
    assert said.passes == 0
    with pytest.raises(UnknownName, match="Did you mean 'atman'"):
        attribute(run, "atmann")


def test_long_work_without_passes_is_cut_short_and_foretold() -> None:
    lab = tiny_lab(max_position_embeddings=256, num_hidden_layers=4)
    lab.tokenizer.model_max_length = 256
    run = lab.run("a film " * 120)
    attribute(lab.run("a film"), "attention_flow")  # imports
    began = time.perf_counter()
    said = counted(run, "attention_flow")
    assert time.perf_counter() - began < 20 * costs.PROBE
    took = attribute(run, "attention_flow").seconds
    assert took > 3 * costs.PROBE
    assert took / 3 < said.seconds < 3 * took


def test_the_memory_of_a_pass_is_what_is_kept(runs: dict[str, al.Run]) -> None:
    for run in runs.values():
        said = costs.read(run)
        tensors = [t for part in run.patterns.values() for t in (part.weights, part.visible)] + [run.logits]
        assert said.kept == sum(t.numel() * t.element_size() for t in tensors)
        assert said.weights == 4 * run.lab.summary()["parameters"]


def test_what_else_a_machine_does_is_not_taken_for_the_cost_of_a_row(
    runs: dict[str, al.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        costs, "_timed", lambda run, rows, grad=False: 0.01 if rows == 1 and not grad else 9.0
    )
    said = costs.read(runs["classification"])
    assert said.seconds == said.row == 0.01
    assert said.slope == pytest.approx(costs.STEEP * 0.01)
    assert said.slope_row == pytest.approx(said.slope)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_seconds_are_right_within_a_factor_of_three(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each method that takes more than 20 ms, by the passes that it made; seconds of the processor, whoever else uses it."""
    monkeypatch.setattr(time, "perf_counter", time.thread_time)
    run = al.load(name, device="cpu").run(al.Prompt(*SHIPPED[name]))
    attributed = {
        method: attribute(run, method).seconds for method in methods()
    }  # and what is imported is there
    wrong = dict[str, tuple[float, float]]()
    for _ in range(4):  # on a machine that others use, too, one try in four has to be right
        said = costs.estimate(run, {method: {} for method in attributed})
        wrong = {}
        for one in said.methods:
            made, found = really(run, one.method)
            share = made / one.passes if one.passes else 1.0  # more where it goes on until it is exact enough
            if found.seconds > 0.02 and not found.seconds / 3 < one.seconds * share < 3 * found.seconds:
                wrong[one.method] = (one.seconds * share, found.seconds)
            assert one.passes <= made <= one.most
        if not wrong:
            return
    raise AssertionError(f"said and took: {wrong}")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_folder_is_weighed_without_loading_it(name: str) -> None:
    said, lab = models.weigh(name), al.load(name, device="cpu")
    weights = dict(lab.model.named_parameters())
    assert said.parameters == sum(p.numel() for p in weights.values())
    assert said.memory == sum(p.numel() * p.element_size() for p in weights.values())
    assert said.disk == (models.shipped()[name].folder / "model.safetensors").stat().st_size
    assert (said.download, said.source) == (0, "its files")
    assert models.weigh(name, dtype="bf16").memory * 2 == said.memory


def test_what_cannot_be_weighed_is_told_as_loading_would(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelRefused, match="damaged"):
        models.weigh(str(folder))
    with pytest.raises(ModelNotFound, match="no folder"):
        models.weigh(str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="no model name"):
        models.weigh("owner name")
    with pytest.raises(UnknownName, match="fp32"):
        models.weigh("sst2", dtype="fp4")


WEIGH = """
import json, sys
from dataclasses import asdict
from attnlab_core import models
from attnlab_core.errors import AttentionLabError
for name in sys.argv[1:]:
    try:
        print(json.dumps(asdict(models.weigh(name, dtype="bf16"))))
    except AttentionLabError as error:
        print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


def weighed(home: Path, url: str, *names: str) -> list[dict[str, Any]]:
    """What another Python says of some names: the Hub's address is read when it starts."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    own = {
        "HF_HOME": str(home),
        "HF_ENDPOINT": url,
        "NO_PROXY": "*",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_ETAG_TIMEOUT": "15",
    }
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WEIGH, *names], env={**inherited, **own}, cwd=ROOT, check=True, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return [json.loads(line) for line in made.stdout.splitlines()]


@pytest.mark.slow
def test_a_hub_model_is_weighed_before_its_weights_travel(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    files = {**folder_files(folder), "onnx/model.safetensors": b"x" * 5000}
    pickled = {name: data for name, data in files.items() if "safetensors" not in name}
    with serve() as server:
        server.repos = {
            "someone/good": Repo({"main": files}),
            "someone/pickled": Repo({"main": {**pickled, "pytorch_model.bin": b"x"}}),
        }
        good, bad, missing = weighed(
            tmp_path / "home", server.url, "someone/good", "someone/pickled", "someone/missing"
        )
        assert server.downloads("model.safetensors") == []
        assert len(server.downloads("config.json")) == 1
    parameters = models.weigh(str(folder)).parameters
    assert good["parameters"] == parameters
    assert good["memory"] == 2 * parameters
    fetched = {name: data for name, data in files.items() if "/" not in name}
    assert good["download"] == sum(map(len, fetched.values()))
    assert good["source"] == "its configuration"
    assert (bad["error"], missing["error"]) == ("ModelRefused", "ModelNotFound")
    (gone,) = weighed(tmp_path / "home", server.url, "someone/other")  # connections are refused now
    assert "cannot be reached" in gone["text"]


def test_what_the_hub_counts_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "offer", lambda *_: Offer({"model.safetensors": 4321}, 1000))
    assert models.weigh("someone/good", dtype="fp16") == models.Weight(1000, 4321, 4321, 2000, "the Hub")
