"""How far an attention pattern is from those the model really produces: a calibrated figure, and one to minimise.

Two things are put together, for each head and over all.

*Shape*: sixteen figures of the head's rows (`_rowstats.FIGURES`), and how far they are from the head's own on a corpus:
the squared Mahalanobis distance over the number of figures. Mean and width depend on the text's length n: the mean is
linear in log n, the logarithm of the variance quadratic in it. The covariance is shrunk towards its diagonal (Schäfer
and Strimmer, Statistical Applications in Genetics and Molecular Biology 4, 2005).

*Distance*, where the model's own pattern of the same text is given: the KL divergence of the head's rows from its own,
over the mean divergence of its rows for the same words in two sentences (`_contexts.divergence_between`).

Of pictures, read patches for words: the same patches in two pictures are a rectangle of them, pasted into another picture
(`_contexts.other_picture`). All pictures have one length, so nothing changes with it.

The energy is the mean over heads of their sum: about 1 for a pattern of the model's own without `plain`, and about 2 for
what the same words get in another sentence, with it. Percentiles are ranks among the energies of texts that were held
back from the fit (split conformal prediction; Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
So a pattern of the model's own on a text of the corpus's kind has any percentile with the same chance; with `plain`, that
holds for what the words get in another sentence, and the text's own untouched pattern ranks low.

It says how unusual a pattern is for this model on such texts. It does not say that a usual one explains anything: verdicts
can be turned within what is usual.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from attnlab_core import folders
from attnlab_core._contexts import Text, observe
from attnlab_core._reference import KINDS, POINTS, Judgement, Reference
from attnlab_core._rowstats import FIGURES, moments
from attnlab_core.edits._donor import remember
from attnlab_core.errors import BadInput
from attnlab_core.models import CHECKPOINTS

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

__all__ = ["FILE", "Judgement", "Reference", "digest", "fit", "keep", "reference"]

FILE = "plausibility.npz"
FEWEST = 60  # texts to fit on, and to hold back
LEAST_NATURAL = 1e-3  # nats


def fit(
    lab: Lab, texts: Sequence[Text], *, corpus: str = "", held_back: float = 0.6, seed: int = 0
) -> Reference:
    """Learn what a model's own attention looks like; every step of the work is told to `progress.watching`.

    Args:
        lab: The model.
        texts: Of the kind that will be judged; for models that read pairs, prompts or pairs; for models that read pictures,
            pictures or prompts. For a masked model one word of each text is masked where none is. Texts that are too long
            are left out.
        corpus: What they are, in words.
        held_back: The share that percentiles are ranks among; the fit sees the rest. From 400 texts held back on,
            percentiles beyond the 99th mean something.
        seed: Of the split, the masked words and the other contexts.

    Raises:
        BadInput: There are too few texts, one is not what the model reads, or it reads text and pictures together.
    """
    if lab.pictures and lab.texts:
        raise BadInput(
            f"{lab.name} reads text and pictures together; what is usual is known for the one or the other only."
        )
    draw = random.Random(seed)
    found = observe(lab, texts, draw)
    count = len(found.lengths)
    order = draw.sample(range(count), count)
    used, kept = order[: round((1 - held_back) * count)], order[round((1 - held_back) * count) :]
    kind = "pictures" if lab.pictures else "texts"
    if min(len(used), len(kept)) < FEWEST:
        raise BadInput(
            f"Of {len(texts)} {kind} {len(used)} are to fit on and {len(kept)} to hold back; both need {FEWEST}."
        )
    varying = found.figures[used].std(0).amax((0, 1)) > 1e-6
    figures = tuple(k for k in range(len(FIGURES)) if varying[k])
    if not figures:
        raise BadInput(f"All {len(texts)} {kind} are alike to {lab.name}: give different ones.")
    logs = found.lengths.float().log()
    center = float(logs[used].mean())
    made = {"date": datetime.now(UTC).date().isoformat()} | {n: version(n) for n in ("torch", "transformers")}
    moment = moments(found.figures[used][..., list(figures)], logs[used] - center)
    fitted = Reference(
        model=lab.name,
        revision=lab.revision,
        digest=digest(lab),
        corpus=corpus,
        made=", ".join(f"{name} {value}" for name, value in made.items()),
        texts=len(used),
        specials=found.specials,
        lengths=(int(found.lengths.min()), int(found.lengths.max())),
        figures=figures,
        center=center,
        mean=moment.mean,
        slope=moment.slope,
        growth=moment.growth,
        whiten=moment.whiten,
        natural=found.divergences[used].mean(0).clamp_min(LEAST_NATURAL),
        scores=torch.empty(len(KINDS), 0),
        head_scores=torch.empty(len(KINDS), *found.divergences.shape[1:], 0),
    )
    shape = fitted.shapes(found.figures[kept], found.lengths[kept])
    far = found.divergences[kept] / fitted.natural
    each = torch.stack((shape, far, shape + far))
    places = (torch.tensor(POINTS) / 100 * (len(kept) - 1)).long()
    return replace(
        fitted,
        scores=each.mean((2, 3)).sort(-1).values,
        head_scores=each.sort(1).values[:, places].movedim(1, -1),
    )


def reference(lab: Lab) -> Reference | None:
    """The reference of a model: shipped, in its own folder, or one that `keep` kept; None where none fits its weights."""
    own: str = remember(lab, "digest", lambda: digest(lab))
    folders = [CHECKPOINTS / lab.name] if re.fullmatch(r"\w[\w.-]*", lab.name) else []
    for file in (*(folder / FILE for folder in (*folders, Path(lab.name))), _kept(own)):
        if file.is_file():
            found = remember(lab, (file, file.stat().st_mtime_ns), partial(Reference.load, file))
            if found.digest == own:
                return found
    return None


def keep(fitted: Reference) -> Path:
    """Store a fitted reference where `reference` finds it: under `$XDG_CACHE_HOME/attentionlab`, or `~/.cache/attentionlab`.

    Raises:
        BadInput: The folder cannot be written.
    """
    file = _kept(fitted.digest)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fitted.save(file)
    except OSError as error:
        raise BadInput(
            f"{file.parent} cannot be written ({error.strerror}): point XDG_CACHE_HOME to a folder that can."
        ) from error
    return file


def _kept(own: str) -> Path:
    return folders.cache() / f"plausibility-{own[:32]}.npz"


def digest(lab: Lab) -> str:
    """A name for a model's weights: of each parameter its name, its shape, the sum of its bits and every 997th number.

    Quick, and the same on every device; two trainings never share one, but it is no protection against forgery.
    """
    made = hashlib.sha256()
    for name, parameter in lab.model.named_parameters():
        bits = parameter.detach().float().cpu().reshape(-1).numpy().view(np.int32)
        pairs = bits[: len(bits) // 2 * 2].view(np.int64)
        total = int(pairs.sum()) + int(bits[len(pairs) * 2 :].sum())
        made.update(f"{name} {tuple(parameter.shape)} {total}".encode())
        made.update(bits[::997].tobytes())
    return made.hexdigest()
