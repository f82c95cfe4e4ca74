"""`python -m tests.local_aws up|down|env [provider|consumer|stranger]`."""

import argparse
from collections.abc import Callable

from tests.local_aws import control


def _up(_account: str) -> None:
    aws = control.start()
    control.seed(aws)
    print(f"The local AWS answers on {aws.endpoint_url}; its state is in {aws.directory / 'state.json'}")


def _down(_account: str) -> None:
    control.stop()


def _env(account: str) -> None:
    for name, value in control.LocalAws(control.PROJECT / ".local").env(control.ACCOUNTS[account]).items():
        print(f"export {name}={value}")


COMMANDS: dict[str, Callable[[str], None]] = {"up": _up, "down": _down, "env": _env}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.local_aws", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("account", choices=control.ACCOUNTS, nargs="?", default="provider")
    options = parser.parse_args()
    COMMANDS[options.command](options.account)
