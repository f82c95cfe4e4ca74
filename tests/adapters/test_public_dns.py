from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from autopilot.aws.public_dns import ResolverPublicDns
from autopilot.use_cases.ports import PublicDns
from tests.fakes.clock import Clock
from tests.fakes.landscape import ZONE
from tests.fakes.public_dns import FakePublicDns

ALIAS = "alias.example.com."


class Nameserver:
    """A name server on loopback that knows NS records. asked: every name in order. is_down: it stays silent."""

    def __init__(self) -> None:
        self.zones: set[str] = set()
        self.asked: list[str] = []
        self.rcode = dns.rcode.NOERROR
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[Nameserver]:
        self._thread.start()
        try:
            yield self
        finally:
            self._socket.sendto(b"", self._socket.getsockname())
            self._thread.join()
            self._socket.close()

    def _serve(self) -> None:
        while wire := (received := self._socket.recvfrom(512))[0]:
            query = dns.message.from_wire(wire)
            name = query.question[0].name.to_text()
            self.asked.append(name)
            self._socket.sendto(self._answer(query, name).to_wire(), received[1])

    def _answer(self, query: dns.message.Message, name: str) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        answer.set_rcode(self.rcode)
        if name == ALIAS:
            answer.answer.append(dns.rrset.from_text(ALIAS, 60, "IN", "CNAME", f"{ZONE}."))
            answer.answer.append(dns.rrset.from_text(f"{ZONE}.", 60, "IN", "NS", "ns.example.com."))
        elif name.rstrip(".") in self.zones:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "NS", "ns.example.com."))
        elif self.rcode == dns.rcode.NOERROR:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@pytest.fixture
def nameserver() -> Iterator[Nameserver]:
    with Nameserver().running() as server:
        yield server


@pytest.fixture
def public_dns(is_real: bool, nameserver: Nameserver, clock: Clock) -> PublicDns:
    nameserver.zones.add(ZONE)
    if is_real:
        return ResolverPublicDns(clock, nameserver.address)
    fake = FakePublicDns()
    fake.zones.add(ZONE)
    return fake


def test_a_zone_is_told_from_what_is_none(public_dns: PublicDns) -> None:
    assert public_dns.is_zone(ZONE) is True
    assert public_dns.is_zone(f"api.{ZONE}") is False


def test_the_answer_is_remembered_for_an_hour(nameserver: Nameserver, clock: Clock) -> None:
    public_dns = ResolverPublicDns(clock, nameserver.address)
    for _ in range(2):
        assert public_dns.is_zone(ZONE) is False
    nameserver.zones.add(ZONE)
    clock.advance(3600)

    assert public_dns.is_zone(ZONE) is True
    assert nameserver.asked == [f"{ZONE}."] * 2


def test_an_alias_to_a_zone_is_none(nameserver: Nameserver, clock: Clock) -> None:
    assert ResolverPublicDns(clock, nameserver.address).is_zone(ALIAS.rstrip(".")) is False


def test_what_cannot_be_told_is_not_guessed_and_asked_again(nameserver: Nameserver, clock: Clock) -> None:
    public_dns = ResolverPublicDns(clock, nameserver.address)
    nameserver.rcode = dns.rcode.SERVFAIL
    assert public_dns.is_zone(ZONE) is None

    nameserver.rcode = dns.rcode.NOERROR
    nameserver.zones.add(ZONE)
    assert public_dns.is_zone(ZONE) is True
