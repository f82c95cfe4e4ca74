"""Names with a resolver's eye: what clients in the VPC find before, during and after each change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER
from tests.local_aws.deployment import outputs, shell, up
from tests.story.resolver import NXDOMAIN, PUBLIC, Resolver
from tests.story.story import Story, wait_for


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """An installation of its own, as roles come and tags change here."""
    with up(tmp_path_factory.mktemp("local-aws"), ConsumerAccounts=STRANGER) as aws:
        yield Story(aws)


def ready(story: Story, endpoint_id: str) -> None:
    wait_for(f"READY of {endpoint_id}", lambda: story.mail_about("READY", endpoint_id))


def test_a_name_moves_from_blue_to_green_without_one_wrong_answer(named: Story) -> None:
    state = named.aws.state
    resolve = Resolver(named.aws, state.vpc_id)
    assert resolve(state.record) == PUBLIC
    blue = named.create_endpoint()
    ready(named, blue)
    green = named.create_endpoint()
    wait_for("DNS-BLOCKED", lambda: named.mail_about("DNS-BLOCKED", green))
    assert resolve(state.record).startswith(blue)

    answers: list[str] = []
    named.delete_endpoint(blue)

    def is_green() -> bool:
        answers.append(resolve(state.record))
        return answers[-1].startswith(green)

    wait_for("the name leads to green", is_green)
    ready(named, green)
    wait_for("RETIRED", lambda: named.mail_about("RETIRED", blue))
    assert {answer.partition("-")[0] for answer in answers} == {"vpce"}

    named.delete_endpoint(green)
    wait_for("public DNS again", lambda: resolve(state.record) == PUBLIC)


def test_a_name_added_by_tag_comes_within_seconds_and_the_zone_lacks_all_others(named: Story) -> None:
    state = named.aws.state
    resolve, endpoint_id = Resolver(named.aws, state.vpc_id), named.create_endpoint()
    ready(named, endpoint_id)
    assert resolve(f"ledger.{state.zone}") == NXDOMAIN
    label = state.record.partition(".")[0]
    tags = [{"Key": "autopilot:records", "Value": f"{label} ledger"}]
    named.aws.client("ec2", PROVIDER).create_tags(Resources=[state.service_id], Tags=tags)

    wait_for("the added name", lambda: resolve(f"ledger.{state.zone}").startswith(endpoint_id))
    assert resolve(state.record).startswith(endpoint_id)
    named.delete_endpoint(endpoint_id)
    wait_for("public DNS again", lambda: resolve(state.record) == PUBLIC)


def test_an_endpoints_tag_has_another_vpc_of_the_account_served_too(named: Story) -> None:
    state, ec2 = named.aws.state, named.aws.client("ec2", CONSUMER)
    spoke = str(ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"])
    resolve = Resolver(named.aws, spoke)
    endpoint_id = named.create_endpoint(tags={"autopilot:also-vpcs": spoke})

    wait_for("the spoke's name", lambda: resolve(state.record).startswith(endpoint_id))
    ready(named, endpoint_id)
    named.delete_endpoint(endpoint_id)
    wait_for("public DNS again", lambda: resolve(state.record) == PUBLIC)


def test_names_are_written_at_once_when_a_stranger_deploys_the_role(named: Story) -> None:
    state = named.aws.state
    named.allowlist(STRANGER)
    endpoint_id = named.create_endpoint(STRANGER)
    mail = wait_for("CONNECTED", lambda: named.mail_about("CONNECTED", endpoint_id))
    text = mail.get_content()
    assert f"ENDPOINT={endpoint_id} " in text
    assert "aws route53 create-hosted-zone" in text
    assert '"AWS::Route53::HostedZone"' in text

    shell(named.aws, "stranger-deploy", outputs(named.aws)["DeployConsumer"], STRANGER)
    ready(named, endpoint_id)
    resolve = Resolver(named.aws, state.stranger_vpc_id, STRANGER)
    assert resolve(state.record).startswith(endpoint_id)
