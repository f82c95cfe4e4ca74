"""Starts, seeds, uses and stops the local AWS, from the development environment.

    aws = start(Path(".local"))
    seed(aws)
    aws.client("ec2", CONSUMER).describe_vpcs()
    aws.stop()

Everything it writes is under one directory: `state.json` (what the demo and other tools need to know), `server.pid`,
`local-aws.log`, `mail/*.eml` and `tmp/`. The server listens on 127.0.0.1 only.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import boto3

from tests.local_aws import organizations

PROVIDER, CONSUMER, STRANGER, MANAGEMENT = organizations.NAMES
ACCOUNTS = {"provider": PROVIDER, "consumer": CONSUMER, "stranger": STRANGER, "management": MANAGEMENT}
REGION = "eu-central-1"
ZONE = "payments.example.com"
RECORD = "api"
SECRET = "test"
PROJECT = Path(__file__).parents[2]
START_SECONDS, STOP_SECONDS = 30.0, 10.0

_started: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Speed:
    """How long AWS takes, in seconds; the defaults keep the order of things and lose the waiting.

    `to_available` from accepted to available (AWS: one to three minutes), `to_insync` until a DNS change is
    everywhere (AWS: up to a minute), `to_event` until a CloudTrail record is on the bus (AWS: not published),
    `longest_batching_window` cuts the windows of event source mappings.
    """

    to_available: float = 1.0
    to_insync: float = 0.5
    to_event: float = 0.2
    longest_batching_window: float = 1.0


@dataclass(frozen=True, slots=True)
class State:
    """`state.json`. Empty values are not known yet: `seed` and the deployment fill them in."""

    endpoint_url: str = ""
    region: str = REGION
    provider_account: str = PROVIDER
    consumer_account: str = CONSUMER
    stranger_account: str = STRANGER
    stack_name: str = ""
    service_id: str = ""
    service_name: str = ""
    zone: str = ""
    record: str = ""
    provider_vpc_id: str = ""
    provider_subnet_ids: tuple[str, ...] = ()
    load_balancer_arn: str = ""
    vpc_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    security_group_id: str = ""
    stranger_vpc_id: str = ""
    stranger_subnet_ids: tuple[str, ...] = ()
    mail_dir: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One call of a role or a user, as IAM saw it. `decision` is "allow" or "deny", `time` is in epoch seconds."""

    time: float
    principal_role: str
    account: str
    action: str
    resource: str
    decision: str


class LocalAws:
    """A running local AWS. A context manager: leaving it stops the server."""

    def __init__(self, directory: Path) -> None:
        """Attach to the local AWS of a directory. Raises FileNotFoundError when none was started there."""
        self.directory = directory
        self.state = _read_state(directory)
        self._sessions: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return self.state.endpoint_url

    def client(self, service: str, account: str) -> Any:
        """A boto3 client as root of the account, in the Region of the local AWS."""
        if account not in self._sessions:
            self._sessions[account] = boto3.Session(account, SECRET, region_name=self.state.region)
        if (service, account) not in self._clients:
            make: Callable[..., Any] = self._sessions[account].client
            self._clients[service, account] = make(service, endpoint_url=self.endpoint_url)
        return self._clients[service, account]

    def env(self, account: str) -> dict[str, str]:
        """The environment variables that point an SDK, the AWS CLI or SAM at this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": self.state.region,
            "AWS_REGION": self.state.region,
        }

    def update_state(self, **changes: Any) -> None:
        """Change fields of `state`, also in the file."""
        self.state = replace(self.state, **changes)
        _write_state(self.directory, self.state)

    def switch(self, **faults: str) -> None:
        """Break something, or mend it: functions="fail"|"ok", events, notifications, targets="off"|"on",
        events="twice", organizations="refused"|"throttled"|"failing"|"ok"."""
        self._ask("POST", "/_autopilot/switch", faults)

    def break_call(self, operation: str, fault: str, times: int = 1) -> None:
        """Have something befall the next calls of an operation by functions; what, is in faults.py."""
        self._ask("POST", "/_autopilot/fault", {"operation": operation, "fault": fault, "times": times})

    def unbroken(self) -> dict[str, int]:
        """The operations that something was to befall and that were not called yet, with how often."""
        found: dict[str, int] = self._ask("GET", "/_autopilot/fault")
        return found

    def move_account(self, account: str, parent: str) -> None:
        """Put an account under a unit of organizations.py or its root, or out of the organization with ""."""
        self._ask("POST", "/_autopilot/move", {"account": account, "parent": parent})

    def decisions(self, *, role: str = "", decision: str = "") -> list[Decision]:
        """IAM's decisions since the last reset, oldest first; of one role and of one kind, if given."""
        rows = (Decision(**row) for row in self._ask("GET", "/_autopilot/iam"))
        return [r for r in rows if role in ("", r.principal_role) and decision in ("", r.decision)]

    def mail(self, to: str = "") -> list[EmailMessage]:
        """The e-mail sent so far, oldest first; to one address, if given."""
        files = sorted(Path(self.state.mail_dir).glob("*.eml"))
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [mail for mail in mails if to in ("", mail["To"])]

    def confirm_subscriptions(self) -> int:
        """Open the link in every confirmation e-mail, as its reader would. Returns how many there were."""
        links = [
            line
            for mail in self.mail()
            for line in mail.get_content().splitlines()
            if line.startswith(self.endpoint_url) and "Action=ConfirmSubscription" in line
        ]
        for link in links:
            with contextlib.suppress(urllib.error.HTTPError):  # confirmed before
                urllib.request.urlopen(link).close()
        return len(links)

    def reset(self) -> None:
        """Empty the local AWS: every account, the mail, the faults, the journal. The seed is gone too."""
        self._ask("POST", "/_ministack/reset")

    def stop(self) -> None:
        """Stop the server that this directory's `server.pid` names, and delete its temporary files."""
        stop(self.directory)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.endpoint_url + path, data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())


def start(
    directory: Path = PROJECT / ".local",
    *,
    port: int = 0,
    speed: Speed | None = None,
    local_aws_python: Path | None = None,
    runtime_python: Path | None = None,
) -> LocalAws:
    """Start a local AWS and wait until it answers. A server that still runs in the directory is stopped first.

    `port` 0 takes `LOCAL_AWS_PORT` or a free one. `local_aws_python` runs the server (environment:
    `LOCAL_AWS_PYTHON`), `runtime_python` the functions (`RUNTIME_PYTHON`); both default to the virtual environments
    that `make setup` makes. Raises RuntimeError with the end of the log when the server does not come up.
    """
    speed = speed or Speed()
    stop(directory)
    shutil.rmtree(directory / "mail", ignore_errors=True)
    (directory / "tmp").mkdir(parents=True, exist_ok=True)
    port = port or int(os.environ.get("LOCAL_AWS_PORT", "0")) or _free_port()
    python = local_aws_python or Path(os.environ.get("LOCAL_AWS_PYTHON", PROJECT / ".venv/local-aws/bin/python"))
    runtime = runtime_python or Path(os.environ.get("RUNTIME_PYTHON", PROJECT / ".venv/runtime/bin/python"))
    options = {
        "port": port,
        "mail-dir": (directory / "mail").absolute(),
        "runtime-python": runtime.absolute(),
        "seconds-to-available": speed.to_available,
        "seconds-to-insync": speed.to_insync,
        "seconds-to-event": speed.to_event,
        "longest-batching-window": speed.longest_batching_window,
    }
    log = directory / "local-aws.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [python.absolute(), "-m", "tests.local_aws.server", *(f"--{k}={v}" for k, v in options.items())],
            cwd=PROJECT,
            env=_clean_environment(port, directory / "tmp"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started[server.pid] = server
    (directory / "server.pid").write_text(f"{server.pid}\n")
    url = f"http://127.0.0.1:{port}"
    _write_state(directory, State(endpoint_url=url, mail_dir=str(options["mail-dir"]), log=str(log.absolute())))
    if not within(START_SECONDS, lambda: server.poll() is not None or _answers(url)) or server.poll() is not None:
        stop(directory)
        raise RuntimeError(f"The local AWS did not start. The end of {log}:\n" + log.read_text()[-3000:])
    return LocalAws(directory)


def stop(directory: Path = PROJECT / ".local") -> None:
    """Stop the server of a directory, if one runs there: terminate it, wait, and only then kill it."""
    pid_file = directory / "server.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    if _is_server(pid):
        os.kill(pid, signal.SIGTERM)
        if not within(STOP_SECONDS, lambda: not _is_server(pid)):
            os.killpg(pid, signal.SIGKILL)
    pid_file.unlink()
    shutil.rmtree(directory / "tmp", ignore_errors=True)


def seed(aws: LocalAws) -> None:
    """Create what is there before Autopilot comes: VPCs in three accounts, the provider's Network Load Balancer with a
    certificate for the service's name, and the trails without which AWS has no events. The ids go into `aws.state`."""
    vpc_id, subnet_ids = _vpc(aws, PROVIDER, "10.0.0.0/16", ("10.0.1.0/24", "10.0.2.0/24"))
    elbv2 = aws.client("elbv2", PROVIDER)
    balancers = elbv2.create_load_balancer(Name="payments", Type="network", Scheme="internal", Subnets=subnet_ids)
    balancer = balancers["LoadBalancers"][0]["LoadBalancerArn"]
    certificate = aws.client("acm", PROVIDER).request_certificate(DomainName=f"{RECORD}.{ZONE}", ValidationMethod="DNS")
    target = elbv2.create_target_group(Name="payments", Protocol="TCP", Port=8080, VpcId=vpc_id)["TargetGroups"][0]
    elbv2.create_listener(
        LoadBalancerArn=balancer,
        Port=443,
        Protocol="TLS",
        Certificates=[{"CertificateArn": certificate["CertificateArn"]}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target["TargetGroupArn"]}],
    )
    aws.update_state(provider_vpc_id=vpc_id, provider_subnet_ids=subnet_ids, load_balancer_arn=balancer)
    vpc_id, subnet_ids = _vpc(aws, CONSUMER, "10.1.0.0/16", ("10.1.1.0/24", "10.1.2.0/24"))
    group = aws.client("ec2", CONSUMER).create_security_group(
        GroupName="endpoints", Description="Who may reach the endpoints", VpcId=vpc_id
    )
    aws.client("ec2", CONSUMER).authorize_security_group_ingress(
        GroupId=group["GroupId"], IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.1.0.0/16"
    )
    aws.update_state(vpc_id=vpc_id, subnet_ids=subnet_ids, security_group_id=group["GroupId"])
    vpc_id, subnet_ids = _vpc(aws, STRANGER, "10.2.0.0/16", ("10.2.1.0/24",))
    aws.update_state(stranger_vpc_id=vpc_id, stranger_subnet_ids=subnet_ids)
    for account in (PROVIDER, CONSUMER):
        bucket = f"trail-{account}"
        location = {"LocationConstraint": aws.state.region}
        aws.client("s3", account).create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        trail = aws.client("cloudtrail", account)
        trail.create_trail(Name="management-events", S3BucketName=bucket)
        trail.start_logging(Name="management-events")


def within(seconds: float, holds: Callable[[], object]) -> bool:
    """Whether the condition came true in time; asked twenty times a second."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _vpc(aws: LocalAws, account: str, cidr: str, subnets: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    ec2 = aws.client("ec2", account)
    vpc_id = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": True})
    made = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=block, AvailabilityZone=zone)
        for block, zone in zip(subnets, _shared_zones(ec2), strict=False)
    ]
    return vpc_id, tuple(subnet["Subnet"]["SubnetId"] for subnet in made)


def _shared_zones(ec2: Any) -> list[str]:
    """The account's names of the zones in the order of their ids: what is eu-central-1a here is 1b elsewhere, and an
    endpoint fits only where the load balancer is."""
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    return [zone["ZoneName"] for zone in sorted(zones, key=lambda zone: zone["ZoneId"])]


def _clean_environment(port: int, temporary: Path) -> dict[str, str]:
    """Nothing of the host but a PATH: what the server has, a handler might see."""
    return {
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(temporary.absolute()),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _is_server(pid: int) -> bool:
    """Whether the process runs and is a server of ours: a process id may have been given to another since."""
    if pid in _started:
        return _started[pid].poll() is None
    listed = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "tests.local_aws.server" in listed.stdout


def _read_state(directory: Path) -> State:
    saved = json.loads((directory / "state.json").read_text())
    row: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()}
    return State(**row)


def _write_state(directory: Path, state: State) -> None:
    (directory / "state.json").write_text(json.dumps(asdict(state), indent=2) + "\n")
