"""The proof of a reader's consents, to hand to her, a lawyer or an authority: as data, and as a page to print.

Each entry comes with the full text she agreed to, the policy of the day, the network address and program she came with
while they are kept, and the file an import came from. The page needs nothing but itself.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise, printable
from newsletter.audience.explain import explain
from newsletter.audience.ledger import Recorded
from newsletter.audience.proofs import VISIT
from newsletter.audience.sentences import told
from newsletter.audience.timeline import Newsletters, batches_of, story
from newsletter.audience.wordings import text_of
from newsletter.errors import NotFound, Refused
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import proofs

Record = dict[str, Any]


@dataclass(frozen=True)
class Dossier:
    """Everything that proves what a reader agreed to; `name` is the same for an address and tells nothing of it."""

    name: str
    record: Record

    def to_json(self) -> str:
        return json.dumps(self.record, ensure_ascii=False, indent=2) + "\n"

    def to_html(self) -> str:
        return _page(self.record)


def dossier(store: Store, keys: KeyRing, address: str, *, newsletters: Newsletters, at: datetime) -> Dossier:
    """Gather it. Raises InputError for what is no address, NotFound when nobody has it."""
    found = normalise(address)
    hashed = address_hash(found.normal, keys.hash)
    with store.read() as connection:
        person = ledger.find_subscribers(connection, [hashed]).get(hashed)
        if person is None:
            raise NotFound(f"Nobody with the address {printable(address)} is on record.")
        rows = ledger.everything_of(connection, person.id)
        entries = _entries(connection, rows, newsletters)
        told_story = story(connection, person, hashed, newsletters=newsletters)
    names = [name for name in newsletters if name in {row.newsletter for row in rows}]
    verdicts = (explain(store, keys, address, newsletter=n, settings=newsletters[n], at=at) for n in names)
    record = {
        "address": found.spelling,
        "exported_at": at.isoformat(),
        "subscriber": {
            "id": person.id,
            "known_since": person.created_at.isoformat(),
            "erased_at": _iso(person.erased_at),
        },
        "now": [{**asdict(verdict), "name": newsletters[verdict.newsletter].name} for verdict in verdicts],
        "entries": entries,
        "timeline": [{"at": m.at.isoformat(), "newsletter": m.newsletter, "what": m.words} for m in told_story],
    }
    return Dossier(f"consent-{hashed.partition(':')[2][:8]}", record)


def write_dossier(found: Dossier, folder: Path) -> tuple[Path, Path]:
    """Write the JSON and the page, for the owner's eyes only. Raises Refused when the folder cannot be written."""
    files = (folder / f"{found.name}.json", folder / f"{found.name}.html")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, content in zip(files, (found.to_json(), found.to_html()), strict=True):
            file.unlink(missing_ok=True)  # an older one may have been opened to others
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                out.write(content)
    except OSError as error:
        raise Refused(f"The proof cannot be written to {folder}: {(error.strerror or str(error)).lower()}.") from None
    return files


def _entries(connection: Connection, rows: list[Recorded], newsletters: Newsletters) -> list[Record]:
    batches = batches_of(connection, [row.entry.batch_id for row in rows])
    visits = _visits(connection, [row.id for row in rows])
    entries = []
    for row in rows:
        entry, settings = row.entry, newsletters.get(row.newsletter)
        batch = batches.get(entry.batch_id or 0)
        values = asdict(entry) | {"occurred_at": _iso(entry.occurred_at), "expires_at": _iso(entry.expires_at)}
        del values["batch_id"], values["policy_version"]
        entries.append(
            {
                "id": row.id,
                "recorded_at": _iso(row.at),
                "newsletter": row.newsletter,
                "purpose": row.purpose,
                "words": told(entry, row.purpose, settings.name if settings else row.newsletter, batch),
                **values,
                "wording": entry.wording and {**asdict(entry.wording), "text": text_of(connection, entry.wording)},
                "policy": entry.policy_version and _policy(entry.policy_version, settings),
                "import": batch and {**asdict(batch), "undone_at": _iso(batch.undone_at)},
                "proofs": visits[row.id],
            }
        )
    return entries


def _visits(connection: Connection, entry_ids: list[int]) -> Mapping[int, list[Record]]:
    table = proofs.c
    columns = (table.consent_id, table.network_address, table.agent, table.at, table.delete_after)
    query = select(*columns).where(table.kind == VISIT, table.consent_id.in_(entry_ids)).order_by(table.id)
    found: dict[int, list[Record]] = defaultdict(list)
    for entry_id, network_address, agent, at, delete_after in connection.execute(query):
        visit = {"network_address": network_address, "agent": agent, "at": _iso(at), "kept_until": _iso(delete_after)}
        found[entry_id].append(visit)
    return found


def _policy(version: str, settings: NewsletterSettings | None) -> Record:
    known = next((policy for policy in settings.policies if policy.version == version), None) if settings else None
    return known.model_dump(mode="json") if known else {"version": version}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


# -- the page ---------------------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light; }
body { font: 11pt/1.5 Georgia, "Times New Roman", serif; color: #1a1a1a; background: #fff; max-width: 42rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #999; }
section { margin: 1.25rem 0; break-inside: avoid; } h3 { font-size: 1rem; margin: 0 0 .25rem; }
dl { display: grid; grid-template-columns: 9rem 1fr; gap: .15rem 1rem; margin: 0; font-size: .9rem; }
dt { color: #555; } dd { margin: 0; } blockquote { margin: .5rem 0; padding-left: .75rem; border-left: 3px solid #999; }
@page { margin: 2cm; } @media print { body { margin: 0; max-width: none; font-size: 10pt; } }
"""


def _page(record: Record) -> str:
    said = "".join(_section(entry) for entry in record["entries"]) or "<p>The ledger has no entry.</p>"
    now = "".join(
        f"<li>{_t(v['name'])}: {'yes' if v['mailable'] else 'no'}, {_t(v['reason'])} ({_t(v['evidence'])})</li>"
        for v in record["now"]
    )
    story_items = "".join(f"<li>{_when(m['at'])}: {_t(m['what'])}</li>" for m in record["timeline"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Consent on record: {_t(record["address"])}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Consent on record</h1>
<p>{_t(record["address"])}, as of {_when(record["exported_at"])} (times in UTC)</p>
<h2>May be mailed now</h2>
<ul>{now or "<li>Subscribed to no newsletter.</li>"}</ul>
<h2>What the ledger says</h2>
{said}
<h2>In order</h2>
<ul>{story_items}</ul>
</body>
</html>
"""


def _section(entry: Record) -> str:
    wording, policy, batch = entry["wording"], entry["policy"], entry["import"]
    rows = [("Written down", _when(entry["recorded_at"])), ("Entry", f"{entry['id']}, {entry['event']}")]
    rows += [(label, entry[name]) for label, name in (("Newsletter", "newsletter"), ("Purpose", "purpose"))]
    for label, name in (("Basis", "basis"), ("From", "ground"), ("Rules", "jurisdiction"), ("Until", "expires_at")):
        if entry[name]:
            rows.append((label, entry[name]))
    rows += [("Source", entry["source"]), ("Recorded by", entry["actor"])]
    if wording:
        rows.append(("Wording", f"version {wording['version']}, {wording['lang']}, SHA-256 {wording['hash']}"))
    if policy:
        effective = f", in force from {policy['effective']}" if "effective" in policy else ""
        rows.append(("Policy", f"{policy['version']}{effective}"))
    if batch:
        undone = f"; undone on {_when(batch['undone_at'])}" if batch["undone_by"] else "; not finished"
        undone = undone if batch["undone_at"] else ""
        rows.append(("File", f"{batch['file_name']}, SHA-256 {batch['file_sha256']}{undone}"))
    for visit in entry["proofs"]:
        seen = f"{visit['network_address'] or 'unknown'}, {visit['agent'] or 'unknown program'}"
        rows.append(("Came from", f"{seen} (kept until {_when(visit['kept_until'])})"))
    listed = "".join(f"<dt>{_t(label)}</dt><dd>{_t(value)}</dd>" for label, value in rows)
    text = f"<blockquote>{_t(wording['text'] or '(the text is not on record)')}</blockquote>" if wording else ""
    return f"<section><h3>{_t(entry['words'])}</h3>{text}<dl>{listed}</dl></section>\n"


def _when(iso: str) -> str:
    return iso[:16].replace("T", " ")


def _t(value: object) -> str:
    return escape("".join(c if c.isprintable() else "\ufffd" for c in str(value)))
