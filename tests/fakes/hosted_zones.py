from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from autopilot.domain.dns_plan import HostedZone, Record, RecordChange
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.shadowing import ZoneInVpc
from autopilot.use_cases.ports import ZoneQuota
from tests.fakes.aws_model import Client
from tests.local_aws.privatelink import Response


class FakeHostedZones:
    """`HostedZones` of the client's account, straight from the model."""

    def __init__(self, route53: Client) -> None:
        self._route53 = route53

    def named(self, zone_name: str) -> Sequence[HostedZone]:
        same_name = takewhile(lambda row: _read(row["Name"]) == zone_name, self._from(zone_name))
        return [_zone(row) for row in same_name if row["Config"]["PrivateZone"]]

    def _from(self, zone_name: str) -> Iterator[Response]:
        start: dict[str, Any] = {"DNSName": zone_name}
        while start:
            page = self._route53.call("ListHostedZonesByName", zone_name, **start)
            yield from page["HostedZones"]
            following = {"DNSName": page.get("NextDNSName"), "HostedZoneId": page.get("NextHostedZoneId")}
            start = following if page["IsTruncated"] else {}

    def find(self, zone_id: str) -> HostedZone | None:
        try:
            return _zone(self._route53.call("GetHostedZone", zone_id, Id=zone_id)["HostedZone"])
        except AwsCallFailed as refusal:
            if refusal.code != "NoSuchHostedZone":
                raise
            return None

    def of_vpc(self, vpc_id: str) -> Sequence[ZoneInVpc]:
        rows = self._route53.call("ListHostedZonesByVPC", vpc_id, **self._vpc(vpc_id))["HostedZoneSummaries"]
        owned = [(row, next(iter(row["Owner"].values()))) for row in rows]
        us = self._route53.caller.account
        return [ZoneInVpc(row["HostedZoneId"], _read(row["Name"]), owner, owner == us) for row, owner in owned]

    def quota(self) -> ZoneQuota:
        answer = self._route53.call("GetAccountLimit", "zones", Type="MAX_HOSTED_ZONES_BY_OWNER")
        return ZoneQuota(answer["Count"], answer["Limit"]["Value"])

    def create(self, zone_name: str, vpc_id: str, reference: str) -> HostedZone | None:
        try:
            answer = self._route53.call(
                "CreateHostedZone",
                zone_name,
                Name=zone_name,
                VPC=self._vpc(vpc_id),
                CallerReference=reference,
                HostedZoneConfig={"PrivateZone": True},
            )
        except AwsCallFailed as refusal:
            if refusal.code in ("HostedZoneAlreadyExists", "ConflictingDomainExists"):
                return None
            raise
        return _zone(answer["HostedZone"])

    def delete(self, zone_id: str) -> bool:
        try:
            self._route53.call("DeleteHostedZone", zone_id, Id=zone_id)
        except AwsCallFailed as refusal:
            if refusal.code not in ("HostedZoneNotEmpty", "NoSuchHostedZone"):
                raise
            return refusal.code == "NoSuchHostedZone"
        return True

    def records(self, zone_id: str) -> Sequence[Record]:
        rows = self._route53.call("ListResourceRecordSets", zone_id, HostedZoneId=zone_id)["ResourceRecordSets"]
        apex = next(row["Name"] for row in rows if row["Type"] == "SOA")
        return [_record(row) for row in rows if (row["Name"], row["Type"]) not in {(apex, "SOA"), (apex, "NS")}]

    def change(self, zone_id: str, changes: Sequence[RecordChange]) -> str:
        batch = [{"Action": change.action.value, "ResourceRecordSet": _record_set(change.record)} for change in changes]
        answer = self._route53.call(
            "ChangeResourceRecordSets", zone_id, HostedZoneId=zone_id, ChangeBatch={"Changes": batch}
        )
        return str(answer["ChangeInfo"]["Id"]).rpartition("/")[2]

    def is_insync(self, change_id: str) -> bool:
        try:
            return bool(self._route53.call("GetChange", change_id, Id=change_id)["ChangeInfo"]["Status"] == "INSYNC")
        except AwsCallFailed as refusal:
            if refusal.code == "NoSuchChange":
                return True
            raise

    def associate(self, zone_id: str, vpc_id: str) -> bool:
        try:
            self._about("AssociateVPCWithHostedZone", zone_id, self._vpc(vpc_id))
        except AwsCallFailed as refusal:
            if refusal.code == "ConflictingDomainExists":
                return False
            raise
        return True

    def disassociate(self, zone_id: str, vpc_id: str) -> None:
        try:
            self._about("DisassociateVPCFromHostedZone", zone_id, self._vpc(vpc_id))
        except AwsCallFailed as refusal:
            if refusal.code not in ("VPCAssociationNotFound", "NoSuchHostedZone"):
                raise

    def authorize(self, zone_id: str, vpc_id: str, region: str) -> None:
        self._about("CreateVPCAssociationAuthorization", zone_id, {"VPCRegion": region, "VPCId": vpc_id})

    def withdraw_authorization(self, zone_id: str, vpc_id: str, region: str) -> None:
        try:
            self._about("DeleteVPCAssociationAuthorization", zone_id, {"VPCRegion": region, "VPCId": vpc_id})
        except AwsCallFailed as refusal:
            if refusal.code not in ("VPCAssociationAuthorizationNotFound", "NoSuchHostedZone"):
                raise

    def _about(self, operation: str, zone_id: str, vpc: dict[str, str]) -> None:
        self._route53.call(operation, zone_id, HostedZoneId=zone_id, VPC=vpc)

    def _vpc(self, vpc_id: str) -> dict[str, str]:
        return {"VPCRegion": self._route53.caller.region, "VPCId": vpc_id}


def _read(name: str) -> str:
    return name.lower().rstrip(".").replace("\\052", "*")


def _zone(row: Response) -> HostedZone:
    return HostedZone(row["Id"].rpartition("/")[2], _read(row["Name"]), row["CallerReference"])


def _record(row: Response) -> Record:
    alias, name, kind = row.get("AliasTarget", {}), _read(row["Name"]), row["Type"]
    if alias:
        target = _read(alias["DNSName"])
    else:
        values = [value["Value"] for value in row["ResourceRecords"]]
        target = _read(values[0]) if kind == "CNAME" and len(values) == 1 else " ".join(values)
    return Record(
        name,
        kind,
        target,
        row.get("TTL"),
        alias.get("HostedZoneId"),
        row.get("SetIdentifier", ""),
        row.get("HealthCheckId", ""),
        alias.get("EvaluateTargetHealth", False),
    )


def _record_set(record: Record) -> Response:
    health = {"HealthCheckId": record.health_check_id} if record.health_check_id else {}
    whose = {"Name": record.name, "Type": record.type, **health}
    if record.alias_zone_id:
        alias = {
            "HostedZoneId": record.alias_zone_id,
            "DNSName": record.target,
            "EvaluateTargetHealth": record.evaluates_health,
        }
        return {**whose, "AliasTarget": alias}
    return {**whose, "TTL": record.ttl, "ResourceRecords": [{"Value": record.target}]}
