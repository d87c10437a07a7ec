"""Teams: names that people can tell apart, and keys of which only a salted hash is kept."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from hashlib import blake2b
from typing import TYPE_CHECKING

from attnlab_core.errors import BadInput
from attnlab_core.rounds._entries import HOUSE
from attnlab_core.rounds._opened import Opened, plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

LONGEST = 40
NEW_A_DAY = 200
"""So many teams can be new within 24 hours, so that nobody fills the database with names."""
DAY = 86400.0
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters that show nothing
_STRANGER = "That team is not known, or the key is not its key. Register a team, or look for the key that was shown then."


class Teams(Opened):
    """Who takes part."""

    def register(self, team: str) -> str:
        """Add a team; its key, which is shown this once.

        Args:
            team: 1 to 40 characters that can be seen. Names that differ in case alone are the same.

        Raises:
            BadInput: The name is taken or does not fit, or too many teams are new today.
        """
        from sqlalchemy import func, select

        name, table = fit(team), self._table("teams")
        key, salt = secrets.token_hex(16), secrets.token_hex(16)
        with self._writing() as connection:
            if not self.sqlite:  # one after the other, so that the bound holds
                connection.execute(select(func.pg_advisory_xact_lock(0x7465616D)))
            now = self._now(connection)
            if self._team(connection, name) is not None or folded(name) == folded(HOUSE):
                raise BadInput(f"The name {name!r} is taken. Choose another one.")
            young = select(func.count()).where(table.c.made_at > now - DAY)
            if connection.execute(young).scalar_one() >= NEW_A_DAY:
                raise BadInput(f"{NEW_A_DAY} teams were registered within a day. Try again tomorrow.")
            values = {"name": name, "folded": folded(name), "salt": salt, "hash": _hash(key, salt)}
            connection.execute(table.insert().values(**values, made_at=now))
        return key

    def _team(self, connection: Connection, name: str) -> int | None:
        """The number of a team."""
        table = self._table("teams")
        query = table.select().with_only_columns(table.c.id).where(table.c.folded == plain(folded(name)))
        return connection.execute(query).scalar()

    def _hold(self, connection: Connection, member: int) -> None:
        """Whoever else asks for this team so waits until the transaction ends."""
        table = self._table("teams")
        connection.execute(table.select().where(table.c.id == member).with_for_update())

    def _known(self, team: str, key: str) -> int:
        """The number of a team whose key this is. Unknown teams and wrong keys get the same answer in the same time."""
        table = self._table("teams")
        with self._reading() as connection:
            query = table.select().where(table.c.folded == plain(folded(team[: 10 * LONGEST])))
            found = connection.execute(query).first()
        salt, kept = (found.salt, found.hash) if found else ("00" * 16, "")
        if not hmac.compare_digest(_hash(key, salt), kept) or found is None:
            raise BadInput(_STRANGER)
        return int(found.id)


def fit(team: str) -> str:
    """A team's name in its normal form.

    Raises:
        BadInput: It is empty, too long, or holds what cannot be seen.
    """
    name = unicodedata.normalize("NFC", team[: 10 * LONGEST])
    if (
        name != name.strip()
        or not 0 < len(name) <= LONGEST
        or not name.isprintable()
        or set(name) & set(_BLANK)
    ):
        raise BadInput(
            f"A team's name has 1 to {LONGEST} characters that can be seen, and no space at its ends. Choose another one."
        )
    return name


def folded(name: str) -> str:
    """The form in which names are compared.

    >>> folded("Straße") == folded("STRASSE")
    True
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _hash(key: str, salt: str) -> str:
    """Keys are drawn, not chosen: 128 bits need no slow hash."""
    said = key.encode("utf-8", "surrogatepass")[:1000]
    return blake2b(said, salt=bytes.fromhex(salt), digest_size=32).hexdigest()
