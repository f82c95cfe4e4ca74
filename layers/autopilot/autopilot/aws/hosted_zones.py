"""The private hosted zones of one consumer account, from Route 53."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from autopilot.aws.calls import calling, code_of
from autopilot.domain.dns_plan import HostedZone, Record, RecordChange
from autopilot.domain.shadowing import ZoneInVpc
from autopilot.use_cases.ports import ZoneQuota

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.literals import RRTypeType, VPCRegionType
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef, VPCTypeDef

_COMMENT = "Made by PrivateLink Autopilot, and removed by it with the last endpoint whose name it holds"
_STAR = "\\052"


class Route53HostedZones:
    """Implements `HostedZones`.

    Zone ids come with `/hostedzone/` from every call but ListHostedZonesByVPC; inside they have none.
    """

    def __init__(self, route53: Route53Client, account: str, region: str) -> None:
        self._route53 = route53
        self._account = account
        self._region = cast("VPCRegionType", region)

    def named(self, zone_name: str) -> Sequence[HostedZone]:
        return tuple(self._named(zone_name))

    def _named(self, zone_name: str) -> Iterator[HostedZone]:
        """The list is in DNS order from the name on, so that it is left at the first other name."""
        start: dict[str, str] = {"DNSName": zone_name}
        while start:
            with calling("ListHostedZonesByName", zone_name):
                page = self._route53.list_hosted_zones_by_name(**start)
            for zone in page["HostedZones"]:
                if _name(zone["Name"]) != zone_name:
                    return
                if zone.get("Config", {}).get("PrivateZone"):
                    yield HostedZone(_id(zone["Id"]), zone_name, zone["CallerReference"])
            following = {"DNSName": page.get("NextDNSName", ""), "HostedZoneId": page.get("NextHostedZoneId", "")}
            start = following if page["IsTruncated"] else {}

    def find(self, zone_id: str) -> HostedZone | None:
        with calling("GetHostedZone", zone_id):
            try:
                zone = self._route53.get_hosted_zone(Id=zone_id)["HostedZone"]
            except self._route53.exceptions.NoSuchHostedZone:
                return None
        return HostedZone(_id(zone["Id"]), _name(zone["Name"]), zone["CallerReference"])

    def of_vpc(self, vpc_id: str) -> Sequence[ZoneInVpc]:
        return tuple(self._of_vpc(vpc_id))

    def _of_vpc(self, vpc_id: str) -> Iterator[ZoneInVpc]:
        token: dict[str, str] = {"NextToken": ""}
        while token:
            following = {name: value for name, value in token.items() if value}
            with calling("ListHostedZonesByVPC", vpc_id):
                page = self._route53.list_hosted_zones_by_vpc(
                    VPCId=vpc_id, VPCRegion=self._region, MaxItems="100", **following
                )
            for zone in page["HostedZoneSummaries"]:
                account, service = zone["Owner"].get("OwningAccount"), zone["Owner"].get("OwningService")
                owner = service or account or "unknown"
                yield ZoneInVpc(zone["HostedZoneId"], _name(zone["Name"]), owner, account == self._account)
            token = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}

    def quota(self) -> ZoneQuota:
        with calling("GetAccountLimit", self._account):
            answer = self._route53.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")
        return ZoneQuota(answer["Count"], answer["Limit"]["Value"])

    def create(self, zone_name: str, vpc_id: str, reference: str) -> HostedZone | None:
        with calling("CreateHostedZone", f"{zone_name} for {vpc_id}"):
            try:
                answer = self._route53.create_hosted_zone(
                    Name=zone_name,
                    VPC=self._vpc(vpc_id),
                    CallerReference=reference,
                    HostedZoneConfig={"Comment": _COMMENT, "PrivateZone": True},
                )
            except ClientError as error:
                if code_of(error) in ("HostedZoneAlreadyExists", "ConflictingDomainExists"):
                    return None
                raise
        return HostedZone(_id(answer["HostedZone"]["Id"]), zone_name, reference)

    def delete(self, zone_id: str) -> bool:
        with calling("DeleteHostedZone", zone_id):
            try:
                self._route53.delete_hosted_zone(Id=zone_id)
            except ClientError as error:
                if code_of(error) == "HostedZoneNotEmpty":
                    return False
                if code_of(error) != "NoSuchHostedZone":
                    raise
        return True

    def records(self, zone_id: str) -> Sequence[Record]:
        pages = self._route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
        with calling("ListResourceRecordSets", zone_id):
            found = [record_set for page in pages for record_set in page["ResourceRecordSets"]]
        apex = next((record_set["Name"] for record_set in found if record_set["Type"] == "SOA"), None)
        return tuple(
            _record(record_set)
            for record_set in found
            if not (record_set["Name"] == apex and record_set["Type"] in ("NS", "SOA"))
        )

    def change(self, zone_id: str, changes: Sequence[RecordChange]) -> str:
        with calling("ChangeResourceRecordSets", zone_id):
            answer = self._route53.change_resource_record_sets(
                HostedZoneId=zone_id,
                ChangeBatch={
                    "Changes": [
                        {"Action": change.action.value, "ResourceRecordSet": _record_set(change.record)}
                        for change in changes
                    ]
                },
            )
        return answer["ChangeInfo"]["Id"].removeprefix("/change/")

    def is_insync(self, change_id: str) -> bool:
        """A change that Route 53 no longer knows is long done."""
        with calling("GetChange", change_id):
            try:
                return self._route53.get_change(Id=change_id)["ChangeInfo"]["Status"] == "INSYNC"
            except ClientError as error:
                if code_of(error) == "NoSuchChange":
                    return True
                raise

    def associate(self, zone_id: str, vpc_id: str) -> bool:
        with calling("AssociateVPCWithHostedZone", f"{zone_id} and {vpc_id}"):
            try:
                self._route53.associate_vpc_with_hosted_zone(HostedZoneId=zone_id, VPC=self._vpc(vpc_id))
            except ClientError as error:
                if code_of(error) == "ConflictingDomainExists":
                    return False
                raise
        return True

    def disassociate(self, zone_id: str, vpc_id: str) -> None:
        with calling("DisassociateVPCFromHostedZone", f"{zone_id} and {vpc_id}"):
            try:
                self._route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=self._vpc(vpc_id))
            except ClientError as error:
                if code_of(error) not in ("VPCAssociationNotFound", "NoSuchHostedZone"):
                    raise

    def authorize(self, zone_id: str, vpc_id: str, region: str) -> None:
        with calling("CreateVPCAssociationAuthorization", f"{zone_id} and {vpc_id}"):
            self._route53.create_vpc_association_authorization(
                HostedZoneId=zone_id, VPC={"VPCId": vpc_id, "VPCRegion": cast("VPCRegionType", region)}
            )

    def withdraw_authorization(self, zone_id: str, vpc_id: str, region: str) -> None:
        with calling("DeleteVPCAssociationAuthorization", f"{zone_id} and {vpc_id}"):
            try:
                self._route53.delete_vpc_association_authorization(
                    HostedZoneId=zone_id, VPC={"VPCId": vpc_id, "VPCRegion": cast("VPCRegionType", region)}
                )
            except ClientError as error:
                if code_of(error) not in ("VPCAssociationAuthorizationNotFound", "NoSuchHostedZone"):
                    raise

    def _vpc(self, vpc_id: str) -> VPCTypeDef:
        return {"VPCId": vpc_id, "VPCRegion": self._region}


def _id(zone_id: str) -> str:
    return zone_id.removeprefix("/hostedzone/")


def _name(name: str) -> str:
    return name.lower().removesuffix(".").replace(_STAR, "*")


def _record(record_set: ResourceRecordSetOutputTypeDef) -> Record:
    name, kind = _name(record_set["Name"]), str(record_set["Type"])
    one_of_several, health_check_id = record_set.get("SetIdentifier", ""), record_set.get("HealthCheckId", "")
    if alias := record_set.get("AliasTarget"):
        return Record(
            name,
            kind,
            _name(alias["DNSName"]),
            alias_zone_id=alias["HostedZoneId"],
            set_identifier=one_of_several,
            health_check_id=health_check_id,
            evaluates_health=alias["EvaluateTargetHealth"],
        )
    values = [value["Value"] for value in record_set.get("ResourceRecords", [])]
    target = _name(values[0]) if kind == "CNAME" and len(values) == 1 else " ".join(values)
    return Record(
        name,
        kind,
        target,
        ttl=record_set.get("TTL"),
        set_identifier=one_of_several,
        health_check_id=health_check_id,
    )


def _record_set(record: Record) -> ResourceRecordSetTypeDef:
    record_set: ResourceRecordSetTypeDef = {"Name": record.name, "Type": cast("RRTypeType", record.type)}
    if record.alias_zone_id:
        record_set["AliasTarget"] = {
            "HostedZoneId": record.alias_zone_id,
            "DNSName": record.target,
            "EvaluateTargetHealth": record.evaluates_health,
        }
    else:
        record_set["TTL"] = record.ttl or 0
        record_set["ResourceRecords"] = [{"Value": record.target}]
    if record.health_check_id:
        record_set["HealthCheckId"] = record.health_check_id
    return record_set
