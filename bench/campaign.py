"""The fault campaign: many sends, each with trouble and SIGKILLs of its own, held against the simulator's own record.

    python bench/campaign.py [--sends 1000] [--seed 2024] [--first 0] [--postgresql] [--readers 120]

For each send the seed draws how mail is handed over (raw or bulk), how many processes share the work, which faults the
provider has, who is killed after how many messages, and whether somebody pauses or cancels in between. Afterwards, by
the simulator's record: no reader has it twice, whoever has it is accounted for, whoever is in doubt is named, the
account adds up; and when those in doubt are decided upon, every reader has it exactly once. Prints one JSON line; a
failure says which send of which seed it was (`--first N --sends 1` repeats it; moments are as the machine has them).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

from sqlalchemy import insert, select

from newsletter.app import App, make_workspace, open_app, system_clock
from newsletter.errors import NewsletterError
from newsletter.feedback.collect import collect
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze, load_build
from newsletter.sending import sends
from newsletter.sending.accounts import Account, account, in_doubt
from newsletter.sending.answers import Patience
from newsletter.sending.control import cancel, pause, resolve_uncertain, take_stock
from newsletter.sending.send import begin, send_issue
from newsletter.sending.sends import Send, State
from newsletter.simulator.server import Running, start
from newsletter.store.tables import consent, deliveries, subscribers, subscriptions

LEASE = 1.0
PATIENCE = Patience(first_wait=0.01, longest_wait=0.05, clean_seconds=0.2, lease_seconds=LEASE, away_minutes=(0.001,))
FAULTS: tuple[dict[str, Any], ...] = (
    {"do": "throttle", "times": 3},
    {"do": "error-500"},
    {"do": "drop-before-accept", "times": 2},
    {"do": "drop-after-accept"},
    {"do": "slow", "seconds": 0.05, "times": 5},
    {"do": "entries", "entry_status": ["TRANSIENT_FAILURE", "ACCOUNT_THROTTLED", "FAILED"], "share": 0.3},
    {"do": "outage", "seconds": 0.1},
)
MOST_ROUNDS = 40  # of going on with a send that faults stop again and again
SECONDS = 60.0  # that anything may take before the campaign calls it stuck


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class World:
    """One newsroom, one simulator, and a place that makes sending processes."""

    app: App
    simulator: Running
    nursery: Nursery
    readers: int
    met: Counter[str] = field(default_factory=Counter)

    def ask(self, path: str) -> Any:
        return self._call(Request(f"{self.simulator.url}/_simulator/{path}"))

    def order(self, fault: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        self._call(Request(f"{self.simulator.url}/_simulator/faults", json.dumps(fault).encode(), headers))

    def calm(self) -> None:
        self._call(Request(f"{self.simulator.url}/_simulator/faults", method="DELETE"))

    def _call(self, request: Request) -> Any:
        """The simulator may be away for a moment: that is one of its faults."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                with urlopen(request, timeout=SECONDS / 4) as answer:
                    return json.load(answer)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def accepted(self) -> int:
        return int(self.ask("health")["accepted"])

    def record_since(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := self.ask(f"messages?after={number + len(found)}&limit=1000")["messages"]:
            found += page
        return found


# -- processes --------------------------------------------------------------------------------------------------------


class Nursery:
    """Forks sending processes on demand: none of them pays for loading boto3, and nothing is open before."""

    def __init__(self) -> None:
        self._orders, orders = os.pipe()
        news, self._news = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(orders)
            os.close(news)
            try:
                self._rear()
            finally:
                os._exit(0)
        os.close(self._orders)
        os.close(self._news)
        self._out, self._in = os.fdopen(orders, "w", buffering=1), os.fdopen(news, "r")
        self.ended: dict[int, int] = {}
        self._born: list[int] = []
        Thread(target=self._listen, daemon=True).start()

    def begin(self, root: Path, build: str, mode: str, *, worker: bool) -> int:
        """A process that sends; its number."""
        known = len(self._born)
        self._out.write(json.dumps({"root": str(root), "build": build, "mode": mode, "worker": worker}) + "\n")
        until(lambda: len(self._born) > known, "a process to begin")
        return self._born[known]

    def wait(self, number: int) -> int:
        until(lambda: number in self.ended, f"process {number} to end")
        return self.ended[number]

    def close(self) -> None:
        self._out.close()
        os.waitpid(self.process, 0)

    def _listen(self) -> None:
        for line in self._in:
            word, number, *status = line.split()
            if word == "born":
                self._born.append(int(number))
            else:
                self.ended[int(number)] = int(status[0])

    def _rear(self) -> None:
        with os.fdopen(self._orders) as orders:
            for line in orders:
                child = os.fork()
                if child == 0:
                    os._exit(sending(json.loads(line)))
                self._say(f"born {child}")
                Thread(target=self._bury, args=(child,), daemon=True).start()

    def _bury(self, child: int) -> None:
        _, status = os.waitpid(child, 0)
        self._say(f"ended {child} {status}")

    def _say(self, line: str) -> None:
        os.write(self._news, f"{line}\n".encode())


def sending(asked: dict[str, Any]) -> int:
    """In a process of its own: go on with the send. 0: it ended by itself; 1: it was refused; 3: a defect."""
    os.environ["NEWSLETTER_SES__MODE"] = asked["mode"]
    logging.disable(logging.CRITICAL)  # of the trouble that was ordered
    try:
        app = open_app(Path(asked["root"]))
        if asked["worker"]:
            from newsletter.work.worker import Worker

            tools = (app.store, app.workspace, app.keys, app.transport(), app.now)
            Worker(*tools, concurrency=2, patience=PATIENCE, look_seconds=0.1).run()
        else:
            build = load_build(app.store, asked["build"])
            parts = (app.store, app.workspace, app.keys, app.transport())
            send_issue(*parts, build, person="campaign", now=app.now, patience=PATIENCE)
    except NewsletterError:
        return 1
    except BaseException:  # noqa: BLE001 - a forked process must never return
        import traceback

        traceback.print_exc()
        return 3
    return 0


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > end:
            raise Broken(f"waited {SECONDS:.0f} seconds for {what}")
        time.sleep(0.002)


# -- one send ---------------------------------------------------------------------------------------------------------


def one_send(world: World, seed: str) -> Counter[str]:
    """Send one issue through everything its seed draws, and hold the ledger against the record. Raises Broken."""
    chance, app = random.Random(seed), world.app
    mode = chance.choice(("raw", "bulk"))
    build = made_up(f"campaign-{seed.replace(':', '-')}")
    freeze(app.store, app.workspace, build, now=system_clock())
    before = world.accepted()
    drawn: Counter[str] = Counter({mode: 1})
    for fault in chance.choices(FAULTS, k=chance.randrange(5)):
        world.order({**fault, "after": chance.randrange(12 if mode == "raw" else 4)})
        drawn[str(fault["do"])] += 1
    workers = app.store.is_postgresql and chance.random() < 0.5
    kills = sorted(chance.randrange(world.readers) for _ in range(chance.randrange(4)))
    acts = [act for act in ("pause", "cancel") if chance.random() < 0.15]
    drawn += Counter({"kills": len(kills), "workers": int(workers), **dict.fromkeys(acts, 1)})
    os.environ["NEWSLETTER_SES__MODE"] = mode
    if workers:
        begun(app, build, mode)
    for number, kill_at in enumerate([*kills, None]):
        act = acts.pop() if acts and number == len(kills) // 2 else None
        mark = None if kill_at is None and act is None else before + (kill_at or world.readers // 3)
        one_round(world, build, Round(mode, workers, mark, kills=kill_at is not None, act=act), chance)
    world.calm()
    go_on(world, build, mode)
    hold_against_the_record(world, build, mode, before)
    return drawn


@dataclass(frozen=True)
class Round:
    """Some processes at work together, until they end or are ended."""

    mode: str
    workers: bool
    mark: int | None  # so many messages accepted: then something happens
    kills: bool
    act: str | None


def one_round(world: World, build: Build, said: Round, chance: random.Random) -> None:
    together, root = chance.randrange(1, 4), world.app.workspace.root
    run = [world.nursery.begin(root, build.hash, said.mode, worker=said.workers) for _ in range(together)]
    if (mark := said.mark) is not None:
        until(lambda: world.accepted() >= mark or over(world, build, run), f"{mark} messages")
    if said.act:
        interfere(world.app, build, said.act)
    if said.kills:
        end(chance.sample(run, k=chance.randrange(1, together + 1)), signal.SIGKILL)
    if said.workers:
        until(lambda: over(world, build, run), "the workers to be done")
        end(run, signal.SIGTERM)
    if any(os.waitstatus_to_exitcode(world.nursery.wait(process)) == 3 for process in run):
        raise Broken("a sending process ended with a defect")


def end(processes: list[int], how: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, how)


def begun(app: App, build: Build, mode: str) -> None:
    """A detached send, for workers."""
    fresh = open_app(app.workspace.root)
    with suppress(NewsletterError):  # the faults have begun already: a process will begin it instead
        begin(fresh.store, fresh.workspace, fresh.transport(), build, person="campaign", now=system_clock)
    fresh.store.close()


def over(world: World, build: Build, run: list[int]) -> bool:
    """Whether nothing more will come by itself: all processes have ended, or the send is not `sending` any more."""
    if all(process in world.nursery.ended for process in run):
        return True
    send = the_send(world.app, build)
    return send is not None and send.state not in {State.PLANNED, State.PREPARING, State.SENDING}


def interfere(app: App, build: Build, act: str) -> None:
    send = the_send(app, build)
    if send is not None:
        with suppress(NewsletterError):  # it may be over already
            if act == "pause":
                pause(app.store, send.id, person="campaign")
            else:
                cancel(app.store, send.id, person="campaign", now=system_clock())


def go_on(world: World, build: Build, mode: str) -> None:
    """Without further trouble: go on until the last send of the issue is done and nobody is in flight."""
    app = world.app
    for _ in range(MOST_ROUNDS):
        send = the_send(app, build)
        if send is not None:
            send = take_stock(app.store, app.workspace.locks, send.id, now=system_clock())
            if send.state is State.DONE:
                return
            if send.state is State.CANCELLED and not in_flight(app, send):
                return
        process = world.nursery.begin(app.workspace.root, build.hash, mode, worker=False)
        if os.waitstatus_to_exitcode(world.nursery.wait(process)) == 3:
            raise Broken("going on ended with a defect")
        time.sleep(LEASE / 4 if app.store.is_postgresql else 0)  # a killed owner's lease must run out
    raise Broken(f"the send is {send.state if send else 'not there'} ({send.reason if send else ''}) for ever")


def hold_against_the_record(world: World, build: Build, mode: str, before: int) -> None:
    app, everybody = world.app, set(range(1, world.readers + 1))
    collect(app.store, app.settings, app.keys, now=system_clock)
    got = received(world, before)
    if twice := [reader for reader, times in got.items() if times > 1]:
        raise Broken(f"readers {twice[:5]} have it twice")
    send = the_send(app, build)
    if send is None:
        raise Broken("there is no send")
    rows, found, doubtful = ledger_of(app, send)  # the account adds up, or cannot be made
    had = {reader for reader, state in rows.items() if state == "accepted"}
    if set(got) - had:
        raise Broken(f"readers {sorted(set(got) - had)[:5]} have it, and the ledger does not say so")
    if had - set(got):
        raise Broken(f"readers {sorted(had - set(got))[:5]} do not have it, and the ledger says they do")
    if set(rows) != everybody or found.audience != world.readers:
        raise Broken(f"{len(everybody - set(rows))} readers are in no account")
    if doubtful != {reader for reader, state in rows.items() if state == "uncertain"}:
        raise Broken("somebody in doubt is not named")
    lost = {reader for reader, state in rows.items() if state in {"pending", "in_flight", "refused"}}
    if lost:
        raise Broken(f"readers {sorted(lost)[:5]} are left over: {rows[min(lost)]}")
    if send.state is State.CANCELLED:
        return
    # Events have said who has it; the rest, it is certain now, has not. A person says so, and they get it.
    if resolve_uncertain(app.store, send.id, "resend", person="campaign", now=system_clock()):
        go_on(world, build, mode)
    if received(world, before) != Counter(everybody):
        raise Broken("not everybody has it exactly once in the end")


def received(world: World, before: int) -> Counter[int]:
    """How often each reader was mailed, by the simulator's own record."""
    return Counter(int(message["tags"]["delivery"].split("-")[1]) for message in world.record_since(before))


def ledger_of(app: App, send: Send) -> tuple[dict[int, str], Account, set[int]]:
    query = select(deliveries.c.subscriber_id, deliveries.c.state).where(deliveries.c.send_id == send.id)
    with app.store.read() as connection:
        rows = {row.subscriber_id: row.state for row in connection.execute(query)}
        return rows, account(connection, send.id), {row.subscriber_id for row in in_doubt(connection, send.id)}


def in_flight(app: App, send: Send) -> bool:
    with app.store.read() as connection:
        return account(connection, send.id).in_flight > 0


def the_send(app: App, build: Build) -> Send | None:
    with app.store.read() as connection:
        found = sends.of_issue(connection, build.issue)
    return found[-1] if found else None


# -- the world --------------------------------------------------------------------------------------------------------


@contextmanager
def world(folder: Path, readers: int, *, store_url: str | None = None) -> Iterator[World]:
    """A newsroom of its own, in SQLite or in the database at `store_url`."""
    nursery = Nursery()
    with start(folder / "simulator", keep_messages=False) as simulator, ExitStack() as after:
        settings = {
            "NEWSLETTER_TRANSPORT__KIND": "ses",
            "NEWSLETTER_SES__ENDPOINT_URL": simulator.url,
            "NEWSLETTER_SES__CONNECTIONS": "3",
            "NEWSLETTER_FEEDBACK__SIMULATOR_URL": simulator.url,
            **({"NEWSLETTER_STORE__URL": store_url} if store_url else {}),
        }
        earlier = {name: os.environ.get(name) for name in (*settings, "NEWSLETTER_SES__MODE")}
        after.callback(put_back, earlier)
        os.environ.update(settings)
        nursery.close()
        nursery = Nursery()  # forked again: its children must find these settings
        after.callback(nursery.close)
        app = make_workspace(folder / "newsroom")
        after.callback(app.store.close)
        add_readers(app, readers)
        yield World(app, simulator, nursery, readers)


def put_back(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def add_readers(app: App, number: int, *, first: int = 1, newsletter: str = "daily") -> None:
    since = datetime(2024, 1, 1, tzinfo=UTC)
    ids = range(first, first + number)
    entry: dict[str, object] = {
        "newsletter": newsletter,
        "purpose": "send",
        "event": "confirmed",
        "basis": "express",
        "jurisdiction": "gdpr",
    }
    entry |= {"source": "campaign", "actor": "campaign", "occurred_at": since, "recorded_at": since}
    with app.store.write() as connection:
        people = [
            {"id": i, "address_hash": f"h1:{i:064x}", "address": f"reader{i}@example.com", "created_at": since}
            for i in ids
        ]
        connection.execute(insert(subscribers), people)
        rows = [{"newsletter": newsletter, "subscriber_id": i, "created_at": since} for i in ids]
        connection.execute(insert(subscriptions), rows)
        connection.execute(insert(consent), [{**entry, "subscriber_id": i} for i in ids])


def made_up(issue: str, *, newsletter: str = "daily") -> Build:
    """A small issue; its name makes it one of its own."""
    import hashlib

    link = "{{unsubscribe_url}}"
    bodies = {
        "subject.txt": f"{issue}\n".encode(),
        "preheader.txt": b"What happened\n",
        "body.html": f'<p>{issue}</p><a href="{link}">Leave</a>\n'.encode(),
        "body.txt": f"{issue}\n\nLeave: {link}\n".encode(),
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in bodies.items()}
    manifest = {"newsletter": newsletter, "issue": issue, "date": "2024-10-10", "assets": {}}
    return Build({"manifest.json": canonical_json({**manifest, "variants": {"default": hashes}}), **bodies})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sends", type=int, default=1_000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--seed", default="2024")
    options.add_argument("--readers", type=int, default=120)
    options.add_argument("--postgresql", action="store_true")
    asked = options.parse_args()
    drawn: Counter[str] = Counter()
    begun_at = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as after:
        url = after.enter_context(postgresql()) if asked.postgresql else None
        found = after.enter_context(world(Path(folder), asked.readers, store_url=url))
        for number in range(asked.first, asked.first + asked.sends):
            try:
                drawn += one_send(found, f"{asked.seed}:{number}")
            except Exception as error:
                raise SystemExit(f"Send {number} of seed {asked.seed} is broken: {error!r}") from error
    seconds = round(time.perf_counter() - begun_at, 1)
    database = "postgresql" if asked.postgresql else "sqlite"
    print(json.dumps({"bench": "campaign", "database": database, "sends": asked.sends, "seed": asked.seed,
                      "readers": asked.readers, "drawn": dict(drawn), "broken": 0, "seconds": seconds}))  # fmt: skip


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own, started for this; the address of an empty database."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    running = import_module("postgresql_server").running

    with running() as server:
        yield server.url(server.empty())


if __name__ == "__main__":
    main()
