"""A real Apache Kafka broker from its published JARs, which lets clients in as an Event Hub does."""

import datetime as dt
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from overwatch_assets.engine.jars import jars_of
from overwatch_assets.engine.java import find_java

KAFKA = "4.1.2"  # whose server runs on Java 17 and newer
MODULE = f"""\
<ivy-module version="2.0">
  <info organisation="local" module="jars"/>
  <dependencies>
    <dependency org="org.apache.kafka" name="kafka_2.13" rev="{KAFKA}" conf="default->runtime,master"/>
  </dependencies>
</ivy-module>
"""
KEY = "hunter2-shared-access-key="
# A broker that lives for seconds is best compiled little.
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Dlog4j2.level=ERROR")
START_SECONDS = 60


@dataclass(frozen=True)
class Broker:
    """A broker: an emulator's port (no TLS), a namespace's (TLS), and one for tests (no credentials)."""

    emulator: int
    cloud: int
    inside: int
    authority: Path

    @property
    def connection(self) -> str:
        """The connection string of a development emulator, of which the broker knows."""
        return f"Endpoint=sb://localhost:{self.emulator};SharedAccessKeyName=Root;SharedAccessKey={KEY};UseDevelopmentEmulator=true;"

    @property
    def cloud_connection(self) -> str:
        """The connection string of a namespace, of which the broker knows."""
        return f"Endpoint=sb://localhost:{self.cloud}/;SharedAccessKeyName=Root;SharedAccessKey={KEY}"

    def create(self, hub: str, partitions: int = 1) -> None:
        admin = self._admin()
        admin.create_topics([NewTopic(hub, partitions, 1)])[hub].result(30)

    def delete(self, hub: str) -> None:
        admin = self._admin()
        admin.delete_topics([hub])[hub].result(30)
        while hub in admin.list_topics(timeout=30).topics:
            time.sleep(0.05)

    def expire(self, hub: str, until: dict[int, int]) -> None:
        """Delete the messages of some partitions before a number, as a hub does after its days of retention."""
        admin = self._admin()
        wanted = [TopicPartition(hub, partition, number) for partition, number in until.items()]
        for done in admin.delete_records(wanted).values():
            done.result(30)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": f"localhost:{self.inside}"})

    def send(self, hub: str, bodies: Iterable[tuple[int, bytes]], at: dt.datetime) -> None:
        """Send messages, each to a partition, enqueued at a time."""
        producer = Producer({"bootstrap.servers": f"localhost:{self.inside}"})
        for partition, body in bodies:
            producer.produce(hub, body, partition=partition, timestamp=round(at.timestamp() * 1000))
            producer.poll(0)
        assert producer.flush(30) == 0


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """A broker with its files in a folder."""
    java = find_java()
    jars = jars_of(java, f"kafka-{KAFKA}", MODULE, f"Kafka {KAFKA}'s JARs could not be fetched")
    ports = _free_ports(4)
    started = Broker(*ports[:3], authority=folder / "authority.pem")
    settings = folder / "server.properties"
    settings.write_text(_settings(started, ports[3], folder))
    classpath = ":".join(map(str, jars))
    run = [str(java), *QUICK, "-cp", classpath]
    formatting = ["kafka.tools.StorageTool", "format", "-t", "b3ZlcndhdGNoLWF1ZGl0cw", "-c", str(settings)]
    subprocess.run([*run, *formatting], check=True, capture_output=True)
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen([*run, "kafka.Kafka", str(settings)], stdout=log, stderr=log)
    try:
        _until_up(started, process, folder / "broker.log")
        yield started
    finally:
        process.kill()
        process.wait()


def _until_up(started: Broker, process: "subprocess.Popen[bytes]", log: Path) -> None:
    admin = AdminClient({"bootstrap.servers": f"localhost:{started.inside}", "log_level": 0})
    for _ in range(START_SECONDS):
        assert process.poll() is None, log.read_text()[-4000:]
        with suppress(KafkaException):
            if admin.list_topics(timeout=1).brokers:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-4000:])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _settings(started: Broker, controller: int, folder: Path) -> str:
    """The broker's properties: an Event Hub takes `$ConnectionString` as user and the connection string as password."""
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    bearer = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
    listeners = (
        f"EMULATOR://localhost:{started.emulator},CLOUD://localhost:{started.cloud},INSIDE://localhost:{started.inside}"
    )
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://localhost:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=EMULATOR:SASL_PLAINTEXT,CLOUD:SASL_SSL,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INSIDE
listener.name.emulator.sasl.enabled.mechanisms=PLAIN
listener.name.emulator.plain.sasl.jaas.config={plain} user_$ConnectionString="{started.connection}";
listener.name.cloud.sasl.enabled.mechanisms=PLAIN,OAUTHBEARER
listener.name.cloud.plain.sasl.jaas.config={plain} user_$ConnectionString="{started.cloud_connection}";
listener.name.cloud.oauthbearer.sasl.jaas.config={bearer} unsecuredLoginStringClaim_sub="overwatch";
listener.name.cloud.ssl.keystore.type=PEM
listener.name.cloud.ssl.keystore.location={_certificate(folder, started.authority)}
log.dirs={folder / "log"}
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
log.retention.ms=-1
log.message.timestamp.before.max.ms=9223372036854775807
log.segment.delete.delay.ms=1000
"""


def _certificate(folder: Path, authority: Path) -> Path:
    """A key and a certificate of `localhost`, in one file; clients trust it as its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    authority.write_bytes(pem)
    both = folder / "server.pem"
    both.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    return both
