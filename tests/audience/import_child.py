"""Makes importing processes to be killed: `python import_child.py WORKSPACE FILE TURN`.

For each line on standard input (`import`, or `undo` and a number) it forks a process that does it and prints its
number; that one prints a line after each turn of its writing, and how it ended. Forking saves each of them the loading
of the program; nothing of the workspace is open before.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import psycopg  # noqa: F401 - loaded before forking
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401

from newsletter.app import open_app
from newsletter.audience import import_csv, undo
from newsletter.audience.consent import Basis


def work(root: Path, file: Path, order: list[str]) -> None:
    app = open_app(root)
    if order[0] == "undo":
        real = undo._Undoing.take_back

        def told(*given: object) -> None:
            real(*given)  # type: ignore[arg-type]
            tell("turn")

        undo._Undoing.take_back = told  # type: ignore[method-assign,assignment]
        undo.undo_import(app.store, int(order[1]), actor="ann", now=app.now())
        return
    import_csv.import_csv(
        app.store,
        app.keys,
        file,
        newsletter="daily",
        settings=app.settings.newsletters["daily"],
        actor="ann",
        now=app.now(),
        source="site export",
        basis=Basis.EXPRESS,
        progress=lambda stage, _rows: tell("turn") if stage == "write" else None,
    )


def main() -> None:
    import_csv.CHUNK = undo.CHUNK = int(sys.argv[3])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(Path(sys.argv[1]), Path(sys.argv[2]), line.split())
                status = 0
            except Exception:  # noqa: BLE001 - a forked process must never return into the loop
                traceback.print_exc()
            finally:
                os._exit(status)
        tell(f"begun {child}")
        tell(f"ended {os.waitpid(child, 0)[1]}")


def tell(words: str) -> None:
    os.write(1, f"{words}\n".encode())


if __name__ == "__main__":
    main()
