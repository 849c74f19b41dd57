"""An Azure Event Hub, read through its Kafka endpoint."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.secrets import SecretReference, resolve
from overwatch_assets.errors import ConfigurationError, SourceError

_PORT = 9093  # of every namespace's Kafka endpoint
_EMULATOR_PORT = 9092
_LANDED_BYTES = 8 << 20  # of messages: what one commit of them holds
_ANSWER_SECONDS = 60.0  # of a hub that says nothing
_TRY_SECONDS = 2.0
_REFUSALS = {  # which are not tried again
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - the documented names of the client's own errors
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
}


@dataclass(frozen=True)
class HubMessage:
    """A message of a hub; `number` is its sequence number in its partition. Without an `enqueued` it is not known."""

    partition: int
    number: int
    enqueued: datetime | None
    body: bytes


@dataclass(frozen=True)
class Endpoint:
    """Where a hub is, and what it takes to be let in.

    Attributes:
        name: `<host of the namespace>/<hub>`.
        hub: the hub.
        settings: of the client.
    """

    name: str
    hub: str
    settings: Mapping[str, Any]


def endpoint_of(workspace: Workspace) -> Endpoint:
    """The hub of a workspace, as its row of the deployment file says.

    Raises:
        ConfigurationError: a secret cannot be read, or its connection string is none.
    """
    assert workspace.eh_name is not None  # noqa: S101 - tells mypy
    shared, plain = workspace.eh_connection_reference, workspace.eh_conn_string
    given = resolve(shared).get_secret_value() if shared else _looked_up(plain or "")
    parts = {name.strip().lower(): value.strip() for name, _, value in (p.partition("=") for p in given.split(";"))}
    url = urlsplit(parts.get("endpoint", ""))
    if url.scheme != "sb" or not url.hostname or (shared and not parts.get("sharedaccesskey")):
        form = "Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=..." if shared else "Endpoint=sb://..."
        raise ConfigurationError(f"{shared or 'eh_conn_string'} is no connection string: {form} (it is not shown)")
    if parts.get("entitypath", workspace.eh_name) != workspace.eh_name:
        raise ConfigurationError(f"The connection string is for the Event Hub {parts['entitypath']}: check eh_name.")
    emulator = parts.get("usedevelopmentemulator", "").lower() == "true"
    settings: dict[str, Any] = {
        "bootstrap.servers": f"{url.hostname}:{url.port or (_EMULATOR_PORT if emulator else _PORT)}",
        "security.protocol": "SASL_PLAINTEXT" if emulator else "SASL_SSL",
        "group.id": f"overwatch-{workspace.workspace_id}",  # the client asks for one; nothing is committed to it
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "log_level": 0,  # what goes wrong is told to `error_cb`
        "queued.max.messages.kbytes": 16_384,
        "socket.keepalive.enable": True,
    }
    if os.environ.get("SSL_CERT_FILE"):
        settings["ssl.ca.location"] = os.environ["SSL_CERT_FILE"]
    if shared:
        settings |= {"sasl.mechanism": "PLAIN", "sasl.username": "$ConnectionString", "sasl.password": given}
    else:
        settings |= {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": _tokens(workspace, url.hostname)}
    return Endpoint(f"{url.hostname}/{workspace.eh_name}", workspace.eh_name, settings)


def _looked_up(text: str) -> str:
    """A text of the deployment file, or the secret that it refers to."""
    try:
        reference = SecretReference(text)
    except ValueError:
        return text
    return resolve(reference).get_secret_value()


def _tokens(workspace: Workspace, host: str) -> Callable[[str], tuple[str, float]]:
    """What gives the client the service principal's token, and asks Entra ID for another one when it grows old.

    Raises:
        SourceError: Entra ID gives none.
    """
    reference = workspace.aad_client_secret_reference
    assert reference is not None  # noqa: S101 - tells mypy
    url = f"{workspace.aad_authority_endpoint}/{_looked_up(workspace.aad_tenant_id or '')}/oauth2/v2.0/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": _looked_up(workspace.aad_client_id or ""),
        "client_secret": resolve(reference).get_secret_value(),
        "scope": f"https://{host}/.default",
    }
    held = _token(url, form)

    def token(_config: str) -> tuple[str, float]:
        nonlocal held
        if held[1] - time.time() < _ANSWER_SECONDS:
            with suppress(SourceError):  # the client takes no errors from here; the hub refuses the old token
                held = _token(url, form)
        return held

    return token


def _token(url: str, form: Mapping[str, str]) -> tuple[str, float]:
    """A token and when it ends, epoch seconds."""
    try:
        answer = requests.post(url, data=form, timeout=_ANSWER_SECONDS).json()
    except (requests.RequestException, ValueError) as error:
        raise SourceError(f"{url} gave no token: {type(error).__name__}") from None
    if not isinstance(answer, dict) or not {"access_token", "expires_in"} <= answer.keys():
        said = answer.get("error_description") or answer.get("error") if isinstance(answer, dict) else "no answer"
        raise SourceError(f"{url} gave no token: {said}")
    return answer["access_token"], time.time() + float(answer["expires_in"])


class Hub:
    """A connected hub."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = endpoint.name
        self._hub = endpoint.hub
        self._told: list[KafkaError] = []
        self._consumer = Consumer({**endpoint.settings, "error_cb": self._told.append})

    @classmethod
    @contextmanager
    def connected(cls, endpoint: Endpoint) -> "Iterator[Hub]":
        """A hub, until the end of the block."""
        hub = cls(endpoint)
        try:
            yield hub
        finally:
            hub._consumer.close()

    def ends(self) -> dict[int, tuple[int, int]]:
        """Per partition the number of the first message that it still has, and that of the next one to come.

        Raises:
            SourceError: the hub is not there, does not answer or refuses.
        """
        topic = self._answered(lambda seconds: self._consumer.list_topics(self._hub, timeout=seconds)).topics[self._hub]
        if topic.error is not None:
            raise self._failure(topic.error)
        return {number: self._bounds(number) for number in sorted(topic.partitions)}

    def _bounds(self, number: int) -> tuple[int, int]:
        place = TopicPartition(self._hub, number)
        first, after_last = self._answered(
            lambda seconds: self._consumer.get_watermark_offsets(place, timeout=seconds, cached=False)
        )
        return first, after_last

    def _answered(self, ask: Callable[[float], Any]) -> Any:
        """What the hub answers; it is asked again for a minute, unless it refuses."""
        asked = time.monotonic()
        while True:
            try:
                self._consumer.poll(0)  # hands out tokens, and tells what went wrong
                return ask(_TRY_SECONDS)
            except KafkaException as error:
                self._consumer.poll(0)
                refused = any(told.code() in _REFUSALS for told in self._told)
                if refused or time.monotonic() - asked > _ANSWER_SECONDS:
                    raise self._failure(error.args[0]) from error

    def messages(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[list[HubMessage]]:
        """The messages of some partitions from one number until before another, in parts of some megabytes.

        Raises:
            SourceError: the hub stops answering.
        """
        left = {partition for partition, first in begin.items() if first < end[partition]}
        self._consumer.assign([TopicPartition(self._hub, partition, begin[partition]) for partition in sorted(left)])
        part: list[HubMessage] = []
        size, heard = 0, time.monotonic()
        while left:
            found = self._consumer.consume(200, timeout=0.1)
            if found:
                heard = time.monotonic()
            elif time.monotonic() - heard > _ANSWER_SECONDS:
                raise self._failure(None)
            for message in found:
                partition, number = _place(message)
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its documented name
                    raise self._failure(error)
                if error is None and number < end[partition]:
                    part.append(_message(message))
                    size += len(part[-1].body)
                if number + (error is None) >= end[partition]:
                    left.discard(partition)
            if size >= _LANDED_BYTES:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _failure(self, error: KafkaError | None) -> SourceError:
        refused = [told.str() for told in self._told if told.code() in _REFUSALS]
        said = refused[-1:] or [each.str() for each in (error, *self._told[-1:]) if each is not None] or ["no answer"]
        return SourceError(
            f"The Event Hub {self.name} can't be read: {'; '.join(said)}. Check eh_name and its credentials."
        )


def _place(message: Message) -> tuple[int, int]:
    partition, number = message.partition(), message.offset()
    return (-1 if partition is None else partition), (OFFSET_INVALID if number is None else number)


def _message(message: Message) -> HubMessage:
    partition, number = _place(message)
    kind, ms = message.timestamp()
    body = message.value() or b""
    return HubMessage(
        partition=partition,
        number=number,
        enqueued=None if kind == TIMESTAMP_NOT_AVAILABLE else datetime.fromtimestamp(ms / 1000, UTC),
        body=body if isinstance(body, bytes) else body.encode(),
    )
