"""Pictures as prompts: read safely from a file or from bytes, bounded in size, and stripped of everything but their pixels."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from attnlab_core.errors import BadInput
from attnlab_core.progress import step

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
SUFFIXES = (*(f".{kind.lower()}" for kind in FORMATS), ".jpg")
MOST_BYTES = 10 * 2**20
MOST_PIXELS = 40_000_000
LONGEST = 1024
"""Pixels of the longer side that are kept; models read far fewer."""


@dataclass(frozen=True)
class Picture:
    """A picture: its pixels as PNG and nothing else. Equal where its pixels are. Made by `Picture.read` or `Picture.of`.

    Attributes:
        png: The file's bytes.
    """

    png: bytes

    @classmethod
    def read(cls, source: str | os.PathLike[str] | bytes) -> Picture:
        """Decode a file or its bytes; orientation is applied, metadata dropped, what is very large made smaller.

        Of a moving picture the first frame is taken; what is transparent becomes white.

        Raises:
            BadInput: No such file, too large, no picture of these formats, or a damaged one.
        """
        raw = source if isinstance(source, bytes) else _bytes_of(Path(source))
        if len(raw) > MOST_BYTES:
            raise BadInput(
                f"The picture has {len(raw):,} bytes; at most {MOST_BYTES:,} are read. Make it smaller."
            )
        try:
            return cls.of(_decoded(raw))
        except BadInput:
            raise
        except UnidentifiedImageError as error:
            raise BadInput(
                f"This is no picture that can be read. Give one of {', '.join(FORMATS)}."
            ) from error
        except Exception as error:  # damaged files fail in many ways inside Pillow; all become one line
            reason = " ".join(str(error).split())[:120]
            raise BadInput(
                f"The picture cannot be decoded: {reason}. Save it again, as PNG or JPEG."
            ) from error

    @classmethod
    def of(cls, made: Image.Image | UInt8[np.ndarray, "height width 3"]) -> Picture:
        """From a picture of Pillow's, or from its pixels."""
        shown = made if isinstance(made, Image.Image) else Image.fromarray(np.asarray(made, dtype=np.uint8))
        if "A" in shown.getbands() or "transparency" in shown.info:
            shown = shown.convert("RGBA")
            shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
        plain = Image.fromarray(
            np.asarray(shown.convert("RGB"))
        )  # pixels alone, without what was said beside them
        kept = io.BytesIO()
        plain.save(kept, "PNG")
        return cls(kept.getvalue())

    @cached_property
    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        """Red, green and blue, 0 to 255; kept, as `image` is not."""
        return np.asarray(self.image)

    @property
    def image(self) -> Image.Image:
        """As Pillow has it."""
        with Image.open(io.BytesIO(self.png), formats=("PNG",)) as found:
            return found.convert("RGB")

    @property
    def width(self) -> int:
        """Pixels."""
        return self._size[0]

    @property
    def height(self) -> int:
        """Pixels."""
        return self._size[1]

    @cached_property
    def _size(self) -> tuple[int, int]:
        with Image.open(io.BytesIO(self.png), formats=("PNG",)) as found:
            return found.size

    @property
    def address(self) -> str:
        """As a `data:` address, for pages and records; `Picture.at` reads it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @classmethod
    def at(cls, address: str) -> Picture:
        """From what `address` gave; `BadInput` for any other."""
        head, _, body = address.partition(",")
        if head != "data:image/png;base64":
            raise BadInput("This is no picture in a record: it does not begin with data:image/png;base64.")
        try:
            raw = base64.b64decode(body, validate=True)
        except ValueError as error:
            raise BadInput("The picture in this record is damaged: it is no base64.") from error
        return cls.read(raw)

    def __repr__(self) -> str:
        return f"Picture({self.width} × {self.height})"


def files_in(folder: Path) -> list[Path]:
    """The picture files of a folder, known by their endings and sorted by name; folders in it are left out.

    Raises:
        BadInput: The folder cannot be read, or has no such file.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.is_dir()]
    except OSError as error:
        raise BadInput(f"{folder} cannot be read ({error.strerror}): check the path.") from error
    if not found:
        raise BadInput(
            f"{folder} holds no pictures. Give a folder of files ending with {', '.join(SUFFIXES)}."
        )
    return sorted(found)


def read_all(files: Sequence[Path]) -> list[Picture]:
    """Read files as `Picture.read` does; every one is told to `progress.watching`.

    Raises:
        BadInput: One cannot be read; the text names it.
    """
    found = []
    for file in files:
        found.append(_named(file))
        step(len(found), len(files))
    return found


def _named(file: Path) -> Picture:
    raw = _bytes_of(file)  # names the file itself where there is a reason to
    try:
        return Picture.read(raw)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise BadInput(f"{path} has {size:,} bytes; at most {MOST_BYTES:,} are read. Make it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): check the path.") from error


def _decoded(raw: bytes) -> Image.Image:
    """The picture upright, not larger than `LONGEST`; its size is looked at before its pixels are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(raw), formats=FORMATS) as found:
            if found.width * found.height > MOST_PIXELS:
                raise BadInput(
                    f"The picture has {found.width} × {found.height} pixels; at most {MOST_PIXELS:,} are read. "
                    "Make it smaller."
                )
            upright = ImageOps.exif_transpose(found)
            upright.thumbnail((LONGEST, LONGEST))
            return upright
