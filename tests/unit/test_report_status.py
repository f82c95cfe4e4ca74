from __future__ import annotations

import pytest

from autopilot.domain.connection import ConnectionRef, Status
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mails import Mail
from autopilot.domain.mode import Mode
from tests.fakes.autopilot import FakeAutopilot, event
from tests.fakes.landscape import CONSUMER, MANAGED, STRANGER

SERVICE_NAME = "payments"


def service(autopilot: FakeAutopilot) -> str:
    return autopilot.aws.service(MANAGED | {"Name": SERVICE_NAME})


def held(autopilot: FakeAutopilot, service_id: str | None = None) -> ConnectionRef:
    ref = autopilot.aws.endpoint(service_id or service(autopilot), autopilot.aws.new_vpc(STRANGER))
    autopilot.decide(event(ref, STRANGER))
    return ref


def subjects(autopilot: FakeAutopilot) -> list[str]:
    return [mail.subject for mail in autopilot.topic.mails]


def statuses(autopilot: FakeAutopilot) -> list[object]:
    return [event.detail["status"] for event in autopilot.bus.events]


def told(mail: Mail) -> object:
    return mail.document["report_id"]


def test_the_whole_story_is_told_to_people_and_to_machines(autopilot: FakeAutopilot) -> None:
    ref = autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service(autopilot))
    autopilot.aws.delete(ref)
    autopilot.converge(ref)
    autopilot.report()

    assert [subject.split(":")[0] for subject in subjects(autopilot)] == [
        f"[Autopilot] {status} {SERVICE_NAME} <- {CONSUMER}" for status in ("ACCEPTED", "READY", "RETIRED")
    ]
    assert statuses(autopilot) == ["accepted", "ready", "retired"]
    assert [event.detail["previous_status"] for event in autopilot.bus.events] == [None, "accepted", "ready"]


def test_a_mail_asks_a_person_for_the_decision_with_the_commands_ready(autopilot: FakeAutopilot) -> None:
    ref = held(autopilot)
    autopilot.report()

    (mail,) = autopilot.topic.mails
    assert mail.subject == f"[Autopilot] HELD {SERVICE_NAME} <- {STRANGER}: your decision needed"
    assert "aws dynamodb put-item" in mail.text
    assert f"reject-vpc-endpoint-connections --region eu-central-1 --service-id {ref.service_id}" in mail.text


def test_only_the_chosen_statuses_are_mailed_and_machines_are_told_of_all() -> None:
    autopilot = FakeAutopilot(mailed=frozenset({Status.READY}))
    autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service(autopilot))
    autopilot.report()

    assert [subject.split()[1] for subject in subjects(autopilot)] == ["READY"]
    assert statuses(autopilot) == ["accepted", "ready"]


def test_what_was_told_is_marked_and_not_told_again(autopilot: FakeAutopilot) -> None:
    ref = held(autopilot)
    autopilot.report()
    autopilot.report()

    assert autopilot.row(ref).told == "held"
    assert len(autopilot.topic.mails) == len(autopilot.bus.events) == 1


def test_nothing_to_tell_calls_nobody(autopilot: FakeAutopilot) -> None:
    autopilot.report()

    assert autopilot.calls.made == []


@pytest.mark.parametrize("operation", ["PutEvents", "Publish", "UpdateItem"])
def test_a_failure_repeats_a_report_under_its_id_and_never_loses_one(autopilot: FakeAutopilot, operation: str) -> None:
    ref = held(autopilot)
    batch = autopilot.ledger.stream()
    autopilot.calls.refused[operation] = "InternalError"
    with pytest.raises(AwsCallFailed, match=operation):
        autopilot.report_status(*batch)
    assert autopilot.row(ref).told == ""

    autopilot.calls.refused.clear()
    autopilot.report_status(*batch)

    assert autopilot.row(ref).told == "held"
    assert {told(mail) for mail in autopilot.topic.mails} == {f"{ref.service_id}/{ref.endpoint_id}/1"}
    assert {event.detail["report_id"] for event in autopilot.bus.events} == {told(autopilot.topic.mails[0])}


def test_a_crowd_is_one_digest_and_an_event_each(autopilot: FakeAutopilot) -> None:
    service_id = service(autopilot)
    refs = [held(autopilot, service_id) for _ in range(6)]
    autopilot.report()

    assert subjects(autopilot) == ["[Autopilot] 6 connections changed, 6 need a person"]
    assert all(ref.endpoint_id in autopilot.topic.mails[0].text for ref in refs)
    assert len(autopilot.bus.events) == 6


def test_a_notice_is_mailed_and_no_event(autopilot: FakeAutopilot) -> None:
    autopilot.sweep()
    autopilot.report()
    autopilot.sweep()
    autopilot.report()

    assert subjects(autopilot) == ["[Autopilot] INSTALLED"]
    assert not autopilot.bus.events


def test_observe_mode_mails_what_it_would_do_and_marks_it_as_told() -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE, mailed=frozenset())
    ref = autopilot.aws.endpoint(service(autopilot), autopilot.aws.new_vpc(CONSUMER))
    autopilot.decide(event(ref))
    autopilot.report()

    (mail,) = autopilot.topic.mails
    assert mail.subject.startswith("[Autopilot] OBSERVED")
    assert "ould be accepted" in mail.text
    assert autopilot.row(ref).told == "observed"
