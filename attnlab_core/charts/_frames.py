"""Score frames, and what can be read off them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from attnlab_core.prompt import repeats

if TYPE_CHECKING:
    from attnlab_core.methods import Attribution


def score_frame(
    attributions: Iterable[Attribution], by: str = "word", specials: bool = True, first: bool = True
) -> pd.DataFrame:
    """The score frame of some attributions, by `word`, `token` or `sentence`.

    Args:
        attributions: Explanations of one run.
        by: `word` and `sentence` add the scores of their tokens up, `token` leaves them.
        specials: Whether [CLS] and its like are kept.
        first: Whether the first token is kept, where attention that has nothing to do tends to rest; of a sentence, its score alone
            is left out.
    """
    frames = []
    for found in attributions:
        frame = found.to_frame(by=by, specials=specials)
        if not first and by == "sentence":
            frame = frame.assign(score=[score for _, score in found.by_sentence(first)])
        elif not first:
            frame = frame[frame["position"] > 0]
        frames.append(frame.assign(method=found.method, label=found.label, signed=found.signed))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `share`: the score divided by the greatest size within the same method."""
    top: dict[str, float] = {}
    for method, score in zip(frame["method"], frame["score"], strict=True):
        top[method] = max(top.get(method, 0.0), abs(score))
    pairs = zip(frame["method"], frame["score"], strict=True)
    return frame.assign(share=[score / (top[method] or 1.0) for method, score in pairs])


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `number`: which one a word is of those like it in its method; 0 where it stands alone."""
    numbers = pd.Series(0, index=frame.index)
    for _, row in frame.groupby("method", sort=False) if len(frame) else ():
        numbers.loc[row.index] = repeats([str(text) for text in row["text"]])
    return frame.assign(number=numbers)


def rank_agreement(frame: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation between every two methods, over the words of a score frame.

    A method that gives every word the same score has no ranking, and its correlations are NaN. Signs count: a word
    that speaks against the target ranks lowest.

    >>> rows = [("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 5.0), ("b", 1, 3.0)]
    >>> frame = pd.DataFrame(rows, columns=["label", "position", "score"]).assign(method=lambda f: f.label)
    >>> rank_agreement(frame).loc["a", "b"].item()
    -1.0
    """
    import torch

    from attnlab_core.methods import spearman

    wide = shares(frame).pivot_table(index="position", columns="label", values="share", sort=False)
    ranked = spearman([torch.tensor(wide[name].to_numpy()) for name in wide])
    return pd.DataFrame(ranked.numpy(), index=list(wide), columns=list(wide))


def strongest(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The word that each method weighs most, whatever its sign: word → labels of the methods, the commonest first."""
    found: dict[str, list[str]] = {}
    for label, row in frame.groupby("label", sort=False):
        found.setdefault(str(row.loc[row["score"].abs().idxmax(), "text"]), []).append(str(label))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
