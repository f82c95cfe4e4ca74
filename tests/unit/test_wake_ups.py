from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.wake_up import Answer, SeenBy, WakeUp
from autopilot.wake_ups import UnreadableEvent, read_wake_ups
from tests.events import (
    ANOTHER_VENDORS_SERVICE,
    CONSUMER,
    ENDPOINT,
    INVOCATIONS,
    POISON,
    PROVIDER,
    READABLE,
    REGION,
    SECOND_ENDPOINT,
    SECOND_SERVICE,
    SERVICE,
    body,
    event,
)


def seen(
    service: str | None,
    endpoint: str | None,
    account: str | None = None,
    region: str | None = None,
    by: SeenBy = SeenBy.EVENT,
    answer: Answer | None = None,
) -> WakeUp:
    return WakeUp(service, endpoint, account, region, by, answer=answer)


def answered(*, accepted: bool, by: str) -> tuple[WakeUp, ...]:
    return (seen(SERVICE, ENDPOINT, answer=Answer(accepted, by)),)


CREATED = seen(SERVICE, ENDPOINT, CONSUMER, REGION)
CHANGED = seen(None, ENDPOINT, CONSUMER, REGION)
TAGGED = seen(SERVICE, None, None, REGION)
SOMETHING_CHANGED = seen(None, None, by=SeenBy.NOTIFICATION)

ADMIN = f"arn:aws:sts::{PROVIDER}:assumed-role/Admin/mara.keller"
SINGLE_SIGN_ON = f"arn:aws:sts::{PROVIDER}:assumed-role/AWSReservedSSO_PlatformAdmin_0123456789abcdef/mara.keller"
IAM_USER = f"arn:aws:iam::{PROVIDER}:user/mara.keller"
ROOT = f"arn:aws:iam::{PROVIDER}:root"
# AnsweredRule keeps these away; whoever reads one all the same tells it as it is.
AUTOPILOT = event("accept-one-by-autopilot")["detail"]["userIdentity"]["arn"]

WAKE_UPS: dict[str, tuple[WakeUp, ...]] = {
    "create-one-subnet": (CREATED,),
    "create-several-subnets-and-tags": (CREATED,),
    "create-account-with-leading-zero": (seen(SERVICE, ENDPOINT, "012345678901", REGION),),
    "create-nothing-set": (CREATED,),
    "create-through-an-endpoint": (CREATED,),
    "create-by-console": (CREATED,),
    "create-by-terraform": (CREATED,),
    "create-by-cloudformation": (CREATED,),
    "create-in-another-region": (seen(SERVICE, ENDPOINT, CONSUMER, "eu-west-1"),),
    "create-in-the-providers-account": (seen(SERVICE, ENDPOINT, PROVIDER, REGION),),
    "create-copied-to-the-provider": (seen(SERVICE, ENDPOINT, None, REGION),),
    "create-of-another-vendors-service": (seen(ANOTHER_VENDORS_SERVICE, ENDPOINT, CONSUMER, REGION),),
    "create-of-s3-interface": (),
    "create-of-s3-gateway": (),
    "create-of-a-resource": (),
    "create-refused-invalid-service-name": (),
    "create-refused-unauthorized": (),
    "create-dry-run": (),
    "delete-one": (CHANGED,),
    "delete-two": (CHANGED, seen(None, SECOND_ENDPOINT, CONSUMER, REGION)),
    "delete-two-one-failed": (CHANGED,),
    "delete-abbreviated-wrapper": (CHANGED,),
    "modify-subnets-and-private-dns": (CHANGED,),
    "accept-one-by-console": answered(accepted=True, by=SINGLE_SIGN_ON),
    "accept-one-by-iam-user": answered(accepted=True, by=IAM_USER),
    "accept-one-by-root": answered(accepted=True, by=ROOT),
    "accept-one-by-autopilot": answered(accepted=True, by=AUTOPILOT),
    "accept-two-one-failed": answered(accepted=True, by=ADMIN),
    "reject-one-by-console": answered(accepted=False, by=SINGLE_SIGN_ON),
    "reject-one-by-iam-user": answered(accepted=False, by=IAM_USER),
    "reject-one-by-root": answered(accepted=False, by=ROOT),
    "reject-one-by-autopilot": answered(accepted=False, by=AUTOPILOT),
    "reject-two-one-failed": answered(accepted=False, by=ADMIN),
    "tag-one-service": (TAGGED,),
    "tag-several-resources": (TAGGED, seen(SECOND_SERVICE, None, None, REGION)),
    "tag-refused": (),
    "untag-one-service": (TAGGED,),
    "notification-with-ids": (seen(SERVICE, ENDPOINT, by=SeenBy.NOTIFICATION),),
    "notification-two-endpoints": (
        seen(SERVICE, ENDPOINT, by=SeenBy.NOTIFICATION),
        seen(SERVICE, SECOND_ENDPOINT, by=SeenBy.NOTIFICATION),
    ),
    "notification-without-ids": (SOMETHING_CHANGED,),
    "stack-status-change": (seen(None, None, CONSUMER, REGION),),
    "stack-status-change-of-autopilot": (seen(None, None, PROVIDER, REGION),),
    "wake-up-waiting": (WakeUp(SERVICE, ENDPOINT, CONSUMER, REGION, SeenBy.EVENT, 2, 15),),
}

COMPLAINTS = {
    "tag-of-another-resource": "names no endpoint service; expected a vpce-svc-… in its resourcesSet",
    "poison-service-id-out-of-shape": r"a resourceId is out of shape; expected vpce-svc-[0-9a-f]{8,17}, found "
    r"'vpce-svc-0fa57c0de5e41ce01\n",
    "poison-account-as-number": "the event's account is out of shape; expected [0-9]{12}, found 222222222222",
    "poison-create-without-response": "names no endpoint; expected a vpcEndpoint in its response",
    "poison-delete-without-ids": "names no endpoint; expected a VpcEndpointId in its request",
    "poison-endpoint-id-out-of-shape": r"the vpcEndpointId is out of shape; expected vpce-[0-9a-f]{8,17}, found "
    r"'vpce-0e1f2a3b4c5d6e701\n",
    "poison-list": "of no known kind",
    "poison-object-where-text-belongs": "the serviceName is not text",
    "poison-region-out-of-shape": "the awsRegion is out of shape",
    "poison-subscription-confirmation": "of no known kind",
    "poison-unknown-call": "unknown call; expected one that changes an endpoint or the tags of a service, found 'Cr",
    "poison-unknown-detail-type": "of no known kind",
    "poison-unknown-kind": "of no known kind",
    "poison-wake-up-without-origin": "the wake-up is out of shape",
}


def test_every_event_in_the_folder_has_its_answer_here() -> None:
    assert set(WAKE_UPS) | set(COMPLAINTS) == set(READABLE) | set(POISON)
    assert set(WAKE_UPS).isdisjoint(COMPLAINTS)
    assert set(POISON) <= set(COMPLAINTS)


@pytest.mark.parametrize("name", WAKE_UPS)
def test_an_event_wakes_exactly_these_connections(name: str) -> None:
    assert read_wake_ups(body(name)) == WAKE_UPS[name]


@pytest.mark.parametrize("name", COMPLAINTS)
def test_a_poison_message_is_refused_with_what_is_wrong_with_it(name: str) -> None:
    with pytest.raises(UnreadableEvent) as refusal:
        read_wake_ups(body(name))

    assert COMPLAINTS[name] in str(refusal.value)


@pytest.mark.parametrize("name", [name for name in INVOCATIONS if "decide" in name or "converge" in name])
def test_the_queue_messages_of_the_sample_invocations_are_readable(name: str) -> None:
    assert [read_wake_ups(record["body"]) for record in event(name)["Records"]] == [(CREATED,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{SERVICE} has news", [(SERVICE, None)]),
        (f"{ENDPOINT} has news", [(None, ENDPOINT)]),
        (f"{SERVICE} or {ANOTHER_VENDORS_SERVICE}: {ENDPOINT}", [(None, ENDPOINT)]),
        (f"{SERVICE}, {ANOTHER_VENDORS_SERVICE}", [(SERVICE, None), (ANOTHER_VENDORS_SERVICE, None)]),
        (f"{ENDPOINT}-q7w2k9ax.{SERVICE}.{REGION}.vpce.amazonaws.com", [(SERVICE, ENDPOINT)]),
        (json.dumps({"text": f"id:\n{ENDPOINT}\n"}), [(None, ENDPOINT)]),
        (f"{ENDPOINT}0 is too long, vpce-0e1f is too short, vpce-nfn-0e1f2a3b4c is another thing", [(None, None)]),
        ("", [(None, None)]),
    ],
)
def test_a_notification_is_searched_for_ids_because_nobody_knows_its_text(
    text: str, expected: list[tuple[str | None, str | None]]
) -> None:
    envelope = event("notification-with-ids") | {"Message": text}

    assert read_wake_ups(json.dumps(envelope)) == tuple(seen(*pair, by=SeenBy.NOTIFICATION) for pair in expected)


def test_the_account_is_the_envelopes_whatever_the_record_claims() -> None:
    forged = event("create-one-subnet")
    forged["detail"]["userIdentity"]["accountId"] = PROVIDER
    forged["detail"]["recipientAccountId"] = PROVIDER
    forged["detail"]["responseElements"]["CreateVpcEndpointResponse"]["vpcEndpoint"]["ownerId"] = int(PROVIDER)

    assert read_wake_ups(json.dumps(forged)) == (CREATED,)


def test_a_response_may_be_in_an_abbreviated_wrapper_too() -> None:
    record = event("create-one-subnet")
    response = record["detail"]["responseElements"]
    response["CrVpceRes"] = response.pop("CreateVpcEndpointResponse")

    assert read_wake_ups(json.dumps(record)) == (CREATED,)


def test_the_envelopes_region_stands_in_for_a_record_without() -> None:
    record = event("delete-one")
    del record["detail"]["awsRegion"]

    assert read_wake_ups(json.dumps(record)) == (CHANGED,)


def test_an_id_that_the_call_refused_may_be_anything() -> None:
    record = event("delete-two-one-failed")
    record["detail"]["requestParameters"]["DeleteVpcEndpointsRequest"]["VpcEndpointId"][1]["content"] = "oops"
    response = record["detail"]["responseElements"]["DeleteVpcEndpointsResponse"]
    response["unsuccessful"]["item"]["resourceId"] = "oops"

    assert read_wake_ups(json.dumps(record)) == (CHANGED,)


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws-cn:iam::{PROVIDER}:user/platform/ann",
        f"arn:aws:sts::{PROVIDER}:federated-user/ann",
        f"arn:aws-us-gov:sts::{PROVIDER}:assumed-role/Admin/ann@example.com",
    ],
)
def test_whoever_the_account_calls_its_own_is_named(arn: str) -> None:
    record = event("accept-one-by-console")
    record["detail"]["userIdentity"]["arn"] = arn

    assert read_wake_ups(json.dumps(record)) == answered(accepted=True, by=arn)


@pytest.mark.parametrize(
    "identity",
    [
        None,
        "",
        "ann",
        [],
        {},
        {"arn": None},
        {"arn": ""},
        {"arn": "ann"},
        {"arn": ["arn:aws:iam::111111111111:root"]},
        {"arn": f"arn:aws:s3:::{PROVIDER}:ann"},
        {"arn": f"arn:aws:iam::{PROVIDER}:"},
        {"type": "AssumedRole", "arn": ADMIN.replace(PROVIDER, CONSUMER), "accountId": PROVIDER},
        {"type": "AWSAccount", "principalId": "AROAINVENTED2222ROLE:ann", "accountId": CONSUMER},
        {"type": "AWSService", "invokedBy": "vpce.amazonaws.com"},
        {"type": "IdentityCenterUser", "accountId": PROVIDER, "onBehalfOf": {"userId": "invented"}},
    ],
    ids=repr,
)
def test_without_one_of_the_accounts_own_arns_nobody_is_named(identity: object) -> None:
    record = event("accept-one-by-console")
    record["detail"]["userIdentity"] = identity

    assert read_wake_ups(json.dumps(record)) == (seen(SERVICE, ENDPOINT),)


@pytest.mark.parametrize("account", [CONSUMER, int(PROVIDER), None])
def test_nobody_is_named_when_the_envelope_is_another_accounts(account: object) -> None:
    assert read_wake_ups(json.dumps(event("accept-one-by-console") | {"account": account})) == (
        seen(SERVICE, ENDPOINT),
    )


@given(st.text(min_size=1))
def test_who_answered_is_short_and_harmless_and_survives_our_own_queue(name: str) -> None:
    record = event("accept-one-by-console")
    record["detail"]["userIdentity"]["arn"] = f"{ROOT}{name}"

    (wake_up,) = read_wake_ups(json.dumps(record))

    assert wake_up.answer is not None
    assert wake_up.answer.by.startswith(ROOT)
    assert wake_up.answer.by.isprintable()
    assert len(wake_up.answer.by) <= 200
    assert read_wake_ups(wake_up.put_back().to_body()) == (wake_up.put_back(),)


@pytest.mark.parametrize("by", ["\x1b[2J", "ann\n", "x" * 201])
def test_our_own_messages_name_nobody_whom_an_event_could_not(by: str) -> None:
    with pytest.raises(UnreadableEvent, match="the wake-up's answer is out of shape"):
        read_wake_ups(seen(SERVICE, ENDPOINT, answer=Answer(accepted=True, by=by)).to_body())


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({"resourceId": SERVICE}, (TAGGED,)),
        ([{"resourceId": SERVICE}, {"resourceId": SERVICE}], (TAGGED,)),
        ([{"resourceId": 7}, {}, "", {"resourceId": ENDPOINT}, {"resourceId": SERVICE}], (TAGGED,)),
    ],
)
def test_tagged_services_are_found_in_one_object_or_a_list(items: object, expected: tuple[WakeUp, ...]) -> None:
    record = event("tag-one-service")
    record["detail"]["requestParameters"]["resourcesSet"]["items"] = items

    assert read_wake_ups(json.dumps(record)) == expected


@pytest.mark.parametrize("parameters", [None, "", {}, {"resourcesSet": ""}, {"resourcesSet": {"items": []}}])
def test_tags_of_nothing_are_unreadable(parameters: object) -> None:
    record = event("tag-one-service")
    record["detail"]["requestParameters"] = parameters

    with pytest.raises(UnreadableEvent, match="names no endpoint service"):
        read_wake_ups(json.dumps(record))


@pytest.mark.parametrize("field", ["service_id", "endpoint_id", "account", "region"])
def test_the_hints_of_our_own_messages_are_checked_like_any_other(field: str) -> None:
    with pytest.raises(UnreadableEvent, match="a field of the wake-up is out of shape"):
        read_wake_ups(json.dumps(event("wake-up-waiting") | {field: "vpce-../../"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[" * 200_000,
        '{"a":' * 200_000,
        "9" * 5000,
        "NaN",
        "null",
        '"\\ud800"',
        "\x00",
        "\ud800",
        "é" * 999,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_what_is_not_a_json_object_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableEvent):
        read_wake_ups(text)


@pytest.mark.parametrize("field", ["autopilot", "seen_by", "service_id", "waited"])
def test_a_field_nested_to_a_great_depth_is_unreadable(field: str) -> None:
    deep: Any = ENDPOINT
    for _ in range(900):
        deep = [deep]

    with pytest.raises(UnreadableEvent):
        read_wake_ups(json.dumps(event("wake-up-waiting") | {field: deep}))


def test_the_excerpt_is_short_and_harmless() -> None:
    with pytest.raises(UnreadableEvent) as refusal:
        read_wake_ups("\x1b[2J\r\nERROR all is lost\u2028\u202e" + "x" * 10_000)

    text = str(refusal.value)
    assert text.isprintable()
    assert r"\x1b[2J\r\nERROR" in text
    assert len(text) <= 200 + len("the message cannot be parsed; expected JSON, found ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([ENDPOINT, SERVICE, REGION]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["item"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def only_unreadable(text: str) -> None:
    """Returns wake-ups or raises UnreadableEvent; whatever else is raised fails the test."""
    try:
        wake_ups = read_wake_ups(text)
    except UnreadableEvent:
        return
    assert isinstance(wake_ups, tuple)
    assert all(isinstance(wake_up, WakeUp) for wake_up in wake_ups)


@given(st.text())
def test_no_text_raises_anything_but_unreadable_event(text: str) -> None:
    only_unreadable(text)


@given(json_values)
def test_no_json_raises_anything_but_unreadable_event(value: object) -> None:
    only_unreadable(json.dumps(value))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path to something inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


@given(data=st.data(), name=st.sampled_from(READABLE), value=json_values)
def test_no_mutation_of_a_genuine_event_raises_anything_but_unreadable_event(
    data: st.DataObject, name: str, value: object
) -> None:
    mutated = event(name)
    *way, last = data.draw(st.sampled_from(list(places(mutated))))
    place = mutated
    for step in way:
        place = place[step]
    change: Callable[[], None] = data.draw(
        st.sampled_from([lambda: place.pop(last), lambda: place.__setitem__(last, value)])
    )
    change()

    only_unreadable(json.dumps(mutated))


EC2 = botocore.session.get_session().get_service_model("ec2")


@pytest.mark.parametrize(
    "name", [name for name in READABLE if name.startswith(("create-", "delete-", "modify-", "accept-", "reject-"))]
)
def test_the_events_use_only_names_that_the_ec2_api_has(name: str) -> None:
    detail = event(name)["detail"]
    operation: Any = EC2.operation_model(detail["eventName"])
    (request,) = detail["requestParameters"].values()
    (response,) = (detail["responseElements"] or {"Response": {}}).values()

    assert set(request) <= {wire[0].upper() + wire[1:] for wire in wire_names(operation.input_shape)}
    assert set(response) - {"xmlns", "requestId"} <= wire_names(operation.output_shape)
    if "vpcEndpoint" in response:
        assert set(response["vpcEndpoint"]) <= wire_names(operation.output_shape.members["VpcEndpoint"])


def wire_names(structure: Any) -> set[str]:
    """A structure's members as the EC2 query protocol spells them, which is how CloudTrail does."""
    spellings = [(key, member.serialization) for key, member in structure.members.items()]
    return {spelling.get("queryName") or spelling.get("name", key) for key, spelling in spellings}
