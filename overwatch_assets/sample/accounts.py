"""Who signs in to the story's workspaces, and how their accounts change: audit events, and the tokens of the API.

Actions and their parameters: Databricks' audit log reference. Fields of tokens: its REST API reference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from overwatch_assets.sample.story import (
    ANALYST,
    DAY,
    ENGINEER,
    ETL,
    FINANCE,
    FIRST_MS,
    HOUR,
    MINUTE,
    PLATFORM,
    SampleWorkspace,
    User,
)

_STRANGER = "192.0.2.66"
_CONTRACTOR = User("contractor@example.com", 1_000_000_000_000_006)
_NEXT_CONTRACTOR = User("contractor@example.com", 1_000_000_000_000_007)
_AUDITOR = User("auditor@example.com", 1_000_000_000_000_008)
_GROUP = {"targetGroupName": "contractors", "targetGroupId": "2000000000000001"}
_SDK = "databricks-sdk-py/0.20.0"


@dataclass(frozen=True)
class AccountEvent:
    """An audit event of an account; `request` None: a request of its own, `address` None: the user's usual one."""

    at_ms: int
    action: str
    user: User
    parameters: Mapping[str, str]
    service: str = "accounts"
    status: int = 200
    address: str | None = None
    agent: str | None = None
    request: str | None = None


def account_events(workspace: SampleWorkspace) -> Iterator[AccountEvent]:
    """All logins but the daily ones by browser and token, and all changes of accounts."""
    yield from _logins(workspace)
    yield from _changes(workspace)


def _at(day: int, hour: int, minute: int = 0) -> int:
    return FIRST_MS + day * DAY + hour * HOUR + minute * MINUTE


def _login(at: int, action: str, user: User, method: str, **how: Any) -> AccountEvent:
    return AccountEvent(at, action, user, {"user": user.email, "authenticationMethod": method}, **how)


def _logins(workspace: SampleWorkspace) -> Iterator[AccountEvent]:
    own, method = workspace.facts.own_login
    driver = {
        "containerId": "container-1",
        "instanceId": "i-0a1b2c3d4e5f60718",
        "port": "2200",
        "publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 engineer",
        "userName": "ubuntu",
    }
    for day in range(3):
        yield AccountEvent(_at(day, 9, 10), "login", ENGINEER, driver, service="ssh", agent="OpenSSH_9.6")
        yield AccountEvent(_at(day, 10, 40), "logout", ENGINEER, driver, service="ssh", agent="OpenSSH_9.6")
        yield _login(_at(day, 3, 20), "oidcTokenAuthorization", ETL, "OAuth", agent=_SDK)
        yield _login(_at(day, 18, 5), "logout", ANALYST, "SAML")
    yield _login(_at(0, 10, 30), "jwtLogin", ETL, "JWT", agent=_SDK)
    yield _login(_at(0, 11), "login", FINANCE, "PASSWORD", status=401, address=_STRANGER)
    yield _login(_at(0, 11, 1), "login", FINANCE, "PASSWORD", status=401, address=_STRANGER)
    yield _login(_at(0, 12), "mfaLogin", _CONTRACTOR, "MFA", address="203.0.113.40")
    yield _login(_at(1, 8, 30), own, ETL, method, agent=_SDK)
    yield _login(_at(1, 9, 45), "accountLoginCodeAuthentication", _AUDITOR, "CODE", address="203.0.113.41")
    yield _login(_at(2, 12), "mfaLogin", _NEXT_CONTRACTOR, "MFA", address="203.0.113.42")
    yield _login(_at(2, 12, 30), "passwordVerifyAuthentication", PLATFORM, "PASSWORD")


def _change(at: int, action: str, of: User, *, with_id: bool = True, **how: Any) -> AccountEvent:
    told = {"targetUserName": of.email, "endpoint": "scim", **how.pop("more", {})}
    return AccountEvent(at, action, PLATFORM, told | ({"targetUserId": str(of.user_id)} if with_id else {}), **how)


def _changes(workspace: SampleWorkspace) -> Iterator[AccountEvent]:
    """Two people come at once; one goes, and somebody else comes under the same name, with another id."""
    came, synced = (f"scim-{workspace.workspace_id}-{n}" for n in range(2))
    yield _change(_at(0, 9, 30), "add", _CONTRACTOR, request=came)
    yield _change(_at(0, 9, 30) + 200, "add", _AUDITOR, request=came, with_id=False)
    yield _change(_at(0, 9, 31), "addPrincipalToGroup", _CONTRACTOR, more=_GROUP)
    for n, user in enumerate((ANALYST, ENGINEER, ETL, _AUDITOR)):
        yield _change(_at(1, 11, 20) + 200 * n, "updateUser", user, request=synced)
    yield _change(_at(1, 11, 30), "setAdmin", ENGINEER)
    yield _change(_at(1, 16, 30), "removePrincipalFromGroup", _CONTRACTOR, more=_GROUP, with_id=False)
    yield _change(_at(1, 17), "delete", _CONTRACTOR, with_id=False)
    yield _change(_at(2, 9, 40), "add", _NEXT_CONTRACTOR, with_id=False, status=500)
    yield _change(_at(2, 9, 41), "add", _NEXT_CONTRACTOR)


def tokens(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the access tokens of a moment, as an admin sees them."""
    old = FIRST_MS - 30 * DAY
    told = (
        (1, ETL, old, -1, "jobs"),
        (2, PLATFORM, old + DAY, old + 91 * DAY, "overwatch"),
        (3, ENGINEER, _at(1, 10), _at(1, 10) + 30 * DAY, "notebooks"),
    )
    return [
        {
            "token_id": f"{int(workspace.workspace_id) % 10**9:09x}{number:055x}",
            "creation_time": made_ms,
            "expiry_time": expires_ms,
            "comment": comment,
            "created_by_id": user.user_id,
            "created_by_username": user.email,
            "owner_id": user.user_id,
            "workspace_id": int(workspace.workspace_id),
        }
        for number, user, made_ms, expires_ms, comment in told
        if made_ms <= now_ms
    ]
