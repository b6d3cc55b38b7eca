"""Makes sending processes to be killed: `python sending_child.py WORKSPACE BUILD`.

For each line on standard input it forks a process that sends, prints its number, and when it has ended, how. Forking
saves each of them the loading of boto3; nothing of the workspace is open before.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import botocore.session  # noqa: F401 - loaded before forking
import psycopg  # noqa: F401
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401

from newsletter.app import open_app
from newsletter.errors import Refused
from newsletter.rendering.freeze import load_build
from newsletter.sending.send import send_issue
from newsletter.transports import ses  # noqa: F401


def send(root: Path, build_hash: str) -> int:
    app = open_app(root)
    build = load_build(app.store, build_hash)
    try:
        send_issue(app.store, app.workspace, app.keys, app.transport(), build, person="ann", now=app.now)
    except Refused as error:
        return 1 if "went out already" in str(error) else 2
    return 0


def main() -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 3
            try:
                status = send(Path(sys.argv[1]), sys.argv[2])
            except Exception:  # noqa: BLE001 - a forked process must never return into the loop
                traceback.print_exc()
            finally:
                os._exit(status)
        tell(child)
        tell(os.waitpid(child, 0)[1])


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
