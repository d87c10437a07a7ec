"""Several visitors at a server that has just started: what is imported late is imported by whoever comes first."""

from __future__ import annotations

import subprocess
import sys

import pytest

# transformers puts another module in its own place when its import ends; who imported it meanwhile holds the old one.
BESIDE = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from attnlab_core import _heads, _received, models, weights
from attnlab_core.models import load

def beside(what):
    while "transformers" not in sys.modules:
        time.sleep(0.001)
    return what()

bert = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
with ThreadPoolExecutor() as pool:
    first = pool.submit(load, "sst2")
    rest = [
        pool.submit(beside, what)
        for what in (
            lambda: _heads.fitting(bert),
            lambda: _heads.head(bert, None, "mine").__name__,
            lambda: _received._kind("bert").__name__,
            lambda: load("agreement").task,
        )
    ]
    print([one.result() for one in rest], first.result().task)
"""


@pytest.mark.slow
def test_models_are_read_while_another_thread_imports_transformers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BESIDE], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[-2] == (
        "[['classification', 'masked', 'answering'], 'AutoModelForMaskedLM', 'AutoModel', 'classification'] classification"
    )
