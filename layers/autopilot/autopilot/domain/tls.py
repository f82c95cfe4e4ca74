"""Whether the certificates of a service's load balancers are good for the names we write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from autopilot.domain.listener import Certificate, LoadBalancer
from autopilot.domain.names import Name, covers

# Days before the end at which people are told; 0 is the end itself.
_THRESHOLDS_DAYS = (0, 7, 30)


def certified_names(load_balancers: Iterable[LoadBalancer]) -> tuple[Name, ...]:
    """The exact names of every issued certificate, each in a zone of just that name; wildcards name nothing."""
    names = {name for one in _certificates(load_balancers) if one.is_issued for name in one.names if "*" not in name}
    return tuple(Name(name, name) for name in sorted(names))


def tls_warnings(names: Sequence[str], load_balancers: Sequence[LoadBalancer], now: datetime) -> tuple[str, ...]:
    """What a client that opens TLS to these names will not like, each with the fix."""
    if not names:
        return ()
    warnings = [
        f"the load balancer {balancer.arn} has no listener: nothing answers there; add one"
        for balancer in load_balancers
        if not balancer.listeners
    ]
    listeners = [listener for balancer in load_balancers for listener in balancer.listeners]
    if not any(listener.is_tls for listener in listeners):
        told = f"as no listener does TLS: your backend must serve one for {', '.join(names)}"
        return (*warnings, f"the certificate cannot be seen, {told}") if listeners else tuple(warnings)
    certificates = _certificates(load_balancers)
    warnings += [
        f"the certificate {one.arn} cannot be looked into, as ACM does not show it here: see for yourself that it is "
        f"for {', '.join(names)}"
        for one in certificates
        if not one.names
    ]
    for name in names:
        covering = [one for one in certificates if any(covers(general, name) for general in one.names)]
        if covering:
            warnings += _not_good(name, covering, now)
        elif all(one.names for one in certificates):
            warnings.append(
                f"no certificate of the load balancer is for {name}: TLS will not verify; add one to the TLS listener"
            )
    return tuple(warnings)


def expiring(load_balancers: Iterable[LoadBalancer], now: datetime) -> tuple[tuple[Certificate, int], ...]:
    """The certificates that end soon, each with the threshold it is below: 30 or 7 days, or 0 once it has ended."""
    found = []
    for one in _certificates(load_balancers):
        left = one.not_after - now if one.not_after else timedelta.max
        below = [days for days in _THRESHOLDS_DAYS if left <= timedelta(days=days)]
        found += [(one, below[0])] if below else []
    return tuple(found)


def _not_good(name: str, covering: Sequence[Certificate], now: datetime) -> list[str]:
    """The certificate that lasts longest counts: a renewed one may stand beside the old one."""
    issued = [one for one in covering if one.is_issued]
    # ACM's status of one that has ended is no longer `ISSUED`, and one that was never issued has no end.
    ends = [one.not_after for one in issued or covering]
    last = max((end for end in ends if end), default=None)
    if last and last <= now:
        return [f"the certificate for {name} ended on {last:%Y-%m-%d}: TLS does not verify; renew it now"]
    if not issued:
        told = f"the certificate {covering[0].arn} for {name} is not issued"
        return [f"{told}: TLS will not verify; have ACM validate it, or put an issued one in its place"]
    if last is None or None in ends or last - now > timedelta(days=max(_THRESHOLDS_DAYS)):
        return []
    return [f"the certificate for {name} ends on {last:%Y-%m-%d}: renew it"]


def _certificates(load_balancers: Iterable[LoadBalancer]) -> tuple[Certificate, ...]:
    listeners = (listener for balancer in load_balancers for listener in balancer.listeners)
    return tuple({one.arn: one for listener in listeners for one in listener.certificates}.values())
