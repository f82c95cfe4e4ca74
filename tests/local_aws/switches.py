"""What a test can break: functions, CloudTrail's records, PrivateLink's connection notifications, rules' deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

WORKING = {"on": True, "ok": True, "off": False, "fail": False}


@dataclass
class Switches:
    """True is the healthy state. `functions` off: every invocation fails. `events` off: CloudTrail's records are
    lost. `notifications` off: connection notifications are lost. `targets` off: every delivery of a rule fails in a
    way that EventBridge retries."""

    functions: bool = True
    events: bool = True
    notifications: bool = True
    targets: bool = True

    def set(self, wanted: Mapping[str, str]) -> None:
        """Set switches by name to "on"/"ok" or "off"/"fail". Raises ValueError for anything else."""
        names = {field.name for field in fields(self)}
        for name, value in wanted.items():
            if name not in names or value not in WORKING:
                raise ValueError(
                    f"{name}={value}: a switch is one of {sorted(names)}, its value one of {list(WORKING)}"
                )
        for name, value in wanted.items():
            setattr(self, name, WORKING[value])

    def reset(self) -> None:
        """Everything works again."""
        self.set({field.name: "on" for field in fields(self)})
