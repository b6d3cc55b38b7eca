"""The child process behind `newsletter.simulator.server.start`; people use `newsletter simulator`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from newsletter.errors import NewsletterError
from newsletter.simulator.script import read_script
from newsletter.simulator.server import run


def main() -> int:
    """The one argument is `start`'s options as JSON."""
    options = json.loads(sys.argv[1])
    faults = options.pop("faults")
    try:
        script = read_script(Path(faults)) if faults else None
        run(**{**options, "data": Path(options["data"]), "script": script, "with_parent": True})
    except NewsletterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
