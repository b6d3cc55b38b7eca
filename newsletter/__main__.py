"""The door from the shell: runs the command line, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from newsletter.errors import NewsletterError


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 a finding or a refusal, 2 input that cannot be used, 130 interrupted."""
    from newsletter.cli.root import cli

    try:
        cli()
    except NewsletterError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("Stopped.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away (`| head`); there is nobody left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a traceback is for us, not for the person at the terminal
        _say(f"This is a defect in newsletter, not your fault: {type(error).__name__}: {error}".splitlines()[0])
        _say(_keep_traceback())
        sys.exit(2)


def _say(text: str) -> None:
    from newsletter.cli.show import error_line

    for line in text.split("\n"):  # an error may quote hostile input: nothing in it may act on the terminal
        error_line("".join(character if character.isprintable() else "\ufffd" for character in line))


def _keep_traceback() -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = Path.cwd() / f"newsletter-defect-{stamp}.txt"
    try:
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return "The details could not be written to a file here."
    return f"The details are in {path}: please send it to whoever looks after this program."


if __name__ == "__main__":
    main()
