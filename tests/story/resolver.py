"""What a client in a VPC would find, answered from Route 53's own API as a VPC's resolver answers it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.local_aws.control import CONSUMER, LocalAws

NXDOMAIN = "NXDOMAIN"
PUBLIC = "public DNS is asked"


@dataclass(frozen=True, slots=True)
class Resolver:
    """The resolver of one VPC: its most specific private zone answers alone, and only without one public DNS does."""

    aws: LocalAws
    vpc_id: str
    account: str = CONSUMER

    def __call__(self, name: str) -> str:
        """The target of the name's CNAME, NXDOMAIN, or PUBLIC."""
        route53 = self.aws.client("route53", self.account)
        listed = route53.list_hosted_zones_by_vpc(VPCId=self.vpc_id, VPCRegion=self.aws.state.region)
        zones = {row["Name"].rstrip("."): row["HostedZoneId"] for row in listed["HostedZoneSummaries"]}
        above = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
        if not above:
            return PUBLIC
        try:
            records = route53.list_resource_record_sets(HostedZoneId=zones[max(above, key=len)])
        except route53.exceptions.NoSuchHostedZone:  # it went between the two calls
            return self(name)
        found = [one for one in records["ResourceRecordSets"] if one["Name"] == f"{name}." and one["Type"] == "CNAME"]
        return str(found[0]["ResourceRecords"][0]["Value"]) if found else NXDOMAIN
