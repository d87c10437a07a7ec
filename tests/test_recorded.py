"""What the first screen shows before the model is there is what the model says."""

import json
from pathlib import Path

import pytest

RECORDED = json.loads((Path(__file__).parents[1] / "pages/recorded/start.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run():
    import attnlab_core as al

    return al.load(RECORDED["model"]["name"]).run(RECORDED["text"])


@pytest.mark.parametrize("factor", RECORDED["factors"])
def test_the_recorded_verdicts_are_the_models(run, factor):
    import attnlab_core as al

    edited = run.again(al.Scale(factor=float(factor), where=al.Where(keys=(RECORDED["word"],))))
    assert edited.probabilities == pytest.approx(RECORDED["factors"][factor], abs=1e-3)


def test_the_recorded_target_and_words_are_the_models(run):
    assert run.prediction == RECORDED["target"]
    assert [word.text for word in run.encoding.words] == RECORDED["words"]
