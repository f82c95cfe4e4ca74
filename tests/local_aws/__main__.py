"""`python -m tests.local_aws up|down|env [provider|consumer|stranger|management]`."""

import argparse
import sys
from collections.abc import Callable

from tests.local_aws import control
from tests.local_aws.deployment import StepFailed, told, up


def _up(_account: str) -> None:
    aws = up(step=told)
    print(f"\nThe local AWS answers on {aws.endpoint_url} with both stacks deployed: {aws.directory / 'state.json'}")
    print('Next: eval "$(make -s env ACCOUNT=consumer)", then any AWS client. `make down` stops it.')


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
    try:
        COMMANDS[options.command](options.account)
    except StepFailed as failure:
        sys.exit(f"\n{failure}")
    except FileNotFoundError:
        sys.exit("No local AWS was started here; `make up` starts one.")
