"""What each term of the tables in docs/security.md stands for in the templates.

A condition of a template is given by its definition, not its name, so that a term is false when the definition changes.
"""

from __future__ import annotations

from typing import Any

from tests.template.templates import of_type

NOTHING = {"Ref": "AWS::NoValue"}


def ref(name: str) -> Any:
    return {"Ref": name}


def arn_of(name: str) -> Any:
    return {"Fn::GetAtt": [name, "Arn"]}


def arn(rest: str) -> Any:
    return {"Fn::Sub": "arn:${AWS::Partition}:" + rest}


def given(parameter: str) -> Any:
    return {"Fn::Not": [{"Fn::Equals": [ref(parameter), ""]}]}


def if_given(parameter: str, value: Any = None, otherwise: Any = NOTHING) -> Any:
    return {"Fn::If": [given(parameter), value or ref(parameter), otherwise]}


def for_rules(*names: str) -> Any:
    return {"ArnEquals": {"aws:SourceArn": [arn_of(name) for name in names]}}


def for_own(service: str, resource: str) -> Any:
    """A service acts for many accounts, and could else be made to by any of them."""
    source = arn(f"{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")
    return {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}, "ArnLike": {"aws:SourceArn": source}}


def never_absent(operator: str, key: str, value: Any) -> Any:
    """ForAllValues is true of an absent key, unless Null refuses that."""
    return {"Null": {key: "false"}, f"ForAllValues:{operator}": {key: value}}


WHO = {
    "Lambda": {"Service": "lambda.amazonaws.com"},
    "EventBridge": {"Service": "events.amazonaws.com"},
    "EventBridge Scheduler": {"Service": "scheduler.amazonaws.com"},
    "SNS": {"Service": "sns.amazonaws.com"},
    "PrivateLink": {"Service": "vpce.amazonaws.com"},
    "CloudWatch": {"Service": "cloudwatch.amazonaws.com"},
    "PrivateLink, CloudWatch": {"Service": ["vpce.amazonaws.com", "cloudwatch.amazonaws.com"]},
    "this account, by its own IAM": {"AWS": arn("iam::${AWS::AccountId}:root")},
    "the provider's account": {"AWS": arn("iam::${ProviderAccount}:root")},
    "everybody": {"AWS": "*"},
    "the accounts in `ConsumerAccounts`": {"AWS": {"Fn::Split": [",", ref("ConsumerAccounts")]}},
}

RESOURCES = {
    "every one": "*",
    "itself": None,
    "decide_connection's log group": arn_of("DecideConnectionLogs"),
    "converge_dns's log group": arn_of("ConvergeDnsLogs"),
    "report_status's log group": arn_of("ReportStatusLogs"),
    "the sweep's log group": arn_of("SweepLogs"),
    "the Requests queue": arn_of("RequestsQueue"),
    "dead letters of the Requests queue": arn_of("RequestsDeadLetters"),
    "the DNS queue": arn_of("DnsQueue"),
    "dead letters of the DNS queue": arn_of("DnsDeadLetters"),
    "dead letters of the rules": arn_of("RuleDeadLetters"),
    "dead letters of the streams": arn_of("StreamDeadLetters"),
    "dead letters of the consumer's rules": arn_of("DeadLetters"),
    "the Allowlist table": arn_of("AllowlistTable"),
    "the Allowlist table's stream": {"Fn::GetAtt": ["AllowlistTable", "StreamArn"]},
    "the Ledger table": arn_of("LedgerTable"),
    "the Ledger table's indexes": {"Fn::Sub": "${LedgerTable.Arn}/index/*"},
    "the Ledger table's stream": {"Fn::GetAtt": ["LedgerTable", "StreamArn"]},
    "the Status topic": ref("StatusTopic"),
    "the Alarm topic": ref("AlarmTopic"),
    "the Notification topic": ref("NotificationTopic"),
    "the topics' key": arn_of("TopicsKey"),
    "the Autopilot bus": arn_of("AutopilotBus"),
    "the provider's buses": [ref("BusArn"), if_given("BusArn2"), if_given("BusArn3")],
    "the sweep": arn_of("SweepFunction"),
    "endpoint services of this account and Region": arn("ec2:${AWS::Region}:${AWS::AccountId}:vpc-endpoint-service/*"),
    "endpoints of this account and Region": arn("ec2:${AWS::Region}:${AWS::AccountId}:vpc-endpoint/*"),
    "VPCs of this Region and any account": arn("ec2:${AWS::Region}:*:vpc/*"),
    "certificates of this Region": arn("acm:${AWS::Region}:*:certificate/*"),
    "the role in `OrganizationsRoleArn`": ref("OrganizationsRoleArn"),
    "roles of any account called `autopilot-<this account>-…`": arn("iam::*:role/autopilot-${AWS::AccountId}-*"),
    "hosted zones": arn("route53:::hostedzone/*"),
    "changes": arn("route53:::change/*"),
}

# What must be so when the stack is deployed, or the permission is not there.
DEPLOYED = {
    "only with `OrganizationId`": given("OrganizationId"),
    "only with `OrganizationsRoleArn`": given("OrganizationsRoleArn"),
    "only with `OrganizationId` and without `OrganizationsRoleArn`": {
        "Fn::And": [given("OrganizationId"), {"Fn::Not": [given("OrganizationsRoleArn")]}]
    },
    "only with `ConsumerAccounts`": given("ConsumerAccounts"),
    "only with `ManagePermissions`": {"Fn::Equals": [ref("ManagePermissions"), "true"]},
    "only with `AllowPrivateDns`": {"Fn::Equals": [ref("AllowPrivateDns"), "true"]},
    "only with `ForwardEvents`": {"Fn::Equals": [ref("ForwardEvents"), "true"]},
}
OBSERVING = {"Fn::Equals": [ref("Mode"), "observe"]}

_VPCS = {"Fn::Join": [",VPCRegion=*|VPCId=", {"Fn::Split": [",", ref("AllowedVpcs")]}]}
_ALLOWED_VPCS = {"Fn::Split": ["|", {"Fn::Sub": ["VPCId=${Vpcs},VPCRegion=*", {"Vpcs": _VPCS}]}]}
_ANY_VPC = "VPCId=*,VPCRegion=*"
_CHANGES = "route53:ChangeResourceRecordSets"

# What IAM asks of each request.
REQUESTED = {
    "tagged `autopilot=enabled`": {"StringEquals": {"aws:ResourceTag/autopilot": "enabled"}},
    "not tagged `autopilot:dns=off`": {"StringNotEqualsIgnoreCase": {"aws:ResourceTag/autopilot:dns": "off"}},
    "private DNS only switched on, where EC2 tells IAM": {"BoolIfExists": {"ec2:Attribute/PrivateDnsEnabled": "true"}},
    "no endpoint policy, where EC2 tells IAM": {
        "Null": {"ec2:Attribute/PolicyDocument": "true", "ec2:Attribute/ResetPolicy": "true"}
    },
    "with VPCs of `AllowedVpcs`": never_absent(
        "StringLike", "route53:VPCs", if_given("AllowedVpcs", _ALLOWED_VPCS, otherwise=_ANY_VPC)
    ),
    "with any VPC": never_absent("StringLike", "route53:VPCs", _ANY_VPC),
    "names of `AllowedRecordNames`": never_absent(
        "StringLike", f"{_CHANGES}NormalizedRecordNames", {"Fn::Split": [",", ref("AllowedRecordNames")]}
    ),
    "types CNAME, A and AAAA": never_absent("StringEquals", f"{_CHANGES}RecordTypes", ["CNAME", "A", "AAAA"]),
    "to create, overwrite and delete": never_absent(
        "StringEquals", f"{_CHANGES}Actions", ["CREATE", "UPSERT", "DELETE"]
    ),
    "of that organization": {"StringEquals": {"aws:PrincipalOrgID": ref("OrganizationId")}},
    "of the sources `aws.ec2` and `aws.cloudformation`": never_absent(
        "StringEquals", "events:source", ["aws.ec2", "aws.cloudformation"]
    ),
    "for this account": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
    "for this account's endpoint services": for_own("ec2", "vpc-endpoint-service/*"),
    "for this account's alarms": for_own("cloudwatch", "alarm:*"),
    "for the Notification topic": {"ArnEquals": {"aws:SourceArn": ref("NotificationTopic")}},
    "for CreatedRule, AnsweredRule and TaggedRule": for_rules("CreatedRule", "AnsweredRule", "TaggedRule"),
    "for ChangedRule and ConsumerStackRule": for_rules("ChangedRule", "ConsumerStackRule"),
    "for EndpointRule and StackRule": for_rules("EndpointRule", "StackRule"),
    "for DeployedRule": for_rules("DeployedRule"),
    "for every rule of this stack": for_rules(*of_type("AWS::Events::Rule")),
    "as a role called `autopilot-converge-dns-…`": {
        "ArnLike": {
            "aws:PrincipalArn": [
                arn("iam::${ProviderAccount}:role/autopilot-converge-dns-*"),
                arn("iam::${ProviderAccount}:role/*/autopilot-converge-dns-*"),
            ]
        },
        "StringEquals": {"aws:PrincipalAccount": ref("ProviderAccount")},
    },
    "with `OrganizationId` only from that organization": {
        "StringEquals": {"aws:PrincipalOrgID": if_given("OrganizationId")}
    },
    "with `ExternalId` only with that": {"StringEquals": {"sts:ExternalId": if_given("ExternalId")}},
}
