"""An engine that speaks PostgreSQL as the program means it, whatever its administrator chose as defaults."""

from __future__ import annotations

from typing import Any

from psycopg.adapt import Buffer
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event, text

_CONNECT_SECONDS = 10
# A host that vanishes with the write lock in its hands must not keep the others out for hours.
_NAME = "newsletter"  # of our sessions, in pg_stat_activity
_KEEPALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


class _Text(StrDumperUnknown):
    """PostgreSQL has no NUL in texts; what strangers send may. It is kept as the sign for a character that is none."""

    def dump(self, text: str) -> Buffer | None:
        return super().dump(text.replace("\0", "\ufffd") if "\0" in text else text)


def postgresql_engine(url: URL, *, wait_ms: int) -> Engine:
    """Connections are made when needed; who waits longer than `wait_ms` for a lock is told so."""
    ours = f"-c timezone=UTC -c lock_timeout={wait_ms} -c application_name={_NAME} {_KEEPALIVE}"
    options = f"{url.query.get('options', '')} {ours}"
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


# In a pipeline a session counts as active while it waits for its client, so no timeout of the server's own ends it.
_FROZEN = text(
    "SELECT pg_terminate_backend(holder.pid) FROM pg_stat_activity holder "
    "WHERE holder.application_name = :name AND holder.datname = current_database() AND holder.usename = current_user "
    "AND holder.wait_event = 'ClientRead' "
    "AND holder.state_change < clock_timestamp() - make_interval(secs => :seconds) "
    "AND holder.pid IN (SELECT unnest(pg_blocking_pids(waiting.pid)) FROM pg_stat_activity waiting "
    "WHERE waiting.datname = current_database() AND waiting.wait_event_type = 'Lock')"
)


def break_off_frozen(connection: Connection, seconds: float) -> int:
    """End our sessions that keep others waiting and whose process has said nothing for so long; how many.

    Such a process was frozen, or its machine is gone. What it had not committed is as if it had not been.
    """
    return len(connection.execute(_FROZEN, {"name": _NAME, "seconds": seconds}).all())


def driver_arguments(engine: Engine) -> dict[str, Any]:
    """What psycopg itself needs to connect to the same database."""
    _, arguments = engine.dialect.create_connect_args(engine.url)
    return {**arguments, "connect_timeout": _CONNECT_SECONDS}
