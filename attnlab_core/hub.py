"""Reaching the Hugging Face Hub: what to fetch of a model, how, and what a failure means to a person.

All goes through `huggingface_hub`, so `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE` and `HF_ENDPOINT` mean what they mean
everywhere. Only a configuration, a tokenizer (or what prepares pictures) and safetensors are ever fetched.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attnlab_core._late import transformers
from attnlab_core.errors import ModelNotFound, ModelRefused
from attnlab_core.progress import step

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_SMALL = set(
    "config.json tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json "
    "vocab.json vocab.txt merges.txt preprocessor_config.json".split()
)


def fetch(repo: str, revision: str | None, fits: Callable[[Path], object], otherwise: str) -> Path:
    """The folder with a Hub model's files, from the cache or downloaded; its name is the commit.

    Args:
        repo: "owner/name", or one of the old names without an owner.
        revision: branch, tag or commit; None is the main branch.
        fits: called with a folder that holds only config.json, before the weights travel; raises when it will not do.
        otherwise: words for what can be loaded without a network.

    Raises:
        ModelNotFound: it is not there, not reachable, not open to this user, or the download broke off.
        ModelRefused: there is nothing in it that may be opened.
    """
    import httpx2
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled, RevisionNotFoundError, XetDownloadError

    exact = re.fullmatch(r"[0-9a-f]{40}", revision or "")
    if exact and (folder := _cached(repo, revision)):
        return folder
    try:
        timeout = constants.HF_HUB_ETAG_TIMEOUT
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=timeout)
    except (httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled) as error:
        folder = None if isinstance(error, RevisionNotFoundError) else _cached(repo, revision)
        if folder is None:
            raise _explained(error, repo, revision, otherwise) from error
        return folder
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    refuse_weights(sizes, repo)
    wanted = _wanted(sizes)
    try:
        folder = Path(hf_hub_download(repo, "config.json", revision=revision)).parent
        fits(folder)
        bar = _bar(sum(sizes[file] for file in wanted if not (folder / file).exists()))
        return Path(snapshot_download(repo, revision=info.sha, allow_patterns=wanted, tqdm_class=bar))
    except (httpx2.HTTPError, OSError, XetDownloadError, RuntimeError) as error:
        raise _explained(error, repo, revision, otherwise, started=True) from error


@dataclass(frozen=True)
class Offer:
    """What the Hub would send of a model: the sizes of its files, and the parameters where it says so."""

    sizes: Mapping[str, int]
    parameters: int | None


def offer(repo: str, revision: str | None, otherwise: str) -> Offer | Path:
    """What loading a Hub model would fetch, or the folder where it is in the cache and the Hub cannot be asked.

    Raises as `fetch` does, and likewise before anything large travels.
    """
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        timeout = constants.HF_HUB_ETAG_TIMEOUT
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=timeout)
    except (httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled) as error:
        folder = _cached(repo, revision)
        if folder is None:
            raise _explained(error, repo, revision, otherwise) from error
        return folder
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    refuse_weights(sizes, repo)
    total = info.safetensors.total if info.safetensors else None
    return Offer({name: sizes[name] for name in _wanted(sizes)}, total)


def config(repo: str, revision: str | None, otherwise: str) -> Path:
    """The folder with a Hub model's config.json, which alone is fetched. Raises as `fetch` does."""
    import httpx2
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, "config.json", revision=revision)).parent
    except (httpx2.HTTPError, OSError) as error:
        raise _explained(error, repo, revision, otherwise, started=True) from error


def _wanted(names: Iterable[str]) -> list[str]:
    """The files to fetch: configuration, tokenizer, and one set of weights; nothing from subfolders."""
    top = [name for name in names if "/" not in name]
    shards = WEIGHTS[0] not in top
    return [
        name
        for name in top
        if name in _SMALL or name in WEIGHTS[shards : shards + 1] or name.endswith(".model")
        or (shards and re.fullmatch(r"model-\d+-of-\d+\.safetensors", name))
    ]  # fmt: skip


def _cached(repo: str, revision: str | None) -> Path | None:
    """The newest complete download of a revision, without a network; None when there is none."""
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns="config.json")
        )
    except LocalEntryNotFoundError:
        return None
    try:
        names = [file.path for file in get_cached_repo_tree(repo, revision=folder.name)]
    except CachedRepoTreeNotFoundError:  # put there by another program, file by file
        names = [path.name for path in folder.iterdir()]
    if set(names).isdisjoint(WEIGHTS):
        return None
    return folder if all((folder / name).is_file() for name in _wanted(names)) else None


def _bar(total: int) -> type:
    """A progress bar class that draws nothing and tells the watcher how many of `total` bytes have come."""
    from tqdm import tqdm

    context = copy_context()  # the downloads run in threads of their own
    heard = 0  # by the watcher; bytes received and bytes written are counted by a bar each

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self.counts = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            nonlocal heard
            self.n += n or 0
            if self.counts and heard < min(self.n, total):
                heard = min(int(self.n), total)
                context.copy().run(step, heard, total)

    return Bar


def _explained(
    error: Exception, repo: str, revision: str | None, otherwise: str, started: bool = False
) -> ModelNotFound:
    """What a failed call to the Hub means to the person who asked, and what to do."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what stopped the call, under the words about the cache
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    page = f"{constants.ENDPOINT}/{repo}"
    meanings = (  # the first that holds
        (
            isinstance(error, OSError) and error.errno == errno.ENOSPC,
            "There is no room on the disk for {repo}: free some, or point HF_HOME elsewhere, and run again.",
        ),
        (
            isinstance(error, errors.GatedRepoError),
            "{repo} is gated: accept its terms at {page}, then set HF_TOKEN to a token of that account.",
        ),
        (
            isinstance(error, errors.RevisionNotFoundError),
            "{repo} has no revision {revision}: give a branch, tag or commit that it has, or leave the revision out.",
        ),
        (
            isinstance(error, errors.RepositoryNotFoundError),
            "The Hub shows no model {repo}: check the spelling, set HF_TOKEN if it is private, or use {otherwise}.",
        ),
        (
            isinstance(error, errors.OfflineModeIsEnabled),
            "{repo} is not in the cache and HF_HUB_OFFLINE is set: unset it and load once, or use {otherwise}.",
        ),
        (
            status in (401, 403),
            "The Hub refused access to {repo}: check the token in HF_TOKEN, or remove it for an open model.",
        ),
        (
            status == 429,
            "The Hub asks to wait before {repo} is loaded: try again in some minutes, or set HF_TOKEN.",
        ),
        (
            started,
            "The download of {repo} broke off: run again to resume it; the files that came whole are kept.",
        ),
        (
            True,
            "{repo} is not in the cache and {endpoint} cannot be reached: check the network, or use {otherwise}.",
        ),
    )
    text = next(text for holds, text in meanings if holds)
    words = {"repo": repr(repo), "revision": repr(revision), "page": page, "otherwise": otherwise}
    return ModelNotFound(text.format(**words, endpoint=constants.ENDPOINT))


def refuse_weights(names: Iterable[str], name: str) -> None:
    """Raise unless there are safetensors among a checkpoint's files."""
    files = set(names)
    if "adapter_config.json" in files and "config.json" not in files:
        raise ModelRefused(
            f"{name!r} holds an adapter only: merge it into its base model, save that, and load it."
        )
    if "config.json" not in files:
        raise ModelRefused(f"{name!r} is no transformers model: it has no config.json. Choose one that has.")
    if files.isdisjoint(WEIGHTS):
        if any(file.endswith(_PICKLES) for file in files):
            raise ModelRefused(
                f"{name!r} has no safetensors, and other formats (pickle) are not opened because they can run code. "
                "Use a converted revision, often revision='refs/pr/N' on the Hub, or save it again as safetensors."
            )
        raise ModelRefused(f"{name!r} holds no weights: it needs a model.safetensors.")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the two libraries' notices off the screen while a model loads; errors still pass."""

    def hush(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    transformers()  # sets up both handlers

    handlers = [h for top in ("transformers", "huggingface_hub") for h in logging.getLogger(top).handlers]
    for handler in handlers:
        handler.addFilter(hush)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(hush)


def first_line(error: BaseException) -> str:
    """The first line of an error's text as a sentence."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text[:200].rstrip(".:") + "."
