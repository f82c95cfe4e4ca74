"""AWS Organizations as a provider asks it: who an account is, and which organizational units it is under.

There are a unit Workloads with a unit Prod in it, where the consumer is, and a unit Sandbox. The stranger is in no
organization. Only the management account may ask, and whom its delegation policy lets ask: here the provider.
"""

from botocore import xform_name

from tests.local_aws.privatelink import AwsError, Caller, Request, Response

ORGANIZATION, ROOT = "o-autopilot01", "r-ab12"
WORKLOADS, PROD, SANDBOX = "ou-ab12-11111111", "ou-ab12-22222222", "ou-ab12-33333333"
UNITS = {WORKLOADS: ("Workloads", ROOT), PROD: ("Prod", WORKLOADS), SANDBOX: ("Sandbox", ROOT)}

PROVIDER, CONSUMER, STRANGER, MANAGEMENT = "111111111111", "222222222222", "333333333333", "999999999999"
NAMES = {PROVIDER: "platform", CONSUMER: "team-a", STRANGER: "team-b", MANAGEMENT: "management"}

REFUSALS = {
    "ok": None,
    "refused": ("AccessDeniedException", "You don't have permissions to access this resource.", 400),
    "throttled": ("TooManyRequestsException", "You have exceeded the rate at which you can call this operation.", 400),
    "failing": ("ServiceException", "AWS Organizations can't complete your request because of an internal error.", 500),
}
"""What comes of a call: `refused` is for whom no delegation policy of the management account names."""


class Organizations:
    """One organization. `state` is a name in REFUSALS."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Every account is where it was at first, and Organizations works."""
        self.state = "ok"
        self._parents = {PROVIDER: ROOT, CONSUMER: PROD, MANAGEMENT: ROOT} | {u: p for u, (_, p) in UNITS.items()}

    def move(self, account: str, parent: str) -> None:
        """Put an account under a unit or the root, or out of the organization if that is empty.

        Raises ValueError when there is no such parent.
        """
        if parent not in ("", ROOT, *UNITS):
            raise ValueError(f"{parent} is none of {', '.join((ROOT, *UNITS))}")
        self._parents.pop(account, None)
        if parent:
            self._parents[account] = parent

    def organization_of(self, account: str) -> str | None:
        """The id of the account's organization, as `aws:PrincipalOrgID` has it."""
        return ORGANIZATION if account in self._parents else None

    def call(self, caller: Caller, operation: str, request: Request) -> Response:
        """One API call, in boto3's names. Raises AwsError, also for operations that nobody here needs."""
        if caller.account not in self._parents:
            raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        state = "ok" if caller.account == MANAGEMENT and self.state == "refused" else self.state
        if caller.account not in (PROVIDER, MANAGEMENT) or operation not in OPERATIONS:
            state = "refused"
        if refusal := REFUSALS[state]:
            raise AwsError(*refusal)
        response: Response = getattr(self, xform_name(operation))(request)
        return response

    def describe_account(self, request: Request) -> Response:
        """`Paths` came in 2026; a botocore without it in its model drops it."""
        account = request["AccountId"]
        if account not in self._parents:
            raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.")
        return {
            "Account": {
                "Id": account,
                "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/{ORGANIZATION}/{account}",
                "Email": f"{account}@example.com",
                "Name": NAMES.get(account, f"account {account}"),
                "State": "ACTIVE",
                "Paths": [f"{ORGANIZATION}/{'/'.join(self._chain(account))}/"],
                "JoinedMethod": "CREATED",
            }
        }

    def list_parents(self, request: Request) -> Response:
        """The one parent, on the second page: a list operation may answer with an empty page and a token.
        https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListParents.html"""
        parent = self._parents.get(request["ChildId"])
        if not parent:
            raise AwsError("ChildNotFoundException", "You specified a child that doesn't exist.")
        if "NextToken" not in request:
            return {"Parents": [], "NextToken": "the rest"}
        return {"Parents": [{"Id": parent, "Type": "ROOT" if parent == ROOT else "ORGANIZATIONAL_UNIT"}]}

    def describe_organizational_unit(self, request: Request) -> Response:
        unit = request["OrganizationalUnitId"]
        if unit not in UNITS:
            message = "You specified an organizational unit that doesn't exist."
            raise AwsError("OrganizationalUnitNotFoundException", message)
        arn = f"arn:aws:organizations::{MANAGEMENT}:ou/{ORGANIZATION}/{unit}"
        path = f"{ORGANIZATION}/{'/'.join(self._chain(unit))}/"
        return {"OrganizationalUnit": {"Id": unit, "Arn": arn, "Name": UNITS[unit][0], "Path": path}}

    def _chain(self, child: str) -> list[str]:
        """From the root down to the child."""
        return [*(self._chain(self._parents[child]) if child != ROOT else ()), child]


OPERATIONS = {"DescribeAccount", "ListParents", "DescribeOrganizationalUnit"}
