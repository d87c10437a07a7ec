"""A small Hub on the loopback: what `huggingface_hub` asks when it loads a model, and the ways that can go wrong."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]
LABELS = {"id2label": {0: "negative", 1: "positive"}, "label2id": {"negative": 0, "positive": 1}}


@dataclass
class Repo:
    """A repository: its files by revision name; the commit of a revision is a hash of its files."""

    revisions: dict[str, Files]
    gated: bool = False
    token: str = ""  # without it the repository is hidden

    def commit(self, revision: str) -> str | None:
        """The commit a revision or a commit stands for."""
        commits = {name: _hash(*files, *files.values()) for name, files in self.revisions.items()}
        return commits.get(revision) or (revision if revision in commits.values() else None)

    def files(self, commit: str) -> Files:
        """The files of a commit."""
        return next(files for name, files in self.revisions.items() if self.commit(name) == commit)


@dataclass
class Hub:
    """The state of the server: fill `repos`, ask `seen` what was requested."""

    url: str
    repos: dict[str, Repo] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers
    breaks: dict[str, list[int]] = field(default_factory=dict)

    def break_off(self, file: str, *after: int) -> None:
        """Break the next downloads of a file, each after that many bytes; 0 answers with a server error."""
        self.breaks[file] = list(after)

    def downloads(self, file: str) -> list[dict[str, str]]:
        """The headers of every GET of a file."""
        return [
            headers for method, path, headers in self.seen if method == "GET" and path.endswith(f"/{file}")
        ]


def save(folder: Path, head: str = "classification", architecture: str = "bert", **config: Any) -> Path:
    """Write a tiny random model with a tokenizer as a checkpoint; returns the folder."""
    from attnlab_core.testing import tiny_model, tiny_tokenizer

    tokenizer = tiny_tokenizer("wordpiece" if architecture == "bert" else "bytes")
    settings = {"vocab_size": len(tokenizer), **(LABELS if head == "classification" else {}), **config}
    tiny_model(architecture, head, **settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def folder_files(folder: Path) -> Files:
    """The files of a folder as a repository holds them."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a hub until the block ends; after that, connections to it are refused."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = _Handler.hubs[server.server_port] = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hubs: dict[int, Hub] = {}  # noqa: RUF012  one class serves them all
    timeout = 60  # a connection left open ends by itself

    def do_GET(self) -> None:
        hub = self.hubs[self.server.server_address[1]]
        path = unquote(urlsplit(self.path).path)
        hub.seen.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        api = re.fullmatch(r"/api/models/(?P<repo>.+?)(/(?P<what>revision|tree)/(?P<revision>.+))?", path)
        file = re.fullmatch(r"/(?P<repo>.+?)/resolve/(?P<revision>refs/pr/\d+|[^/]+)/(?P<file>.+)", path)
        asked = api or file
        repo = hub.repos.get(asked["repo"]) if asked else None
        if asked is None or repo is None or (repo.token and not self._has(repo.token)):
            return self._answer(401 if repo is None else 404, code="RepoNotFound")
        commit = repo.commit(asked["revision"] or "main")
        if commit is None:
            return self._answer(404, code="RevisionNotFound")
        if api:
            return self._answer(
                200, json.dumps(self._listing(asked["repo"], repo, commit, api["what"])).encode()
            )
        if repo.gated:
            return self._answer(403, code="GatedRepo")
        return self._file(hub, asked["file"], repo.files(commit).get(asked["file"]), commit)

    do_HEAD = do_GET  # noqa: N815

    def _has(self, token: str) -> bool:
        return self.headers.get("Authorization") == f"Bearer {token}"

    @staticmethod
    def _listing(name: str, repo: Repo, commit: str, what: str | None) -> object:
        files = repo.files(commit).items()
        if what == "tree":
            return [{"type": "file", "path": p, "size": len(d), "oid": _hash(d)} for p, d in files]
        siblings = [{"rfilename": path, "size": len(data), "blobId": _hash(data)} for path, data in files]
        return {"_id": name, "id": name, "modelId": name, "sha": commit, "siblings": siblings, "tags": []}

    def _file(self, hub: Hub, name: str, data: bytes | None, commit: str) -> None:
        if data is None:
            return self._answer(404, code="EntryNotFound")
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(start[1]) if start else 0
        after = hub.breaks[name].pop(0) if self.command == "GET" and hub.breaks.get(name) else None
        if after == 0:
            return self._answer(500)
        extra = {"ETag": f'"{_hash(data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if start:
            extra["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        return self._answer(206 if start else 200, data[begin:], extra=extra, after=after)

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        code: str = "",
        extra: dict[str, str] | None = None,
        after: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {**(extra or {}), **({"X-Error-Code": code} if code else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:after])
        if after is not None:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""
