"""The sample newsroom for tests: a workspace with copies of its issues, and a build of one of them.

Run as a program it prints build hashes, so that a test can ask a process with another time zone or hash seed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from newsletter.config import open_workspace, shipped
from newsletter.editorial.include import SHARED
from newsletter.editorial.resolve import resolve
from newsletter.editorial.resolved import ResolvedIssue
from newsletter.rendering.build import Build
from newsletter.rendering.render import build_issue
from newsletter.store.engine import Store
from newsletter.store.schema import upgrade

ISSUES = ("2024-10-08", "2024-10-09", "2024-10-10")


def furnish(root: Path) -> None:
    """Put the sample issues into a workspace."""
    for issue in (*ISSUES, SHARED):
        shutil.copytree(shipped("issues") / issue, root / "issues" / issue)


def resolve_sample(root: Path, issue: str) -> ResolvedIssue:
    """The issue as a newsletter sees it that has never sent anything."""
    store = Store(f"sqlite:///{root / 'sample.db'}")
    upgrade(store)
    try:
        return resolve(open_workspace(root), store, issue)
    finally:
        store.close()


def build_sample(root: Path, issue: str) -> Build:
    return build_issue(open_workspace(root), resolve_sample(root, issue))


if __name__ == "__main__":
    print(*[build_sample(Path(sys.argv[1]), issue).hash for issue in ISSUES])  # noqa: T201
