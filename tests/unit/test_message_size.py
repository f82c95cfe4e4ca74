"""A report never grows beyond what SNS and EventBridge take: one that did would be refused at every retry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.commands import Installation
from autopilot.domain.connection import Acceptance, AwsState, Dns, LedgerRow, Status
from autopilot.domain.mails import Mail, mails_of
from autopilot.domain.message_size import LEFT_OUT, MOST_BYTES, fitted
from autopilot.domain.report import StatusChange
from tests.events import PROVIDER
from tests.unit.examples import AUTOPILOT, ZONE, regional_name, row

INSTALLATION = Installation(AUTOPILOT, f"ProviderAccount={PROVIDER}", "allowlist", "ledger")
DOCUMENTS = st.dictionaries(
    st.text().filter(lambda name: name != LEFT_OUT),
    st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
)


def with_names(count: int, of: LedgerRow) -> LedgerRow:
    """A connection with so many names, and as many checks."""
    fqdns = [f"service-{number:04}.{ZONE}" for number in range(count)]
    dns = replace(
        of.dns,
        names=tuple((fqdn, ZONE) for fqdn in fqdns),
        records=tuple((fqdn, regional_name()) for fqdn in fqdns),
        checks=tuple(f"the endpoint is in {number} of {count} zones" for number in range(count)),
        reason=f"wrote {', '.join(fqdns)}",
    )
    return replace(of, dns=dns)


def mails(*rows: LedgerRow) -> tuple[Mail, ...]:
    changes = [StatusChange(one, None) for one in rows]
    return mails_of(changes, [], frozenset(Status), INSTALLATION)


def bytes_of(mail: Mail) -> int:
    return len(json.dumps({"default": json.dumps(mail.document), "email": mail.text}))


@pytest.mark.parametrize("names", [1, 30, 300])
def test_a_digest_of_a_whole_batch_fits_whatever_the_number_of_names(names: int) -> None:
    (digest,) = mails(*[replace(with_names(names, row()), version=version) for version in range(100)])

    assert bytes_of(digest) <= MOST_BYTES
    assert digest.text.count("READY payments") == 100
    told: list[dict[str, object]] = digest.document["changes"]  # type: ignore[assignment]
    assert [one["report_id"] for one in told] == [
        f"{row().ref.service_id}/{row().ref.endpoint_id}/{v}" for v in range(100)
    ]
    assert {one["status"] for one in told} == {"ready"}


def test_a_small_digest_leaves_nothing_out() -> None:
    (digest,) = mails(*[with_names(3, row())] * 10)

    assert all(LEFT_OUT not in one for one in digest.document["changes"])  # type: ignore[attr-defined]


def test_of_hundreds_of_names_the_first_are_shown_and_the_command_stays() -> None:
    undeclared = row(Acceptance.ACCEPTED, Dns.NO_ROLE, AwsState.AVAILABLE)
    (told,) = mails(with_names(500, undeclared))

    assert told.text.count("Name:        service-") == told.text.count("Check:       the endpoint") == 50
    assert told.text.count("and 450 more") == 2
    assert "    aws cloudformation deploy " in told.text
    assert len(told.document["names"]) == 500  # type: ignore[arg-type]


def test_a_document_that_fits_stays_as_it_is() -> None:
    document = {"status": "ready", "names": {"a": "b"}}

    assert fitted(document, len(json.dumps(document))) == document


def test_the_longest_fields_are_left_out_and_named() -> None:
    document = {"status": "ready", "names": "n" * 1000, "checks": "c" * 500, "reason": "r" * 50}

    assert fitted(document, 700) == {"status": "ready", "checks": "c" * 500, "reason": "r" * 50, LEFT_OUT: ["names"]}
    assert fitted(document, 200) == {"status": "ready", "reason": "r" * 50, LEFT_OUT: ["names", "checks"]}


@given(DOCUMENTS, st.integers(min_value=0, max_value=400))
def test_what_is_left_is_a_part_of_the_document_and_short_enough_or_only_names_what_is_missing(
    document: dict[str, object], most_bytes: int
) -> None:
    kept = fitted(document, most_bytes)

    assert all(document[name] == value for name, value in kept.items() if name != LEFT_OUT)
    assert len(json.dumps(kept)) <= most_bytes or kept.keys() == {LEFT_OUT} or not document
