"""`make demo`: the main job, told as it happens, on a local AWS. Exit status 0, or the step that failed and its log."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from email.message import EmailMessage

from tests.local_aws import control
from tests.local_aws.control import CONSUMER, STRANGER
from tests.local_aws.deployment import StepFailed, told, up
from tests.story.story import Story, wait_for


def main() -> int:
    began = time.monotonic()
    try:
        print("Preparing")
        with up(step=told) as aws:
            story = Story(aws)
            endpoint_id = a_consumer_connects(story)
            a_stranger_asks(story)
            the_endpoint_goes(story, endpoint_id)
    except StepFailed as failure:
        print(
            f"\nFAILED  {failure}\nWhat the local AWS said: {control.PROJECT / '.local/local-aws.log'}", file=sys.stderr
        )
        return 1
    print(f"\nDone in {time.monotonic() - began:.0f} seconds. Everything is stopped; README.md says how to go on.")
    return 0


def a_consumer_connects(story: Story) -> str:
    """From CreateVpcEndpoint to the e-mail, without a human hand."""
    print(f"\nAccount {CONSUMER}, which is allowlisted, creates an interface endpoint")
    tell = Teller()
    endpoint_id = story.create_endpoint()
    tell("requested", endpoint_id)
    accepted = ("pending", "available")
    wait_for("accepted", lambda: story.connection_state(endpoint_id) in accepted)
    tell("accepted", "by the entry for its account")
    wait_for("available", lambda: story.connection_state(endpoint_id) == "available")
    tell("available", "AWS's own part: a second here, a minute or more on AWS")
    zone_id = wait_for("zone", story.zone_id)
    tell("zone", f"{story.aws.state.zone} ({zone_id}) in {story.aws.state.vpc_id}")
    target = wait_for("CNAME", story.cname)
    tell("CNAME", f"{story.aws.state.record} -> {target}")
    mail = wait_for("e-mail", lambda: story.mail_about("READY", endpoint_id))
    tell("e-mail", "")
    show(mail)
    return endpoint_id


def a_stranger_asks(story: Story) -> None:
    """Unlisted means held; a person's Accept is carried on."""
    print(f"\nAccount {STRANGER}, which nobody listed, creates an interface endpoint")
    tell = Teller()
    endpoint_id = story.create_endpoint(STRANGER)
    tell("requested", endpoint_id)
    mail = wait_for("held", lambda: story.mail_about("HELD", endpoint_id))
    tell("held", f"AWS's state is still {story.connection_state(endpoint_id)}; the e-mail:")
    show(mail)
    story.accept_by_hand(endpoint_id)
    tell("accepted", "by a person, in the provider's console")
    mail = wait_for("connected", lambda: story.mail_about("CONNECTED", endpoint_id))
    tell("connected", "usable; the stranger's account has no role for Autopilot, and the e-mail says what to create:")
    show(mail)


def the_endpoint_goes(story: Story, endpoint_id: str) -> None:
    """What was made for the endpoint goes with it."""
    print(f"\nAccount {CONSUMER} deletes its endpoint")
    tell = Teller()
    story.delete_endpoint(endpoint_id)
    tell("deleted", endpoint_id)
    wait_for("CNAME gone", lambda: story.cname() is None)
    tell("CNAME", "gone")
    wait_for("zone gone", lambda: story.zone_id() is None)
    tell("zone", "gone")
    mail = wait_for("e-mail", lambda: story.mail_about("RETIRED", endpoint_id))
    tell("e-mail", "")
    show(mail)


class Teller:
    """Prints each line with the seconds since the call that began it all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()

    def __call__(self, what: str, detail: str) -> None:
        print(f"  {self._clock() - self._began:6.1f} s  {what:<10} {detail}".rstrip(), flush=True)


def show(mail: EmailMessage) -> None:
    subject = " ".join(str(mail["Subject"]).split())
    print(textwrap.indent(f"Subject: {subject}\n\n{mail.get_content().strip()}", "           | ", lambda _: True))


if __name__ == "__main__":
    sys.exit(main())
