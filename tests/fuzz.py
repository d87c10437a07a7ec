"""Inputs that nobody means well with, and what every answer to them promises."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as draw
from hypothesis.errors import HypothesisWarning

from tests.test_pages import NASTY

FEW = 40
MANY = [FEW, pytest.param(560, marks=pytest.mark.slow)]
"""How many inputs each promise is held to; the slow run holds over 5,000 in all."""
ODD = (
    *(
        "",
        " ",
        "\n\t\r",
        "\0",
        "\x1b[31mred",
        "\ufeffBOM",
        "\ud800",
        "a\udfffb",
        "\u202eright to left\u202c",
        "مرحبا بالعالم",
    ),
    *(
        "e\u0301" * 40,
        "Z" + "\u0300" * 300,
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "ﷺ" * 30,
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
        "[MASK]",
        "[CLS][SEP][PAD]",
        "<|endoftext|>",
        "##ing",
        "Ġword",
    ),
    *(
        NASTY,
        "<img src=x onerror=alert(1)>",
        "${7*7}{{7*7}}",
        "'; DROP TABLE runs; --",
        "../../etc/passwd",
        "%s%n%x",
        "NaN",
        "null",
    ),
    *(
        "word " * 4000,
        "a" * 20_000,
        "-" * 500,
        "\u200b" * 50,
        "1e999",
        "\\",
        '"' * 9,
        "．。、",
        "İıŞş",
        "ß" * 80,
    ),
)
TEXTS = draw.one_of(
    draw.sampled_from(ODD),
    draw.text(max_size=60),
    draw.text(draw.characters(categories=("Cs", "Cc", "Cf", "Mn", "Zs", "Lo")), max_size=20),
    draw.lists(
        draw.sampled_from("the film nothing not was is great [MASK] ’s . , ! 7".split()), max_size=30
    ).map(" ".join),
)
SCALARS = draw.one_of(
    draw.none(),
    draw.booleans(),
    draw.integers(),
    draw.integers(-3, 12),
    draw.floats(),
    TEXTS,
    draw.sampled_from([10**40, -(10**400)]),
)
JSON = draw.recursive(
    SCALARS,
    lambda inner: draw.lists(inner, max_size=4) | draw.dictionaries(draw.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
PLACES = draw.none() | draw.lists(
    draw.integers(-2, 9) | draw.sampled_from(["nothing", "is", "", "zebra"]), max_size=3
)
WHERE = draw.fixed_dictionaries({}, optional=dict.fromkeys(("layers", "heads", "queries", "keys"), PLACES))


def hold(check: Callable[..., None], count: int, *given_: Any) -> None:
    """Hold a promise to so many inputs; the few of the quick run are always the same.

    That a thread of the app draws at random meanwhile is no fault, nor is that Hypothesis writes long inputs out to say so.
    """
    calm = settings(
        max_examples=count, deadline=None, database=None, derandomize=count == FEW, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        calm(given(*given_)(check))()


def quietly(act: Callable[[], Any]) -> Any:
    """What comes of it; None where it was refused in one line."""
    from attnlab_core.errors import AttentionLabError

    try:
        return act()
    except AttentionLabError as error:
        said = str(error)
        assert said
        assert len(said) < 1000
        assert len(said.splitlines()) == 1, said
        return None


def sound(run: Any, rescaled: bool = True) -> None:
    """What every run promises; rows that an edit does not rescale need not sum to one."""
    if run.lab.task == "classification":
        assert abs(sum(run.probabilities.values()) - 1) < 1e-3
    assert all(0 <= chance <= 1.0001 for chance in run.probabilities.values())
    for pattern in run.patterns.values():
        assert pattern.weights.isfinite().all()
        assert not rescaled or ((pattern.weights.sum(-1) - 1).abs() < 1e-3).all()
    texts = (run.prompt.text, run.prompt.second or "")
    for word in run.encoding.words:
        assert 0 <= word.start <= word.end <= len(texts[word.segment])


def edits() -> draw.SearchStrategy[Any]:
    """Edits as JSON: well made, made of wrong values, and no edits at all."""
    from attnlab_core.catalog import catalog

    known = catalog("attnlab_core.edits")
    ops = sorted(known)
    names = sorted({part.name for kind in known.values() for part in dataclasses.fields(kind)})
    near = draw.fixed_dictionaries(
        {"op": draw.sampled_from(ops)},
        optional={
            "where": WHERE,
            "factor": draw.floats(-2, 9) | SCALARS,
            "amount": draw.floats(0, 1) | SCALARS,
            "seed": draw.integers() | SCALARS,
        },
    )
    cell = draw.lists(draw.integers(-2, 9) | draw.floats(0, 1) | TEXTS, min_size=0, max_size=4)
    drawn = draw.fixed_dictionaries(
        {"op": draw.just("draw"), "cells": draw.lists(cell, max_size=4)},
        optional={"where": WHERE, "mode": SCALARS},
    )
    scaled = draw.fixed_dictionaries(
        {"op": draw.sampled_from(["scale", "sharpen"]), "factor": draw.floats(0, 6)},
        optional={"where": WHERE},
    )
    wild = draw.dictionaries(draw.sampled_from(["op", *names]), JSON, max_size=5)
    return draw.one_of(near, drawn, scaled, wild, JSON)
