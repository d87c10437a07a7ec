"""Published rank correlations of attention with importance: Abnar and Zuidema 2020, tables 1 to 3, mean and deviation."""

from __future__ import annotations

from collections.abc import Mapping

Figures = tuple[tuple[float, float], ...]

LAYERS = 6
"""Of the models that were measured."""
TABLE_1: Mapping[str, Figures] = {
    "raw attention": ((0.69, 0.27), (0.10, 0.43), (-0.11, 0.49), (-0.09, 0.52), (0.20, 0.45), (0.29, 0.39)),
    "rollout": ((0.32, 0.26), (0.38, 0.27), (0.51, 0.26), (0.62, 0.26), (0.70, 0.25), (0.71, 0.24)),
    "flow": ((0.32, 0.26), (0.44, 0.29), (0.70, 0.25), (0.70, 0.22), (0.71, 0.22), (0.70, 0.22)),
}
"""Subject-verb agreement, blank-out."""
TABLE_2: Mapping[str, Figures] = {
    "raw attention": ((0.53, 0.33), (0.16, 0.38), (-0.06, 0.42), (0.00, 0.47), (0.24, 0.40), (0.46, 0.35)),
    "rollout": ((0.22, 0.31), (0.27, 0.32), (0.39, 0.32), (0.47, 0.32), (0.53, 0.32), (0.54, 0.31)),
    "flow": ((0.22, 0.31), (0.31, 0.34), (0.54, 0.32), (0.61, 0.28), (0.60, 0.28), (0.61, 0.28)),
}
"""Subject-verb agreement, input gradients."""
TABLE_3: Mapping[str, Figures] = {
    "raw attention": ((0.12, 0.21), (0.09, 0.21), (0.08, 0.20), (0.09, 0.21)),
    "rollout": ((0.11, 0.19), (0.12, 0.21), (0.13, 0.21), (0.13, 0.20)),
    "flow": ((0.11, 0.19), (0.11, 0.21), (0.12, 0.22), (0.14, 0.21)),
}
"""SST-2, input gradients."""
TABLE_3_LAYERS = (0, 2, 4, 5)


def published(task: str, importance: str, method: str, layer: int) -> tuple[float, float, str] | None:
    """The figure of the same kind: mean, standard deviation, and where it stands; None where there is none.

    Args:
        task: The name of the data set.
        importance: "blank-out", or one of the gradients.
        method: "raw attention", "rollout" or "flow".
        layer: Counted from 0.

    >>> published("agreement", "blank-out", "rollout", 5)
    (0.71, 0.24, 'table 1, L6')
    """
    if task == "agreement":
        number, table, row = (1, TABLE_1, layer) if importance == "blank-out" else (2, TABLE_2, layer)
    elif task == "sst2" and importance != "blank-out" and layer in TABLE_3_LAYERS:
        number, table, row = 3, TABLE_3, TABLE_3_LAYERS.index(layer)
    else:
        return None
    return (*table[method][row], f"table {number}, L{layer + 1}")
