"""Decisions, as a provider makes them: rows, units, expiry, people, tags, deployments, and the brake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER
from tests.local_aws.deployment import deploy_provider, shell, up
from tests.local_aws.organizations import PROD, WORKLOADS
from tests.story.story import Story, wait_for

STANDING = ("pending", "available")
STRANGERS_ARN = f"arn:aws:iam::{STRANGER}:root"
CONSUMERS_ARN = f"arn:aws:iam::{CONSUMER}:root"
# Nobody is allowed at first; the sweep runs only when a story has it run.
STRICT = {
    "AllowedPrincipals": "",
    "OnRevoked": "reject",
    "MaxDisruptions": "1",
    "MaxDisruptionsPercent": "0",
    "ManagePermissions": "true",
    "ServiceAllowedPrincipals": STRANGERS_ARN,
    "SweepMinutes": "60",
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws"), step=nullcontext, **STRICT) as aws:
        yield Story(aws)


def stands(story: Story, endpoint_id: str) -> bool:
    return story.connection_state(endpoint_id) in STANDING


def expiring_in(seconds: int) -> dict[str, str]:
    return {"N": str(int(time.time()) + seconds)}


def test_a_unit_lets_in_whoever_is_below_it_and_the_held_mail_names_who_asks(strict: Story) -> None:
    strict.aws.move_account(STRANGER, PROD)
    endpoint_id = strict.create_endpoint(STRANGER)
    held = wait_for("HELD", lambda: strict.mail_about("HELD", endpoint_id))
    assert f"{STRANGER} team-b: your decision" in " ".join(str(held["Subject"]).split())
    assert f"{STRANGER} (team-b in Workloads/Prod)" in held.get_content()

    strict.allowlist(WORKLOADS, note={"S": "all of Workloads"})

    wait_for("acceptance", lambda: stands(strict, endpoint_id), 20)
    facet = strict.ledger(endpoint_id)["acceptance"]
    assert facet["decided_by"] == f"{WORKLOADS}/*"
    assert facet["reason"].endswith("is allowlisted for all services, note: all of Workloads")
    strict.delete_endpoint(endpoint_id, STRANGER)
    wait_for("RETIRED", lambda: strict.mail_about("RETIRED", endpoint_id))
    strict.forget(WORKLOADS)


def test_one_row_is_all_a_customer_needs_and_while_organizations_fails_nothing_is_decided(strict: Story) -> None:
    with pytest.raises(ClientError, match="InvalidServiceName"):
        strict.create_endpoint()
    strict.aws.switch(organizations="failing")
    strict.allowlist(CONSUMER)
    wait_for("permission", lambda: CONSUMERS_ARN in strict.permitted(), 20)
    endpoint_id = strict.create_endpoint()
    held = wait_for("HELD", lambda: strict.mail_about("HELD", endpoint_id))
    assert "it is tried again by itself" in held.get_content()
    assert strict.connection_state(endpoint_id) == "pendingAcceptance"

    strict.aws.switch(organizations="ok")

    wait_for("READY", lambda: strict.mail_about("READY", endpoint_id))
    strict.delete_endpoint(endpoint_id)
    strict.forget(CONSUMER)
    wait_for("permission gone", lambda: CONSUMERS_ARN not in strict.permitted(), 20)
    assert STRANGERS_ARN in strict.permitted()
    wait_for("RETIRED", lambda: strict.mail_about("RETIRED", endpoint_id))


def test_an_entry_that_expires_disconnects_where_that_is_asked_for_and_warns_before(strict: Story) -> None:
    strict.allowlist(CONSUMER)
    wait_for("permission", lambda: CONSUMERS_ARN in strict.permitted(), 20)
    endpoint_id = strict.create_endpoint()
    wait_for("READY", lambda: strict.mail_about("READY", endpoint_id))
    strict.allowlist(CONSUMER, expires_at=expiring_in(-1))

    strict.sweep()
    warning = wait_for("REVOKED", lambda: strict.mail_about("REVOKED", endpoint_id))
    assert "one of the next sweeps disconnects it" in warning.get_content()
    assert strict.connection_state(endpoint_id) == "available"
    assert strict.cname() is not None

    strict.sweep()
    wait_for("rejection", lambda: strict.connection_state(endpoint_id) == "rejected", 20)
    wait_for("disconnected", lambda: strict.mail(": disconnected", endpoint_id))
    wait_for("zone gone", lambda: strict.zone_id() is None)
    strict.delete_endpoint(endpoint_id)
    strict.forget(CONSUMER)


def test_the_brake_stops_before_the_first_and_a_person_lets_it_go(strict: Story) -> None:
    for account in (CONSUMER, STRANGER):
        strict.allowlist(account)
    wait_for("permission", lambda: CONSUMERS_ARN in strict.permitted(), 20)
    endpoints = {account: strict.create_endpoint(account) for account in (CONSUMER, STRANGER)}
    for endpoint_id in endpoints.values():
        wait_for("available", lambda which=endpoint_id: strict.connection_state(which) == "available")  # type: ignore[misc]
    wait_for("READY", lambda: strict.mail_about("READY", endpoints[CONSUMER]))
    for account in endpoints:
        strict.forget(account)

    strict.sweep()
    for endpoint_id in endpoints.values():
        wait_for("REVOKED", lambda which=endpoint_id: strict.mail_about("REVOKED", which))  # type: ignore[misc]
    strict.sweep()
    stopped = wait_for("STOPPED", lambda: strict.mail("STOPPED"))
    assert all(strict.connection_state(endpoint_id) == "available" for endpoint_id in endpoints.values())

    allow = next(line.strip() for line in stopped.get_content().splitlines() if "update-item" in line)
    shell(strict.aws, "let the brake go", allow, PROVIDER)
    strict.sweep()

    for account, endpoint_id in endpoints.items():
        wait_for("rejection", lambda which=endpoint_id: strict.connection_state(which) == "rejected")  # type: ignore[misc]
        strict.delete_endpoint(endpoint_id, account)


def test_a_tag_and_a_deployment_decide_anew_what_waits_without_a_sweep(strict: Story) -> None:
    strict.tag(None)
    dropped = "not a managed service; dropped"
    wait_for("hands off", lambda: dropped in Path(strict.aws.state.log).read_text(), 20)
    endpoint_id = strict.create_endpoint(STRANGER)
    strict.tag("enabled")
    wait_for("HELD", lambda: strict.mail_about("HELD", endpoint_id))

    deploy_provider(strict.aws, **{**STRICT, "AllowedPrincipals": STRANGER})

    wait_for("acceptance", lambda: stands(strict, endpoint_id), 30)
    assert strict.ledger(endpoint_id)["acceptance"]["reason"].endswith("note: AllowedPrincipals of the deployment")
    strict.delete_endpoint(endpoint_id, STRANGER)


def test_a_block_beats_the_deployments_own_list(story: Story) -> None:
    story.allowlist(CONSUMER, "block", note={"S": "invoice unpaid"})
    endpoint_id = story.create_endpoint()

    mail = wait_for("REJECTED", lambda: story.mail_about("REJECTED", endpoint_id))
    assert "blocked for all services, note: invoice unpaid" in mail.get_content()
    story.forget(CONSUMER)
    story.delete_endpoint(endpoint_id)


def test_an_entry_that_expires_is_reported_and_by_default_nobody_is_cut_off(story: Story) -> None:
    story.allowlist(STRANGER)
    endpoint_id = story.create_endpoint(STRANGER)
    wait_for("CONNECTED", lambda: story.mail_about("CONNECTED", endpoint_id))
    story.allowlist(STRANGER, expires_at=expiring_in(-1))
    story.sweep()

    mail = wait_for("REVOKED", lambda: story.mail_about("REVOKED", endpoint_id))
    assert "it stays connected" in mail.get_content()
    story.sweep()
    assert story.connection_state(endpoint_id) == "available"
    story.forget(STRANGER)
    story.delete_endpoint(endpoint_id, STRANGER)


def test_a_persons_answers_are_theirs_and_are_respected(story: Story) -> None:
    accepted, rejected = (story.create_endpoint(STRANGER) for _ in range(2))
    for endpoint_id in (accepted, rejected):
        wait_for("HELD", lambda which=endpoint_id: story.mail_about("HELD", which))  # type: ignore[misc]
    story.accept_by_hand(accepted)
    story.reject_by_hand(rejected)
    for endpoint_id in (accepted, rejected):
        wait_for(
            "who answered",
            lambda which=endpoint_id: story.ledger(which)["acceptance"]["answered_by"].startswith("arn:aws:"),  # type: ignore[misc]
        )
    wait_for("CONNECTED", lambda: story.mail_about("CONNECTED", accepted))

    story.allowlist(STRANGER)
    later = story.create_endpoint(STRANGER)
    wait_for("CONNECTED", lambda: story.mail_about("CONNECTED", later))
    story.sweep()
    assert story.connection_state(rejected) == "rejected"
    assert story.ledger(accepted)["acceptance"]["value"] == "adopted"
    story.forget(STRANGER)
    for endpoint_id in (accepted, rejected, later):
        story.delete_endpoint(endpoint_id, STRANGER)


def test_a_bad_row_is_told_with_its_reason_and_stops_nobody(story: Story) -> None:
    story.allowlist("444455556666", "blok")
    story.allowlist("444455557777", expires_at={"N": str(int(time.time() * 1000))})
    story.sweep()

    mail = wait_for("the bad action", lambda: story.mail("ENTRY", "action is the text 'blok'"))
    assert "444455556666/*" in " ".join(str(mail["Subject"]).split()) + mail.get_content()
    wait_for("the bad expiry", lambda: story.mail("ENTRY", "not milliseconds"))
    endpoint_id = story.create_endpoint()
    wait_for("READY", lambda: story.mail_about("READY", endpoint_id))
    story.delete_endpoint(endpoint_id)
    for account in ("444455556666", "444455557777"):
        story.forget(account)


def test_what_stood_before_a_service_was_handed_over_is_told_in_one_mail(story: Story) -> None:
    ec2, stranger, state = story.aws.client("ec2", PROVIDER), story.aws.client("ec2", STRANGER), story.aws.state
    service = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[state.load_balancer_arn], AcceptanceRequired=True
    )["ServiceConfiguration"]
    service_id = service["ServiceId"]
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service_id, AddAllowedPrincipals=["*"])
    endpoints = [
        stranger.create_vpc_endpoint(
            VpcEndpointType="Interface",
            ServiceName=service["ServiceName"],
            VpcId=state.stranger_vpc_id,
            SubnetIds=state.stranger_subnet_ids,
        )["VpcEndpoint"]["VpcEndpointId"]
        for _ in range(7)
    ]
    ec2.accept_vpc_endpoint_connections(ServiceId=service_id, VpcEndpointIds=endpoints)
    filters = [{"Name": "service-id", "Values": [service_id]}]

    def states() -> set[str]:
        listed = ec2.describe_vpc_endpoint_connections(Filters=filters)["VpcEndpointConnections"]
        return {row["VpcEndpointState"] for row in listed}

    wait_for("available", lambda: states() == {"available"})
    ec2.create_tags(Resources=[service_id], Tags=[{"Key": "autopilot", "Value": "enabled"}])

    def summary() -> str | None:
        story.sweep()
        mail = story.mail(f"NOW MANAGED {service_id}") or story.mail(service_id[:12], "7 connections stood before")
        return mail.get_content() if mail else None

    assert "7 connections stood before" in wait_for("the summary", summary)
    assert states() == {"available"}
    assert not any(endpoint_id in mail.get_content() for mail in story.aws.mail() for endpoint_id in endpoints)
    stranger.delete_vpc_endpoints(VpcEndpointIds=endpoints)
    ec2.delete_tags(Resources=[service_id], Tags=[{"Key": "autopilot"}])
