"""What whoever serves the app may set, by environment variables; each has a default that fits a laptop."""

from __future__ import annotations

import os
from dataclasses import dataclass

GB = 2**30


@dataclass(frozen=True)
class Settings:
    """Bounds of this server.

    Attributes:
        models: ATTNLAB_MODELS, how many models stay loaded beside the default one.
        models_bytes: ATTNLAB_MODELS_GB, what the weights of all loaded models may take.
        results_bytes: ATTNLAB_RESULTS_GB, what remembered results may take.
        upload_bytes: ATTNLAB_UPLOAD_GB, the largest upload.
        uploads: ATTNLAB_UPLOADS, how many uploads are kept.
        uploads_bytes: ATTNLAB_UPLOADS_GB, what all uploads may take on the disk.
    """

    models: int = 3
    models_bytes: int = 8 * GB
    results_bytes: int = GB // 4
    upload_bytes: int = 2 * GB
    uploads: int = 20
    uploads_bytes: int = 8 * GB


def read() -> Settings:
    """The settings as the environment has them; what makes no sense there counts as not set."""
    plain = Settings()
    return Settings(
        int(_number("ATTNLAB_MODELS", plain.models)),
        int(_number("ATTNLAB_MODELS_GB", plain.models_bytes / GB) * GB),
        int(_number("ATTNLAB_RESULTS_GB", plain.results_bytes / GB) * GB),
        int(_number("ATTNLAB_UPLOAD_GB", plain.upload_bytes / GB) * GB),
        int(_number("ATTNLAB_UPLOADS", plain.uploads)),
        int(_number("ATTNLAB_UPLOADS_GB", plain.uploads_bytes / GB) * GB),
    )


def _number(name: str, default: float) -> float:
    try:
        value = float(os.environ[name])
    except (KeyError, ValueError):
        return default
    return value if 0 < value < 2**40 else default
