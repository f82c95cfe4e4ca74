"""The private names of ministack that this local AWS uses or replaces, each checked when it is touched.

ministack has no hooks for plug-ins. Its version is pinned exactly, and a name that went away or takes other parameters
stops the start with a message, rather than some later call in the middle of a story.
"""

import functools
import inspect
from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType
from typing import Any


class PinChanged(RuntimeError):
    """ministack is not the version that tests/local_aws was written for."""

    def __init__(self, module: ModuleType, name: str, problem: str) -> None:
        super().__init__(
            f"{module.__name__}.{name} {problem} in ministack {version('ministack')}. Install the version pinned in "
            "requirements/local-aws.txt, or adapt the module of tests/local_aws named in this traceback."
        )


def replace(module: ModuleType, name: str, new: Callable[..., Any]) -> None:
    """Put `new` in the place of the module's function `name`.

    `new` gets the function it replaces as its first argument, then the same parameters by the same names; it may leave
    the last ones to `*rest` and `**rest`. Raises PinChanged when ministack has no such function or it takes others.
    """
    need(module, name)
    old = getattr(module, name)
    _, *parameters = inspect.signature(new).parameters.values()
    expected = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    found = list(inspect.signature(old).parameters)
    if found[: len(expected) if len(expected) < len(parameters) else None] != expected:
        raise PinChanged(module, name, f"takes ({', '.join(found)}) instead of ({', '.join(expected)})")
    replacement = functools.partial(new, old)
    setattr(module, name, replacement)
    for table in vars(module).values():  # the module's tables of actions hold the function itself
        if isinstance(table, dict):
            table.update({key: replacement for key, value in table.items() if value is old})


def need(module: ModuleType, *names: str) -> None:
    """Raise PinChanged unless the module has all the names that we only use."""
    for name in names:
        if not hasattr(module, name):
            raise PinChanged(module, name, "does not exist")
