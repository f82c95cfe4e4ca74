"""SNS as people meet it: e-mail with its confirmation, the limits of a subject, and the keys of encrypted topics.

An e-mail is one `.eml` file in the mail directory; ministack only logs it, and takes every address as confirmed.
"""

import itertools
import json
import logging
import re
import uuid
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ministack.core import iam_evaluator
from ministack.services import sns

from tests.local_aws import stock
from tests.local_aws.enforcement import Permissions

SUBJECT = re.compile(r"[!-~][ -~]{0,99}")  # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
PENDING = "PendingConfirmation"

type Topic = dict[str, Any]

log = logging.getLogger("mail")


class Mail:
    """Writes what SNS sends by e-mail into `directory`, numbered in the order of sending."""

    def __init__(self, directory: Path, endpoint_url: str, permissions: Permissions) -> None:
        self._directory, self._endpoint_url, self._permissions = directory, endpoint_url, permissions
        self._numbers = itertools.count(1)
        directory.mkdir(parents=True, exist_ok=True)
        stock.need(
            sns, "_topics", "_xml", "SnsPublishError", "_error", "_p", "_normalize_arn", "_topic_by_arn_any_scope"
        )
        stock.need(sns, "_resolve_message_for_protocol", "_matches_filter_policy", "_refresh_subscription_counts")
        stock.replace(sns, "_subscribe", self._subscribe)
        stock.replace(sns, "_list_subscriptions", _hide_pending)
        stock.replace(sns, "_list_subscriptions_by_topic", _hide_pending)
        stock.replace(sns, "_publish", self._publish)
        stock.replace(sns, "publish_internal", _publish_internal)
        stock.replace(sns, "_fanout", self._fanout)

    def reset(self) -> None:
        """Delete all mail."""
        for file in self._directory.glob("*.eml"):
            file.unlink()
        self._numbers = itertools.count(1)

    def ask_to_confirm(self, topic_arn: str) -> bool:
        """Make new e-mail subscriptions of a topic pending and mail them a link. False when there were none."""
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": ()}
        new = [s for s in topic["subscriptions"] if s["protocol"].startswith("email") and not s.get("token_sent")]
        for subscription in new:
            token = uuid.uuid4().hex * 2
            subscription.update(confirmed=False, token=token, token_sent=True)
            subscription["attributes"].update({PENDING: "true", "ConfirmationWasAuthenticated": "false"})
            query = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic_arn, "Token": token})
            self._write(
                topic,
                subscription["endpoint"],
                "AWS Notification - Subscription Confirmation",
                f"You have chosen to subscribe to the topic:\n{topic_arn}\n\n"
                f"To confirm this subscription, visit the link below:\n{self._endpoint_url}/?{query}\n",
            )
            sns._refresh_subscription_counts(topic)
        return bool(new)

    def _subscribe(self, subscribe: Callable[..., Any], params: dict[str, Any]) -> Any:
        answer = subscribe(params)
        if answer[0] == 200 and self.ask_to_confirm(sns._normalize_arn(sns._p(params, "TopicArn"))):
            pending = "<SubscribeResult><SubscriptionArn>pending confirmation</SubscriptionArn></SubscribeResult>"
            return sns._xml(200, "SubscribeResponse", pending)
        return answer

    def _publish(self, publish: Callable[..., Any], params: dict[str, Any]) -> Any:
        topic = sns._topic_by_arn_any_scope(sns._normalize_arn(sns._p(params, "TopicArn")))
        key = topic and topic["attributes"].get("KmsMasterKeyId")
        if key and not self._permissions.key_allows(key, caller_arn=iam_evaluator.caller_arn()):
            return sns._error("KMSAccessDenied", f"The caller may not use the key {key} of the topic.", 400)
        return publish(params)

    def _fanout(
        self,
        fan_out: Callable[..., None],
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        **fifo: str,
    ) -> None:
        fan_out(topic_arn, msg_id, message, subject, message_structure, message_attributes, **fifo)
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": ()}
        text = sns._resolve_message_for_protocol(message, message_structure, "email")
        for subscription in topic["subscriptions"]:
            wanted = sns._matches_filter_policy(subscription, message_attributes or {}, text)
            if subscription["protocol"] == "email" and subscription["confirmed"] and wanted:
                self._write(topic, subscription["endpoint"], subject or "AWS Notification Message", text)

    def _write(self, topic: Topic, to: str, subject: str, text: str) -> None:
        mail = EmailMessage()
        mail["From"] = f"{topic['attributes'].get('DisplayName') or 'AWS Notifications'} <no-reply@sns.amazonaws.com>"
        mail["To"], mail["Subject"], mail["Date"] = to, subject, formatdate()
        mail.set_content(f"{text}\n\n--\nYou receive this because {to} is subscribed to {topic['arn']}.\n", cte="8bit")
        name = f"{next(self._numbers):04d}-{re.sub('[^A-Za-z0-9]+', '-', subject).strip('-')[:60]}.eml"
        partial = self._directory / f"{name}.partial"
        partial.write_bytes(mail.as_bytes())
        partial.rename(self._directory / name)
        log.info("MAIL %s: %s", to, subject)


def _publish_internal(
    publish: Callable[..., Any], topic_arn: str, message: Any, subject: str = "", **options: Any
) -> Any:
    if subject and not SUBJECT.fullmatch(subject):
        raise sns.SnsPublishError("InvalidParameter", "Invalid parameter: Subject")
    if options.get("message_structure") == "json" and "default" not in json.loads(message):
        problem = "Invalid parameter: Message Structure - No default entry in JSON message body"
        raise sns.SnsPublishError("InvalidParameter", problem)
    return publish(topic_arn, message, subject, **options)


def _hide_pending(listed: Callable[..., Any], params: dict[str, Any]) -> Any:
    """AWS gives no ARN of a subscription before it is confirmed."""
    status, headers, body = listed(params)
    for topic in sns._topics.values():
        for subscription in topic["subscriptions"]:
            if not subscription["confirmed"]:
                body = body.replace(f">{subscription['arn']}<".encode(), f">{PENDING}<".encode())
    return status, headers, body
