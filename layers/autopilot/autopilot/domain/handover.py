"""What a consumer without our role can paste to make the names by itself, with this endpoint's values."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autopilot.domain.connection import LedgerRow
from autopilot.domain.names import Name

_DESCRIBE = """describe() {
  aws ec2 describe-vpc-endpoints --region "$REGION" --vpc-endpoint-ids "$ENDPOINT" --query "$1" --output text
}"""
# JMESPath: of the names that begin with the endpoint's id the Regional one is the shortest, as those of zones have the
# zone in addition; AWS promises no order.
_REGIONAL = "sort_by(VpcEndpoints[0].DnsEntries[?starts_with(DnsName, '$ENDPOINT-')], &length(DnsName))[0]"
# Takes a zone and the names in it. One of its name that the VPC has already will do: so it may be run again. A caller
# reference has at most 128 characters and can never be used again, not even after the zone is deleted. At the apex,
# where a CNAME is refused, come the types that the endpoint has addresses for.
_POINT = r"""point() {
  apex=$1; shift
  count=$((count + 1)) changes=
  zone=$(aws route53 create-hosted-zone --name "$apex" --vpc "VPCRegion=$REGION,VPCId=$VPC" \
      --caller-reference "$ENDPOINT-$(date +%s)-$count" --query HostedZone.Id --output text) ||
    zone=$(aws route53 list-hosted-zones-by-vpc --vpc-id "$VPC" --vpc-region "$REGION" \
      --query "HostedZoneSummaries[?Name=='$apex.'].HostedZoneId | [0]" --output text)
  for name in "$@"; do
    if [ "$name" = "$apex" ]; then
      for type in $(case $IP in ipv6) echo AAAA ;; dualstack) echo A AAAA ;; *) echo A ;; esac); do
        changes+=$(printf "$CHANGE" "$name" "$type" "$ALIAS")
      done
    else
      changes+=$(printf "$CHANGE" "$name" CNAME "$CNAME")
    fi
  done
  aws route53 change-resource-record-sets --hosted-zone-id "$zone" --change-batch "{\"Changes\":[${changes#,}]}"
}
CHANGE=',{"Action":"UPSERT","ResourceRecordSet":{"Name":"%s","Type":"%s",%s}}'
ALIAS="\"AliasTarget\":{\"DNSName\":\"$TARGET\",\"HostedZoneId\":\"${TARGET_ZONE-}\",\"EvaluateTargetHealth\":false}"
CNAME="\"TTL\":$TTL,\"ResourceRecords\":[{\"Value\":\"$TARGET\"}]"
count=0"""
_MOST_NAMES = 20
_HARMLESS = re.compile(r"[a-z0-9_.*-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Handover:
    """commands: bash with the AWS CLI. template: the same as CloudFormation, in JSON; either one does it.

    Where the service has AWS's own private DNS, one command switches that on, and there is no template. Nor is there
    one where a zone of ours stands: CloudFormation would make a second one of its name, which Route 53 refuses.
    """

    commands: str
    template: str


def handover(row: LedgerRow, ttl: int) -> Handover | None:
    """For the connection of a consumer that does not let us in; None where there is nothing to make.

    The provider never sees the consumer's VPC, and the endpoint's names only if AWS's list shows them: the commands
    look up what is not known, and the template asks for it. The names stand in JSON and in a query too, so one that is
    more than a DNS name is left out.
    """
    names = [Name(fqdn, zone) for fqdn, zone in row.dns.names if _HARMLESS.fullmatch(fqdn + zone)][:_MOST_NAMES]
    if not names:
        return None
    if row.dns.is_native:
        endpoint_id, region = row.ref.endpoint_id, row.connection.region
        line = f"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id {endpoint_id} --private-dns-enabled"
        return Handover(line, "")
    is_new = {name.zone for name in names}.isdisjoint(row.dns.zones)
    return Handover(_commands(row, names, ttl), _template(row, names, ttl) if is_new else "")


def _commands(row: LedgerRow, names: Sequence[Name], ttl: int) -> str:
    dns = row.dns
    lines = [
        f"ENDPOINT={shlex.quote(row.ref.endpoint_id)} REGION={shlex.quote(row.connection.region)} TTL={ttl}",
        _DESCRIBE,
        f"VPC={_known(dns.vpc_id, 'VpcEndpoints[0].VpcId')}",
        f"TARGET={_known(dns.regional_name, f'{_REGIONAL}.DnsName')}",
    ]
    if any(name.is_apex for name in names):
        lines.append(f"TARGET_ZONE={_known(dns.regional_zone_id, f'{_REGIONAL}.HostedZoneId')}")
        lines.append(f"IP={_known(None, 'VpcEndpoints[0].IpAddressType')}")
    lines.append(_POINT)
    for zone in sorted({name.zone for name in names}):
        words = ["point", zone, *(name.fqdn for name in names if name.zone == zone)]
        lines.append(shlex.join(words))
    return "\n".join(lines)


def _known(value: str | None, query: str) -> str:
    """The value, or how the shell asks for it."""
    return shlex.quote(value) if value else f'$(describe "{query}")'


def _template(row: LedgerRow, names: Sequence[Name], ttl: int) -> str:
    dns = row.dns
    parameters = {
        "VpcId": _parameter(dns.vpc_id, "AWS::EC2::VPC::Id"),
        "Target": _parameter(dns.regional_name),
    }
    document: dict[str, object] = {"AWSTemplateFormatVersion": "2010-09-09", "Parameters": parameters}
    if any(name.is_apex for name in names):
        parameters["TargetZone"] = _parameter(dns.regional_zone_id)
        parameters["IpAddressType"] = _parameter("ipv4") | {"AllowedValues": ["ipv4", "dualstack", "ipv6"]}
        document["Conditions"] = {
            kind: {"Fn::Not": [{"Fn::Equals": [{"Ref": "IpAddressType"}, other]}]}
            for kind, other in (("A", "ipv6"), ("AAAA", "ipv4"))
        }
    resources: dict[str, object] = {}
    for number, zone in enumerate(sorted({name.zone for name in names}), 1):
        vpc = {"VPCId": {"Ref": "VpcId"}, "VPCRegion": {"Ref": "AWS::Region"}}
        resources[f"Zone{number}"] = {
            "Type": "AWS::Route53::HostedZone",
            "Properties": {"Name": zone, "VPCs": [vpc]},
        }
        for place, name in enumerate((name for name in names if name.zone == zone), 1):
            common = {"HostedZoneId": {"Ref": f"Zone{number}"}, "Name": name.fqdn}
            for kind in ("A", "AAAA") if name.is_apex else ():
                target = {"DNSName": {"Ref": "Target"}, "HostedZoneId": {"Ref": "TargetZone"}}
                alias = common | {"Type": kind, "AliasTarget": target}
                resources[f"Zone{number}{kind}"] = _record_set(alias) | {"Condition": kind}
            if not name.is_apex:
                cname = common | {"Type": "CNAME", "TTL": str(ttl), "ResourceRecords": [{"Ref": "Target"}]}
                resources[f"Zone{number}Record{place}"] = _record_set(cname)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(resource)}" for name, resource in resources.items())
    return json.dumps(document)[:-1] + f', "Resources": {{\n{lines}\n}}}}'


def _parameter(default: str | None, kind: str = "String") -> dict[str, object]:
    return {"Type": kind, "Default": default} if default else {"Type": kind}


def _record_set(properties: Mapping[str, object]) -> dict[str, object]:
    return {"Type": "AWS::Route53::RecordSet", "Properties": dict(properties)}
