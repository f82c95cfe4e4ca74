from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey, Verdict
from autopilot.domain.connection import Acceptance, AwsState, Connection, ConnectionRef, Dns, Status
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.organization import OrganizationalUnit, Owner, Placement
from autopilot.domain.wake_up import Answer, SeenBy, WakeUp
from autopilot.use_cases.ports import Refusal
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot, event, notification
from tests.fakes.calls import Crash, Fault
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, STRANGER, ZONE

ACCEPT, REJECT = "AcceptVpcEndpointConnections", "RejectVpcEndpointConnections"
LONGEST_WAIT_SECONDS = 15 * 60
NEAREST, ABOVE, ORGANIZATION = "ou-ab12-22222222", "ou-ab12-11111111", "o-autopilot01"
IN_PROD = (OrganizationalUnit(NEAREST, "Prod"), OrganizationalUnit(ABOVE, "Workloads"))
ALICE = f"arn:aws:sts::{PROVIDER}:assumed-role/Admin/alice"


def requested(autopilot: FakeAutopilot, account: str = CONSUMER, service_id: str | None = None) -> ConnectionRef:
    """A new request for a connection, by an account in a VPC of its own."""
    return autopilot.aws.endpoint(service_id or autopilot.aws.service(), autopilot.aws.new_vpc(account))


def state(autopilot: FakeAutopilot, ref: ConnectionRef) -> AwsState:
    return next(c.state for c in autopilot.services.connections(ref.service_id) if c.ref == ref)


def stale(autopilot: FakeAutopilot, ref: ConnectionRef) -> Callable[[Connection], Connection]:
    """A describe that is from before everything that was done."""
    return lambda c: replace(c, state=AwsState.PENDING_ACCEPTANCE) if c.ref == ref else c


def test_an_account_of_the_deployments_list_is_accepted_and_handed_on(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    outcome = autopilot.decide(event(ref))

    assert state(autopilot, ref) is AwsState.PENDING
    row = autopilot.row(ref)
    assert (row.acceptance.value, row.acceptance.decided_by) == (Acceptance.ACCEPTED, f"{CONSUMER}/*")
    assert (row.status, row.seen_by) == (Status.ACCEPTED, SeenBy.EVENT)
    assert autopilot.dns_queue.sent == [(event(ref), 5)]
    assert outcome.counts == {"accepted": 1}
    assert not outcome.failed


def test_a_row_of_the_table_accepts(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    key = EntryKey(STRANGER, ref.service_id)
    autopilot.allowlist.put(AllowlistEntry(key, note="signed on Monday"))
    autopilot.decide(event(ref, STRANGER))

    assert state(autopilot, ref) is AwsState.PENDING
    assert autopilot.row(ref).acceptance.decided_by == str(key)
    assert "signed on Monday" in autopilot.row(ref).acceptance.reason


def test_an_unlisted_account_is_held_until_an_entry_comes(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))
    assert (state(autopilot, ref), autopilot.row(ref).status) == (AwsState.PENDING_ACCEPTANCE, Status.HELD)
    assert not autopilot.dns_queue.sent

    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.decide(event(ref, STRANGER))

    assert (state(autopilot, ref), autopilot.row(ref).status) == (AwsState.PENDING, Status.ACCEPTED)


def test_an_unlisted_account_is_rejected_where_the_deployment_says_so() -> None:
    autopilot = FakeAutopilot(unlisted=Verdict.REJECT)
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))

    assert state(autopilot, ref) is AwsState.REJECTED
    assert (autopilot.row(ref).acceptance.value, autopilot.row(ref).acceptance.decided_by) == (
        Acceptance.REJECTED,
        None,
    )


@pytest.mark.parametrize("action", [Action.REJECT, Action.BLOCK])
def test_an_entry_rejects(autopilot: FakeAutopilot, action: Action) -> None:
    ref = requested(autopilot)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), action))
    autopilot.decide(event(ref))

    assert (state(autopilot, ref), autopilot.row(ref).status) == (AwsState.REJECTED, Status.REJECTED)
    assert [wake_up.endpoint_id for wake_up in autopilot.dns_queue.take()] == [ref.endpoint_id]


def test_the_owner_is_taken_from_the_api_and_never_from_the_event(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, account=CONSUMER), event(ref, account=None))

    assert autopilot.row(ref).connection.owner == STRANGER
    assert state(autopilot, ref) is AwsState.PENDING_ACCEPTANCE


@pytest.mark.parametrize("call", [ACCEPT, REJECT])
def test_the_deciding_entry_is_on_record_before_ec2_is_called(autopilot: FakeAutopilot, call: str) -> None:
    ref = requested(autopilot)
    if call == REJECT:
        autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), Action.REJECT))
    autopilot.calls.crash_before = call
    with pytest.raises(Crash):
        autopilot.decide(event(ref))

    intent = {ACCEPT: Acceptance.ACCEPTING, REJECT: Acceptance.REJECTING}[call]
    assert (autopilot.row(ref).acceptance.value, autopilot.row(ref).acceptance.decided_by) == (intent, f"{CONSUMER}/*")
    assert state(autopilot, ref) is AwsState.PENDING_ACCEPTANCE


def test_a_run_that_died_before_accept_is_taken_up_again(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.calls.crash_before = ACCEPT
    with pytest.raises(Crash):
        autopilot.decide(event(ref))
    autopilot.decide(event(ref))

    assert (state(autopilot, ref), autopilot.row(ref).acceptance.value) == (AwsState.PENDING, Acceptance.ACCEPTED)


@pytest.mark.parametrize("pause", [0, SECONDS_TO_AVAILABLE])
def test_a_run_that_died_after_accept_is_recognised_as_ours(autopilot: FakeAutopilot, pause: int) -> None:
    ref = requested(autopilot)
    autopilot.calls.crash_after = calls_until(ACCEPT)
    with pytest.raises(Crash):
        autopilot.decide(event(ref))
    assert state(autopilot, ref) is AwsState.PENDING
    autopilot.clock.advance(pause)

    autopilot.decide(event(ref))

    row = autopilot.row(ref)
    assert (row.acceptance.value, row.acceptance.decided_by) == (Acceptance.ACCEPTED, f"{CONSUMER}/*")
    assert autopilot.dns_queue.take() == [event(ref)]
    assert autopilot.calls.made.count(ACCEPT) == 1


def calls_until(operation: str) -> int:
    """How many calls a first decision makes up to this one."""
    return calls_to_accept().index(operation) + 1


def calls_to_accept() -> list[str]:
    trial = FakeAutopilot()
    ref = requested(trial)
    trial.decide(event(ref))
    return trial.calls.made


@pytest.mark.parametrize("dies_after", range(1, len(calls_to_accept()) + 1))
def test_wherever_a_run_dies_the_next_one_ends_with_one_accept_of_ours(
    autopilot: FakeAutopilot, dies_after: int
) -> None:
    ref = requested(autopilot)
    autopilot.calls.crash_after = dies_after
    with pytest.raises(Crash):
        autopilot.decide(event(ref))
    autopilot.decide(event(ref))

    assert (state(autopilot, ref), autopilot.row(ref).acceptance.value) == (AwsState.PENDING, Acceptance.ACCEPTED)
    assert autopilot.calls.made.count(ACCEPT) == 1
    assert event(ref) in autopilot.dns_queue.take()


@pytest.mark.parametrize("wakes_up_with", [event, notification])
def test_what_we_accepted_is_handed_on_once_however_many_tell_of_it(
    autopilot: FakeAutopilot, wakes_up_with: Callable[[ConnectionRef], WakeUp]
) -> None:
    """PrivateLink notifies of the request and of our own Accept."""
    ref = requested(autopilot)
    autopilot.decide(event(ref))
    autopilot.clock.advance(1)
    for _ in range(2):
        autopilot.decide(wakes_up_with(ref))

    assert autopilot.dns_queue.sent == [(event(ref), 5)]


def test_while_the_queue_fails_what_we_accepted_is_handed_on_by_whichever_try_can(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.calls.refused["SendMessageBatch"] = "InternalError"
    for _ in range(3):
        assert autopilot.decide(event(ref)).failed
    autopilot.calls.refused.clear()

    autopilot.decide(event(ref))

    assert autopilot.calls.made.count(ACCEPT) == 1
    assert event(ref) in autopilot.dns_queue.take()


def test_while_the_ledger_is_throttled_what_we_accepted_is_not_handed_on_at_each_try(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    # The intent is written, and no more.
    autopilot.calls.faults.append(Fault("ThrottlingException", "UpdateItem", passing=1, times=10))
    autopilot.decide(event(ref))
    for _ in range(10):
        autopilot.decide(*autopilot.requests_queue.take())

    assert autopilot.row(ref).acceptance.value is Acceptance.ACCEPTED
    assert len(autopilot.dns_queue.sent) == 2


def test_what_was_put_back_and_could_only_be_written_is_handed_on_by_the_next_try(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.calls.faults.append(Fault("ThrottlingException", "UpdateItem", passing=1))
    autopilot.decide(event(ref))
    autopilot.dns_queue.take()
    [put_back] = autopilot.requests_queue.take()
    autopilot.calls.refused["SendMessageBatch"] = "InternalError"
    assert autopilot.decide(put_back).failed
    assert autopilot.row(ref).acceptance.value is Acceptance.ACCEPTED
    autopilot.calls.refused.clear()

    autopilot.decide(put_back)

    assert autopilot.dns_queue.take() == [event(ref)]


def test_a_stale_pending_acceptance_causes_no_second_accept_and_no_news(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.decide(event(ref))
    row = autopilot.row(ref)
    autopilot.services.shown = stale(autopilot, ref)
    autopilot.clock.advance(60)

    autopilot.decide(notification(ref))

    assert autopilot.calls.made.count(ACCEPT) == 1
    assert autopilot.row(ref) == row


def test_a_stale_pending_acceptance_causes_no_second_reject_and_no_news(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), Action.REJECT))
    autopilot.decide(event(ref))
    row = autopilot.row(ref)
    autopilot.services.shown = stale(autopilot, ref)

    autopilot.decide(notification(ref))

    assert autopilot.calls.made.count(REJECT) == 1
    assert autopilot.row(ref) == row


def test_what_still_waits_minutes_after_our_accept_is_accepted_again(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.decide(event(ref))
    autopilot.services.shown = stale(autopilot, ref)
    autopilot.clock.advance(121)

    autopilot.decide(event(ref))

    assert autopilot.calls.made.count(ACCEPT) == 2


def test_a_refusal_inside_a_successful_answer_fails_its_own_endpoint_only(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service()
    good, gone = (requested(autopilot, service_id=service_id) for _ in range(2))
    autopilot.services.shown = stale(autopilot, gone)
    autopilot.aws.reject(gone)

    outcome = autopilot.decide(event(good), event(gone))

    assert autopilot.row(good).acceptance.value is Acceptance.ACCEPTED
    assert autopilot.row(gone).acceptance.value is Acceptance.ACCEPTING
    assert autopilot.dns_queue.take() == [event(good)]
    assert autopilot.requests_queue.take() == [event(gone).put_back()]
    assert outcome.counts == {"accepted": 1}
    assert not outcome.failed


def test_what_is_not_visible_yet_is_looked_at_again_after_growing_pauses_and_then_left_to_the_sweep(
    autopilot: FakeAutopilot,
) -> None:
    ref = requested(autopilot)
    autopilot.services.shown = lambda _: None
    wake_ups, pauses = [event(ref)], []
    while wake_ups:
        autopilot.decide(*wake_ups)
        pauses += [delay for _, delay in autopilot.requests_queue.sent]
        wake_ups = autopilot.requests_queue.take()

    assert pauses[:5] == [5, 10, 20, 30, 30]
    assert LONGEST_WAIT_SECONDS <= sum(pauses) < LONGEST_WAIT_SECONDS + 30
    assert "UpdateItem" not in autopilot.calls.made


def test_what_becomes_visible_while_it_waits_is_accepted(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.services.shown = lambda _: None
    autopilot.decide(event(ref))
    autopilot.services.shown = lambda connection: connection
    autopilot.decide(*autopilot.requests_queue.take())

    assert state(autopilot, ref) is AwsState.PENDING


def test_a_wake_up_that_names_no_service_finds_it_and_does_not_multiply(autopilot: FakeAutopilot) -> None:
    refs = [requested(autopilot) for _ in range(3)]
    gone = ConnectionRef("", "vpce-0e1f2a3b4c5d6e7ff")
    autopilot.decide(*(replace(notification(ref), service_id=None) for ref in [refs[1], gone]))

    assert [state(autopilot, ref) for ref in refs] == [
        AwsState.PENDING_ACCEPTANCE,
        AwsState.PENDING,
        AwsState.PENDING_ACCEPTANCE,
    ]
    assert not autopilot.requests_queue.sent


def test_a_refused_endpoint_of_a_wake_up_without_a_service_is_looked_at_again(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.aws.accept(ref)
    autopilot.services.shown = stale(autopilot, ref)
    autopilot.decide(replace(notification(ref), service_id=None))

    assert autopilot.requests_queue.take() == [notification(ref).put_back()]


def test_a_wake_up_that_names_nothing_looks_at_all_that_wait(autopilot: FakeAutopilot) -> None:
    refs = [requested(autopilot), requested(autopilot), requested(autopilot, STRANGER)]
    autopilot.decide(WakeUp(None, None, None, None, SeenBy.NOTIFICATION))

    assert [autopilot.row(ref).acceptance.value for ref in refs] == [
        Acceptance.ACCEPTED,
        Acceptance.ACCEPTED,
        Acceptance.HELD,
    ]
    assert {autopilot.row(ref).seen_by for ref in refs} == {SeenBy.NOTIFICATION}


def test_a_wake_up_that_names_nothing_keeps_no_other_from_its_connection(autopilot: FakeAutopilot) -> None:
    waiting = requested(autopilot)
    answered = requested(autopilot, service_id=waiting.service_id)
    autopilot.aws.accept(answered)
    autopilot.decide(WakeUp(None, None, None, None, SeenBy.NOTIFICATION), event(answered))

    assert [autopilot.row(ref).acceptance.value for ref in (waiting, answered)] == [
        Acceptance.ACCEPTED,
        Acceptance.ADOPTED,
    ]


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"Name": "payments"},
        {"autopilot": "yes"},
        MANAGED | {"autopilot": "Enabled"},
    ],
)
def test_a_service_that_is_not_ours_to_touch_is_left_alone(autopilot: FakeAutopilot, tags: dict[str, str]) -> None:
    ref = requested(autopilot, service_id=autopilot.aws.service(tags))
    outcome = autopilot.decide(event(ref), WakeUp(None, None, None, None, SeenBy.NOTIFICATION))

    assert state(autopilot, ref) is AwsState.PENDING_ACCEPTANCE
    assert not {"UpdateItem", "BatchGetItem", "SendMessageBatch", ACCEPT} & set(autopilot.calls.made)
    assert not outcome.failed


@pytest.mark.parametrize("zone", ["*.example.com", "nonsense", ""])
def test_a_service_with_wrong_tags_is_left_alone_until_somebody_mends_them(autopilot: FakeAutopilot, zone: str) -> None:
    ref = requested(autopilot, service_id=autopilot.aws.service(MANAGED | {"autopilot:zone": zone}))
    autopilot.decide(event(ref))
    assert state(autopilot, ref) is AwsState.PENDING_ACCEPTANCE
    assert not {"UpdateItem", "BatchGetItem", ACCEPT} & set(autopilot.calls.made)
    assert autopilot.requests_queue.sent == [(event(ref).put_back(), 5)]

    autopilot.aws.tag(ref.service_id, autopilot_zone=ZONE)
    autopilot.decide(*autopilot.requests_queue.take())

    assert state(autopilot, ref) is AwsState.PENDING


def test_a_service_that_is_not_the_accounts_is_dropped(autopilot: FakeAutopilot) -> None:
    outcome = autopilot.decide(event(ConnectionRef("vpce-svc-0be57ca5e5a1e5001", "vpce-0e1f2a3b4c5d6e701")))

    assert not outcome.failed
    assert autopilot.calls.made == ["DescribeVpcEndpointServiceConfigurations"]


def test_a_persons_accept_is_adopted_and_carried_on(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))
    autopilot.aws.accept(ref)
    autopilot.decide(event(ref, None))

    row = autopilot.row(ref)
    assert (row.acceptance.value, row.acceptance.decided_by) == (Acceptance.ADOPTED, None)
    assert "somebody else" in row.acceptance.reason
    assert row.status is Status.ACCEPTED
    assert [wake_up.endpoint_id for wake_up in autopilot.dns_queue.take()] == [ref.endpoint_id]


def test_a_service_that_takes_everybody_is_adopted_as_such(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER, autopilot.aws.service(acceptance=False))
    autopilot.decide(event(ref, STRANGER))

    assert autopilot.row(ref).acceptance.value is Acceptance.ADOPTED
    assert "without acceptance" in autopilot.row(ref).acceptance.reason
    assert autopilot.dns_queue.sent


def test_a_persons_reject_is_told_as_such_and_dns_is_taken_away(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.decide(event(ref))
    autopilot.dns_queue.take()
    autopilot.aws.reject(ref)
    autopilot.decide(event(ref, None))

    row = autopilot.row(ref)
    assert (row.acceptance.value, row.status) == (Acceptance.REJECTED, Status.REJECTED)
    assert "somebody else" in row.acceptance.reason
    assert len(autopilot.dns_queue.take()) == 1


def test_the_same_wake_up_ten_times_is_one_accept_and_no_more_writes(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.decide(*[event(ref)] * 10)
    writes = autopilot.calls.made.count("UpdateItem")
    for _ in range(10):
        autopilot.decide(event(ref))
        autopilot.clock.advance(30)

    assert autopilot.calls.made.count(ACCEPT) == 1
    assert autopilot.calls.made.count("UpdateItem") == writes == 2


def test_a_held_request_that_is_looked_at_again_is_not_written_again(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    for _ in range(3):
        autopilot.decide(event(ref, STRANGER))

    assert autopilot.row(ref).version == 1


def test_a_batch_of_ten_is_one_describe_one_accept_and_one_lookup(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service()
    refs = [requested(autopilot, service_id=service_id) for _ in range(10)]
    autopilot.decide(*map(event, refs))

    made = Counter(autopilot.calls.made)
    assert all(state(autopilot, ref) is AwsState.PENDING for ref in refs)
    assert made["DescribeVpcEndpointConnections"] == 1
    assert made[ACCEPT] == 1
    assert made["BatchGetItem"] == len(["allowlist", "ledger"])
    assert made["SendMessageBatch"] == 1


def test_each_connection_of_a_batch_is_seen_by_its_own_wake_up(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service()
    first, second = (requested(autopilot, service_id=service_id) for _ in range(2))
    autopilot.decide(event(first), event(second, seen_by=SeenBy.SWEEP))

    assert [autopilot.row(ref).seen_by for ref in (first, second)] == [SeenBy.EVENT, SeenBy.SWEEP]


def test_a_failing_service_fails_its_own_wake_ups_only(autopilot: FakeAutopilot) -> None:
    bad, good = requested(autopilot), requested(autopilot)

    autopilot.calls.refused[bad.service_id] = "InternalError"
    outcome = autopilot.decide(event(bad), event(good))

    assert list(outcome.failed) == [event(bad)]
    assert state(autopilot, good) is AwsState.PENDING


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeVpcEndpointServiceConfigurations",
        "DescribeVpcEndpointConnections",
        "BatchGetItem",
        "UpdateItem",
        ACCEPT,
    ],
)
def test_a_failing_call_fails_the_wake_up_with_its_reason_and_the_next_try_succeeds(
    autopilot: FakeAutopilot, operation: str
) -> None:
    ref = requested(autopilot)
    autopilot.calls.refused[operation] = "InternalError"
    failed = autopilot.decide(event(ref)).failed

    assert list(failed) == [event(ref)]
    assert (failed[event(ref)].operation, failed[event(ref)].code) == (operation, "InternalError")

    autopilot.calls.refused.clear()
    assert not autopilot.decide(event(ref)).failed
    assert (state(autopilot, ref), autopilot.row(ref).acceptance.value) == (AwsState.PENDING, Acceptance.ACCEPTED)


def test_of_two_runs_at_once_only_one_calls_ec2(autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = requested(autopilot)

    def entries(keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        """While one run looks the entries up, another one decides."""
        monkeypatch.undo()
        autopilot.decide(event(ref))
        return autopilot.allowlist.entries(keys)

    monkeypatch.setattr(autopilot.allowlist, "entries", entries)
    autopilot.decide(event(ref))

    assert autopilot.calls.made.count(ACCEPT) == 1
    assert autopilot.row(ref).acceptance.value is Acceptance.ACCEPTED
    assert autopilot.requests_queue.take() == [event(ref).put_back()]


@pytest.mark.parametrize("others_after", range(calls_until("SendMessageBatch")))
@pytest.mark.parametrize("action", [None, Action.ACCEPT, Action.REJECT])
def test_what_autopilot_accepts_while_another_run_decides_otherwise_is_never_taken_for_a_persons(
    autopilot: FakeAutopilot, action: Action | None, others_after: int
) -> None:
    """action: of the entry that takes the place of the one that accepts."""
    ref = requested(autopilot, STRANGER)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))

    def decide_otherwise() -> None:
        autopilot.allowlist.remove(EntryKey(STRANGER))
        if action:
            autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER, ref.service_id), action))
        autopilot.decide(event(ref, STRANGER))

    autopilot.calls.meanwhile = (others_after, decide_otherwise)
    autopilot.decide(event(ref, STRANGER))
    autopilot.decide(*autopilot.requests_queue.take(), event(ref, STRANGER))

    acceptance = autopilot.row(ref).acceptance
    assert (acceptance.value is Acceptance.ACCEPTED) == (state(autopilot, ref) is AwsState.PENDING)
    assert not acceptance.answered_by


@pytest.mark.parametrize("account", [CONSUMER, STRANGER])
def test_observe_mode_writes_only_what_it_would_do_and_says_it_once(account: str) -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE)
    ref = requested(autopilot, account)
    for _ in range(2):
        autopilot.decide(event(ref, account))

    row = autopilot.row(ref)
    assert state(autopilot, ref) is AwsState.PENDING_ACCEPTANCE
    assert (row.acceptance.value, row.dns.value, row.status) == (Acceptance.UNDECIDED, Dns.NONE, None)
    assert row.would.startswith("would be accepted" if account == CONSUMER else "would be held")
    assert row.version == 1
    assert not {ACCEPT, REJECT} & set(autopilot.calls.made)


def test_what_was_observed_is_done_when_the_mode_is_enforced() -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE)
    ref = requested(autopilot)
    autopilot.decide(event(ref))
    autopilot.mode = Mode.ENFORCE
    autopilot.decide(event(ref))

    assert state(autopilot, ref) is AwsState.PENDING
    assert autopilot.row(ref).would == ""


@pytest.mark.parametrize("principal", [NEAREST, ABOVE, ORGANIZATION])
def test_an_entry_for_a_unit_or_the_organization_accepts_whoever_is_below(
    autopilot: FakeAutopilot, principal: str
) -> None:
    autopilot.organization.owners[STRANGER] = Owner(STRANGER, "team-x", IN_PROD, ORGANIZATION)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(principal)))
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))

    facet = autopilot.row(ref).acceptance
    assert state(autopilot, ref) is AwsState.PENDING
    assert (facet.decided_by, facet.owner_name, facet.owner_path) == (f"{principal}/*", "team-x", "Workloads/Prod")


def test_a_units_block_beats_the_accounts_own_entry(autopilot: FakeAutopilot) -> None:
    autopilot.organization.owners[CONSUMER] = Owner(CONSUMER, "team-x", IN_PROD, ORGANIZATION)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(ABOVE), Action.BLOCK))
    ref = requested(autopilot)
    autopilot.decide(event(ref))

    assert state(autopilot, ref) is AwsState.REJECTED
    assert f"unit {ABOVE} (Workloads)" in autopilot.row(ref).acceptance.reason


@pytest.mark.parametrize("placement", [Placement.REFUSED, Placement.NOT_ASKED])
def test_without_organizations_a_units_entry_never_matches_and_the_status_says_why(
    autopilot: FakeAutopilot, placement: Placement
) -> None:
    autopilot.organization.owners[STRANGER] = Owner(STRANGER, placement=placement, reason="nobody may ask")
    autopilot.allowlist.put(AllowlistEntry(EntryKey(ABOVE)))
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))

    assert autopilot.row(ref).status is Status.HELD
    assert "units do not count: nobody may ask" in autopilot.row(ref).acceptance.reason


@pytest.mark.parametrize("action", Action)
def test_while_organizations_fails_a_request_is_held_and_tried_again(autopilot: FakeAutopilot, action: Action) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), action))
    ref = requested(autopilot)
    autopilot.calls.refused["DescribeAccount"] = "TooManyRequestsException"
    outcome = autopilot.decide(event(ref))

    assert (autopilot.row(ref).status, state(autopilot, ref)) == (Status.HELD, AwsState.PENDING_ACCEPTANCE)
    assert "TooManyRequestsException" in autopilot.row(ref).acceptance.reason
    assert "TooManyRequestsException" in autopilot.row(ref).acceptance.refusal
    assert autopilot.requests_queue.sent == [(event(ref).put_back(), 5)]
    assert not outcome.failed

    autopilot.calls.refused.clear()
    autopilot.decide(*autopilot.requests_queue.take())
    assert state(autopilot, ref) is (AwsState.PENDING if action is Action.ACCEPT else AwsState.REJECTED)


def test_organizations_is_asked_once_an_account_and_batch(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service()
    refs = [requested(autopilot, service_id=service_id) for _ in range(9)]
    autopilot.decide(*map(event, refs), event(requested(autopilot, STRANGER, service_id), STRANGER))

    assert autopilot.calls.made.count("DescribeAccount") == 2


def answered(ref: ConnectionRef, accepted: bool, by: str = ALICE) -> WakeUp:
    """The wake-up of a person's own call."""
    return replace(event(ref, None), answer=Answer(accepted, by))


@pytest.mark.parametrize("accepted", [True, False])
def test_who_answered_is_on_record_also_when_the_notification_was_faster(
    autopilot: FakeAutopilot, accepted: bool
) -> None:
    ref = requested(autopilot, STRANGER)
    (autopilot.aws.accept if accepted else autopilot.aws.reject)(ref)
    autopilot.decide(notification(ref))
    assert "somebody else" in autopilot.row(ref).acceptance.reason

    autopilot.decide(answered(ref, accepted))

    facet = autopilot.row(ref).acceptance
    assert (facet.answered_by, facet.value) == (ALICE, Acceptance.ADOPTED if accepted else Acceptance.REJECTED)
    assert ALICE in facet.reason


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_wake_ups_in_a_batch_the_one_that_knows_who_answered_counts(
    autopilot: FakeAutopilot, order: int
) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.aws.accept(ref)
    autopilot.decide(*[answered(ref, True), event(ref, STRANGER)][::order])

    assert autopilot.row(ref).acceptance.answered_by == ALICE


@pytest.mark.parametrize("by", [f"arn:aws:iam::{STRANGER}:root", "alice", ""])
def test_nobody_of_another_account_can_have_answered(autopilot: FakeAutopilot, by: str) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.aws.accept(ref)
    autopilot.decide(answered(ref, True, by))

    assert autopilot.row(ref).acceptance.answered_by == "somebody"


def test_what_a_person_rejected_is_not_accepted_by_an_entry_for_the_account(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))
    autopilot.aws.reject(ref)
    autopilot.decide(answered(ref, False))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.services.shown = stale(autopilot, ref)
    autopilot.clock.advance(3600)
    autopilot.decide(event(ref, STRANGER, SeenBy.SWEEP))
    autopilot.services.shown = lambda connection: connection
    autopilot.decide(event(ref, STRANGER, SeenBy.SWEEP))

    assert ACCEPT not in autopilot.calls.made
    assert autopilot.row(ref).status is Status.REJECTED


def test_a_person_who_accepts_while_the_machine_does_is_no_failure(
    autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = requested(autopilot)

    def entries(keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        monkeypatch.undo()
        autopilot.aws.accept(ref)
        return autopilot.allowlist.entries(keys)

    monkeypatch.setattr(autopilot.allowlist, "entries", entries)
    autopilot.decide(event(ref))
    autopilot.decide(*autopilot.requests_queue.take(), answered(ref, True))

    assert state(autopilot, ref) is AwsState.PENDING
    assert autopilot.row(ref).status is Status.ACCEPTED


def test_an_entry_that_comes_while_a_request_is_decided_is_not_overlooked(
    autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = requested(autopilot, STRANGER)
    looked_up = autopilot.allowlist.entries

    def entries(keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        """Just after one run has read the list, somebody allows the account."""
        monkeypatch.undo()
        found = looked_up(keys)
        autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
        autopilot.follow_allowlist({EntryKey(STRANGER)})
        return found

    monkeypatch.setattr(autopilot.allowlist, "entries", entries)
    autopilot.decide(event(ref, STRANGER))
    assert autopilot.row(ref).status is Status.HELD
    autopilot.decide(*autopilot.requests_queue.take())

    assert state(autopilot, ref) is AwsState.PENDING


def test_what_ec2_refuses_for_a_quarter_of_an_hour_fails_so_that_an_alarm_tells(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.services.shown = stale(autopilot, ref)
    autopilot.aws.reject(ref)
    wake_ups = [event(ref)]
    while not (outcome := autopilot.decide(*wake_ups)).failed:
        autopilot.clock.advance(30)
        wake_ups = autopilot.requests_queue.take()

    (failure,) = outcome.failed.values()
    assert (failure.operation, failure.code) == (ACCEPT, "InvalidState")
    assert wake_ups[0].has_waited_long_enough


def test_a_change_of_a_services_tags_has_what_waits_there_decided(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service({})
    ref = requested(autopilot, service_id=service_id)
    autopilot.decide(event(ref))
    assert state(autopilot, ref) is AwsState.PENDING_ACCEPTANCE

    autopilot.aws.tag(service_id, autopilot="enabled")
    autopilot.decide(WakeUp(service_id, None, None, None, SeenBy.EVENT))

    assert state(autopilot, ref) is AwsState.PENDING


def test_what_is_no_longer_listed_but_known_is_handed_on_and_does_not_circle(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot)
    autopilot.decide(event(ref))
    autopilot.dns_queue.take()
    autopilot.services.shown = lambda _: None
    autopilot.decide(notification(ref))

    assert autopilot.dns_queue.take() == [event(ref, seen_by=SeenBy.NOTIFICATION)]
    assert not autopilot.requests_queue.sent


def test_a_held_request_that_the_ledger_thought_gone_is_held_again(autopilot: FakeAutopilot) -> None:
    ref = requested(autopilot, STRANGER)
    autopilot.decide(event(ref, STRANGER))
    autopilot.services.shown = lambda _: None
    autopilot.converge(replace(event(ref, STRANGER), waited=9, waited_seconds=240))
    assert autopilot.row(ref).status is Status.RETIRED
    autopilot.services.shown = lambda connection: connection
    autopilot.decide(event(ref, STRANGER))

    assert autopilot.row(ref).status is Status.HELD


def test_hundreds_that_wait_at_once_are_answered_fifty_by_fifty(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service()
    refs = [requested(autopilot, service_id=service_id) for _ in range(120)]
    autopilot.decide(WakeUp(service_id, None, None, None, SeenBy.NOTIFICATION))

    assert autopilot.calls.made.count(ACCEPT) == 3
    assert {state(autopilot, ref) for ref in refs} == {AwsState.PENDING}


@pytest.mark.parametrize("answer", ["accept", "reject"])
@pytest.mark.parametrize(("code", "calls", "answered"), [("InvalidState", 7, 7), ("RequestLimitExceeded", 1, 0)])
def test_one_endpoint_that_fails_the_whole_call_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, answer: str, code: str, calls: int, answered: int
) -> None:
    """It is found by halving; who is told to slow down is not asked more often."""
    autopilot = FakeAutopilot(allowed_principals=(CONSUMER,) if answer == "accept" else (), unlisted=Verdict.REJECT)
    service_id = autopilot.aws.service()
    refs = [requested(autopilot, service_id=service_id) for _ in range(8)]
    really, made = getattr(autopilot.services, answer), []

    def call(service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        made.append(endpoint_ids)
        if refs[2].endpoint_id in endpoint_ids:
            raise AwsCallFailed(ACCEPT, service_id, code, "the test says so")
        return really(service_id, endpoint_ids)  # type: ignore[no-any-return]

    monkeypatch.setattr(autopilot.services, answer, call)
    outcome = autopilot.decide(WakeUp(service_id, None, None, None, SeenBy.NOTIFICATION))

    assert len(made) == calls
    assert outcome.counts.total() == answered
    assert sum(state(autopilot, ref) is not AwsState.PENDING_ACCEPTANCE for ref in refs) == answered
    assert state(autopilot, refs[2]) is AwsState.PENDING_ACCEPTANCE


def test_who_is_told_to_slow_down_waits_and_has_not_failed(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused["AcceptVpcEndpointConnections"] = "RequestLimitExceeded"
    woken, unaddressed = event(ref), WakeUp(None, ref.endpoint_id, None, None, SeenBy.NOTIFICATION)

    outcome = autopilot.decide(woken)
    assert (outcome.failed, autopilot.requests_queue.sent) == ({}, [(woken.put_back(), 5)])

    # Put back by every service it would multiply.
    assert list(autopilot.decide(unaddressed).failed) == [unaddressed]

    tired = replace(woken, waited_seconds=900)
    assert list(autopilot.decide(tired).failed) == [tired]


def test_who_is_told_to_slow_down_before_the_services_are_known_waits_as_well(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused["DescribeVpcEndpointServiceConfigurations"] = "RequestLimitExceeded"
    woken = event(ref)

    assert (autopilot.decide(woken).failed, autopilot.requests_queue.sent) == ({}, [(woken.put_back(), 5)])


def test_all_wake_ups_about_one_connection_wait_as_one_that_says_who_answered(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused["DescribeVpcEndpointConnections"] = "RequestLimitExceeded"
    told = replace(event(ref), answer=Answer(accepted=True, by="a person"))

    assert not autopilot.decide(event(ref).put_back(), told, event(ref), notification(ref)).failed
    assert autopilot.requests_queue.sent == [(told.put_back(), 5)]


def test_what_waits_and_then_fails_comes_again_once(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused |= {"DescribeAccount": "InternalError", "UpdateItem": "InternalError"}

    assert list(autopilot.decide(event(ref)).failed) == [event(ref)]
    assert not autopilot.requests_queue.sent


def test_what_cannot_even_be_put_back_has_failed(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused |= {"AcceptVpcEndpointConnections": "Throttling", "SendMessageBatch": "InternalError"}

    assert list(autopilot.decide(event(ref)).failed) == [event(ref)]
