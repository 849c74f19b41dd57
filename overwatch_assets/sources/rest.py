"""A workspace's REST API, one request at a time: signed in, limited, tried again, and refused in words.

The SDK signs in (all of its kinds of credentials), sends and judges what is worth another try. The waiting in between
is done here, because the SDK's own has no end to a `Retry-After`, gives up at once on 500, 502, 504 and on an answer
cut short, and retries a certificate that is not trusted. Rules: the endpoints' pages in the REST API reference.
"""

import functools
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import quote, urlsplit

import tenacity

from overwatch_assets import __version__
from overwatch_assets.errors import SourceError

if TYPE_CHECKING:  # the SDK takes more than two seconds to import
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import ApiClient, Config
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ApiSettings:
    """How a workspace's API is called: the fields of the deployment file, times in seconds.

    `api_waiting_seconds` ends the retries of one request, `budget_seconds` one call of a method of `WorkspaceApi` with
    all its requests and with what the caller does between the answers.
    """

    thread_pool_size: int = 4
    requests_per_second: float = 10.0
    request_seconds: float = 60.0
    api_waiting_seconds: float = 300.0
    budget_seconds: float = 3600.0
    proxy_host: str | None = None
    proxy_port: int | None = None
    proxy_user_name: str | None = None
    proxy_password: str | None = field(default=None, repr=False)
    enable_unsafe_ssl: bool = False

    @property
    def proxy_url(self) -> str | None:
        """The proxy with its user and password, or None without a proxy."""
        if not (self.proxy_host and self.proxy_port):
            return None
        user = ""
        if self.proxy_user_name and self.proxy_password:
            user = f"{quote(self.proxy_user_name, safe='')}:{quote(self.proxy_password, safe='')}@"
        return f"http://{user}{self.proxy_host}:{self.proxy_port}"


class RateLimiter:
    """A token bucket that threads share: `per_second` requests on average, a second's worth of them at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._size = max(1.0, per_second)
        self._tokens = self._size
        self._counted_at = self._paused_until = time.monotonic()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free place; returns the seconds to wait for it."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._size, self._tokens + (now - self._counted_at) * self._per_second) - 1
            self._counted_at = now
            return max(0.0, -self._tokens / self._per_second, self._paused_until - now)

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long: the workspace asked for it."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)


@functools.cache
def _limiter(host: str, per_second: float) -> RateLimiter:
    """Return the one limiter that a workspace has in this process."""
    return RateLimiter(per_second)


class Rest:
    """Sends requests to one workspace.

    Args:
        client: any signed-in SDK client, as dagster-databricks's `DatabricksClientResource` gives one. Only its host
            and credentials are used.
        workspace: how messages call the workspace, its name and id.
        secret: how messages call the reference to its token, never the token.
        settings: limits, proxy and TLS.
    """

    def __init__(self, client: "WorkspaceClient", *, workspace: str, secret: str, settings: ApiSettings) -> None:
        self._config = client.config
        self.name = f"Workspace {workspace} ({client.config.host})"
        self._secret = secret
        self.settings = settings
        self._limiter = _limiter(str(client.config.host), settings.requests_per_second)
        self._api, self._adapter = _sdk_api(client.config, settings)

    @classmethod
    def with_token(cls, host: str, token: str, *, workspace: str, secret: str, settings: ApiSettings) -> Self:
        """Connect to the workspace at `host` with a personal access token.

        Raises:
            SourceError: `host` is empty, or `token` cannot be one.
        """
        if not host:
            raise SourceError(f"Workspace {workspace} has no api_url: set it in the deployment file.")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise SourceError(
                f"Workspace {workspace} has no usable token: what {secret} refers to is empty or has blanks, line "
                "ends or characters that no token has; store the token alone."
            )
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 slow to import

        # The kind of credentials and no profile, so that nothing of another workspace is taken from the environment.
        client = WorkspaceClient(host=host, token=token, auth_type="pat", profile="")
        return cls(client, workspace=workspace, secret=secret, settings=settings)

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._adapter.close()

    def read(
        self, request: "Request", deadline: float, stop: threading.Event, *, less_helps: bool = False
    ) -> dict[str, Any]:
        """Return the good answer to a request.

        Args:
            request: what is asked.
            deadline: of the whole call that the request is a part of, by `time.monotonic`.
            stop: set when nobody waits for an answer any more.
            less_helps: a time-out is not tried again, because the caller then asks for less.

        Raises:
            Refusal: trying again is no use.
            SourceError: the deadline is over.
        """
        seconds = min(self.settings.api_waiting_seconds, deadline - time.monotonic())
        if seconds <= 0:
            raise SourceError(
                f"{self.name} was not read to its end within {self.settings.budget_seconds:g} s: load it again, with "
                "a larger thread_pool_size if its answers are slow."
            )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: (
                    isinstance(error, Refusal) and error.transient and not (less_helps and error.took_too_long)
                )
            ),
            wait=_pause,
            sleep=tenacity.sleep_using_event(stop),
            stop=tenacity.stop_any(tenacity.stop_before_delay(seconds), tenacity.stop_when_event_set(stop)),
            reraise=True,
        )
        return retrying(self._attempt, request, stop)

    def _attempt(self, request: "Request", stop: threading.Event) -> dict[str, Any]:
        if stop.wait(self._limiter.reserve()):
            raise Refusal("the load was ended")
        exchange = _Exchange(self._config)
        try:
            body = self._api.do(
                request.method,
                request.path,
                query=request.query,
                headers={"Accept": "application/json"},
                body=request.body,
                auth=exchange,
            )
        except _WorthRetrying as again:
            refusal = self._refusal(exchange, again.error, sdk_would_retry=True)
        # The SDK's and requests' errors are OSErrors or ValueErrors; a body that is a bare number is a TypeError there.
        except (OSError, ValueError, TypeError) as error:
            refusal = self._refusal(exchange, error, sdk_would_retry=False)
        else:
            # The SDK makes an empty object of null, 0 and an empty list.
            said = exchange.response.content.lstrip(b"\xef\xbb\xbf \t\r\n") if exchange.response is not None else b""
            if isinstance(body, dict) and said.startswith(b"{"):
                return body
            refusal = Refusal("an answer that is no JSON object", http_code=200, whole_workspace=True)
        if refusal.http_code == 429:
            self._limiter.pause(min(refusal.retry_after or 0.0, self.settings.api_waiting_seconds))
        logger.debug("%s, %s %s: %s", self.name, request.method, request.path, refusal.detail)
        raise refusal  # not in the handlers: the SDK's errors may quote request headers, which hold the token

    def _refusal(self, exchange: "_Exchange", error: BaseException, *, sdk_would_retry: bool) -> "Refusal":
        """Say what an attempt's failure means, without any secret in it."""
        from databricks.sdk.core import DatabricksError  # noqa: PLC0415 slow to import

        if isinstance(error, DatabricksError) and exchange.response is not None and not exchange.response.ok:
            return self._bad_answer(exchange.response, sdk_would_retry=sdk_would_retry)
        return self._no_answer(error, sdk_would_retry=sdk_would_retry)

    def _bad_answer(self, response: "Response", *, sdk_would_retry: bool) -> "Refusal":
        status = response.status_code
        code, message = (self._without_secrets(text) for text in _error_of(response))
        transient = sdk_would_retry or status >= 500
        # Databricks answers an invalid or expired token with 401, or with 403 and no error code but the number.
        bad_token = status == 401 or (status == 403 and code in ("", "403") and "token" in message.lower())
        no_such_endpoint = status == 404 and code in ("", "ENDPOINT_NOT_FOUND")
        if bad_token:
            remedy = f"renew the token that {self._secret} refers to"
        elif status == 403:
            remedy = (
                f"give the owner of the token that {self._secret} refers to this right on the {_objects_of(response)}"
            )
        elif status == 404:
            remedy = "check api_url"
        elif status == 407:
            remedy = "check the proxy settings"
        else:
            remedy = "load it again later"
        return Refusal(
            f"HTTP {status} {message}" if code in ("", str(status)) else f"HTTP {status} {code}: {message}",
            remedy=remedy,
            http_code=status,
            error_code=code,
            message=message,
            raw_response=self._without_secrets(response.text),
            retry_after=_retry_after(response),
            transient=transient,
            whole_workspace=bad_token or no_such_endpoint or status == 407,
        )

    def _no_answer(self, error: BaseException, *, sdk_would_retry: bool) -> "Refusal":
        from requests import exceptions  # noqa: PLC0415 slow to import

        reason = self._without_secrets(_root_of(error))
        transient = sdk_would_retry
        detail, remedy = f"no connection, {reason}", "check api_url and the network, then load it again"
        if isinstance(error, _SignInFailed):
            detail, remedy = f"sign-in failed, {reason}", f"check the credentials that {self._secret} refers to"
        elif isinstance(error, exceptions.SSLError):
            detail, remedy = f"no trusted connection, {reason}", "add its issuer to the file of REQUESTS_CA_BUNDLE"
            transient = False
        elif isinstance(error, exceptions.ProxyError) and "407" in reason:
            detail, remedy = "HTTP 407 Proxy Authentication Required", "check the proxy settings"
            transient = False
        elif isinstance(error, exceptions.Timeout):
            detail, remedy = f"no answer within {self.settings.request_seconds:g} s", "load it again later"
        elif isinstance(error, exceptions.ChunkedEncodingError):
            detail, remedy, transient = f"an answer cut short, {reason}", "load it again later", True
        elif isinstance(error, exceptions.JSONDecodeError | TypeError):
            detail, remedy = "an answer that is no JSON object", "check api_url"
        timed_out = isinstance(error, exceptions.Timeout)
        return Refusal(detail, remedy=remedy, transient=transient, whole_workspace=not transient, timed_out=timed_out)

    def fail(self, path: str, refusal: "Refusal") -> NoReturn:
        """Say that the workspace does not answer an endpoint.

        Raises:
            SourceError: always.
        """
        within = f" within {self.settings.api_waiting_seconds:g} s" if refusal.transient else ""
        asked = f", asking to wait {refusal.retry_after:g} s" if refusal.retry_after else ""
        raise SourceError(
            f"{self.name} did not answer {path}{within} ({refusal.detail.rstrip('.')}{asked}): {refusal.remedy}."
        ) from None

    def _without_secrets(self, text: str) -> str:
        secrets = [getattr(self._config, a.name) for a in self._config.attributes() if getattr(a, "sensitive", False)]
        for secret in (*secrets, self.settings.proxy_password):
            if secret:
                text = text.replace(str(secret), "***")
        return text


@dataclass(frozen=True)
class Request:
    """What is asked of the workspace."""

    method: str
    path: str
    query: dict[str, Any] | None = None
    body: dict[str, Any] | None = None


class Refusal(Exception):  # noqa: N818 an answer, not an error: the caller decides whether it is one
    """An attempt that brought no body. It holds no secret."""

    def __init__(
        self,
        detail: str,
        *,
        remedy: str = "check api_url",
        http_code: int | None = None,
        error_code: str = "",
        message: str | None = None,
        raw_response: str = "",
        retry_after: float | None = None,
        transient: bool = False,
        whole_workspace: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.http_code = http_code
        self.error_code = error_code
        self.message = detail if message is None else message
        self.raw_response = raw_response
        self.retry_after = retry_after
        self.transient = transient
        self.whole_workspace = whole_workspace
        self.timed_out = timed_out

    @property
    def took_too_long(self) -> bool:
        """Whether the workspace, or the way to it, gave up on a request that asks for much."""
        return self.timed_out or self.http_code in (408, 504) or self.error_code == "DEADLINE_EXCEEDED"


class _WorthRetrying(Exception):  # noqa: N818 the SDK's judgement of an error, not an error
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class _SignInFailed(ValueError):  # noqa: N818 what happened, as the other classes here; a ValueError is not retried
    pass


class _Exchange:
    """The SDK's `auth` of one attempt: adds the credentials and keeps the response, whose status the SDK drops."""

    def __init__(self, config: "Config") -> None:
        self._config = config
        self.response: Response | None = None

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        try:
            request.headers.update(self._config.authenticate())
        except Exception as error:  # noqa: BLE001 each kind of sign-in raises the errors of its own library
            raise _SignInFailed(_root_of(error)) from None
        request.register_hook("response", self._keep)
        return request

    def _keep(self, response: "Response", **_: object) -> None:
        self.response = response


_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=10)
_SPREAD = tenacity.wait_random(0, 0.25)  # so that waiting threads do not all come back at once


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt: what the workspace asked for, else longer each time up to 10 s."""
    refusal = state.outcome.exception() if state.outcome else None
    if isinstance(refusal, Refusal) and refusal.retry_after is not None:
        return refusal.retry_after + _SPREAD(state)
    return _BACKOFF(state)


def _retry_after(response: "Response") -> float | None:
    """Return the seconds of `Retry-After`; None without one or for a date, which Databricks does not send."""
    value = response.headers.get("Retry-After", "").strip()
    return float(value) if value.isdecimal() else None


def _objects_of(response: "Response") -> str:
    """Name the kind of objects that a request was about."""
    first, *more = urlsplit(response.url).path.split("/")[3:]
    return (f"SQL {more[0]}" if first == "sql" and more else first).replace("-", " ")


def _error_of(response: "Response") -> tuple[str, str]:
    """Return error code and message of an error body; no code and the HTTP reason where it is not Databricks' JSON."""
    try:
        body = response.json()
    except ValueError:
        return "", response.reason
    if not isinstance(body, dict):
        return "", response.reason
    return str(body.get("error_code") or ""), str(body.get("message") or body.get("error") or response.reason)


def _root_of(error: BaseException) -> str:
    """Name the innermost cause, in one line: urllib3 wraps a refused connection four times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def _sdk_api(config: "Config", settings: ApiSettings) -> "tuple[ApiClient, HTTPAdapter]":
    """Return the SDK's HTTP client with the credentials of `config`, and the adapter that it sends through."""
    from databricks.sdk.clock import RealClock  # noqa: PLC0415 slow to import
    from databricks.sdk.core import ApiClient, Config  # noqa: PLC0415 slow to import
    from databricks.sdk.credentials_provider import CredentialsStrategy  # noqa: PLC0415 slow to import
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 slow to import

    class OneAttempt(RealClock):
        """Sleeps for nobody: the SDK's retry loop ends where it wants to wait, with the error it wants to retry."""

        def sleep(self, seconds: float) -> None:
            error = sys.exception()
            if error is not None:
                raise _WorthRetrying(error)
            super().sleep(seconds)

    class Route(HTTPAdapter):
        """Sends through the workspace's proxy and with its TLS checks, whatever the environment says."""

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]  # passes all of them on
            if settings.proxy_url:
                options["proxies"] = {"http": settings.proxy_url, "https": settings.proxy_url}
            elif urlsplit(request.url).hostname == "127.0.0.1":  # the sample workspace, which no proxy reaches
                options["proxies"] = {}
            if settings.enable_unsafe_ssl:
                options["verify"] = False
            return super().send(request, **options)

    class SameCredentials(CredentialsStrategy):
        def auth_type(self) -> str:
            return config.auth_type or "unknown"

        def __call__(self, cfg: Config) -> Callable[[], dict[str, str]]:
            return config.authenticate

    api = ApiClient(
        Config(
            host=config.host,
            credentials_strategy=SameCredentials(),
            auth_type=config.auth_type,
            profile="",
            http_timeout_seconds=settings.request_seconds,
            clock=OneAttempt(),
            product="overwatch-assets",
            product_version=__version__,
        )
    )
    adapter = Route(pool_maxsize=settings.thread_pool_size, pool_block=True)
    session = api._api_client._session  # noqa: SLF001 the SDK has no setting for a proxy, and ignores its skip_verify
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return api, adapter
