"""The functions' environment, read once, with one error that names the variable and what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from autopilot.domain.allowlist import Verdict, is_principal
from autopilot.domain.connection import Status
from autopilot.domain.mode import Mode


class WrongSetting(Exception):
    """A variable of the function's environment is missing or wrong. The function does not start."""

    def __init__(self, name: str, found: str | None, expected: str) -> None:
        state = "is not set" if found is None else f"is {found!r}"
        super().__init__(f"environment variable {name} {state}; expected {expected}. Deploy the stack again to set it.")


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
    def allowed_principals(self) -> tuple[str, ...]:
        def principals(text: str) -> tuple[str, ...]:
            found = tuple(filter(None, (part.strip() for part in text.split(","))))
            if not all(is_principal(principal) for principal in found):
                raise ValueError
            return found

        return self._read("ALLOWED_PRINCIPALS", principals, "account ids, endpoint ids or *, separated by commas")

    @property
    def email_on(self) -> frozenset[Status]:
        def statuses(text: str) -> frozenset[Status]:
            return frozenset(Status(part.strip()) for part in text.split(",") if part.strip())

        return self._read("EMAIL_ON", statuses, f"some of {', '.join(Status)}, separated by commas")

    @property
    def record_ttl(self) -> int:
        def seconds(text: str) -> int:
            found = int(text)
            if not 1 <= found <= 86400:
                raise ValueError
            return found

        return self._read("RECORD_TTL", seconds, "a number of seconds from 1 to 86400")

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
    def status_topic_arn(self) -> str:
        return self._matching("STATUS_TOPIC_ARN", r"arn:[\w-]+:sns:\S+", "a topic's ARN")

    @property
    def bus_name(self) -> str:
        return self._matching("BUS_NAME", r"[\w./-]{1,256}", "an event bus's name")

    @property
    def consumer_parameters(self) -> str:
        expected = "the parameters of the consumer's stack, Name=value with spaces between"
        return self._matching("CONSUMER_PARAMETERS", r"ProviderAccount=\d{12}( \w+=\S+)*", expected)

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
