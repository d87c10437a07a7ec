"""What was read: the attention of one run. The axes are always layer, head, query, key.

layer: numbered from 0, the layer next to the input first. head: from 0; with grouped queries, the query heads.
query: the token that attends (rows). key: the token attended to (columns). Every row sums to one, but where a model
gives part of its attention to a learned sink that is no token (gpt-oss).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core._show import Shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class AttentionPattern(Shown):
    """The attention weights of one part of a model in one run, on the CPU in fp32, without padding.

    Attributes:
        weights: Float[Tensor, "layer head query key"].
        visible: Same shape; False where the model's mask hides a key.
        queries: The text of each query token.
        keys: The text of each key token.
        part: "encoder", "decoder", or "cross" (the decoder's queries, the encoder's keys).
    """

    weights: Float[Tensor, "layer head query key"]
    visible: Bool[Tensor, "layer head query key"]
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    part: str = "encoder"

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one (and there is a later one)."""
        return self.part == "decoder" and not bool(self.visible.triu(1).any())

    def mean_heads(self) -> Float[Tensor, "layer query key"]:
        """The mean over the heads of each layer."""
        return self.weights.mean(dim=1)

    def to_frame(self) -> pd.DataFrame:
        """One row a cell: layer, head, query, key (numbers), query_text, key_text, weight."""
        import pandas as pd

        layer, head, query, key = np.indices(self.weights.shape).reshape(4, -1)
        frame = pd.DataFrame({"layer": layer, "head": head, "query": query, "key": key})
        frame["query_text"] = np.array(self.queries, dtype=object)[query]
        frame["key_text"] = np.array(self.keys, dtype=object)[key]
        return frame.assign(weight=self.weights.numpy().ravel())
