"""The operations of SES v2 that a newsletter uses. Each takes a checked request and gives its answer or a SesError."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from newsletter.simulator import compose
from newsletter.simulator.account import Account
from newsletter.simulator.errors import SesError, bad_request
from newsletter.simulator.faults import Fault
from newsletter.simulator.orders import Ask, Bulk, Order, data_of, single
from newsletter.simulator.record import NOT_RENDERED, Accepted, Record, is_mailbox, new_message_id, now, outcome_of
from newsletter.simulator.templates import MissingVariable, TemplateStore

MAX_ENTRIES = 50
SENDING = frozenset({"SendEmail", "SendBulkEmail"})


class Ses:
    """One account in one Region."""

    def __init__(self, record: Record, account: Account) -> None:
        self._record = record
        self._account = account
        self._templates = TemplateStore()
        self._operations: dict[str, Callable[[Ask, Fault | None], dict[str, Any]]] = {
            "SendEmail": self._send_email,
            "SendBulkEmail": self._send_bulk_email,
            "CreateEmailTemplate": self._create_template,
            "GetEmailTemplate": self._get_template,
            "UpdateEmailTemplate": self._update_template,
            "DeleteEmailTemplate": self._delete_template,
            "ListEmailTemplates": self._list_templates,
            "TestRenderEmailTemplate": self._test_render,
            "GetAccount": lambda ask, fault: self._account.answer(),
        }

    def answer(self, operation: str, ask: Ask, fault: Fault | None = None) -> dict[str, Any]:
        """Carry out one operation. Raises SesError."""
        try:
            carry_out = self._operations[operation]
        except KeyError:
            message = f"The simulator does not know {operation}."
            raise SesError("UnknownOperationException", message, status=404) from None
        return carry_out(ask, fault)

    # Sending

    def _send_email(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        order = single(ask, self._templates)
        self._account.pace(len(order.destination))
        if _counted(order) > self._account.room():
            raise SesError("TooManyRequestsException", "Daily message quota exceeded.")
        (message_id,) = self._accept([order])
        return {"MessageId": message_id}

    def _send_bulk_email(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        entries = ask["BulkEmailEntries"]
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise bad_request(f"BulkEmailEntries must hold 1 to {MAX_ENTRIES} entries, not {len(entries)}.")
        bulk = Bulk.of(ask, self._templates)
        self._account.pace(len(entries))
        if fault and fault.do == "entries":
            return {"BulkEmailEntryResults": [{"Status": fault.entry_status, "Error": fault.message}] * len(entries)}
        room = self._account.room()
        results: list[dict[str, str]] = []
        orders: list[Order] = []
        for entry in entries:
            try:
                order = bulk.order(entry)
            except SesError as error:
                results.append({"Status": "INVALID_PARAMETER", "Error": error.message})
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

    def _accept(self, orders: Sequence[Order]) -> list[str]:
        at = now()
        stamp = at.isoformat(timespec="milliseconds")
        messages = []
        for order in orders:
            message_id = new_message_id(at)
            eml = None
            if self._record.keeps_messages and order.failure is None:
                eml = self._record.keep(message_id, order.compose(message_id, at))
            outcomes = [NOT_RENDERED if order.failure else outcome_of(address) for address in order.destination]
            messages.append(
                Accepted(
                    message_id,
                    stamp,
                    order.operation,
                    order.sender,
                    order.destination,
                    outcomes,
                    order.tags,
                    configuration_set=order.configuration_set,
                    subject=order.subject,
                    failure=order.failure,
                    template=order.template,
                    eml=eml,
                )
            )
        self._record.add(messages)
        self._account.count(sum(map(_counted, orders)))
        return [message.message_id for message in messages]

    # Templates

    def _create_template(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        self._templates.create(ask["TemplateName"], ask["TemplateContent"])
        return {}

    def _get_template(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        template = self._templates.get(ask["TemplateName"])
        return {"TemplateName": ask["TemplateName"], "TemplateContent": dict(template.content)}

    def _update_template(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        self._templates.update(ask["TemplateName"], ask["TemplateContent"])
        return {}

    def _delete_template(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        self._templates.delete(ask["TemplateName"])
        return {}

    def _list_templates(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
        after, size = ask.get("NextToken") or "", min(max(int(ask.get("PageSize") or 10), 1), 100)
        names = [name for name in self._templates.names() if name > after]
        page: dict[str, Any] = {"TemplatesMetadata": [{"TemplateName": name} for name in names[:size]]}
        return {**page, "NextToken": names[size - 1]} if len(names) > size else page

    def _test_render(self, ask: Ask, fault: Fault | None) -> dict[str, Any]:
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
