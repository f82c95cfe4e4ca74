"""The names a provider declares for a service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
_LONGEST_NAME = 253


class MalformedName(ValueError):
    """A declared zone or record is no DNS name; the message says which and what is expected."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A fully qualified name, lower case and without the trailing dot, and the zone it lives in."""

    fqdn: str
    zone: str

    @property
    def is_apex(self) -> bool:
        return self.fqdn == self.zone


def parse_names(zone: str, records: str) -> tuple[Name, ...]:
    """Names from the two tags: `payments.example.com` and `api ledger` (`@` is the zone itself).

    A record is relative to the zone. `*` may be its leftmost label; a zone cannot begin with it, as
    Route 53 refuses that. Raises MalformedName.
    """
    apex = zone.removesuffix(".")
    if not apex.isascii():
        raise MalformedName(f"zone {zone!r} is not in ASCII form; write it as {_ascii(apex)!r}")
    if not _is_name(apex) or "." not in apex:
        raise MalformedName(f"zone {zone!r} is no domain name; expected one like 'payments.example.com'")
    return tuple(dict.fromkeys(_name(record, apex.lower()) for record in records.split()))


def is_within(name: str, zone: str) -> bool:
    """Whether a name is in the domain of a zone, the zone's own name included. A wildcard is where it stands."""
    place = name.removeprefix("*.")
    return place == zone or place.endswith(f".{zone}")


def placed(names: Iterable[Name], zones: Iterable[str] = ()) -> tuple[Name, ...]:
    """Each name once, in the most specific zone that it falls in: of its own, of the others' and of these.

    In a VPC that one answers alone, whatever a wider zone says.
    """
    names = tuple(names)
    every = {*zones, *(name.zone for name in names)}
    homes = (max((zone for zone in every if is_within(name.fqdn, zone)), key=len) for name in names)
    return tuple(dict.fromkeys(Name(name.fqdn, home) for name, home in zip(names, homes, strict=True)))


def covers(general: str, name: str) -> bool:
    """Whether a name of a certificate or of AWS's private DNS, `*.` for one label perhaps, is good for a name.

    A wildcard covers one label and not the domain that it stands under (RFC 6125, 6.4.3).
    """
    label, _, parent = name.partition(".")
    return general == name or (general == f"*.{parent}" and label != "*" and bool(label))


def _name(record: str, apex: str) -> Name:
    if record == "@":
        return Name(apex, apex)
    if not record.isascii():
        raise MalformedName(f"record {record!r} is not in ASCII form; write it as {_ascii(record)!r}")
    if record == apex or record.endswith(f".{apex}"):
        raise MalformedName(
            f"record {record!r} repeats its zone; expected it relative to {apex!r}, or '@' for the zone"
        )
    fqdn = f"{record}.{apex}"
    if record.startswith("*"):
        legal = record == "*" or (record.startswith("*.") and _is_name(fqdn[2:]))
    else:
        legal = _is_name(fqdn)
    if not legal or len(fqdn) > _LONGEST_NAME:
        raise MalformedName(
            f"record {record!r} is no DNS label relative to {apex!r}; "
            "expected labels of letters, digits and hyphens, '*' as the leftmost one, or '@' for the zone itself"
        )
    return Name(fqdn.lower(), apex)


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in text.split("."))


def _ascii(text: str) -> str:
    """How DNS spells an internationalised name; the text itself where there is no such spelling."""
    try:
        return text.encode("idna").decode()
    except UnicodeError:
        return text
