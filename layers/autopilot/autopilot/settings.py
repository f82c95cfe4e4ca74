"""The functions' environment, read once, with one error that names the variable and what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from autopilot.domain.allowlist import Verdict, is_principal
from autopilot.domain.connection import Status
from autopilot.domain.disruption import MaxDisruptions, OnRevoked
from autopilot.domain.mode import Mode
from autopilot.domain.organization import is_organization


class WrongSetting(Exception):
    """A variable of the function's environment is missing or wrong. The function does not start."""

    def __init__(self, name: str, found: str | None, expected: str) -> None:
        state = "is not set" if found is None else f"is {found!r}"
        super().__init__(
            f"environment variable {name} {state}; expected {expected}. Set the stack back, as docs/runbook.md says."
        )


class Settings:
    """One property a variable, each checked when it is read, so that a function asks only for its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @property
    def mode(self) -> Mode:
        return self._read("MODE", Mode, "enforce or observe")

    @property
    def unlisted(self) -> Verdict:
        def verdict(text: str) -> Verdict:
            return {"hold": Verdict.HOLD, "reject": Verdict.REJECT}[text]

        return self._read("UNLISTED", verdict, "hold or reject")

    @property
    def on_revoked(self) -> OnRevoked:
        return self._read("ON_REVOKED", OnRevoked, "keep or reject")

    @property
    def max_disruptions(self) -> MaxDisruptions:
        return MaxDisruptions(
            connections=self._number("MAX_DISRUPTIONS", 0, None, "a number of connections, 0 or more"),
            percent=self._number("MAX_DISRUPTIONS_PERCENT", 0, 100, "a percentage from 0 to 100"),
        )

    @property
    def held_reminder(self) -> timedelta | None:
        """How long a request is held before people are reminded of it; None for never."""
        hours = self._number("HELD_REMINDER_HOURS", 0, 8760, "a number of hours from 0 to 8760")
        return timedelta(hours=hours) if hours else None

    @property
    def name_grace(self) -> timedelta:
        """How long names stay that a service no longer declares."""
        return timedelta(hours=self._number("NAME_GRACE_HOURS", 0, 8760, "a number of hours from 0 to 8760"))

    @property
    def drift_check(self) -> timedelta:
        """How often the DNS of the organization's own accounts is compared with what it should be."""
        return timedelta(hours=self._number("DRIFT_CHECK_HOURS", 1, 8760, "a number of hours from 1 to 8760"))

    @property
    def foreign_drift_check(self) -> timedelta:
        """As `drift_check`, for accounts outside the organization."""
        return timedelta(hours=self._number("FOREIGN_DRIFT_CHECK_HOURS", 1, 8760, "a number of hours from 1 to 8760"))

    @property
    def public_resolver(self) -> str:
        """Who is asked about public DNS; an empty text for the runtime's own resolver."""
        pattern = r"([0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?)?"
        return self._matching("PUBLIC_RESOLVER", pattern, "an IPv4 address, with :port perhaps, or nothing")

    @property
    def manage_permissions(self) -> bool:
        return self._read("MANAGE_PERMISSIONS", {"true": True, "false": False}.__getitem__, "true or false")

    @property
    def allowed_principals(self) -> tuple[str, ...]:
        def principals(text: str) -> tuple[str, ...]:
            found = tuple(filter(None, (part.strip() for part in text.split(","))))
            if not all(is_principal(principal) for principal in found):
                raise ValueError
            return found

        expected = "ids of accounts, organizational units, organizations or endpoints, or *, separated by commas"
        return self._read("ALLOWED_PRINCIPALS", principals, expected)

    @property
    def organization_id(self) -> str:
        """An empty text where there is none."""

        def organization(text: str) -> str:
            if text and not is_organization(text):
                raise ValueError
            return text

        return self._read("ORGANIZATION_ID", organization, "an organization id such as o-a1b2c3d4e5, or nothing")

    @property
    def organizations_role_arn(self) -> str:
        """The role to ask Organizations with; an empty text for the function's own."""
        return self._matching(
            "ORGANIZATIONS_ROLE_ARN", r"(arn:[\w-]+:iam::[0-9]{12}:role/\S+)?", "a role's ARN, or nothing"
        )

    @property
    def email_on(self) -> frozenset[Status]:
        def statuses(text: str) -> frozenset[Status]:
            return frozenset(Status(part.strip()) for part in text.split(",") if part.strip())

        return self._read("EMAIL_ON", statuses, f"some of {', '.join(Status)}, separated by commas")

    @property
    def record_ttl(self) -> int:
        return self._number("RECORD_TTL", 1, 86400, "a number of seconds from 1 to 86400")

    @property
    def external_id(self) -> str:
        return self._environment.get("EXTERNAL_ID", "")

    @property
    def region(self) -> str:
        return self._matching("AWS_REGION", r"[a-z]{2,5}(-[a-z]+)+-[0-9]", "a Region")

    @property
    def allowlist_table(self) -> str:
        return self._matching("ALLOWLIST_TABLE", r"[\w.-]{3,255}", "a table's name")

    @property
    def ledger_table(self) -> str:
        return self._matching("LEDGER_TABLE", r"[\w.-]{3,255}", "a table's name")

    @property
    def requests_queue_url(self) -> str:
        return self._matching("REQUESTS_QUEUE_URL", r"https?://\S+", "a queue's URL")

    @property
    def dns_queue_url(self) -> str:
        return self._matching("DNS_QUEUE_URL", r"https?://\S+", "a queue's URL")

    @property
    def requests_dead_letters_url(self) -> str:
        return self._matching("REQUESTS_DEAD_LETTERS_URL", r"https?://\S+", "a queue's URL")

    @property
    def dns_dead_letters_url(self) -> str:
        return self._matching("DNS_DEAD_LETTERS_URL", r"https?://\S+", "a queue's URL")

    @property
    def status_topic_arn(self) -> str:
        return self._matching("STATUS_TOPIC_ARN", r"arn:[\w-]+:sns:\S+", "a topic's ARN")

    @property
    def alarm_topic_arn(self) -> str:
        return self._matching("ALARM_TOPIC_ARN", r"arn:[\w-]+:sns:\S+", "a topic's ARN")

    @property
    def notification_topic_arn(self) -> str:
        return self._matching("NOTIFICATION_TOPIC_ARN", r"arn:[\w-]+:sns:\S+", "a topic's ARN")

    @property
    def bus_name(self) -> str:
        return self._matching("BUS_NAME", r"[\w./-]{1,256}", "an event bus's name")

    @property
    def consumer_parameters(self) -> str:
        expected = "the parameters of the consumer's stack, Name=value with spaces between"
        return self._matching("CONSUMER_PARAMETERS", r"ProviderAccount=\d{12}( \w+=\S+)*", expected)

    def _number(self, name: str, least: int, most: int | None, expected: str) -> int:
        def number(text: str) -> int:
            found = int(text)
            if found < least or (most is not None and found > most):
                raise ValueError
            return found

        return self._read(name, number, expected)

    def _matching(self, name: str, pattern: str, expected: str) -> str:
        def matching(text: str) -> str:
            if not re.fullmatch(pattern, text):
                raise ValueError
            return text

        return self._read(name, matching, expected)

    def _read[T](self, name: str, convert: Callable[[str], T], expected: str) -> T:
        found = self._environment.get(name)
        if found is None:
            raise WrongSetting(name, None, expected)
        try:
            return convert(found)
        except (ValueError, KeyError):
            raise WrongSetting(name, found, expected) from None
