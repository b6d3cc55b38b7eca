"""The operations of SES v2 that a newsletter uses. Each takes a checked request and gives its answer or a SesError."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from newsletter.simulator import compose
from newsletter.simulator.account import Account
from newsletter.simulator.errors import SesError, bad_request
from newsletter.simulator.fate import Fates
from newsletter.simulator.faults import Fault
from newsletter.simulator.lists import ConfigurationSets, Identities, Operations, Suppressions, paged
from newsletter.simulator.orders import Ask, Bulk, Order, Shelf, data_of, single
from newsletter.simulator.record import NOT_RENDERED, Accepted, Record, is_mailbox, new_message_id, now
from newsletter.simulator.templates import MissingVariable, TemplateStore
from newsletter.simulator.tracking import tracked_links

MAX_ENTRIES = 50
SENDING = frozenset({"SendEmail", "SendBulkEmail"})

Met = tuple[Fault, random.Random] | None  # the trouble a call meets, and its dice


class Ses:
    """One account in one Region."""

    def __init__(self, record: Record, account: Account) -> None:
        self.account = account
        self.identities = Identities()
        self.suppressions = Suppressions(sandbox=lambda: account.sandbox)
        self.fates = Fates(self.suppressions)
        self._record = record
        self._templates = TemplateStore()
        self._shelf = Shelf(self._templates, ConfigurationSets())
        self._operations: Operations = {
            "CreateEmailTemplate": self._create_template,
            "GetEmailTemplate": self._get_template,
            "UpdateEmailTemplate": self._update_template,
            "DeleteEmailTemplate": self._delete_template,
            "ListEmailTemplates": self._list_templates,
            "TestRenderEmailTemplate": self._test_render,
            "GetAccount": lambda ask: self.account.answer(),
            **self.identities.operations(),
            **self.suppressions.operations(),
            **self._shelf.sets.operations(),
        }

    def answer(self, operation: str, ask: Ask, met: Met = None) -> dict[str, Any]:
        """Carry out one operation. Raises SesError."""
        if operation == "SendEmail":
            return self._send_email(ask)
        if operation == "SendBulkEmail":
            return self._send_bulk_email(ask, met)
        if operation not in self._operations:
            message = f"The simulator does not know {operation}."
            raise SesError("UnknownOperationException", message, status=404)
        return self._operations[operation](ask)

    # Sending

    def _send_email(self, ask: Ask) -> dict[str, Any]:
        order = single(ask, self._shelf)
        if self.account.sandbox:
            self._check_verified(order)
        self.account.pace(len(order.destination))
        if _counted(order) > self.account.room():
            raise SesError("TooManyRequestsException", "Daily message quota exceeded.")
        (message_id,) = self._accept([order])
        return {"MessageId": message_id}

    def _send_bulk_email(self, ask: Ask, met: Met) -> dict[str, Any]:
        entries = ask["BulkEmailEntries"]
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise bad_request(f"BulkEmailEntries must hold 1 to {MAX_ENTRIES} entries, not {len(entries)}.")
        bulk = Bulk.of(ask, self._shelf)
        self.account.pace(len(entries))
        trouble = met if met and met[0].do == "entries" else None
        room = self.account.room()
        results: list[dict[str, str]] = []
        orders: list[Order] = []
        for entry in entries:
            try:
                order = bulk.order(entry)
                if self.account.sandbox:
                    self._check_verified(order)
            except SesError as error:
                status = "MESSAGE_REJECTED" if error.code == "MessageRejected" else "INVALID_PARAMETER"
                results.append({"Status": status, "Error": error.message})
                continue
            if trouble and (trouble[0].share == 1 or trouble[1].random() < trouble[0].share):
                fault, dice = trouble
                results.append({"Status": dice.choice(fault.statuses), "Error": fault.message})
                continue
            room -= _counted(order)
            if room < 0:
                results.append({"Status": "ACCOUNT_DAILY_QUOTA_EXCEEDED", "Error": "Daily message quota exceeded."})
                continue
            orders.append(order)
            results.append({"Status": "SUCCESS"})
        ids = iter(self._accept(orders))
        for result in results:
            if result["Status"] == "SUCCESS":
                result["MessageId"] = next(ids)
        return {"BulkEmailEntryResults": results}

    def _check_verified(self, order: Order) -> None:
        """The sandbox mails verified addresses and the mailbox simulator. Raises SesError."""
        failed = [to for to in order.destination if not is_mailbox(to) and to not in self.identities]
        if failed:
            raise SesError(
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in region US-EAST-1: "
                + ", ".join(failed),
            )

    def _accept(self, orders: Sequence[Order]) -> list[str]:
        at = now()
        stamp = at.isoformat(timespec="milliseconds")
        messages = []
        for order in orders:
            message_id = new_message_id(at)
            eml = links = None
            if self._record.keeps_messages and order.failure is None:
                eml = self._record.keep(message_id, order.compose(message_id, at))
            through, destination = order.through, order.destination
            measures, failed = through.measures, order.failure is not None
            outcomes = [NOT_RENDERED if failed else self.fates.outcome(address) for address in destination]
            if measures.clicks and not failed:
                links = self._record.link_set(tracked_links(order.html()))
            plan = self.fates.plan(
                destination,
                outcomes,
                failed=failed,
                measures=measures,
                links=len(self._record.links[links]) if links is not None else 0,
                published=through.published,
            )
            messages.append(
                Accepted(
                    message_id,
                    stamp,
                    order.operation,
                    order.sender,
                    destination,
                    outcomes,
                    order.tags,
                    configuration_set=through.name,
                    subject=order.subject,
                    failure=order.failure,
                    template=order.template,
                    eml=eml,
                    tracking=measures.word(),
                    links=links,
                    plan=plan,
                )
            )
        self._record.add(messages)
        self.account.count(sum(map(_counted, orders)))
        return [message.message_id for message in messages]

    # Templates

    def _create_template(self, ask: Ask) -> dict[str, Any]:
        self._templates.create(ask["TemplateName"], ask["TemplateContent"])
        return {}

    def _get_template(self, ask: Ask) -> dict[str, Any]:
        template = self._templates.get(ask["TemplateName"])
        return {"TemplateName": ask["TemplateName"], "TemplateContent": dict(template.content)}

    def _update_template(self, ask: Ask) -> dict[str, Any]:
        self._templates.update(ask["TemplateName"], ask["TemplateContent"])
        return {}

    def _delete_template(self, ask: Ask) -> dict[str, Any]:
        self._templates.delete(ask["TemplateName"])
        return {}

    def _list_templates(self, ask: Ask) -> dict[str, Any]:
        page, following = paged(self._templates.names(), ask, most=100)
        return {"TemplatesMetadata": [{"TemplateName": name} for name in page], **following}

    def _test_render(self, ask: Ask) -> dict[str, Any]:
        template = self._templates.get(ask["TemplateName"])
        try:
            parts = template.render(data_of(ask["TemplateData"]))
        except MissingVariable as error:
            raise bad_request(str(error)) from None
        letter = compose.Letter(parts=parts)
        return {"RenderedTemplate": letter.message("rendered", now()).decode()}


def _counted(order: Order) -> int:
    """How many of its recipients count against the quota."""
    return sum(not is_mailbox(address) for address in order.destination)
