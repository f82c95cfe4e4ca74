"""Show dead letters with their reasons, and put back what can be done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from autopilot.aws.dead_letters import DeadLetter, DeadLetterQueue
from autopilot.aws.stack import outputs_of
from autopilot.domain.mails import plain
from autopilot.wake_ups import UnreadableEvent, read_wake_ups

if TYPE_CHECKING:
    import boto3

# Each queue of dead letters that comes from a queue, and that queue, by the stack's outputs.
_QUEUES = {"RequestsDeadLettersArn": "RequestsQueueArn", "DnsDeadLettersArn": "DnsQueueArn"}
# Letters whose work a sweep does.
_DONE_BY_THE_SWEEP = ("RuleDeadLettersArn", "StreamDeadLettersArn")
_LONGEST_BODY = 200


def redrive(session: boto3.Session, stack: str, *, is_dry: bool, discards: bool) -> Iterator[str]:
    """What is told, line by line, while it is done. The last line of a queue begins with FAILED where it failed.

    is_dry: only show. discards: delete the letters that the sweep has made needless, once shown. Raises AwsCallFailed.
    """
    outputs = outputs_of(session.client("cloudformation"), stack)
    sqs = session.client("sqs")
    for source, destination in _QUEUES.items():
        queue = DeadLetterQueue(sqs, outputs[source])
        letters = queue.letters()
        yield from _shown(source, letters)
        if letters and not is_dry:
            move = queue.put_back(outputs[destination])
            if move.status == "COMPLETED":
                yield f"  {move.moved} put back"
            else:
                yield f"FAILED: the move is {move.status} after {move.moved} letters. {move.reason}".rstrip()
    for source in _DONE_BY_THE_SWEEP:
        queue = DeadLetterQueue(sqs, outputs[source])
        letters = queue.letters()
        yield from _shown(source, letters)
        if letters and discards and not is_dry:
            queue.discard(letters)
            yield f"  {len(letters)} deleted"
        elif letters:
            yield "  The sweep does their work, lost reports too. Once the cause is mended, delete them with --discard."


def _shown(name: str, letters: Sequence[DeadLetter]) -> Iterator[str]:
    yield f"{name.removesuffix('Arn')}: {len(letters) or 'no'} dead letter{'' if len(letters) == 1 else 's'}"
    for letter in letters:
        yield f"  {_about(letter)}: {_reason(letter)}"


def _about(letter: DeadLetter) -> str:
    """The connections it is about, or its beginning where it is about none."""
    try:
        wake_ups = read_wake_ups(letter.body)
    except UnreadableEvent:
        return plain(letter.body[:_LONGEST_BODY])
    ids = {wake_up.endpoint_id or wake_up.service_id or wake_up.account for wake_up in wake_ups}
    return ", ".join(sorted(filter(None, ids))) or "nothing by name"


def _reason(letter: DeadLetter) -> str:
    told = letter.attributes
    if "ERROR_MESSAGE" in told or "ERROR_CODE" in told:
        where = f" ({plain(told['RULE_ARN'])})" if "RULE_ARN" in told else ""
        return plain(": ".join(filter(None, (told.get("ERROR_CODE"), told.get("ERROR_MESSAGE"))))) + where
    return "no reason given; the function was killed or ran out of time, see its log"
