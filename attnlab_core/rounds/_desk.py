"""What a worker's threads do, and what is kept alive meanwhile from another one."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attnlab_core.errors import BadInput, Cancelled
from attnlab_core.progress import watching

if TYPE_CHECKING:
    from attnlab_core.rounds._scoring import Scored
    from attnlab_core.rounds.board import Board, Claim

AWAKE = 15.0
"""Seconds between two signs of life."""
PATIENCE = 20.0
"""Seconds that a worker which is to end waits for its scoring to notice."""
Score = Callable[..., "Scored"]
_log = logging.getLogger(__name__)


@dataclass
class Held:
    """A job at work: its claim, how far it is, and whether it is to stop."""

    claim: Claim
    done: int = 0
    total: int = 0
    told: tuple[int, int] = (0, 0)
    at: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)

    def watch(self, done: int, total: int) -> None:
        """Hear from the scoring."""
        self.done, self.total = done, total
        if self.stop.is_set():
            raise Cancelled("This scoring is to stop.")


class Desk:
    """What a worker's threads do, and what is kept alive meanwhile from another one."""

    def __init__(self, board: Board, score: Score, lease: float) -> None:
        self.board, self.score, self.lease = board, score, lease
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(3)}"
        self.held: dict[int, Held] = {}
        self.ending = threading.Event()
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._pulse = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._pulse.start()

    def do(self, job: int) -> None:
        """Score one job, if nobody else has it."""
        with self._lock:  # so that close sees every claim
            claim = None if self.ending.is_set() else self.board.claim(job, self.name, self.lease)
            if claim is None:
                return
            held = self.held[claim.job] = Held(claim)
        try:
            self._score(held)
        finally:
            self.held.pop(claim.job, None)

    def busy(self) -> bool:
        """Whether anything is at work here."""
        with self._lock:
            return bool(self.held)

    def _score(self, held: Held) -> None:
        claim = held.claim
        try:
            round_, submission = self.board.round(claim.round), self.board.document(claim.submission)
            try:
                with watching(held.watch):
                    scored = self.score(round_, submission, claim.split, draw=claim.draw)
            except BadInput as error:
                self.board.refuse(claim, str(error))
            else:
                self.board.finish(claim, scored)
        except Cancelled:
            self.board.release(claim)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the worker
            _log.exception("Scoring job %s broke off.", claim.job)
            self.board.broke(claim, f"{type(error).__name__}: {error}")

    def _beat(self) -> None:
        """Extend what is held, and show that this worker is there."""
        shown = -AWAKE
        while not self.ended.wait(min(self.lease / 10, 0.5)):
            now = time.monotonic()
            try:
                for held in list(self.held.values()):
                    self._extend(held, now)
                if now - shown >= AWAKE:
                    self.board.seen(self.name)
                    shown = now
            except BadInput as error:
                _log.warning("%s", error)

    def _extend(self, held: Held, now: float) -> None:
        """Say how far a job is, where that is news or long ago."""
        far = (held.done, held.total)
        if now - held.at < self.lease / 3 and (far == held.told or now - held.at < 1):
            return
        if not self.board.beat(held.claim, *far):
            held.stop.set()
        held.told, held.at = far, now

    def close(self) -> None:
        """Stop what is at work and give it back."""
        with self._lock:
            self.ending.set()
        for held in list(self.held.values()):
            held.stop.set()
        until = time.monotonic() + PATIENCE
        while self.held and time.monotonic() < until:
            time.sleep(0.05)
        self.ended.set()
        self._pulse.join(5)
        with suppress(BadInput):
            for held in list(self.held.values()):
                self.board.release(held.claim)
            self.board.left(self.name)
