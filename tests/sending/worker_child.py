"""A worker with short leases, to be killed or frozen: `python worker_child.py WORKSPACE LEASE_SECONDS`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from newsletter.app import open_app
from newsletter.sending.answers import Patience
from newsletter.work.worker import Worker


def main() -> None:
    app = open_app(Path(sys.argv[1]))
    lease = float(sys.argv[2])
    patience = Patience(first_wait=0.05, longest_wait=0.2, lease_seconds=lease, silent_seconds=lease)
    logging.basicConfig(level=logging.WARNING, format="worker: %(levelname)s %(name)s %(message)s")
    Worker(app.store, app.workspace, app.keys, app.transport(), app.now, patience=patience, look_seconds=0.3).run()


if __name__ == "__main__":
    main()
