"""The other VPCs that an endpoint serves, as its own tag names them: they get our zones, and lose them again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from autopilot.domain.connection import Dns
from autopilot.domain.endpoint import Endpoint, VpcRef
from autopilot.domain.shadowing import ZoneInVpc, zone_that_answers
from autopilot.use_cases.associations import Asked, Associations
from autopilot.use_cases.dns_look import DnsLook
from autopilot.use_cases.neighbours import Neighbours
from autopilot.use_cases.ports import ConsumerAccount, ConsumerAccounts, Ledger

# A zone of ours: its name and its id.
type OurZone = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ToServe:
    """What there is in the endpoint's own VPC for others.

    ours: our zones that its names are in. old: those that names move out of or leave, as far as they stand. in_vpc: all
    that the VPC had before. elsewhere: the names that the consumer's own zone or AWS's private DNS answers there, each
    with the zone that it is declared in.
    """

    ours: Sequence[OurZone]
    old: Sequence[OurZone]
    in_vpc: Sequence[ZoneInVpc]
    elsewhere: Sequence[tuple[str, str]]

    def answers_elsewhere(self, name: str, declared: str, zone: ZoneInVpc) -> bool:
        """Whether a zone of another VPC is one that answers for such a name, as far as can be told without its records:
        the very one that does here, or one of its own."""
        answering = zone_that_answers(name, self.in_vpc)
        if zone.zone_id in {one.zone_id for one in self.in_vpc}:
            return zone.zone_id == (answering and answering.zone_id) or zone.zone_id in {
                zone_id for _, zone_id in self.old
            }
        return zone.name in (declared, answering and answering.name)


@dataclass(frozen=True, slots=True)
class Served:
    """wholly: the VPCs that have all of our zones. partly: those that have some, or may have. problems: sentences.
    refused: those of the latter whose accounts do not let us take our zones off. lacking: the names of the zones that
    one of them did not have yet."""

    wholly: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    problems: Sequence[str] = ()
    lacking: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OtherVpcs:
    """A tag speaks for the zones of its endpoint's names; another endpoint of the VPC may want the same."""

    consumers: ConsumerAccounts
    ledger: Ledger
    neighbours: Neighbours

    def serve(
        self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint, there: ToServe
    ) -> tuple[DnsLook, Served]:
        """Associate our zones with the VPCs that the tag names, and take them off those that it names no longer.

        Raises AwsCallFailed.
        """
        ours = there.ours
        refs, unreadable = endpoint.also_vpcs(look.owner)
        maybe, unclean = _refs(look, look.known.dns.maybe_served), _refs(look, look.known.dns.associating)
        problems = [
            f"the endpoint's tag names no VPC with {word!r}; expected vpc-… or account/Region/vpc-…"
            for word in unreadable
        ]
        associations = self._associations(look, consumer)
        for ref in sorted(unclean):
            associations.withdraw([zone_id for _, zone_id in ours], ref)
        ask = partial(associations.ask, ours=dict(ours), allows_shadowing=look.service.allows_shadowing)
        asked = [ask(ref) for ref in refs]
        known_to_serve = _refs(look, look.known.dns.serving)
        new = {one.vpc for one in asked if one.has and one.vpc not in known_to_serve}
        look = self._write_down(look, coming=[one.vpc for one in asked if one.lacks or one.vpc in new])
        # What another endpoint served it with may have been taken off before that one could know of this one.
        asked = [ask(one.vpc) if one.vpc in new else one for one in asked]
        lacking = {name for one in asked if one.vpc in maybe for name, _ in ours if name not in one.has}
        for one in asked:
            if one.lacks:
                associations.add(one)
        wholly = {one.vpc for one in asked if one.has and not one.refusals}
        partly = {one.vpc for one in asked if one.vpc not in wholly and (one.has or one.vpc in maybe)}
        problems += [text for one in asked for text in (*one.refusals, *_left_out(one, endpoint, there))]
        look, refused = self._take_off(look, associations, [*ours, *there.old], maybe - set(refs))
        problems += [text for one in refused.values() for text in one]
        partly |= refused.keys()
        return look, Served(_texts(wholly), _texts(partly), _texts(refused), problems, frozenset(lacking))

    def take_off_all(
        self, look: DnsLook, consumer: ConsumerAccount, ours: Sequence[OurZone], *, serves_no_more: bool
    ) -> tuple[DnsLook, Served]:
        """Take these of our zones off all of them; left are those whose accounts do not let us.

        serves_no_more: the endpoint serves them with no other ones. Raises AwsCallFailed.
        """
        maybe, associations = _refs(look, look.known.dns.maybe_served), self._associations(look, consumer)
        look, refused = self._take_off(look, associations, ours, maybe, serves_no_more=serves_no_more)
        problems = [text for one in refused.values() for text in one]
        return look, Served(partly=_texts(refused), refused=_texts(refused), problems=problems)

    def _take_off(
        self,
        look: DnsLook,
        associations: Associations,
        ours: Sequence[OurZone],
        refs: Collection[VpcRef],
        *,
        serves_no_more: bool = True,
    ) -> tuple[DnsLook, Mapping[VpcRef, Sequence[str]]]:
        """Those whose accounts do not let us, and why. What other endpoints of the VPC serve them with stays.

        Of two endpoints that let one VPC go at the same time, the one that asks last sees that nobody keeps it.
        """
        # A zone that is gone serves nobody, whoever lets us in.
        if not refs or not ours:
            return look, {}
        look = self._write_down(look, going=refs if serves_no_more else ())
        others = self.neighbours.others(look, look.known.dns.vpc_id)
        refused: dict[VpcRef, Sequence[str]] = {}
        taken: set[tuple[VpcRef, str]] = set()
        for ref in sorted(refs):
            still = {zone for row in others if ref in _refs(look, row.dns.serving) for zone in row.dns.zones}
            zones = {name: zone_id for name, zone_id in ours if name not in still}
            if zones and (refusals := associations.remove(zones.values(), ref)):
                refused[ref] = refusals
            else:
                taken |= {(ref, name) for name in zones}
        if taken:
            self._wake(look, taken)
        return look, refused

    def _wake(self, look: DnsLook, taken: Collection[tuple[VpcRef, str]]) -> None:
        """Another endpoint may have begun to serve a VPC after it was asked who does: it finds out what it lost. And an
        endpoint in the VPC itself may have waited for the name."""
        came = [
            row
            for row in self.neighbours.others(look, look.known.dns.vpc_id)
            if any((ref, zone) in taken for ref in _refs(look, row.dns.serving) for zone in row.dns.zones)
        ]
        there = [
            row for ref in sorted({ref for ref, _ in taken}) for row in self.ledger.rows_in(ref.account, ref.vpc_id)
        ]
        waiting = [row for row in there if row.dns.value is Dns.BLOCKED]
        self.neighbours.wake((*came, *waiting))

    def _write_down(self, look: DnsLook, coming: Iterable[VpcRef] = (), going: Iterable[VpcRef] = ()) -> DnsLook:
        """A run that dies would leave a VPC that is served although no tag says so, and nobody knows of it; and another
        endpoint that lets it go must know what this one is about to do."""
        known, begun = look.known.dns, set(_texts(coming))
        intended = replace(
            known,
            associating=tuple(sorted({*known.associating, *begun})),
            letting_go=tuple(sorted({*known.letting_go, *_texts(going)} - begun)),
        )
        if intended == known:
            return look
        return replace(look, known=self.ledger.record_dns(look.known, intended))

    def _associations(self, look: DnsLook, consumer: ConsumerAccount) -> Associations:
        return Associations(self.consumers, consumer.hosted_zones, look.owner)


def _left_out(asked: Asked, endpoint: Endpoint, there: ToServe) -> Sequence[str]:
    """The names that a VPC cannot have from us, as no zone of ours has them."""
    in_vpc = asked.in_vpc or ()
    lacks = sorted(
        name
        for name, declared in there.elsewhere
        if not any(there.answers_elsewhere(name, declared, zone) for zone in in_vpc)
    )
    if asked.in_vpc is None or not lacks:
        return ()
    return [
        f"{asked.vpc} is not served with {', '.join(lacks)}: the consumer's own zone or AWS's private DNS answers that "
        f"in {endpoint.vpc_id}, so that Autopilot has no zone for other VPCs; associate the consumer's own one with "
        f"{asked.vpc.vpc_id}, or make an endpoint there"
    ]


def _refs(look: DnsLook, texts: Iterable[str]) -> set[VpcRef]:
    region = look.known.connection.region
    return {ref for text in texts if (ref := VpcRef.parse(text, look.owner, region))}


def _texts(refs: Iterable[VpcRef]) -> tuple[str, ...]:
    return tuple(str(ref) for ref in sorted(refs))
