"""The provider's Network Load Balancers and their certificates, from Elastic Load Balancing and ACM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.aws.memory import Memory
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.listener import Certificate, Listener, LoadBalancer

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import ListenerTypeDef, LoadBalancerTypeDef

_FRESH_FOR = timedelta(minutes=5)
_MOST = 200
_UNREADABLE = frozenset({"ResourceNotFoundException", "AccessDenied", "AccessDeniedException", "InvalidArnException"})


class Elbv2LoadBalancers:
    """Implements `LoadBalancers`. What was read is kept for minutes: each look makes a call a listener and certificate.

    Whose numbers AWS's quotas bound: 50 listeners, and 25 certificates beside the default ones, a load balancer.
    """

    def __init__(
        self,
        elbv2: ElasticLoadBalancingv2Client,
        acm: ACMClient,
        clock: Callable[[], datetime],
        fresh_for: timedelta = timedelta(minutes=5),
    ) -> None:
        self._elbv2 = elbv2
        self._acm = acm
        self._fresh_for = fresh_for
        self._known = Memory[str, tuple[LoadBalancer, ...]](clock, _MOST)

    def describe(self, arns: Sequence[str]) -> Sequence[LoadBalancer]:
        found: dict[str, tuple[LoadBalancer, ...]] = {}
        certificates: dict[str, Certificate] = {}
        for arn in arns:
            known = self._known.get(arn)
            if known is None:
                known = self._describe(arn, certificates)
                self._known.keep(arn, known, self._fresh_for)
            found[arn] = known
        return [balancer for known in found.values() for balancer in known]

    def _describe(self, arn: str, certificates: dict[str, Certificate]) -> tuple[LoadBalancer, ...]:
        """The load balancer, or nothing. One at a time: a single one that is gone fails a call for several."""
        try:
            with calling("DescribeLoadBalancers", arn):
                balancers = self._elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
            pages = self._elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
            with calling("DescribeListeners", arn):
                listeners = [listener for page in pages for listener in page["Listeners"]]
        except AwsCallFailed as failure:
            if failure.code == "LoadBalancerNotFound":
                return ()
            raise
        told = tuple(self._listener(listener, certificates) for listener in listeners)
        return tuple(LoadBalancer(arn, told, _filters_privatelink(balancer)) for balancer in balancers)

    def _listener(self, found: ListenerTypeDef, certificates: dict[str, Certificate]) -> Listener:
        """certificates: those that were read, by ARN; what is missing is added."""
        arn, port, protocol = found["ListenerArn"], found.get("Port", 0), str(found.get("Protocol", ""))
        if protocol != "TLS":
            return Listener(arn, port, protocol)
        of_listener = self._certificate_arns(found)
        for certificate in of_listener:
            if certificate not in certificates:
                certificates[certificate] = self._certificate(certificate)
        return Listener(arn, port, protocol, tuple(certificates[certificate] for certificate in of_listener))

    def _certificate_arns(self, found: ListenerTypeDef) -> Sequence[str]:
        """The default one, then the others; DescribeListenerCertificates lists the default one again."""
        arn = found["ListenerArn"]
        pages = self._elbv2.get_paginator("describe_listener_certificates").paginate(ListenerArn=arn)
        with calling("DescribeListenerCertificates", arn):
            listed = [certificate for page in pages for certificate in page["Certificates"]]
        listed.sort(key=lambda certificate: not certificate.get("IsDefault"))
        both = [*found.get("Certificates", []), *listed]
        return tuple(dict.fromkeys(one["CertificateArn"] for one in both if "CertificateArn" in one))

    def _certificate(self, arn: str) -> Certificate:
        """One of IAM, or one that is gone or not ours to read, has no names to be seen."""
        if ":acm:" not in arn:
            return Certificate(arn, (), is_issued=False)
        try:
            with calling("DescribeCertificate", arn):
                found = self._acm.describe_certificate(CertificateArn=arn)["Certificate"]
        except AwsCallFailed as failure:
            if failure.code in _UNREADABLE:
                return Certificate(arn, (), is_issued=False)
            raise
        names = [found.get("DomainName", ""), *found.get("SubjectAlternativeNames", [])]
        return Certificate(
            arn,
            tuple(dict.fromkeys(name.lower() for name in names if name)),
            is_issued=found.get("Status") == "ISSUED",
            not_after=found.get("NotAfter"),
        )


def _filters_privatelink(found: LoadBalancerTypeDef) -> bool:
    """`on` is AWS's default for a Network Load Balancer that has security groups at all."""
    enforced = found.get("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic") or "on"
    return bool(found.get("SecurityGroups")) and enforced == "on"
