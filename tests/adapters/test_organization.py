from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest

from autopilot.aws import organization as aws_organization
from autopilot.aws.organization import AwsOrganization, NoOrganization, OrganizationsRole, organization, units_of_paths
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.organization import OrganizationalUnit, Owner, Placement
from autopilot.use_cases.ports import Organization
from tests.adapters import real
from tests.fakes.calls import Calls
from tests.fakes.clock import Clock
from tests.fakes.organization import FakeOrganization
from tests.local_aws import organizations as model
from tests.local_aws.moto_door import moto_aws
from tests.local_aws.organizations import (
    CONSUMER,
    MANAGEMENT,
    NAMES,
    ORGANIZATION,
    PROD,
    PROVIDER,
    REFUSALS,
    ROOT,
    SANDBOX,
    STRANGER,
    UNITS,
    WORKLOADS,
    Organizations,
)

MINUTE = 60
ROLE = f"arn:aws:iam::{MANAGEMENT}:role/autopilot-organizations"
FAKE, WITH_PATHS, WITHOUT_PATHS = "fake", "real with paths", "real without paths"
WORKLOADS_UNIT = OrganizationalUnit(WORKLOADS, "Workloads")
PLACES = {
    ROOT: (),
    PROD: (OrganizationalUnit(PROD, "Prod"), WORKLOADS_UNIT),
    WORKLOADS: (WORKLOADS_UNIT,),
    SANDBOX: (OrganizationalUnit(SANDBOX, "Sandbox"),),
}


@dataclass
class Subject:
    """An organization with the consumer in Prod and the stranger outside, and what happens to it.

    aws: the model behind the adapter, or the fake.
    """

    organization: Organization
    aws: Organizations | FakeOrganization
    calls: Calls

    def move(self, account: str, place: str) -> None:
        if isinstance(self.aws, Organizations):
            self.aws.move(account, place)
        else:
            self.aws.owners[account] = Owner(account, NAMES[account], PLACES[place], ORGANIZATION)

    def becomes(self, state: str) -> None:
        """state: a key of the model's REFUSALS."""
        if isinstance(self.aws, Organizations):
            self.aws.state = state
        elif refusal := REFUSALS[state]:
            self.calls.refused["DescribeAccount"] = refusal[0]
        else:
            self.calls.refused.clear()


@pytest.fixture
def aws(clock: Clock) -> Iterator[Organizations]:
    with moto_aws(now=clock.seconds) as doors:
        yield doors.organizations


@pytest.fixture(params=[FAKE, WITH_PATHS, WITHOUT_PATHS])
def subject(request: pytest.FixtureRequest, aws: Organizations, clock: Clock) -> Subject:
    """Lambda's own botocore is from before `Paths`, a newer layer's is not: both ways must say the same."""
    calls = Calls()
    if request.param == FAKE:
        fake = FakeOrganization(calls)
        found = Subject(fake, fake, calls)
        found.move(CONSUMER, PROD)
        return found
    client = real.organizations(with_paths=request.param == WITH_PATHS)
    return Subject(AwsOrganization(lambda: client, clock), aws, calls)


def test_an_account_has_its_name_its_organization_and_its_units_the_nearest_first(subject: Subject) -> None:
    owner = subject.organization.owner(CONSUMER)

    assert owner == Owner(CONSUMER, "team-a", PLACES[PROD], ORGANIZATION)
    assert owner.path == "Workloads/Prod"


def test_an_account_directly_under_the_root_is_in_the_organization_and_in_no_unit(subject: Subject) -> None:
    subject.move(STRANGER, ROOT)

    assert subject.organization.owner(STRANGER) == Owner(STRANGER, "team-b", (), ORGANIZATION)


def test_an_account_of_somebody_elses_is_known_to_be_in_no_organization_of_ours(subject: Subject) -> None:
    assert subject.organization.owner(STRANGER) == Owner(STRANGER)


def test_who_moves_is_found_at_the_new_place_within_minutes(subject: Subject, clock: Clock) -> None:
    subject.organization.owner(CONSUMER)
    subject.move(CONSUMER, SANDBOX)
    clock.advance(5 * MINUTE)

    assert subject.organization.owner(CONSUMER).units == PLACES[SANDBOX]


@pytest.mark.parametrize("state", ["throttled", "failing"])
def test_a_failure_is_raised_and_not_remembered(subject: Subject, state: str) -> None:
    subject.becomes(state)
    with pytest.raises(AwsCallFailed, match=f"DescribeAccount for {CONSUMER} failed with {REFUSALS[state][0]}"):  # type: ignore[index]
        subject.organization.owner(CONSUMER)

    subject.becomes("ok")
    assert subject.organization.owner(CONSUMER).placement is Placement.KNOWN


def test_a_refusal_is_an_answer_and_after_a_minute_asked_for_again(subject: Subject, clock: Clock) -> None:
    subject.becomes("refused")
    owner = subject.organization.owner(CONSUMER)
    assert (owner.account, owner.placement, owner.units) == (CONSUMER, Placement.REFUSED, ())
    assert owner.reason.startswith("DescribeAccount is refused")

    subject.becomes("ok")
    clock.advance(MINUTE)
    assert subject.organization.owner(CONSUMER).placement is Placement.KNOWN


def asking(clock: Clock, account: str = PROVIDER, *, with_paths: bool = False) -> tuple[AwsOrganization, list[str]]:
    """An organization that runs in the account, and the operations that it calls from now on."""
    client, made = real.organizations(account, with_paths=with_paths), list[str]()
    client.meta.events.register("provide-client-params.*.*", lambda model, **_: made.append(model.name))
    return AwsOrganization(lambda: client, clock), made


def test_an_owner_is_asked_for_once_in_five_minutes_and_a_unit_once_in_an_hour(
    aws: Organizations, clock: Clock
) -> None:
    organization, made = asking(clock)
    for _ in range(3):
        organization.owner(CONSUMER)
        organization.owner(STRANGER)
    # The account's parent and those of its two units take two pages each.
    first = ["DescribeAccount", *["ListParents"] * 6, *["DescribeOrganizationalUnit"] * 2, "DescribeAccount"]
    assert made == first

    clock.advance(5 * MINUTE)
    organization.owner(CONSUMER)
    assert made[len(first) :] == ["DescribeAccount", "ListParents", "ListParents"]

    clock.advance(55 * MINUTE)
    made.clear()
    organization.owner(CONSUMER)
    assert made == first[:-1]


def test_with_paths_nothing_else_is_asked_but_names(aws: Organizations, clock: Clock) -> None:
    organization, made = asking(clock, with_paths=True)
    organization.owner(CONSUMER)

    assert made == ["DescribeAccount", "DescribeOrganizationalUnit", "DescribeOrganizationalUnit"]


def test_the_memory_is_bounded_and_what_was_read_first_goes_first(
    aws: Organizations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_organization, "_MOST_KEPT", 2)
    organization, made = asking(clock)
    for account in ("444444444441", "444444444442", "444444444443", "444444444443", "444444444442", "444444444441"):
        organization.owner(account)

    assert made == ["DescribeAccount"] * 4


def test_a_unit_whose_name_is_not_told_counts_without_it(
    aws: Organizations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.move(STRANGER, SANDBOX)
    organization, made = asking(clock)
    with monkeypatch.context() as without_names:
        without_names.setattr(model, "OPERATIONS", {"DescribeAccount", "ListParents"})
        owners = [organization.owner(account) for account in (CONSUMER, STRANGER)]

    assert [owner.path for owner in owners] == [f"{WORKLOADS}/{PROD}", SANDBOX]
    assert {owner.placement for owner in owners} == {Placement.KNOWN}
    assert made.count("DescribeOrganizationalUnit") == 1
    clock.advance(5 * MINUTE)
    assert organization.owner(CONSUMER).path == "Workloads/Prod"


def test_a_refusal_says_which_statement_is_missing(aws: Organizations, clock: Clock) -> None:
    aws.state = "refused"

    assert asking(clock)[0].owner(CONSUMER).reason == (
        "DescribeAccount is refused; add the statement of the stack's output OrganizationsDelegation "
        "to the organization's delegation policy"
    )


def test_a_delegation_without_list_parents_leaves_the_place_unknown(
    aws: Organizations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "OPERATIONS", {"DescribeAccount", "DescribeOrganizationalUnit"})
    owner = asking(clock)[0].owner(CONSUMER)

    assert (owner.placement, owner.organization_id) == (Placement.REFUSED, None)
    assert owner.reason.startswith("ListParents is refused")


def test_a_deployment_outside_any_organization_says_so(aws: Organizations, clock: Clock) -> None:
    owner = asking(clock, STRANGER)[0].owner(CONSUMER)

    assert owner.placement is Placement.REFUSED
    assert owner.reason == "the account of this deployment is in no organization; deploy without OrganizationId"


@pytest.mark.parametrize(
    "answer",
    [
        {"Parents": []},
        {"Parents": [{"Id": "somewhere", "Type": "ROOT"}]},
        {"Parents": [{"Id": PROD, "Type": "ORGANIZATIONAL_UNIT"}]},
    ],
)
def test_parents_that_lead_to_no_root_are_a_failure_and_not_a_place(
    aws: Organizations, clock: Clock, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]
) -> None:
    monkeypatch.setattr(Organizations, "list_parents", lambda *_: answer)

    with pytest.raises(AwsCallFailed, match="ListParents"):
        asking(clock)[0].owner(CONSUMER)


def test_an_answer_without_an_organization_is_a_failure_and_not_an_account_outside(
    aws: Organizations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Organizations, "describe_account", lambda *_: {"Account": {"Id": CONSUMER, "Arn": "arn:new"}})

    with pytest.raises(AwsCallFailed, match="no organization in 'arn:new'"):
        asking(clock)[0].owner(CONSUMER)


def test_paths_of_an_unknown_kind_are_not_guessed_at_but_walked(
    aws: Organizations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Organizations.describe_account

    def with_strange_paths(self: Organizations, request: dict[str, str]) -> dict[str, dict[str, object]]:
        return {
            "Account": {**known(self, request)["Account"], "Paths": [f"{ORGANIZATION}/{ROOT}/new-kind/{CONSUMER}/"]}
        }

    monkeypatch.setattr(Organizations, "describe_account", with_strange_paths)

    assert asking(clock, with_paths=True)[0].owner(CONSUMER).units == PLACES[PROD]


@pytest.mark.parametrize(
    ("path", "units"),
    [
        (f"{ORGANIZATION}/{ROOT}/{WORKLOADS}/{PROD}/{CONSUMER}/", (PROD, WORKLOADS)),
        (f"{ORGANIZATION}/{ROOT}/{WORKLOADS}/{PROD}/{CONSUMER}", (PROD, WORKLOADS)),
        (f"{ORGANIZATION}/{ROOT}/{WORKLOADS}/{PROD}/", (PROD, WORKLOADS)),
        (f"/{ROOT}/{SANDBOX}", (SANDBOX,)),
        (f"{ORGANIZATION}/{ROOT}/{CONSUMER}/", ()),
        (f"{ORGANIZATION}/{ROOT}/", ()),
        (f"{ORGANIZATION}/{WORKLOADS}/{PROD}/{CONSUMER}/", None),
        (f"{ORGANIZATION}/{ROOT}/{WORKLOADS}//{CONSUMER}/", None),
        (f"{ORGANIZATION}/{ROOT}/{WORKLOADS}/{STRANGER}/", None),
        (f"{ORGANIZATION}/{ROOT}/OU-AB12-11111111/{CONSUMER}/", None),
        ("", None),
    ],
)
def test_a_path_names_the_units_or_tells_nothing(path: str, units: tuple[str, ...] | None) -> None:
    assert units_of_paths([path], CONSUMER) == units
    assert units_of_paths(["?", path], CONSUMER) == units
    assert units_of_paths([], CONSUMER) is None


def test_a_role_of_the_management_account_asks_in_our_place(aws: Organizations, clock: Clock) -> None:
    aws.state = "refused"  # for everybody but the management account
    real.role(MANAGEMENT, "autopilot-organizations")
    sts = real.Sts()
    organization = AwsOrganization(OrganizationsRole(sts.as_client, ROLE, clock), clock)
    assert not sts.requests

    assert organization.owner(CONSUMER).units == PLACES[PROD]
    clock.advance(49 * MINUTE)
    organization.owner(CONSUMER)
    assert [request["RoleArn"] for request in sts.requests] == [ROLE]

    clock.advance(MINUTE)
    organization.owner(CONSUMER)
    organization.owner(STRANGER)
    assert len(sts.requests) == 2


def test_a_role_that_does_not_let_us_in_is_a_refusal_that_names_it(aws: Organizations, clock: Clock) -> None:
    role = OrganizationsRole(real.Sts().as_client, ROLE, clock)
    organization = AwsOrganization(role, clock, role.remedy)
    owner = organization.owner(CONSUMER)
    assert owner.placement is Placement.REFUSED
    assert owner.reason.startswith(f"AssumeRole is refused; have the trust policy of {ROLE}")

    real.role(MANAGEMENT, "autopilot-organizations")
    clock.advance(MINUTE)
    assert organization.owner(CONSUMER).placement is Placement.KNOWN


def test_where_no_organization_is_configured_none_is_asked(clock: Clock) -> None:
    owner = organization("", "", clock).owner(CONSUMER)

    assert owner == Owner(
        CONSUMER, placement=Placement.NOT_ASKED, reason="Organizations is not asked; deploy with OrganizationId"
    )


def test_the_settings_choose_who_asks_and_no_client_is_made_before_it_is_needed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Made(Exception):
        pass

    def make(service: str, **_: object) -> None:
        raise Made(service)

    monkeypatch.setattr(boto3, "client", make)
    ours, through_a_role = organization(ORGANIZATION, "", clock), organization(ORGANIZATION, ROLE, clock)

    assert isinstance(organization("", "", clock), NoOrganization)
    with pytest.raises(Made, match="organizations"):
        ours.owner(CONSUMER)
    with pytest.raises(Made, match="sts"):
        through_a_role.owner(CONSUMER)


def test_the_model_has_the_places_of_this_suite() -> None:
    assert {unit: name for unit, (name, _) in UNITS.items()} == {
        unit.unit_id: unit.name for units in PLACES.values() for unit in units
    }
