"""Which domains are somebody's whole domain, by the public suffix list (https://publicsuffix.org)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def is_registrable(name: str) -> bool:
    """Whether a name is a public suffix, or a domain as one registers it, right below one: `example.co.uk`.

    A private zone of that name would hide everything that its owner has in public DNS. A top-level domain that is in
    no list (`corp`, `internal`) is nobody's to register, so that nothing public can be hidden there.
    """
    suffixes = _list()
    return name in (suffixes.publicsuffix(name), suffixes.privatesuffix(name))


@cache
def _list() -> PublicSuffixList:
    """Read when it is first needed: it takes a tenth of a second, which most runs can do without."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False)
