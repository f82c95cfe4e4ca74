"""What a test can break: functions, CloudTrail's records, PrivateLink's connection notifications, rules' deliveries,
Organizations."""

from dataclasses import dataclass

from tests.local_aws.organizations import REFUSALS

WORKING: dict[str, bool | str] = {"on": True, "ok": True, "off": False, "fail": False}
VALUES: dict[str, dict[str, bool | str]] = {
    **dict.fromkeys(("functions", "notifications", "targets"), WORKING),
    "events": {**WORKING, "twice": "twice"},
    "organizations": {state: state for state in REFUSALS},
}


@dataclass
class Switches:
    """True is the healthy state.

    `functions` off: every invocation fails. `events` off: CloudTrail's records are lost; twice: each comes two times.
    `notifications` off: connection notifications are lost. `targets` off: every delivery of a rule fails in a way that
    EventBridge retries. `organizations` is a state of organizations.py.
    """

    functions: bool = True
    events: bool | str = True
    notifications: bool = True
    targets: bool = True
    organizations: str = "ok"

    def set(self, **wanted: str) -> None:
        """Set switches by name to "on"/"ok", "off"/"fail" or what `organizations` knows. Raises ValueError."""
        for name, value in wanted.items():
            if value not in VALUES.get(name, ()):
                known = {switch: list(values) for switch, values in VALUES.items()}
                raise ValueError(f"{name}={value}: the switches and their values are {known}")
        for name, value in wanted.items():
            setattr(self, name, VALUES[name][value])

    def reset(self) -> None:
        """Everything works again."""
        self.set(**dict.fromkeys(VALUES, "ok"))
