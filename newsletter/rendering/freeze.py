"""Freezes a build: into the store, which is what gets sent, and into a folder, which is what people look at.

A frozen build never changes. Freezing the same build again does nothing; finding something else under its name is an
error, never repaired silently. What is read back is checked: every file against the manifest, the manifest against the
build's name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from newsletter.config import Workspace
from newsletter.errors import BuildError, NotFound, StoreError, shown_path
from newsletter.rendering.build import Build, folder_of
from newsletter.store.engine import Store
from newsletter.store.tables import build_files, builds

_ASSET = re.compile(r"assets/([0-9a-f]{64})/[^/\\\x00]+")


@dataclass(frozen=True)
class FrozenBuild:
    """A build as it is listed."""

    hash: str
    newsletter: str
    issue: str
    date: date
    built_at: datetime


def freeze(store: Store, workspace: Workspace, build: Build, *, now: datetime) -> Path:
    """Put a build into the store and into its folder, and return the folder. Nothing happens when it is there already.

    Raises BuildError when the build contradicts its manifest, or when the folder of that name holds something else.
    """
    problem = _contradiction(build)
    if problem:
        raise BuildError(f"The build cannot be frozen: {problem}.")
    folder = workspace.builds / build.hash
    if folder.exists():
        _check_folder(folder, build, workspace.root)
    _store_rows(store, build, now)
    if not folder.exists():
        _write_folder(folder, build, workspace.root)
    return folder


def load_build(store: Store, build_hash: str) -> Build:
    """A frozen build from the store, checked. Raises NotFound, or StoreError when it is not what was frozen."""
    with store.read() as connection:
        query = select(build_files.c.path, build_files.c.data).where(build_files.c.build == build_hash)
        build = Build({row.path: row.data for row in connection.execute(query)})
    if not build.files:
        raise NotFound(f"There is no build `{build_hash[:12]}`. Make one with: newsletter build ISSUE")
    problem = _contradiction(build, named=build_hash)
    if problem:
        raise StoreError(f"The build {build_hash[:12]} in the database was changed: {problem}. Restore your backup.")
    return build


def find_builds(connection: Connection, issue: str) -> list[FrozenBuild]:
    """The builds of an issue, newest first."""
    query = select(builds).where(builds.c.issue == issue).order_by(builds.c.built_at.desc(), builds.c.hash)
    return [FrozenBuild(**row._mapping) for row in connection.execute(query)]


def asset(store: Store, sha256: str, name: str) -> bytes | None:
    """An image of any frozen build, by its hash and name; None when there is none, or it is not what was frozen."""
    query = select(build_files.c.data).where(
        build_files.c.sha256 == sha256, build_files.c.path == f"assets/{sha256}/{name}"
    )
    with store.read() as connection:
        data: bytes | None = connection.execute(query.limit(1)).scalar()
    return data if data is not None and _sha256(data) == sha256 else None


def _contradiction(build: Build, *, named: str | None = None) -> str:
    """What is wrong between a build's name, its manifest and its files; nothing when they agree."""
    if "manifest.json" not in build.files:
        return "manifest.json is missing"
    if named is not None and build.hash != named:
        return "manifest.json is not the one the build is named by"
    expected = _expected(build.manifest)
    for path, data in build.files.items():
        if path == "manifest.json":
            continue
        if ".." in path.split("/") or path.startswith("/"):
            return f"{path} leads out of the build's folder"
        found = _ASSET.fullmatch(path)
        wanted = found[1] if found and found[1] in expected["assets"] else expected["bodies"].get(path)
        if wanted is None:
            return f"{path} is not in its manifest"
        if _sha256(data) != wanted:
            return f"{path} is not as in its manifest"
    missing = sorted(expected["bodies"].keys() - build.files.keys())
    present = {found[1] for path in build.files if (found := _ASSET.fullmatch(path))}
    missing += [f"an image ({sha256[:12]})" for sha256 in sorted(set(expected["assets"]) - present)]
    return f"{missing[0]} is missing" if missing else ""


def _expected(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The hashes a manifest promises: of the variants' files by path, of the images by themselves."""
    bodies: dict[str, str] = {}
    for variant, files in manifest["variants"].items():
        bodies |= {f"{folder_of(variant)}{name}": digest for name, digest in files.items()}
    return {"bodies": bodies, "assets": {digest: digest for digest in manifest["assets"].values()}}


def _store_rows(store: Store, build: Build, now: datetime) -> None:
    with store.write() as connection:
        if connection.execute(select(builds.c.hash).where(builds.c.hash == build.hash)).first():
            return
        connection.execute(
            insert(builds).values(
                hash=build.hash, newsletter=build.newsletter, issue=build.issue, date=build.date, built_at=now
            )
        )
        connection.execute(
            insert(build_files),
            [
                {"build": build.hash, "path": path, "sha256": _sha256(data), "data": data}
                for path, data in sorted(build.files.items())
            ],
        )


def _check_folder(folder: Path, build: Build, root: Path) -> None:
    """Refuse a folder that does not hold exactly this build."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    wrong = sorted(found ^ set(build.files))
    wrong += [path for path in sorted(found & set(build.files)) if not _holds(folder / path, build.files[path])]
    if wrong:
        raise BuildError(
            f"{shown_path(folder, root)}: {wrong[0]} is not as it was frozen. A build never changes: delete the folder "
            "and build again (what is sent comes from the database and is untouched)."
        )


def _holds(path: Path, data: bytes) -> bool:
    return not path.is_symlink() and path.read_bytes() == data


def _write_folder(folder: Path, build: Build, root: Path) -> None:
    """Write the folder under another name and rename it, so that it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        draft.chmod(0o755)
        for path, data in build.files.items():
            _write(draft, path, data)
        for inner in [*(path for path in draft.rglob("*") if path.is_dir()), draft]:
            _sync(inner)
        try:
            draft.rename(folder)
        except OSError:  # another process froze the same build meanwhile
            _check_folder(folder, build, root)
        _sync(folder.parent)
    except OSError as error:
        raise BuildError(f"{shown_path(folder, root)} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(folder: Path, path: str, data: bytes) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    target.chmod(0o444)


def _sync(folder: Path) -> None:
    """Make a folder's entries survive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
