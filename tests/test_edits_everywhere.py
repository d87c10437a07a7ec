"""Every edit in half precision, with a cache, beside other rows, with a sink; some in every architecture; refusals."""

from __future__ import annotations

import json
import time

import pytest
import torch

import attnlab_core as al
from attnlab_core._operate import operate
from attnlab_core.errors import BadInput, EditTouchedNothing
from attnlab_core.testing import attention_calls
from tests.examples import CELLS, SENTENCE, VARIANTS
from tests.reach import EVERY, apply, assert_hidden, logits_of, random_scores, softmax, visible_cells

every_variant = pytest.mark.parametrize("edit", VARIANTS, ids=str)
CALL = ("decoder", 0)


def cut(scores, visible, edit, **more):
    return operate(
        scores.masked_fill(~visible, -1e9), visible, softmax(scores, visible), [edit], CALL, **more
    )


@every_variant
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(edit, dtype):
    visible = visible_cells("causal")
    found, _ = apply(edit, random_scores(dtype=dtype), visible)
    assert found.dtype == dtype
    assert (found[~visible] == 0).all()
    exact, _ = apply(edit, random_scores(dtype=dtype).float(), visible)
    torch.testing.assert_close(found.float(), exact, rtol=0.03, atol=0.01)


@every_variant
def test_with_a_cache_the_last_queries_get_what_they_would_get_without(edit):
    if edit.unmasked:
        pytest.skip("reads scores behind the mask")
    scores, visible = random_scores(), visible_cells("causal")
    whole, last = cut(scores, visible, edit)[0], cut(scores[..., -2:, :], visible[..., -2:, :], edit)[0]
    torch.testing.assert_close(last, whole[..., -2:, :])
    assert not torch.allclose(last, softmax(scores, visible)[..., -2:, :])


@every_variant
def test_a_row_of_a_batch_gets_what_it_would_get_alone(edit):
    if edit.unmasked:
        pytest.skip("reads scores behind the mask")
    scores, visible = random_scores(), visible_cells("padded")
    together = cut(scores, visible, edit)[0]
    for row in (slice(0, 1), slice(1, 2)):
        torch.testing.assert_close(cut(scores[row], visible[row], edit)[0], together[row])


@every_variant
def test_a_sink_is_no_key(edit):
    if edit.unmasked:
        pytest.skip("reads scores behind the mask")
    scores = torch.cat((random_scores(), torch.ones(2, 3, 5, 1)), -1)
    visible = torch.cat((visible_cells("causal"), torch.ones(2, 3, 5, 1, dtype=torch.bool)), -1)
    weights, counts = cut(scores, visible, edit, sink=True)
    assert counts[0] > 0
    assert (weights[~visible] == 0).all()
    assert (weights[..., 5] > 0).all()
    if edit.rescales:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))


def test_what_one_edit_takes_away_the_next_does_not_bring_back():
    out = al.Zero(renormalise=False, where=CELLS)
    scores, visible = random_scores(), visible_cells("full")
    edits = [out, al.Noise(where=al.Where(heads=(1,))), al.Soften()]
    weights, _ = operate(scores, visible, softmax(scores, visible), edits, CALL)
    torch.testing.assert_close(weights.sum(-1), apply(out, scores, visible)[0].sum(-1))


def test_edits_act_in_the_order_given():
    scores, visible = random_scores(), visible_cells("causal")
    zero, sharpen = al.Zero(where=CELLS), al.Sharpen(where=al.Where(heads=(1,), queries=(2, 3)))
    one, other = (
        operate(scores.masked_fill(~visible, -1e9), visible, softmax(scores, visible), edits, CALL)[0]
        for edits in ([zero, al.Focus(where=CELLS)], [al.Focus(where=CELLS), zero])
    )
    assert (one[:, 1, 2:4, [0, 2]] > 0.1).all()  # what was emptied is filled evenly
    assert (other[:, 1, 2:4, [0, 2]] == 0).all()
    first = apply(zero, scores, visible)[0]
    both, _ = operate(first.log().clamp_min(-1e9), visible, first, [sharpen], CALL)
    together, _ = operate(scores, visible, softmax(scores, visible), [zero, sharpen], CALL)
    torch.testing.assert_close(together[:, 1, 2:4].clamp_min(1e-9), both[:, 1, 2:4].clamp_min(1e-9))


@pytest.mark.parametrize("name", EVERY)
def test_every_architecture_takes_them(name):
    """Averaging, knocked-out heads and drawn cells: rows sum to one or to nothing, hidden keys stay hidden."""
    only = al.Where(heads=(1,))
    for edit in (
        al.Uniform(where=only),
        al.Zero(where=only),
        al.Draw(cells=((3, 1, 0.7), (2, 0, 0.2)), where=only),
    ):
        plain, (changed, tape) = logits_of(name)[0], logits_of(name, edit)
        assert changed.isfinite().all()
        assert not torch.equal(changed, plain)
        assert tape.edited_calls == sum(
            part != "decoder" or attention_calls(name) == 2 for part, _ in tape.calls
        )
        for (part, _), weights, visible in zip(tape.calls, tape.weights, tape.visible, strict=True):
            assert_hidden(weights, visible)
            if part != "decoder" or attention_calls(name) == 2:
                sums = torch.full_like(weights[:, 1, ..., 0], 1.0)
                found = weights[:, 1].sum(-1)
                if isinstance(edit, al.Zero) and name != "gpt_oss":
                    sees = visible[:, 1].any(-1)
                    found, sums = found[sees], sums[sees] * 0
                elif isinstance(edit, al.Zero):
                    found, sums = weights[:, 1, ..., :-1].sum(-1), sums * 0
                torch.testing.assert_close(found, sums)


# --- what is refused, and what is quick


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"op": "zero", "renormalise": True}, "an empty row cannot be renormalised. Name keys"),
        ({"op": "zero", "renormalise": "no"}, "renormalise is one of True, False"),
        ({"op": "zero", "amount": 2}, "amount is from 0 to 1"),
        ({"op": "sharpen", "by": 0.5}, "by is from 1 to 100"),
        ({"op": "invert", "how": "flip"}, "how is one of 'reflect', 'scores'"),
        ({"op": "smooth", "width": -1}, "width is from 0"),
        ({"op": "noise", "seed": 1.5}, "seed is a whole number"),
        ({"op": "draw", "cells": [[0, 3]]}, r"A cell is \[query, key, value\]"),
        ({"op": "draw", "cells": 3}, "cells is a list"),
        ({"op": "draw", "cells": [[0, 1.5, 0.2]]}, "names no position"),
        ({"op": "draw", "cells": [[0, 3, 1.5]]}, "a number from 0 to 1"),
        ({"op": "draw", "cells": [[0, 3, float("nan")]]}, "a number from 0 to 1"),
        ({"op": "draw", "mode": "add", "cells": [[0, 3, -2]]}, "a number from -1 to 1"),
        ({"op": "draw", "cells": [[0, 3, 0.5]], "where": {"keys": [3]}}, "leave them out of where"),
        ({"op": "draw", "tensors": {}}, "no parameter of the edit draw"),
        ({"op": "transplant", "tensors": {}}, "no parameter of the edit transplant"),
        ({"op": "mean_pattern", "texts": "one text"}, "texts is a list"),
        ({"op": "mean_pattern", "texts": [" "]}, "texts is a list"),
    ],
    ids=str,
)
def test_a_bad_edit_is_refused_with_one_clear_line(given, said):
    with pytest.raises(BadInput, match=said) as caught:
        al.edit_from_json(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (al.Focus(), "focus needs to know where to"),
        (al.Draw(), "draw has nothing to draw"),
        (al.Draw(cells=((0, 99, 0.5),)), "no token 99"),
        (al.Draw(cells=(("absent", 1, 0.5),)), "absent"),
    ],
    ids=str,
)
def test_an_edit_that_does_not_fit_the_text_is_refused(lab, edit, said):
    with pytest.raises(BadInput, match=said):
        lab.run(SENTENCE).again(edit)


@pytest.mark.parametrize("kind", [al.Uniform, al.Invert, al.Sharpen, al.Soften, al.Smooth])
def test_one_key_has_nobody_to_share_with(lab, kind):
    with pytest.raises(EditTouchedNothing, match="no row sees two of them"):
        lab.run(SENTENCE).again(kind(where=al.Where(keys=(3,))))


def test_a_drawing_is_what_the_page_sends(lab):
    edit = al.Draw(cells=((0, 3, 0.8),), where=al.Where(layers=(1,)))
    said = {"op": "draw", "cells": [[0, 3, 0.8]], "where": {"layers": [1]}}
    assert edit.to_json() == said
    assert al.edit_from_json(json.dumps(said)) == edit
    assert edit.by_hand
    assert not al.Scale.by_hand
    edited = lab.run(SENTENCE).again(edit)
    assert edited.edited_calls == 1
    torch.testing.assert_close(edited.pattern.weights[1, :, 0, 3], torch.full((lab.heads,), 0.8))


def test_thousands_of_painted_cells_are_quick():
    cells = tuple((q, k, 0.01) for q in range(64) for k in range(64))
    edit = al.Draw(cells=cells)
    scores, visible = torch.randn(1, 2, 64, 64), torch.ones(1, 2, 64, 64, dtype=torch.bool)
    apply(edit, scores, visible)
    begun = time.process_time()
    for _ in range(10):
        apply(edit, scores, visible)
    assert (time.process_time() - begun) / 10 < 0.02
