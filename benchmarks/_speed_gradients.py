"""Integrated gradients, gradients and occlusion beside captum, and inseq and ferret where they are installed."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from captum.attr import FeatureAblation, LayerGradientXActivation, LayerIntegratedGradients
from torch import Tensor

import attnlab_core as al
from attnlab_core.methods._inputs import form
from attnlab_core.run import Run
from benchmarks._speed_base import Plan, Row, agree, at_least, installed, missing, text_of, versus

TOKENS = 28
TRIES = (*range(2, 20), *range(20, 50, 5), 50, 75, 100, 150, 200, 300, 400)
DEFAULT = 50
GOOD = 1e-5
SCALE = 1e-4
"""Of the largest score: how much rounding in fp32 may part two ways to the same number."""


class Captum:
    """What a user of captum writes for a classifier: a forward function of ids, and blanks of the same length.

    Args:
        run: What is explained.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.lab, self.goal = run, run.lab, run.goal()
        self.ids = torch.tensor([run.encoding.ids])
        mask = self.lab.tokenizer.mask_token_id
        self.blank = torch.where(form(run)[None], self.ids, torch.full_like(self.ids, mask))
        self.layer = self.lab.model.get_input_embeddings()

    def log_probability(self, ids: Tensor) -> Tensor:
        """Of the answer, one a row."""
        logits = self.lab.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        return self.goal.value(logits[:, None])

    def probability(self, ids: Tensor) -> Tensor:
        """Of the answer, one a row; nothing is differentiated."""
        with torch.no_grad():
            return self.log_probability(ids).exp()

    def integrated(self, steps: int = DEFAULT) -> Tensor:
        """Integrated gradients from masks to the text; captum's own number of steps, all in one batch."""
        shares = LayerIntegratedGradients(self.log_probability, self.layer).attribute(
            self.ids, self.blank, n_steps=steps
        )
        assert isinstance(shares, Tensor)
        return shares[0].detach().double().sum(-1)

    def sloped(self, multiply: bool) -> Tensor:
        """Gradients at the word embeddings, times the embeddings or their length."""
        found = LayerGradientXActivation(
            self.log_probability, self.layer, multiply_by_inputs=multiply
        ).attribute(self.ids)
        assert isinstance(found, Tensor)
        values = found[0].detach().double()
        return values.sum(-1) if multiply else values.norm(dim=-1)

    def ablated(self) -> Tensor:
        """The probability lost with each token replaced by the mask."""
        found = FeatureAblation(self.probability).attribute(
            self.ids, baselines=self.lab.tokenizer.mask_token_id
        )
        assert isinstance(found, Tensor)
        return found[0].double()

    def gap(self, steps: int) -> float:
        """How far the shares of so many steps miss the change that they share out."""
        with torch.no_grad():
            change = float(self.log_probability(self.ids) - self.log_probability(self.blank))
        return abs(float(self.integrated(steps).sum()) - change)


def integrated_gradients(plan: Plan) -> Iterator[Row]:
    """Beside captum at its defaults, and at the fewest steps that leave no larger gap; beside inseq on a decoder."""
    lab = plan.lab(plan.model)
    run = lab.run(text_of(lab, TOKENS))
    peer, name = Captum(run), f"integrated_gradients, encoder, {len(run.tokens)} tokens"

    def ours() -> al.Attribution:
        return al.attribute(run, "integrated_gradients")

    found = ours()
    gap, steps = found.details["convergence_gap"], found.details["steps"]
    difference = float((found.scores - peer.integrated(steps)).abs().max())
    checked = agree(
        "integrated gradients and captum", difference, SCALE * float(found.scores.abs().max()) + GOOD
    )
    yield versus(
        name, ours, peer.integrated, plan, against=f"captum's defaults ({DEFAULT} steps in one batch)", checked=checked,
        note=f"ours: {steps} steps, gap {gap:.1e}; theirs: gap {peer.gap(DEFAULT):.1e}",
    )  # fmt: skip
    allowed = gap + GOOD  # rounding alone moves a gap by as much
    fewest = next((count for count in TRIES if peer.gap(count) <= allowed), None)
    if fewest is None:
        yield Row(
            name,
            None,
            against="captum at an equal gap",
            note=f"no number of steps to {TRIES[-1]} leaves {gap:.1e}",
        )
    else:
        yield versus(
            name, ours, lambda: peer.integrated(fewest), plan, against="captum at an equal gap", bar=at_least(1.5),
            checked=checked, note=f"captum needs {fewest} steps for a gap of at most {allowed:.1e}",
        )  # fmt: skip
    yield from inseq_rows(plan, "integrated_gradients")


def peers(plan: Plan) -> Iterator[Row]:
    """Occlusion, gradient norm and input × gradient beside captum, inseq and ferret."""
    lab = plan.lab(plan.model)
    run = lab.run(text_of(lab, TOKENS))
    peer = Captum(run)
    pairs: dict[str, tuple[Callable[[], Tensor], dict[str, Any], str]] = {
        "occlusion": (peer.ablated, {"specials": True}, "FeatureAblation"),
        "gradient_norm": (lambda: peer.sloped(False), {}, "LayerGradientXActivation, not multiplied"),
        "input_x_gradient": (lambda: peer.sloped(True), {}, "LayerGradientXActivation"),
    }
    for method, (theirs, knobs, name) in pairs.items():
        scores = al.attribute(run, method, **knobs).scores
        gap = float((scores - theirs()).abs().max())
        checked = agree(f"{method} and captum", gap, SCALE * float(scores.abs().max()) + GOOD)
        yield versus(
            f"{method}, encoder, {len(run.tokens)} tokens", lambda m=method, k=knobs: al.attribute(run, m, **k), theirs, plan,
            against=f"captum's {name}", bar=at_least(1), checked=checked,
        )  # fmt: skip
    for method in ("gradient_norm", "input_x_gradient", "occlusion"):
        yield from inseq_rows(plan, method)
    yield from ferret_rows(plan, run)


def inseq_rows(plan: Plan, method: str) -> Iterator[Row]:
    """One next token of a decoder, by inseq's method of the same kind; it explains language models only.

    It is asked for the logit, as ours is here; its occlusion has a baseline of its own, so only gradients are compared.
    """
    theirs = {"gradient_norm": "saliency"}.get(method, method)
    name = f"{method}, decoder, {TOKENS} tokens"
    if not installed("inseq"):
        yield missing(name, "inseq")
        return
    with quiet():
        inseq = importlib.import_module("inseq")
        lab = plan.lab(plan.decoder)
        run = lab.run(text_of(lab, TOKENS))
        goal = run.goal()
        text = run.prompt.text
        whole = text + lab.tokenizer.decode([goal.picks[0].index])
        model = inseq.load_model(lab.model, theirs, tokenizer=lab.tokenizer)

        def peer() -> Any:
            with quiet():
                return model.attribute(
                    text, whole, attributed_fn="logit", show_progress=False, pretty_progress=False
                )

        found = peer().sequence_attributions[0].target_attributions
    quantity = {"quantity": "logit"}

    def ours() -> al.Attribution:
        return al.attribute(run, method, goal.picks[0].index, **quantity)

    checked = ""
    if method in ("gradient_norm", "input_x_gradient"):
        values = found[: len(run.tokens), 0].double()
        values = values.norm(dim=-1) if method == "gradient_norm" else values.sum(-1)
        scores = ours().scores
        gap = float((scores - values).abs().max())
        checked = agree(f"{method} and inseq", gap, SCALE * float(scores.abs().max()) + GOOD)
    yield versus(
        name, ours, peer, plan, against=f"inseq's {theirs} at its defaults", bar=at_least(1), checked=checked,
        note="" if checked else "its baseline is another, so only the time is compared",
    )  # fmt: skip


def ferret_rows(plan: Plan, run: Run) -> Iterator[Row]:
    """Gradients by ferret's explainers; they leave another aggregation, so only the time is compared."""
    if not installed("ferret"):
        yield missing(f"gradient_norm, encoder, {len(run.tokens)} tokens", "ferret")
        return
    with quiet():
        ferret = importlib.import_module("ferret")
        model, tokenizer = run.lab.model, run.lab.tokenizer
        kinds = {
            "gradient_norm": ferret.GradientExplainer(model, tokenizer, multiply_by_inputs=False),
            "input_x_gradient": ferret.GradientExplainer(model, tokenizer, multiply_by_inputs=True),
            "integrated_gradients": ferret.IntegratedGradientExplainer(model, tokenizer),
        }
    target = run.goal().picks[0].index
    for method, explainer in kinds.items():
        yield versus(
            f"{method}, encoder, {len(run.tokens)} tokens", lambda m=method: al.attribute(run, m),
            lambda e=explainer: e.compute_feature_importance(run.prompt.text, target), plan, against="ferret",
            bar=at_least(1), note="it aggregates differently, so only the time is compared",
        )  # fmt: skip


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what a peer prints, logs and warns of."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
