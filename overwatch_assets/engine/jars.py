"""Bring JARs from Maven Central, once per machine: Delta's for the installed PySpark, and what a test needs."""

import hashlib
import os
import ssl
import struct
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pyspark

from overwatch_assets.engine.java import cache_folder
from overwatch_assets.errors import ConfigurationError

# Delta's own JARs and Unity Catalog's, which it loads; what else it names is in PySpark already.
_MODULE = """\
<ivy-module version="2.0">
  <info organisation="local" module="jars"/>
  <dependencies>
    <dependency org="io.delta" name="delta-spark_{spark}_2.13" rev="{delta}" conf="default"/>
    <exclude org="^(?!io\\.(delta|unitycatalog)$).*" matcher="regexp"/>
  </dependencies>
</ivy-module>
"""
_SETTINGS = """\
<ivysettings>
  <settings defaultResolver="central"/>
  <caches defaultCacheDir={cache}/>
  <resolvers><ibiblio name="central" m2compatible="true"{root}/></resolvers>
</ivysettings>
"""


def delta_jars(java: Path) -> tuple[Path, ...]:
    """Give the JARs (about 13 MB) that PySpark lacks for Delta, fetched by PySpark's own Ivy the first time.

    They come from Maven Central or a mirror of it: the address in ``DEFAULT_ARTIFACT_REPOSITORY`` (Spark's own
    variable), else a mirror in ``~/.m2/settings.xml``. Where ``SSL_CERT_FILE`` is set, Java trusts its certificates.

    Raises:
        ConfigurationError: they could not be fetched.
    """
    delta = version("delta-spark")
    spark = ".".join(pyspark.__version__.split(".")[:2])
    return jars_of(
        java,
        f"delta-{delta}-spark-{spark}",
        _MODULE.format(spark=spark, delta=delta),
        f"Delta {delta}'s JARs for Spark {spark} could not be fetched from Maven Central or its mirror; "
        "fetch them where there is a network and name them in the engine setting spark.jars",
    )


def jars_of(java: Path, name: str, module: str, sentence: str) -> tuple[Path, ...]:
    """Give the JARs that an Ivy module depends on, fetched by PySpark's own Ivy the first time, as `delta_jars` says.

    Args:
        java: what runs Ivy.
        name: of the folder in the cache; another one for other JARs.
        module: the module, as XML.
        sentence: what is said if they could not be fetched.

    Raises:
        ConfigurationError: they could not be fetched.
    """
    folder = cache_folder() / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="jars-") as work:
            _fetch(java, module, sentence, Path(work))
            try:
                Path(work, "jars").rename(folder)  # whole or not at all
            except OSError:
                if not folder.exists():  # else another process was faster
                    raise
    return tuple(sorted(folder.glob("*.jar")))


def _fetch(java: Path, module: str, sentence: str, work: Path) -> None:
    mirror = _mirror()
    root = f" root={quoteattr(mirror)}" if mirror else ""
    (work / "ivy.xml").write_text(module)
    (work / "settings.xml").write_text(_SETTINGS.format(cache=quoteattr(str(work / "cache")), root=root))
    classpath = f"{Path(pyspark.__file__).parent / 'jars'}/*"
    ivy = [str(java), *_trust(work), "-cp", classpath, "org.apache.ivy.Main", "-warn"]
    files = ["-settings", "settings.xml", "-ivy", "ivy.xml", "-types", "jar", "bundle"]
    target = ["-retrieve", "jars/[artifact]-[revision].[ext]"]
    done = subprocess.run(  # noqa: S603 - PySpark's own Ivy
        [*ivy, *files, *target], cwd=work, capture_output=True, text=True, check=False
    )
    if done.returncode or not list(work.glob("jars/*.jar")):
        said = " ".join((done.stdout + done.stderr).split())[-600:]
        raise ConfigurationError(f"{sentence}. Ivy said: {said}")


def _mirror() -> str | None:
    """Give the address that stands for Maven Central here, or None for itself."""
    if named := os.environ.get("DEFAULT_ARTIFACT_REPOSITORY"):
        return named
    settings = Path.home() / ".m2" / "settings.xml"
    if not settings.exists():
        return None
    try:
        mirrors = ET.parse(settings).getroot().findall("./{*}mirrors/{*}mirror")  # noqa: S314 - the user's own file
    except ET.ParseError as error:
        raise ConfigurationError(f"{settings} is not XML ({error}): mend it or remove it") from error
    for mirror in mirrors:
        covered = {name.strip() for name in mirror.findtext("{*}mirrorOf", "").split(",")}
        if "!central" not in covered and covered & {"*", "external:*", "central"}:
            return mirror.findtext("{*}url", "").strip() or None
    return None


def _trust(work: Path) -> list[str]:
    """Java's options for the certificates that ``SSL_CERT_FILE`` names, which Java itself doesn't look at."""
    if not os.environ.get("SSL_CERT_FILE"):
        return []
    trusted = ssl.create_default_context().get_ca_certs(binary_form=True)
    store = work / "trusted.jks"
    store.write_bytes(_java_key_store(trusted))
    return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStoreType=JKS"]


def _java_key_store(certificates: list[bytes]) -> bytes:
    """DER certificates in the one store format that every Java reads without a password.

    Written here since libraries parse each certificate, and refuse some that the system trusts.
    """
    body = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))  # magic, version, entries
    for number, certificate in enumerate(certificates):
        alias, kind = str(number).encode(), b"X.509"
        body += struct.pack(f">IH{len(alias)}sq", 2, len(alias), alias, 0)  # trusted certificate, alias, no date
        body += struct.pack(f">H{len(kind)}sI", len(kind), kind, len(certificate)) + certificate
    seal = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"  # checked only when a password is given
    return body + hashlib.sha1(seal + body).digest()  # noqa: S324 - the format's own checksum
