"""An engine that speaks PostgreSQL as the program means it, whatever its administrator chose as defaults."""

from __future__ import annotations

from typing import Any

from psycopg.adapt import Buffer
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Engine, create_engine, event

_CONNECT_SECONDS = 10
# A host that vanishes with the write lock in its hands must not keep the others out for hours.
_KEEPALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


class _Text(StrDumperUnknown):
    """PostgreSQL has no NUL in texts; what strangers send may. It is kept as the sign for a character that is none."""

    def dump(self, text: str) -> Buffer | None:
        return super().dump(text.replace("\0", "\ufffd") if "\0" in text else text)


def postgresql_engine(url: URL, *, wait_ms: int) -> Engine:
    """Connections are made when needed; who waits longer than `wait_ms` for a lock is told so."""
    options = f"{url.query.get('options', '')} -c timezone=UTC -c lock_timeout={wait_ms} {_KEEPALIVE}"
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # the server may have been restarted since
        connect_args={"options": options.strip(), "connect_timeout": _CONNECT_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _adapt(connection: Any, _record: Any) -> None:
        connection.adapters.register_dumper(str, _Text)

    return engine


def driver_arguments(engine: Engine) -> dict[str, Any]:
    """What psycopg itself needs to connect to the same database."""
    _, arguments = engine.dialect.create_connect_args(engine.url)
    return {**arguments, "connect_timeout": _CONNECT_SECONDS}
