"""Amazon Route 53 hosted zones as a consumer of PrivateLink meets them, with the refusals that no emulator has.

Requests and responses have boto3's shapes. A zone belongs to an account; a VPC is known by (account, Region, id),
because emulators hand out the same default VPC id in every account. Names are kept as Route 53 lists them: lower
case, with a trailing dot, `*` as `\\052`.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import ascii_uppercase, digits
from typing import Any

from botocore import xform_name

from tests.local_aws.privatelink import AwsError, Caller, Network, Request, Response

type Vpc = tuple[str, str, str]
type RecordKey = tuple[str, str, str]

NAME_SERVERS = ["ns-0.awsdns-00.com", "ns-512.awsdns-00.net", "ns-1024.awsdns-00.org", "ns-1536.awsdns-00.co.uk"]


@dataclass(slots=True, eq=False)
class Zone:
    zone_id: str
    name: str
    owner: str
    caller_reference: str
    private: bool
    comment: str
    vpcs: list[Vpc]
    records: dict[RecordKey, Response]
    authorized: list[tuple[str, str]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a resolver in a VPC finds. `zone` is the private zone that answers, empty when the question goes to public
    DNS; `target` is where the name leads, empty for NXDOMAIN. A zone without a target hides the public name."""

    zone: str = ""
    target: str = ""


class HostedZones:
    """Route 53 for all accounts. `private_dns_names(account, region, vpc)` tells the domains, and where they lead,
    that endpoints with private DNS give a VPC; changes are INSYNC after `seconds_to_insync`."""

    def __init__(
        self,
        network: Network,
        *,
        now: Callable[[], float] = time.time,
        seconds_to_insync: float = 30,
        private_dns_names: Callable[[str, str, str], Mapping[str, str]] = lambda *_: {},
    ) -> None:
        self.seconds_to_insync, self.most_zones = seconds_to_insync, 500
        self._network, self._now, self._private_dns_names = network, now, private_dns_names
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forgets everything, the caller references too."""
        self._zones: dict[str, Zone] = {}
        self._changes: dict[str, tuple[float, str]] = {}
        self._references: set[tuple[str, str]] = set()

    def call(self, caller: Caller, operation: str, request: Request) -> Response:
        """Carries out one API call, in boto3's names. Raises AwsError where AWS answers with an error."""
        with self._lock:
            return dict(getattr(self, xform_name(operation))(caller, request))

    def names_in(self, account: str, region: str, vpc_id: str) -> set[str]:
        """The names, without trailing dot, of the private zones that a VPC is associated with."""
        return {zone.name.rstrip(".") for zone in self._zones.values() if (account, region, vpc_id) in zone.vpcs}

    def resolve(self, account: str, region: str, vpc_id: str, name: str) -> Resolution:
        """Asks as a client in the VPC would. The most specific private zone answers alone: a name that it lacks is
        NXDOMAIN, whatever wider zones and public DNS say. CNAMEs are not followed: the target is an endpoint."""
        name, vpc = _normal(name), (account, region, vpc_id)
        zones = {zone.name: zone for zone in self._zones.values() if vpc in zone.vpcs}
        managed = {_normal(domain): target for domain, target in self._private_dns_names(*vpc).items()}
        for domain in _suffixes(name):
            if domain in managed:
                return Resolution(f"private DNS {domain}", managed[domain] if name == domain else "")
            if domain in zones:
                return Resolution(zones[domain].zone_id, _target(zones[domain], name))
        return Resolution()

    # Zones

    def create_hosted_zone(self, caller: Caller, request: Request) -> Response:
        name, config = _normal(request["Name"]), request.get("HostedZoneConfig", {})
        if name.startswith("\\052") or not name.strip("."):
            raise AwsError("InvalidDomainName", f"{request['Name']} is not a valid domain name")
        vpc = self._own_vpc(caller, request["VPC"]) if "VPC" in request else None
        if config.get("PrivateZone") and not vpc:
            message = (
                "When you're creating a private hosted zone, you must also specify values for VPCId and VPCRegion."
            )
            raise AwsError("InvalidInput", message)
        if (caller.account, request["CallerReference"]) in self._references:
            message = "A hosted zone has already been created with the specified caller reference."
            raise AwsError("HostedZoneAlreadyExists", message, 409)
        if vpc:
            self._refuse_conflict(name, vpc)
        zone = Zone(
            zone_id=_new_id("Z"),
            name=name,
            owner=caller.account,
            caller_reference=request["CallerReference"],
            private=vpc is not None,
            comment=config.get("Comment", ""),
            vpcs=[vpc] if vpc else [],
            records=_born_with(name),
        )
        self._references.add((caller.account, zone.caller_reference))
        self._zones[zone.zone_id] = zone
        place = {"VPC": _vpc(vpc)} if vpc else {"DelegationSet": {"NameServers": NAME_SERVERS}}
        location = f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.zone_id}"
        return {"HostedZone": _hosted_zone(zone), "ChangeInfo": self._change(), **place, "Location": location}

    def get_hosted_zone(self, caller: Caller, request: Request) -> Response:
        zone = self._zone(caller, request["Id"])
        place = (
            {"VPCs": [_vpc(v) for v in zone.vpcs]} if zone.private else {"DelegationSet": {"NameServers": NAME_SERVERS}}
        )
        return {"HostedZone": _hosted_zone(zone), **place}

    def delete_hosted_zone(self, caller: Caller, request: Request) -> Response:
        zone = self._zone(caller, request["Id"])
        if zone.records.keys() - _born_with(zone.name).keys():
            message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted."
            raise AwsError("HostedZoneNotEmpty", message)
        del self._zones[zone.zone_id]
        return {"ChangeInfo": self._change()}

    def list_hosted_zones(self, caller: Caller, request: Request) -> Response:
        zones = sorted(self._zones_of(caller), key=lambda zone: zone.zone_id)
        later = [zone for zone in zones if zone.zone_id >= _bare(request.get("Marker", ""))]
        page, rest, size = _page(request, later, 100)
        return {
            "HostedZones": [_hosted_zone(zone) for zone in page],
            "Marker": request.get("Marker", ""),
            "IsTruncated": bool(rest),
            **({"NextMarker": rest[0].zone_id} if rest else {}),
            "MaxItems": size,
        }

    def list_hosted_zones_by_name(self, caller: Caller, request: Request) -> Response:
        """In DNS order from the name on: zones of later names follow, so the caller looks at the name itself."""

        def position(zone: Zone) -> tuple[list[str], str]:
            return _order(zone.name), zone.zone_id

        start = _order(_normal(request.get("DNSName", ""))), _bare(request.get("HostedZoneId", ""))
        later = [zone for zone in sorted(self._zones_of(caller), key=position) if position(zone) >= start]
        page, rest, size = _page(request, later, 100)
        following = {"NextDNSName": rest[0].name, "NextHostedZoneId": rest[0].zone_id} if rest else {}
        asked = {key: request[key] for key in ("DNSName", "HostedZoneId") if key in request}
        zones = [_hosted_zone(zone) for zone in page]
        return {"HostedZones": zones, **asked, "IsTruncated": bool(rest), **following, "MaxItems": size}

    def list_hosted_zones_by_vpc(self, caller: Caller, request: Request) -> Response:
        """Answers ids without `/hostedzone/`, and the zones that AWS manages for private DNS, as AWS does."""
        vpc = self._own_vpc(caller, request)
        summaries = [
            {"HostedZoneId": zone.zone_id, "Name": zone.name, "Owner": {"OwningAccount": zone.owner}}
            for zone in self._zones.values()
            if vpc in zone.vpcs
        ] + [
            {"HostedZoneId": "Z0PRIVATEDNS", "Name": _normal(domain), "Owner": {"OwningService": "vpce.amazonaws.com"}}
            for domain in self._private_dns_names(*vpc)
        ]
        start = int(request.get("NextToken", 0))
        page, rest, size = _page(request, summaries[start:], 100)
        following = {"NextToken": str(start + len(page))} if rest else {}
        return {"HostedZoneSummaries": page, "MaxItems": size, **following}

    def get_account_limit(self, caller: Caller, request: Request) -> Response:
        """AWS's default quota."""
        limit = {"Type": request["Type"], "Value": self.most_zones}
        return {"Limit": limit, "Count": len(self._zones_of(caller))}

    def get_change(self, caller: Caller, request: Request) -> Response:
        change_id = _bare(request["Id"])
        if change_id not in self._changes:
            raise AwsError("NoSuchChange", f"A change with id {change_id} does not exist.", 404)
        return {"ChangeInfo": self._change_info(change_id)}

    # Records

    def change_resource_record_sets(self, caller: Caller, request: Request) -> Response:
        """All changes or none. Every refusal of the batch is in the one message, in brackets, as Route 53 does it."""
        zone, batch = self._zone(caller, request["HostedZoneId"]), request["ChangeBatch"]
        records, problems = dict(zone.records), list[str]()
        for change in batch["Changes"]:
            record = _normal_record(change["ResourceRecordSet"])
            if problem := _problem(zone.name, records, change["Action"], record):
                problems.append(problem)
            elif change["Action"] == "DELETE":
                del records[_key(record)]
            else:
                records[_key(record)] = record
        if problems:
            raise AwsError("InvalidChangeBatch", f"[{', '.join(problems)}]")
        zone.records = records
        return {"ChangeInfo": self._change(batch.get("Comment", ""))}

    def list_resource_record_sets(self, caller: Caller, request: Request) -> Response:
        zone = self._zone(caller, request["HostedZoneId"])
        start: tuple[list[str], str] = ([], "")
        if "StartRecordName" in request:
            start = _order(_normal(request["StartRecordName"])), request.get("StartRecordType", "")
        ordered = sorted(zone.records.values(), key=lambda record: (_order(record["Name"]), record["Type"]))
        later = [record for record in ordered if (_order(record["Name"]), record["Type"]) >= start]
        page, rest, size = _page(request, later, 300)
        following = {"NextRecordName": rest[0]["Name"], "NextRecordType": rest[0]["Type"]} if rest else {}
        return {"ResourceRecordSets": page, "IsTruncated": bool(rest), **following, "MaxItems": size}

    # VPCs

    def associate_vpc_with_hosted_zone(self, caller: Caller, request: Request) -> Response:
        """Called by the VPC's account. Another account's zone must have authorised the VPC before."""
        zone = self._private_zone(request["HostedZoneId"])
        vpc = self._own_vpc(caller, request["VPC"])
        if zone.owner != caller.account and vpc[1:] not in zone.authorized:
            message = f"The VPC: {vpc[2]} you provided is not authorized to make the association."
            raise AwsError("NotAuthorizedException", message, 401)
        self._refuse_conflict(zone.name, vpc)
        zone.vpcs.append(vpc)
        return {"ChangeInfo": self._change(request.get("Comment", ""))}

    def disassociate_vpc_from_hosted_zone(self, caller: Caller, request: Request) -> Response:
        zone, region, vpc_id = self._private_zone(request["HostedZoneId"]), *_place(request["VPC"])
        found = [vpc for vpc in zone.vpcs if vpc[1:] == (region, vpc_id) and caller.account in (vpc[0], zone.owner)]
        if not found:
            message = f"The specified VPC {vpc_id} and hosted zone {zone.zone_id} are not currently associated."
            raise AwsError("VPCAssociationNotFound", message, 404)
        if zone.vpcs == found:
            message = f"Cannot remove last VPC association for the private zone {zone.zone_id}"
            raise AwsError("LastVPCAssociation", message)
        zone.vpcs.remove(found[0])
        return {"ChangeInfo": self._change(request.get("Comment", ""))}

    def create_vpc_association_authorization(self, caller: Caller, request: Request) -> Response:
        zone, place = self._zone(caller, request["HostedZoneId"]), _place(request["VPC"])
        if place not in zone.authorized:
            zone.authorized.append(place)
        return {"HostedZoneId": zone.zone_id, "VPC": dict(request["VPC"])}

    def delete_vpc_association_authorization(self, caller: Caller, request: Request) -> Response:
        zone, place = self._zone(caller, request["HostedZoneId"]), _place(request["VPC"])
        if place not in zone.authorized:
            message = f"The VPC {place[1]} is not authorized to be associated with the hosted zone {zone.zone_id}."
            raise AwsError("VPCAssociationAuthorizationNotFound", message, 404)
        zone.authorized.remove(place)
        return {}

    def list_vpc_association_authorizations(self, caller: Caller, request: Request) -> Response:
        zone = self._zone(caller, request["HostedZoneId"])
        vpcs = [{"VPCRegion": region, "VPCId": vpc_id} for region, vpc_id in zone.authorized]
        return {"HostedZoneId": zone.zone_id, "VPCs": vpcs}

    # Tags

    def change_tags_for_resource(self, caller: Caller, request: Request) -> Response:
        tags = self._zone(caller, request["ResourceId"]).tags
        for key in request.get("RemoveTagKeys", ()):
            tags.pop(key, None)
        tags |= {tag["Key"]: tag.get("Value", "") for tag in request.get("AddTags", ())}
        return {}

    def list_tags_for_resource(self, caller: Caller, request: Request) -> Response:
        zone = self._zone(caller, request["ResourceId"])
        tags = [{"Key": key, "Value": value} for key, value in zone.tags.items()]
        return {"ResourceTagSet": {"ResourceType": "hostedzone", "ResourceId": zone.zone_id, "Tags": tags}}

    # Finding and refusing

    def _zones_of(self, caller: Caller) -> list[Zone]:
        return [zone for zone in self._zones.values() if zone.owner == caller.account]

    def _zone(self, caller: Caller, zone_id: str) -> Zone:
        zone = self._existing_zone(zone_id)
        if zone.owner != caller.account:
            message = f"User: {caller.arn or caller.account} is not authorized to access this resource"
            raise AwsError("AccessDenied", message, 403)
        return zone

    def _existing_zone(self, zone_id: str) -> Zone:
        if zone := self._zones.get(_bare(zone_id)):
            return zone
        raise AwsError("NoSuchHostedZone", f"No hosted zone found with ID: {_bare(zone_id)}", 404)

    def _private_zone(self, zone_id: str) -> Zone:
        zone = self._existing_zone(zone_id)
        if not zone.private:
            message = f"The hosted zone {zone.zone_id} is public: VPCs are associated with private zones only."
            raise AwsError("PublicZoneVPCAssociation", message)
        return zone

    def _own_vpc(self, caller: Caller, vpc: Mapping[str, Any]) -> Vpc:
        region, vpc_id = _place(vpc)
        if not self._network.vpc_exists(caller.account, region, vpc_id):
            message = f"The VPC {vpc_id} in region {region} does not exist or account {caller.account} may not use it."
            raise AwsError("InvalidVPCId", message)
        return caller.account, region, vpc_id

    def _refuse_conflict(self, name: str, vpc: Vpc) -> None:
        taken = [zone.zone_id for zone in self._zones.values() if zone.name == name and vpc in zone.vpcs]
        taken += ["Z0PRIVATEDNS" for domain in self._private_dns_names(*vpc) if _normal(domain) == name]
        if taken:
            raise AwsError(
                "ConflictingDomainExists",
                f"The VPC {vpc[2]} in region {vpc[1]} has already been associated with the hosted zone {taken[0]} "
                "with the same domain name.",
            )

    def _change(self, comment: str = "") -> Response:
        change_id = _new_id("C")
        self._changes[change_id] = (self._now(), comment)
        return self._change_info(change_id)

    def _change_info(self, change_id: str) -> Response:
        submitted, comment = self._changes[change_id]
        return {
            "Id": f"/change/{change_id}",
            "Status": "INSYNC" if self._now() >= submitted + self.seconds_to_insync else "PENDING",
            "SubmittedAt": datetime.fromtimestamp(submitted, UTC),
            **({"Comment": comment} if comment else {}),
        }


def _problem(zone_name: str, records: Mapping[RecordKey, Response], action: str, record: Response) -> str:
    """Why Route 53 refuses a change, in its words; empty when it does not."""
    name, kind, current = record["Name"], record["Type"], records.get(_key(record))
    what = f"resource record set [name='{name}', type='{kind}']"
    if action == "DELETE":
        if current is None:
            return f"Tried to delete {what} but it was not found"
        if current != record:
            return f"Tried to delete {what} but the values provided do not match the current values"
        if _key(record) in _born_with(zone_name):
            return f"A HostedZone must contain at least one {kind} record for the zone itself."
        return ""
    if action == "CREATE" and current is not None:
        return f"Tried to create {what} but it already exists"
    if zone_name not in _suffixes(name):
        return f"RRSet with DNS name {name} is not permitted in zone {zone_name}"
    others = {other for owner, other, _ in records if owner == name and other != kind}
    if kind == "CNAME" and name == zone_name:
        return f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone_name}"
    if kind == "CNAME" and others:
        conflict = "it conflicts with other records with the same DNS name"
        return f"RRSet of type CNAME with DNS name {name} is not permitted as {conflict} in zone {zone_name}"
    if "CNAME" in others:
        conflict = "a conflicting RRSet of type CNAME with the same DNS name already exists"
        return f"RRSet of type {kind} with DNS name {name} is not permitted because {conflict} in zone {zone_name}"
    return ""


def _target(zone: Zone, name: str) -> str:
    """The first of the name's own records or, where the name does not exist, of the nearest wildcard above it."""
    owners = {owner for owner, _, _ in zone.records}
    for candidate in (name, *(f"\\052.{parent}" for parent in _suffixes(name)[1:])):
        if candidate in owners:
            found = {record["Type"]: record for record in zone.records.values() if record["Name"] == candidate}
            record = next((found[kind] for kind in ("CNAME", "A", "AAAA") if kind in found), None)
            return leads_to(record).rstrip(".") if record else ""
        if candidate.removeprefix("\\052.") in owners | {zone.name}:
            # A wildcard does not reach below a name that exists (RFC 4592, closest encloser), nor out of its zone.
            return ""
    return ""


def leads_to(record: Mapping[str, Any]) -> str:
    """Where a record leads: its alias, or its first value, as it is written."""
    alias = record.get("AliasTarget")
    return str(alias["DNSName"] if alias else record["ResourceRecords"][0]["Value"])


def _born_with(zone_name: str) -> dict[RecordKey, Response]:
    soa = f"{NAME_SERVERS[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    records = [
        {"Name": zone_name, "Type": "NS", "TTL": 172800, "ResourceRecords": [{"Value": f"{n}."} for n in NAME_SERVERS]},
        {"Name": zone_name, "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": soa}]},
    ]
    return {_key(record): record for record in records}


def _normal(name: str) -> str:
    return f"{name.rstrip('.').lower().replace('*', '\\052')}."


def _normal_record(record: Mapping[str, Any]) -> Response:
    normal = {**record, "Name": _normal(record["Name"])}
    if "AliasTarget" in record:
        normal["AliasTarget"] = {**record["AliasTarget"], "DNSName": _normal(record["AliasTarget"]["DNSName"])}
    return normal


def _key(record: Mapping[str, Any]) -> RecordKey:
    return record["Name"], record["Type"], record.get("SetIdentifier", "")


def _suffixes(name: str) -> list[str]:
    labels = name.rstrip(".").split(".")
    return [f"{'.'.join(labels[i:])}." for i in range(len(labels))]


def _order(name: str) -> list[str]:
    return [label for label in reversed(name.split(".")) if label]


def _page[Row](request: Request, rows: Sequence[Row], most: int) -> tuple[list[Row], list[Row], str]:
    """One page, what comes after it, and its size as Route 53 tells it."""
    size = int(request.get("MaxItems", most))
    return list(rows[:size]), list(rows[size:]), str(size)


def _hosted_zone(zone: Zone) -> Response:
    return {
        "Id": f"/hostedzone/{zone.zone_id}",
        "Name": zone.name,
        "CallerReference": zone.caller_reference,
        "Config": {"Comment": zone.comment, "PrivateZone": zone.private},
        "ResourceRecordSetCount": len(zone.records),
    }


def _vpc(vpc: Vpc) -> Response:
    return {"VPCRegion": vpc[1], "VPCId": vpc[2]}


def _place(vpc: Mapping[str, Any]) -> tuple[str, str]:
    return vpc["VPCRegion"], vpc["VPCId"]


def _bare(identifier: str) -> str:
    return identifier.rpartition("/")[2]


def _new_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(ascii_uppercase + digits) for _ in range(20))
