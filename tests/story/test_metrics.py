"""What the dashboard shows and the alarms watch is what the functions log, in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.local_aws.control import PROVIDER, STRANGER
from tests.local_aws.deployment import STACK, up
from tests.story.story import Story, wait_for

MEASURED = {
    *("Requested", "Accepted", "Held", "Rejected", "Ready", "DnsBlocked", "Retired"),
    *("SecondsToAccepted", "SecondsToReady", "SeenFirstBySweep", "RequestFailures", "DnsFailures"),
    *("SweepListed", "SweepHeld", "SweepStuck", "SweepUntold", "SweepUnheardTopics", "SweepsDone"),
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Where nothing else happens that would be counted, too."""
    with up(tmp_path_factory.mktemp("local-aws"), SweepMinutes="60") as aws:
        yield Story(aws)


def test_what_happens_is_measured(story: Story) -> None:
    names = defaultdict[str, list[float]](list)

    first = story.create_endpoint()
    wait_for("READY", lambda: story.mail_about("READY", first))
    second, held = story.create_endpoint(), story.create_endpoint(STRANGER)
    wait_for("DNS-BLOCKED", lambda: story.mail_about("DNS-BLOCKED", second))
    wait_for("HELD", lambda: story.mail_about("HELD", held))
    story.sweep()
    story.allowlist(STRANGER, "reject")
    wait_for("REJECTED", lambda: story.mail_about("REJECTED", held))
    story.forget(STRANGER)
    story.aws.switch(events="off", notifications="off")
    unseen = story.create_endpoint(STRANGER)
    story.sweep()
    wait_for("HELD", lambda: story.mail_about("HELD", unseen))
    story.aws.switch(events="on", notifications="on")
    for endpoint_id, account in ((first, ""), (second, ""), (unseen, STRANGER)):
        story.delete_endpoint(endpoint_id, *filter(None, [account]))
        wait_for("RETIRED", lambda which=endpoint_id: story.mail_about("RETIRED", which))  # type: ignore[misc]

    def measured() -> bool:
        names.clear()
        for name, values in metrics_of(story):
            names[name] += values
        return names.keys() >= MEASURED and bool(names.keys() & {"SeenFirstByEvent", "SeenFirstByNotification"})

    wait_for(f"each of {sorted(MEASURED)}", measured)
    assert 0 < min(names["SecondsToAccepted"]) <= min(names["SecondsToReady"]) < 60
    assert sum(names["Requested"]) == 4
    assert sum(names["Rejected"]) == sum(names["DnsBlocked"]) == 1
    assert max(names["SweepHeld"]) == 1


def metrics_of(story: Story) -> Iterator[tuple[str, list[float]]]:
    """Name and values of each metric that a function logged, under the dimension that dashboard and alarms ask for."""
    logs = story.aws.client("logs", PROVIDER)
    for group in logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for line in (event["message"] for page in pages for event in page["events"]):
            if line.startswith('{"_aws":'):
                logged = json.loads(line)
                for directive in logged["_aws"]["CloudWatchMetrics"]:
                    assert (directive["Namespace"], directive["Dimensions"]) == ("PrivateLinkAutopilot", [["service"]])
                    assert logged["service"] == STACK
                    yield from ((metric["Name"], logged[metric["Name"]]) for metric in directive["Metrics"])
