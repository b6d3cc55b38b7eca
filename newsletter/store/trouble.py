"""What a database's complaint means for the person at the terminal: the class is the remedy.

PostgreSQL speaks the server's language, so what it says is told by its code (its manual, appendix A) wherever it gives
one; only a connection that never came about has none. No password is ever in a sentence: `shown` leaves it out.
"""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError

OTHER_VERSION = "The database is not of this version. Run: newsletter db upgrade"

_BUSY = "Another process is writing to {url} and does not let go. Try again."
_AWAY = "{url} cannot be reached: {said}. Is PostgreSQL running, and the address right?"
_FULL = "{url} cannot be written: {said}."

# The first entry whose code the error's code begins with decides.
_CODES = {
    "08": _AWAY,
    "25P03": _AWAY,  # this process was stopped in the midst of a transaction
    "25006": _FULL,  # a standby, or a database set to be read only
    "40": _BUSY,
    "42501": "{url} does not allow this: {said}. Let the user of [store] url own the database.",
    "42P01": OTHER_VERSION,
    "42703": OTHER_VERSION,
    "53300": "{url} has no connection left for us: {said}. Try again, or raise its max_connections.",
    "53": _FULL,
    "55P03": _BUSY,
    "57014": "{url} broke off the work: {said}. Try again.",
    "57P": _AWAY,
    "58": _FULL,
    "XX00": "{url} is not a usable PostgreSQL database: {said}. Restore your backup.",
}


def shown(url: URL) -> str:
    """The address as it may be shown to anybody: as in the settings, without the password and other options."""
    if url.get_backend_name() == "sqlite":
        return url.render_as_string()
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    host = url.host or url.query.get("host", "")
    return f"postgresql://{user}{host}{port}/{url.database or ''}"


def in_words(error: DBAPIError, url: str) -> str | None:
    """One sentence with the remedy; None for what is a defect of ours."""
    if url.startswith("postgresql"):
        said = _said_by_postgresql(error)
        form = _of_postgresql(error, said)
    else:
        said = str(error.orig)
        form = _of_sqlite(said)
    return form and form.format(url=url, said=said)


def _said_by_postgresql(error: DBAPIError) -> str:
    """The core of it: libpq puts where it tried before it, and guesses behind it, on indented lines."""
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
    lines = " ".join(line for line in said.splitlines() if not line.startswith("\t"))
    return " ".join(lines.rpartition(" failed: ")[2].removeprefix("FATAL:").split()).rstrip(".")


def _of_postgresql(error: DBAPIError, said: str) -> str | None:
    code = getattr(error.orig, "sqlstate", None)
    if code is not None:
        return next((form for prefix, form in _CODES.items() if code.startswith(prefix)), None)
    if "database" in said and "does not exist" in said:
        return "{url} cannot be opened: {said}. Make it with PostgreSQL's createdb."
    if "password" in said:
        return "{url} cannot be opened: {said}. The password belongs into PGPASSWORD, ~/.pgpass or secrets.toml."
    never_connected = error.statement is None
    return _AWAY if never_connected or isinstance(error, OperationalError) else None


def _of_sqlite(said: str) -> str | None:
    if "no such table" in said or "no such column" in said:
        return OTHER_VERSION
    if "not a database" in said or "malformed" in said:
        return "{url} is not a usable SQLite database: {said}."
    if "is locked" in said:
        return _BUSY
    if "disk is full" in said or "readonly" in said or "unable to open" in said:
        return _FULL
    return None
