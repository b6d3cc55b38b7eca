"""How a send's report looks: on a terminal of 80 columns, and as one table for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, TextIO

from rich.padding import Padding
from rich.table import Table

from newsletter.cli.show import out, plain, say, show_account

if TYPE_CHECKING:
    from newsletter.feedback.one_reader import Fate

WIDTH = 80
_OUTCOMES = {
    "delivered": "delivered",
    "delayed": "still being tried",
    "bounced": "bounced",
    "complained": "reported as spam",
    "rejected": "not mailed by the provider",
    "none": "nothing heard of yet",
}
_ALWAYS = ("readers", "delivered", "bounced_hard", "bounced_soft", "unheard")
_BECAME = {
    "readers": "readers",
    "delivered": "delivered",
    "late": "delayed",
    "hard": "bounced_hard",
    "soft": "bounced_soft",
    "spam": "complained",
    "silent": "unheard",
    "not sent": "rejected",
    "refused": "refused",
    "doubt": "doubtful",
}
_OURS = {"content": "our content", "configuration": "our configuration"}


def show_report(report: Mapping[str, Any], *, zone: tzinfo | None) -> None:
    """The whole of it, section by section; a section with nothing in it is left out."""
    _head(report)
    show_account(report["account"], report["excluded_by"])
    _hand_over(report, zone)
    accepted = report["account"]["accepted"]
    _outcomes(report["outcomes"], accepted)
    _providers(report["providers"])
    _bounces(report["bounces"])
    _open_ends(report)
    _readers_did(report)
    _polls(report["polls"])
    _others(report, zone)


def _head(report: Mapping[str, Any]) -> None:
    say(f"[bold]Send {plain(report['send'])}[/bold] of issue {plain(report['issue'])}: {plain(report['state'])}")
    if report.get("state_reason"):
        say(f"  {plain(report['state_reason'])}")
    to = f", to segment {plain(report['segment'])}" if report.get("segment") else ""
    to += f", to those who had {plain(report['readers_of'])}" if report.get("readers_of") else ""
    said = f"build {report['build'][:12]}, by {plain(report['transport'])}, ordered by {plain(report['person'])}{to}"
    say(f"[dim]{said}[/dim]\n")


def _section(title: str) -> None:
    say(f"\n[bold]{title}[/bold]")


def _hand_over(report: Mapping[str, Any], zone: tzinfo | None) -> None:
    went = report["hand_over"]
    if not went["started"]:
        return
    _section("Hand-over")
    began = datetime.fromisoformat(went["started"]).astimezone(zone)
    say(f"  began {began.day} {began:%B %Y, %H:%M:%S} ({plain(str(zone))})")
    parts = [f"{part} % {_after(went[f'seconds_to_{part}'])}" for part in (50, 95, 100)]
    say(f"  {' · '.join(parts)}")
    if went["per_second"]:
        say(f"  {went['per_second']:,} readers a second")


def _after(seconds: float | None) -> str:
    if seconds is None:
        return "not yet"
    if seconds < 120:
        return f"after {seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"after {minutes} min {rest:02} s" if minutes < 120 else f"after {minutes // 60} h {minutes % 60:02} min"


def _outcomes(outcomes: Mapping[str, int], accepted: int) -> None:
    if not accepted:
        return
    _section(f"What came back of the {accepted:,} accepted")
    rows = [
        (words, f"{outcomes[name]:,}", _share(outcomes[name] / accepted))
        for name, words in _OUTCOMES.items()
        if outcomes.get(name)
    ]
    _table(("", "", ""), rows, right=(1, 2), header=False)


def _share(part: float) -> str:
    return f"{part:.1%}" if part >= 0.01 else f"{part:.2%}"


def _providers(providers: Sequence[Mapping[str, Any]]) -> None:
    if not providers:
        return
    _section("By mailbox provider")
    columns = {column: name for column, name in _BECAME.items() if name in _ALWAYS or any(r[name] for r in providers)}
    rows = [(_short(r["provider"], 24), *(_number(r[name]) for name in columns.values())) for r in providers]
    _table(("", *columns), rows, right=range(1, len(columns) + 1))


def _bounces(bounces: Sequence[Mapping[str, Any]]) -> None:
    if not bounces:
        return
    _section("Bounces")
    rows = [(b["kind"], b["detail"], f"{b['readers']:,}", _OURS.get(b["ours"] or "", "")) for b in bounces]
    _table(("", "", "", ""), rows, right=(2,), header=False)


def _open_ends(report: Mapping[str, Any]) -> None:
    """What somebody should look at, each with the command to look closer."""
    send = plain(report["send"])
    for state, title in (("uncertain", "In doubt"), ("refused", "Refused by the provider")):
        why = report[f"{state}_because"]
        if why:
            _section(title)
            rows = [(f"{row['readers']:,}", row["reason"]) for row in why]
            _table(("", ""), rows, right=(0,), header=False)
            say(f"  Who: newsletter sends {state} {send}")
    if report["warnings"]:
        _section("Look at this")
        for warning in report["warnings"]:
            say(f"  [yellow]{plain(warning)}[/yellow]")


def _readers_did(report: Mapping[str, Any]) -> None:
    left = report["unsubscribed"]
    if left["readers"]:
        _section("Left by this send's links")
        ways = ", ".join(f"{number:,} by {plain(way)}" for way, number in left["by"].items())
        say(f"  {left['readers']:,} readers ({ways})")
    clicks, opens = report["clicks"], report["opens"]
    if clicks["measured"]:
        _section(f"Clicks, of the {clicks['measured']:,} readers who agreed to be measured")
        say(f"  {clicks['people']:,} people clicked; scanners tried links for {clicks['scanners']:,} readers")
        _table(("link", "block", "people", "scanners"), map(_link, clicks["links"]), right=(2, 3))
        _note(clicks["caveat"])
    if opens["measured"]:
        _section(f"Opens, of the {opens['measured']:,} readers who agreed to be measured")
        say(
            f"  {opens['people']:,} people; fetched by the mailbox itself for {opens['prefetched']:,}, "
            f"by scanners for {opens['scanners']:,}"
        )
        _note(opens["caveat"])


def _link(row: Mapping[str, Any]) -> tuple[str, ...]:
    where = (_short(_bare(row["link"]), 38), _short(row["block"] or "", 16))
    return (*where, _number(row["people"]), _number(row["scanners"]))


def _polls(polls: Sequence[Mapping[str, Any]]) -> None:
    for poll in polls:
        _section(f"Poll: {plain(poll['question'])}")
        rows = [
            (_short(each["option"], 36), f"{each['votes']:,}", f"{each['percent']} %", "█" * (each["percent"] // 4))
            for each in poll["options"]
        ]
        _table(("", "", "", ""), rows, right=(1, 2), header=False)
        if poll["suspect"]:
            say(f"  [dim]{poll['suspect']:,} votes look like a machine's and are not counted[/dim]")


def _others(report: Mapping[str, Any], zone: tzinfo | None) -> None:
    for kind, states in report["test_mails"].items():
        counts = ", ".join(f"{number:,} {plain(state)}" for state, number in states.items())
        say(f"\n[dim]{'Seed' if kind == 'seed' else 'Test'} mails to colleagues: {counts}[/dim]")
    for decision in report["decisions"]:
        at = datetime.fromisoformat(decision["at"]).astimezone(zone)
        did = "sent again" if decision["choice"] == "resend" else "left in doubt"
        by = f"by {plain(decision['person'])}, {at.day} {at:%B %H:%M}"
        say(f"[dim]{decision['readers']:,} readers in doubt were {did} {by}[/dim]")


def show_fate(found: Fate, *, zone: tzinfo | None) -> None:
    """One reader: the sentence, the ledger's row, the events in order, what holds now, and what can be done."""
    out.print(plain(found.sentence), style="bold", width=WIDTH, soft_wrap=False)
    row = found.row
    if row is not None:
        rows = [
            ("state", row.state + (f" ({row.reason})" if row.reason else "")),
            ("batch", f"{row.batch}, attempt {row.attempt}, variant {row.variant}"),
            ("handed over", _moment(row.handed_over_at, zone)),
            ("message id", row.message_id or "none"),
            ("outcome", row.outcome + (f" ({row.outcome_detail})" if row.outcome_detail else "")),
            ("measured", row.tracking),
        ]
        _section("The ledger")
        _table(("", ""), rows, header=False)
    if found.events:
        _section("What was heard, in order")
        heard = [(_moment(e.at, zone), e.kind, _heard(e), e.did) for e in found.events]
        _table(("", "", "", ""), heard, header=False)
    for other in found.elsewhere:
        say(f"\nIn send {plain(other['send'])} of the same issue: {plain(other['state'])}, {plain(other['outcome'])}")
    if found.now is not None:
        _section("Now")
        said = "may be mailed" if found.now.mailable else f"would be left out: {found.now.reason}"
        say(f"  {plain(said)} ({plain(found.now.evidence)})")
    for step in found.next_steps:
        say(f"[dim]→ {plain(step)}[/dim]")


def _heard(event: Any) -> str:
    parts = (event.detail, event.link, f"by a {event.by}" if event.by else None)
    return ", ".join(part for part in parts if part)


def _moment(at: datetime | None, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}" if at else "never"


def _number(value: int) -> str:
    return f"{value:,}" if value else "·"


def _bare(link: str | None) -> str:
    """An address without its scheme and query: what an editor knows it by."""
    return (link or "(an address not in the build)").partition("?")[0].removeprefix("https://").removeprefix("http://")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _note(text: str) -> None:
    out.print(Padding(f"[dim]{plain(text)}[/dim]", (0, 0, 0, 2), expand=False), width=WIDTH, soft_wrap=False)


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] | range = (), header: bool = True
) -> None:
    shown = Table(box=None, pad_edge=False, show_header=header, header_style="dim", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        number = index in right  # `0 %` stays in one piece
        shown.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number)
    for row in rows:
        shown.add_row(*(plain(cell) for cell in row))
    out.print(Padding(shown, (0, 0, 0, 2), expand=False), width=WIDTH)


# -- as a table -------------------------------------------------------------------------------------------------------


def write_csv(report: Mapping[str, Any], target: TextIO) -> int:
    """One tidy table: a number or a word a row, under section, item and measure. How many rows."""
    rows = list(_flat(report))
    write_rows(target, ("section", "item", "measure", "value"), rows)
    return len(rows)


def write_rows(target: TextIO, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV (RFC 4180) in which no cell is a formula to a spreadsheet."""
    from newsletter.audience.cells import harmless

    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([harmless(cell) for cell in row] for row in rows)


_NAMES = ("provider", "detail", "reason", "link", "block", "option", "poll")


def _flat(report: Mapping[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    for key, value in report.items():
        if isinstance(value, Mapping):
            yield from _of_table(key, value)
        elif isinstance(value, list):
            yield from _of_list(key, value)
        else:
            yield "send", "", key, _cell(value)


def _of_table(section: str, table: Mapping[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    for key, value in table.items():
        if isinstance(value, list):
            yield from _of_list(f"{section} {key}", value)
        elif isinstance(value, Mapping):
            yield from ((section, f"{key}", name, _cell(number)) for name, number in value.items())
        else:
            yield section, "", key, _cell(value)


def _of_list(section: str, items: Sequence[Any]) -> Iterable[tuple[str, str, str, str]]:
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            yield section, str(number), "", _cell(item)
            continue
        name = next((str(item[key]) for key in _NAMES if item.get(key)), str(number))
        for key, value in item.items():
            if isinstance(value, list):
                yield from _of_list(f"{section} {name} {key}", value)
            elif value != name:
                yield section, name, key, _cell(value)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
