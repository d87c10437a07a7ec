"""The tests, and the checker of shapes that runs in all of them (`--jaxtyping-packages` in pyproject.toml)."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def check(function: Any) -> Any:
    """Check the arguments and results whose annotation states a shape, with beartype.

    The others are pyright's to check: at run time a wrong one is to reach the library's own clear refusal, which tests
    ask for, and some of them name types that are imported for the type checker only.
    """
    hints = {name: hint for name, hint in function.__annotations__.items() if _has_shape(hint)}
    if not hints:
        return function
    signature = inspect.signature(function)
    function.__signature__ = signature.replace(
        parameters=[
            p if p.name in hints else p.replace(annotation=inspect.Parameter.empty)
            for p in signature.parameters.values()
        ],
        return_annotation=hints.get("return", inspect.Signature.empty),
    )
    function.__annotations__ = hints
    return beartype(function)


def _has_shape(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in get_args(hint))
