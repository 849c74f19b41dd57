import base64
from types import SimpleNamespace

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from overwatch_assets.config.secrets import SecretReference, looks_secret, resolve
from overwatch_assets.errors import ConfigurationError

IN_SCOPE = SecretReference("{{secrets/ow/pat_prod}}")


def client(get_secret):
    return lambda: SimpleNamespace(secrets=SimpleNamespace(get_secret=get_secret))


def test_environment():
    secret = resolve(SecretReference("env:OW_TOKEN"), environ={"OW_TOKEN": " s3cret\n"})
    assert secret.get_secret_value() == "s3cret"
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"


def test_environment_of_the_process(monkeypatch):
    monkeypatch.setenv("OW_TOKEN", "from process")
    assert resolve(SecretReference("env:OW_TOKEN")).get_secret_value() == "from process"


@pytest.mark.parametrize("form", ["file:{}", "file://{}"])
def test_file(tmp_path, form):
    path = tmp_path / "token file"
    path.write_text("s3cret\n")
    assert resolve(SecretReference(form.format(path))).get_secret_value() == "s3cret"


def test_databricks_scope_is_decoded_from_base64():
    def get_secret(scope, key):
        return SimpleNamespace(value=base64.b64encode(f"{scope}+{key}+é".encode()).decode())

    assert resolve(IN_SCOPE, client=client(get_secret)).get_secret_value() == "ow+pat_prod+é"


def test_missing_variable():
    with pytest.raises(ConfigurationError) as error:
        resolve(SecretReference("env:OW_TOKEN"), environ={})
    assert str(error.value) == "The secret env:OW_TOKEN cannot be read: set the environment variable OW_TOKEN."


def test_empty_secret():
    with pytest.raises(ConfigurationError, match=r"^The secret env:OW_TOKEN is empty: store a value there\.$"):
        resolve(SecretReference("env:OW_TOKEN"), environ={"OW_TOKEN": " \n"})


def test_missing_file(tmp_path):
    with pytest.raises(ConfigurationError) as error:
        resolve(SecretReference(f"file:{tmp_path}/none"))
    assert str(error.value) == f"The secret file:{tmp_path}/none cannot be read: No such file or directory."


def test_binary_file(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"s3cret\xff")
    with pytest.raises(ConfigurationError) as error:
        resolve(SecretReference(f"file:{path}"))
    assert str(error.value) == f"The secret file:{path} is not UTF-8 text."
    assert error.value.__suppress_context__


def test_databricks_error_is_one_sentence():
    def get_secret(scope, key):
        raise NotFound("Secret does not exist\nwith scope: ow and key: pat_prod.")

    with pytest.raises(ConfigurationError) as error:
        resolve(IN_SCOPE, client=client(get_secret))
    assert str(error.value) == (
        "The secret {{secrets/ow/pat_prod}} cannot be read from Databricks: "
        "Secret does not exist with scope: ow and key: pat_prod."
    )


def test_databricks_without_authentication(monkeypatch, tmp_path):
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(
        ConfigurationError, match=r"^The secret \{\{secrets/ow/pat_prod\}\} cannot be read from Databricks"
    ):
        resolve(IN_SCOPE, client=lambda: WorkspaceClient(auth_type="pat"))


def test_databricks_value_that_is_not_text():
    with pytest.raises(ConfigurationError, match=r"is not UTF-8 text\.$"):
        resolve(IN_SCOPE, client=client(lambda scope, key: SimpleNamespace(value="/w==")))


@pytest.mark.parametrize(
    "text",
    [
        "dapi0123456789abcdef",
        "",
        "env:",
        "env:1X",
        "env:A B",
        "file:relative",
        "{{secrets/ow}}",
        "{{secrets/a/b/c}}",
        "{{x}}",
    ],
)
def test_only_references_are_references(text):
    with pytest.raises(ValueError, match="must be a reference") as error:
        SecretReference(text)
    assert str(error.value) == "A secret must be a reference: env:NAME, file:/path or {{secrets/scope/key}}."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dapi0123456789abcdef0123456789abcdef-2", True),
        ("Endpoint=sb://eh/;SharedAccessKeyName=x;SharedAccessKey=abc", True),
        ("s3://AKIA:secret@bucket/path", True),
        ("sc://host:443/;token=abc", True),
        ("abfss://container@account.dfs.core.windows.net/ow", False),
        ("pat_prod", False),
        ("dapi_token", False),
    ],
)
def test_looks_secret(text, expected):
    assert looks_secret(text) is expected
