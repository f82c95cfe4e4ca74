"""What public DNS says of a zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.aws.memory import Memory

logger = Logger(child=True)

_FRESH_FOR = timedelta(hours=1)
_MOST = 200
_SECONDS = 2.0


class ResolverPublicDns:
    """Implements `PublicDns` with the runtime's resolver, or the one given as `address` or `address:port`."""

    def __init__(self, clock: Callable[[], datetime], nameserver: str = "") -> None:
        self._nameserver = nameserver
        self._known = Memory[str, bool](clock, _MOST)

    def is_zone(self, name: str) -> bool | None:
        known = self._known.get(name)
        if known is None:
            known = self._ask(name)
            if known is not None:
                self._known.keep(name, known, _FRESH_FOR)
        return known

    def _ask(self, name: str) -> bool | None:
        """Only a zone has NS records at its own name. The library is loaded here: few runs make a zone."""
        import dns.exception
        import dns.resolver

        try:
            resolver = dns.resolver.Resolver(configure=not self._nameserver)
            if self._nameserver:
                address, _, port = self._nameserver.partition(":")
                resolver.nameservers, resolver.port = [address], int(port or 53)
            answer = resolver.resolve(f"{name}.", "NS", lifetime=_SECONDS, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return False
        except (dns.exception.DNSException, OSError) as failure:
            logger.warning(f"public DNS could not be asked for {name}: {failure}")
            return None
        return answer.canonical_name.to_text(omit_final_dot=True).lower() == name
