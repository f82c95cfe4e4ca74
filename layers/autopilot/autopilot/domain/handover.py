"""What a consumer without our role can paste to make the names by itself, with this endpoint's values."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from autopilot.domain.connection import LedgerRow
from autopilot.domain.names import Name

# JMESPath: the entry that is not of a zone, whatever the order.
_REGIONAL = "VpcEndpoints[0].DnsEntries[?starts_with(DnsName, '{0}-') && !contains(DnsName, '-{1}')] | [0].{2}"
_MOST_NAMES = 20
_HARMLESS = re.compile(r"[a-z0-9_.*-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Handover:
    """commands: bash with the AWS CLI. template: the same as CloudFormation, in JSON; either one does it.

    Where the service has AWS's own private DNS, one command switches that on, and there is no template.
    """

    commands: str
    template: str


def handover(row: LedgerRow, ttl: int) -> Handover | None:
    """For the connection of a consumer that does not let us in; None where there is nothing to make.

    The provider never sees the consumer's VPC, and the endpoint's names only if AWS's list shows them: the commands
    look up what is not known, and the template asks for it. In double quotes, where the shell fills the target in,
    stand DNS names only, which have nothing that a shell would act on; a name that has is left out.
    """
    names = [Name(fqdn, zone) for fqdn, zone in row.dns.names if _HARMLESS.fullmatch(fqdn + zone)][:_MOST_NAMES]
    if not names:
        return None
    if row.dns.is_native:
        endpoint_id, region = row.ref.endpoint_id, row.connection.region
        line = f"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id {endpoint_id} --private-dns-enabled"
        return Handover(line, "")
    return Handover(_commands(row, names, ttl), _template(row, names, ttl))


def _commands(row: LedgerRow, names: Sequence[Name], ttl: int) -> str:
    endpoint_id, region, dns = row.ref.endpoint_id, row.connection.region, row.dns
    describe = (
        f"aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids {endpoint_id} --output text --query"
    )
    lines = [f"VPC={dns.vpc_id}" if dns.vpc_id else f"VPC=$({describe} 'VpcEndpoints[0].VpcId')"]
    if dns.regional_name:
        lines += [f"TARGET={shlex.quote(dns.regional_name)}", f"TARGET_ZONE={shlex.quote(dns.regional_zone_id)}"]
    else:
        for variable, field in (("TARGET", "DnsName"), ("TARGET_ZONE", "HostedZoneId")):
            lines.append(f"{variable}=$({describe} {shlex.quote(_REGIONAL.format(endpoint_id, region, field))})")
    for zone in sorted({name.zone for name in names}):
        reference = shlex.quote(f"{endpoint_id}/{zone}")
        lines.append(
            f"ZONE=$(aws route53 create-hosted-zone --name {shlex.quote(zone)} --vpc VPCRegion={region},VPCId=$VPC "
            f"--caller-reference {reference} --query HostedZone.Id --output text)"
        )
        changes = [_change(name, ttl) for name in names if name.zone == zone]
        batch = json.dumps({"Changes": changes}).replace('"', '\\"')
        lines.append(f'aws route53 change-resource-record-sets --hosted-zone-id "$ZONE" --change-batch "{batch}"')
    return "\n".join(lines)


def _change(name: Name, ttl: int) -> dict[str, object]:
    record: dict[str, object] = {"Name": name.fqdn, "Type": "CNAME", "TTL": ttl}
    if name.is_apex:
        target = {"HostedZoneId": "$TARGET_ZONE", "DNSName": "$TARGET", "EvaluateTargetHealth": False}
        record = {"Name": name.fqdn, "Type": "A", "AliasTarget": target}
    else:
        record["ResourceRecords"] = [{"Value": "$TARGET"}]
    return {"Action": "UPSERT", "ResourceRecordSet": record}


def _template(row: LedgerRow, names: Sequence[Name], ttl: int) -> str:
    dns = row.dns
    parameters = {
        "VpcId": {"Type": "AWS::EC2::VPC::Id", **({"Default": dns.vpc_id} if dns.vpc_id else {})},
        "Target": {"Type": "String", **({"Default": dns.regional_name} if dns.regional_name else {})},
        "TargetZone": {"Type": "String", **({"Default": dns.regional_zone_id} if dns.regional_zone_id else {})},
    }
    resources: dict[str, object] = {}
    for number, zone in enumerate(sorted({name.zone for name in names}), 1):
        vpc = {"VPCId": {"Ref": "VpcId"}, "VPCRegion": {"Ref": "AWS::Region"}}
        resources[f"Zone{number}"] = {
            "Type": "AWS::Route53::HostedZone",
            "Properties": {"Name": zone, "VPCs": [vpc]},
        }
        for place, name in enumerate((name for name in names if name.zone == zone), 1):
            properties: dict[str, object] = {"HostedZoneId": {"Ref": f"Zone{number}"}, "Name": name.fqdn}
            if name.is_apex:
                target = {"DNSName": {"Ref": "Target"}, "HostedZoneId": {"Ref": "TargetZone"}}
                properties |= {"Type": "A", "AliasTarget": target}
            else:
                properties |= {"Type": "CNAME", "TTL": str(ttl), "ResourceRecords": [{"Ref": "Target"}]}
            resources[f"Zone{number}Record{place}"] = {
                "Type": "AWS::Route53::RecordSet",
                "Properties": properties,
            }
    if not any(name.is_apex for name in names):
        del parameters["TargetZone"]
    document = {"AWSTemplateFormatVersion": "2010-09-09", "Parameters": parameters, "Resources": resources}
    return json.dumps(document, indent=1)
