"""Models that a visitor brought as files: checked before anything is opened, kept under the hash of their content.

Nothing of an upload is ever run. A file has to have one of a few names; JSON has to fit a schema; of the weights the
headers are read; and the configuration may not ask for more numbers than the weights hold. What is kept is bounded:
beyond the limit the oldest goes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from attnlab_core import folders
from attnlab_core._received import inspect
from attnlab_core.errors import BadInput, ModelNotFound

PREFIX = "upload:"
NAMES = frozenset(
    "config.json tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json vocab.json vocab.txt preprocessor_config.json "
    "merges.txt model.safetensors model.safetensors.index.json".split()
)
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_CODE = (
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".pickle",
    ".h5",
    ".msgpack",
    ".npy",
    ".npz",
    ".py",
    ".so",
    ".dll",
    ".sh",
    ".exe",
)
_KEY = re.compile(r"[0-9a-f]{20}")
_PIECE = 2**20
_WRITING = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """How much is taken of one upload, and kept of all.

    Attributes:
        bytes: of one upload, unpacked.
        files: in one upload.
        kept: uploads on this server.
        kept_bytes: of all of them.
    """

    bytes: int = 2 * 2**30
    files: int = 64
    kept: int = 20
    kept_bytes: int = 8 * 2**30


@dataclass(frozen=True)
class Upload:
    """A model that was brought; `name` is what it is loaded by."""

    key: str
    label: str
    made: float
    bytes: int
    model_type: str
    parameters: int
    owners: tuple[str, ...]

    @property
    def name(self) -> str:
        """`upload:` and the hash of the files: the same files always have the same name."""
        return PREFIX + self.key


@dataclass(frozen=True)
class Received:
    """What came of an upload: the model, and files that were not needed and not kept."""

    upload: Upload
    left_out: tuple[str, ...]


def receive(
    files: Sequence[tuple[str, IO[bytes]]], owner: str, label: str = "", limits: Limits | None = None
) -> Received:
    """Check and keep a model that was brought as files, or as one .zip of them.

    Args:
        files: names as they were given, and what to read from.
        owner: who may list and delete it.
        label: what the owner calls it.
        limits: how much is taken and kept.

    Raises:
        BadInput: too much, a name with a folder in it, a link, code or pickled weights, or a damaged archive.
        ModelRefused: the files are no model that can be read.
    """
    most = limits or Limits()
    _root().mkdir(parents=True, exist_ok=True)
    _sweep()
    with tempfile.TemporaryDirectory(prefix=".coming-", dir=_root()) as coming:
        folder, left_out = Path(coming) / "model", list[str]()
        folder.mkdir()
        try:
            key = _write(_entries(files, most), folder, most, left_out)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BadInput("The .zip is damaged or packed in an unusual way. Zip the files again.") from error
        model_type, parameters = inspect(folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        with _WRITING:
            known = _read(key)
            owners = tuple(dict.fromkeys((*(known.owners if known else ()), owner)))
            short = " ".join(label.split())[:60] or model_type
            made = Upload(
                key, known.label if known else short, time.time(), size, model_type, parameters, owners
            )
            if not (_root() / key).is_dir():
                folder.rename(_root() / key)
            _note(made)
            _make_room(key, most)
    return Received(made, tuple(left_out))


def mine(owner: str) -> list[Upload]:
    """The uploads of an owner, the newest first."""
    return [one for one in reversed(_all()) if owner in one.owners]


def delete(key: str, owner: str) -> None:
    """Take an upload away; the files go when nobody else brought the same ones.

    Raises:
        ModelNotFound: there is none of this owner's by that name.
    """
    with _WRITING:
        known = _read(key)
        if known is None or owner not in known.owners:
            raise ModelNotFound(f"There is no upload {key!r} of yours. It may have been deleted already.")
        rest = tuple(one for one in known.owners if one != owner)
        if rest:
            _note(Upload(**{**asdict(known), "owners": rest}))
        else:
            _remove(key)


def find(name: str) -> Upload:
    """What is known of `upload:HASH`. Raises `ModelNotFound` where it is not on this server, or not any more."""
    key = name.removeprefix(PREFIX)
    known = _read(key)
    if known is None or not (_root() / key).is_dir():
        raise ModelNotFound(
            f"There is no {name!r} on this server, or not any more: uploads are kept for a while. Bring the files again."
        )
    return known


def folder_of(name: str) -> Path:
    """The folder behind `upload:HASH`. Raises `ModelNotFound` as `find` does."""
    return _root() / find(name).key


def _root() -> Path:
    return folders.cache() / "uploads"


def _entries(files: Sequence[tuple[str, IO[bytes]]], most: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file, those of a single archive in the archive's place."""
    if not files:
        raise BadInput(
            "No file came. Bring config.json, tokenizer.json and model.safetensors, or a .zip of them."
        )
    if any(name.lower().endswith(".zip") for name, _ in files):
        if len(files) > 1:
            raise BadInput("Bring either one .zip or the files themselves, not both.")
        yield from _unpacked(files[0][1], most)
        return
    if len(files) > most.files:
        raise BadInput(f"These are {len(files)} files; at most {most.files} are taken.")
    yield from files


def _unpacked(file: IO[bytes], most: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(file) as archive:
        inside = archive.infolist()
        if len(inside) > most.files:
            raise BadInput(f"The .zip holds {len(inside)} files; at most {most.files} are taken.")
        for entry in inside:
            if stat.S_ISLNK(entry.external_attr >> 16) or entry.is_dir():
                raise BadInput(
                    f"The .zip holds a folder or a link ({entry.filename[:80]!r}). Zip the files themselves, not their folder."
                )
            if entry.flag_bits & 0x1:
                raise BadInput("The .zip is encrypted. Zip the files without a password.")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile
            with archive.open(entry) as opened:
                yield entry.filename, opened


def _write(entries: Iterable[tuple[str, IO[bytes]]], folder: Path, most: Limits, left_out: list[str]) -> str:
    """Copy what is needed into a folder, never more than the limit; the hash of names and contents."""
    hashes, total = {}, 0
    for name, source in entries:
        if not _needed(name):
            left_out.append(name)
            continue
        if name in hashes:
            raise BadInput(f"{name!r} came twice. Bring one of each.")
        digest = hashlib.sha256()
        with (folder / name).open("xb") as target:
            while piece := source.read(_PIECE):
                total += len(piece)
                if total > most.bytes:
                    raise BadInput(
                        f"The files are larger than {most.bytes / 2**20:,.0f} MB, which is the most that is taken."
                    )
                digest.update(piece)
                target.write(piece)
        hashes[name] = digest.hexdigest()
    said = "\n".join(f"{name}:{hashes[name]}" for name in sorted(hashes))
    return hashlib.sha256(said.encode()).hexdigest()[:20]


def _needed(name: str) -> bool:
    """Whether a file is wanted; `BadInput` for one that has no place in an upload at all."""
    shown = repr(name[:80])
    if not name or "/" in name or "\\" in name or ":" in name or "\0" in name or name.startswith(".."):
        raise BadInput(f"{shown} has a folder in its name. Bring the files themselves, not their folder.")
    if name.lower().endswith(_CODE):
        raise BadInput(
            f"{shown} is not taken: files of this kind can hold code. Bring safetensors, and leave this file out."
        )
    return name in NAMES or bool(_SHARD.fullmatch(name))


def _all() -> list[Upload]:
    """Every upload there is, the oldest first."""
    keys = [file.stem for file in _root().glob("*.json")]
    found = [one for one in map(_read, keys) if one is not None and (_root() / one.key).is_dir()]
    return sorted(found, key=lambda one: (one.made, one.key))


def _read(key: str) -> Upload | None:
    if not _KEY.fullmatch(key):
        return None
    try:
        said: dict[str, Any] = json.loads((_root() / f"{key}.json").read_text(encoding="utf-8"))
        return Upload(**{**said, "owners": tuple(said["owners"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _note(upload: Upload) -> None:
    fresh = _root() / f".{upload.key}.{os.getpid()}"
    fresh.write_text(json.dumps(asdict(upload)), encoding="utf-8")
    fresh.replace(_root() / f"{upload.key}.json")


def _make_room(newest: str, most: Limits) -> None:
    kept = _all()
    for old in [one for one in kept if one.key != newest]:
        if len(kept) <= most.kept and sum(one.bytes for one in kept) <= most.kept_bytes:
            return
        _remove(old.key)
        kept.remove(old)


def _sweep() -> None:
    """Take away what uploads left behind that never came to an end, after a day."""
    for old in _root().glob(".coming-*"):
        if old.stat().st_mtime < time.time() - 86400:
            shutil.rmtree(old, ignore_errors=True)


def _remove(key: str) -> None:
    (_root() / f"{key}.json").unlink(missing_ok=True)
    shutil.rmtree(_root() / key, ignore_errors=True)
