"""What is done in a short way is what the long way does: edits on columns, answers read at few places, attention read late."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from attnlab_core import surgery
from attnlab_core.edits import Edit, Where
from attnlab_core.edits.scale import Scale
from attnlab_core.edits.suppress import Suppress
from attnlab_core.errors import EditTouchedNothing
from attnlab_core.methods import attribute, methods
from attnlab_core.surgery import Surgery
from attnlab_core.testing import tiny_lab

CALLS = (("encoder", 0), ("encoder", 1))
EDITS: dict[str, dict[str, Any]] = {
    "doubled": {"kind": Scale, "factor": 2.0},
    "removed": {"kind": Scale, "factor": 0.0},
    "on scores": {"kind": Scale, "factor": 0.5, "on": "scores"},
    "suppressed": {"kind": Suppress, "factor": 0.1},
    "amplified": {"kind": Suppress, "factor": 3.0},
    "suppressed weights": {"kind": Suppress, "factor": 0.0, "on": "weights"},
}
every_edit = pytest.mark.parametrize("named", EDITS)


def made(named: str, *keys: int, layers: tuple[int, ...] | None = None) -> Edit:
    said = dict(EDITS[named])
    return said.pop("kind")(**said, where=Where(keys=keys, layers=layers))


def scores_of(kind: str, dtype: torch.dtype) -> torch.Tensor:
    """Scores [4, 2, 6, 6]: all visible, causal, padded at the end, with a row that sees nothing, or peaked on one key."""
    scores = (torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(1)) * 2).to(dtype)
    low = torch.finfo(dtype).min
    if kind == "causal":
        scores = scores.masked_fill(torch.ones(6, 6).triu(1) > 0, low)
    elif kind == "padded":
        scores[1:, ..., 4:] = -1e4
    elif kind == "blind row":
        scores[:, :, 2] = low
    elif kind == "peaked":
        scores[..., 1] += 60
    return scores


@every_edit
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["visible", "causal", "padded", "blind row", "peaked"])
@pytest.mark.parametrize("rows", ["one for all", "one a row"])
def test_columns_are_what_operate_says(
    named: str, dtype: torch.dtype, kind: str, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = scores_of(kind, dtype)
    edits = (
        [(made(named, 1, 3),)]
        if rows == "one for all"
        else [(made(named, 0),), (), (made(named, 1, 3),), (made(named, 1),)]
    )

    def weights(keep: bool) -> tuple[torch.Tensor, int, list[list[int]]]:
        with Surgery(CALLS, edits, keep=keep) as tape:
            found = functional.softmax(scores, dim=-1)
        return found, tape.edited_calls, tape._touched

    plain = functional.softmax(scores, dim=-1)
    short, calls, counts = weights(keep=False)
    kept = weights(keep=True)[0]
    monkeypatch.setattr(surgery.Columns, "of", classmethod(lambda *_: None))
    long, wanted, met = weights(keep=False)
    near = 1e-6 if dtype != torch.bfloat16 else 4e-3
    torch.testing.assert_close(short, long, atol=near, rtol=near)
    assert torch.equal(short, kept)
    assert (calls, counts) == (wanted, met)
    if rows == "one a row":
        assert torch.equal(short[1], plain[1])
    hidden = scores <= surgery.MASKED
    blind = hidden.all(-1)
    assert torch.equal(short[blind], plain[blind])
    assert not short[hidden & ~blind[..., None]].any()
    assert short.dtype == dtype


@every_edit
def test_columns_have_the_same_gradients(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scores_of("causal", torch.float64)
    aim = torch.randn(scores.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def slope() -> torch.Tensor:
        given = scores.clone().requires_grad_()
        with Surgery(CALLS, [(made(named, 1),)]):
            found = functional.softmax(given, -1)
        return torch.autograd.grad((found * aim).sum(), given)[0]

    short = slope()
    monkeypatch.setattr(surgery.Columns, "of", classmethod(lambda *_: None))
    torch.testing.assert_close(short, slope())


def test_columns_that_nothing_sees_are_an_error() -> None:
    scores = scores_of("padded", torch.float32)
    with (
        pytest.raises(EditTouchedNothing, match="met no attention cell"),
        Surgery(CALLS, [(made("doubled", 0),), (made("doubled", 5),), (), ()]),
    ):
        functional.softmax(scores, -1)


def test_a_learned_sink_is_no_key_of_its_own() -> None:
    scores = scores_of("visible", torch.float32)
    scores[..., -1] = -40
    with Surgery(CALLS, [(made("suppressed", 1),)], sink=True):
        found = functional.softmax(scores, -1)
    least = scores[..., :-1].amin(-1)
    changed = scores.clone()
    changed[..., 1] = least + 0.1 * (scores[..., 1] - least)
    torch.testing.assert_close(found, changed.softmax(-1))


NARROWS = [
    *(
        ("classification", name)
        for name in ("bert", "roberta", "electra", "albert", "deberta-v2", "gpt2", "llama", "gpt_neo")
    ),
    *(("masked", name) for name in ("bert", "roberta", "albert", "modernbert", "deberta-v2", "distilbert")),
    *(
        ("causal", name)
        for name in ("gpt2", "llama", "gptj", "gpt_neo", "bloom", "mpt", "opt", "qwen2", "gemma2", "gpt_oss")
    ),
]
WHOLE = [("answering", "bert"), ("causal", "xlnet")]


@pytest.mark.parametrize(("task", "architecture"), [*NARROWS, *WHOLE])
def test_reading_few_places_changes_no_explanation(task: Any, architecture: str) -> None:
    """Where only what is read is computed behind the last attention, methods that run variations say the same."""
    lab = tiny_lab(task, architecture)
    assert lab._narrows == ((task, architecture) in NARROWS)
    run = lab.run(
        f"the film was not {lab.tokenizer.mask_token}" if task == "masked" else "the film was not bad at all"
    )
    names = ("atman", "occlusion", "input_x_gradient", "integrated_gradients")
    narrowed = [attribute(run, name).scores for name in names]
    lab._narrows = False
    for name, scores in zip(names, narrowed, strict=True):
        torch.testing.assert_close(scores, attribute(run, name).scores, atol=1e-6, rtol=1e-4)


def test_logits_of_other_places_are_not_computed() -> None:
    lab = tiny_lab("causal", "gpt2")
    run = lab.run("the film was not bad")
    last = len(run.tokens) - 1
    whole, _ = lab.forward([list(run.encoding.ids)])
    few, tape = lab.forward([list(run.encoding.ids)], reads=[last])
    assert tape._narrow is not None
    assert tape._narrow.times > 1
    torch.testing.assert_close(few[0, last], whole[0, last])
    assert few.stride()[1] == 0  # one row of the vocabulary, shown at each place


@pytest.mark.parametrize(
    ("task", "architecture"), [("classification", "bert"), ("causal", "gpt2"), ("causal", "bart")]
)
def test_attention_that_was_not_kept_is_read_when_asked_for(task: Any, architecture: str) -> None:
    lab = tiny_lab(task, architecture)
    text, edit = "the film was not bad", Scale(factor=3, where=Where(keys=("not",)))
    kept, late = lab.run(text, [edit]), lab.run(text, [edit], keep=False)
    assert late.kept is None
    assert torch.equal(kept.logits, late.logits)
    assert late.edited_calls == kept.edited_calls
    for part, pattern in kept.patterns.items():
        assert torch.equal(pattern.weights, late.patterns[part].weights)
        assert torch.equal(pattern.visible, late.patterns[part].visible)
    assert lab.causal == kept.pattern.causal
    for name in methods():
        if architecture != "bart":
            assert torch.equal(attribute(kept, name).scores, attribute(late, name).scores)
