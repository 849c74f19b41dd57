import json

import pyarrow as pa
import pytest

from overwatch_assets.rules.json_secrets import (
    _PARTS,
    cut_from_bytes,
    cut_from_events,
    cut_from_json,
    cut_from_text,
    cut_secrets,
    is_secret_name,
    secrets_in_events,
)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("token_value", True),
        ("spark.hadoop.fs.s3a.SECRET.key", True),
        ("fs.azure.account.key.x.dfs.core.windows.net", True),
        ("accessKeyId", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("OPENAI_API_KEY", True),
        ("basic_auth.password", True),
        ("publicKey", False),
        ("ssh_public_keys", False),
        ("cluster_id", False),
    ],
)
def test_names(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_every_secret_name_holds_one_of_the_parts_that_are_looked_for_first() -> None:
    keys = [
        f"{kind}{gap}key"
        for kind in ("access", "account", "private", "encryption", "api")
        for gap in ("", "_", "-", ".")
    ]
    rest = ["token", "secret", "passw", "passphrase", "credential", "sharedaccess", "shared-access", "x.sas.y"]
    for name in keys + rest:
        assert is_secret_name(name), name
        assert any(part in name for part in _PARTS), name
    assert len(_PARTS) == len({p for p in _PARTS if any(p in name for name in keys + rest)})


def test_text_objects_and_arrays_go_and_numbers_stay() -> None:
    value = {
        "token": "x",
        "max_tokens": 5,
        "has_secret": True,
        "password": None,
        "secrets": ["a"],
        "credentials": {"a": 1},
    }
    assert cut_secrets(value) == ({"max_tokens": 5, "has_secret": True, "password": None}, 3)


def test_names_that_are_kept() -> None:
    assert cut_secrets({"idempotency_token": "x", "token": "y"}, {"idempotency_token"}) == (
        {"idempotency_token": "x"},
        1,
    )


def test_of_a_pair_of_a_secrets_name_and_its_value_the_value_goes() -> None:
    value = {
        "parameters": [
            {"name": "db_password", "default": "x", "value": {"y": 1}},
            {"key": "api-token", "value": 5},
            {"key": "owner", "value": "token"},
            {"name": "token", "path": "kept"},
            {"name": ["token"], "value": "kept"},
        ]
    }
    kept = [{"name": "db_password"}, *value["parameters"][1:]]
    assert cut_secrets(value) == ({"parameters": kept}, 2)
    assert cut_secrets(value["parameters"][0], emptied=True)[0] == {"name": "db_password", "default": "", "value": ""}
    assert cut_secrets(value, {"db_password"}) == (value, 0)


def test_nothing_to_drop_gives_the_value_itself() -> None:
    value = {"a": [{"b": '{"key":"token"}'}]}
    cut, dropped = cut_secrets(value)
    assert cut is value
    assert dropped == 0


def test_json_as_text_at_any_depth() -> None:
    innermost = json.dumps({"password": 'p"w\\', "kept": "é"})
    value = [{"conf": json.dumps({"env": innermost, "token": "t"})}]
    cut, dropped = cut_secrets(value)
    assert dropped == 2
    assert json.loads(json.loads(cut[0]["conf"])["env"]) == {"kept": "é"}


def test_json_text_that_was_cut_off() -> None:
    assert cut_secrets({"conf": '{"a":1,"token":"abc'}) == ({"conf": '{"a":1,"token":"'}, 1)


@pytest.mark.parametrize("value", ["plain", 'a"b', "back\\", 'both\\"', '\\\\"', ""])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_text_that_is_no_json_at_any_depth_of_escaping(value: str, depth: int) -> None:
    text, emptied = json.dumps({"token": value, "a": "b"}), json.dumps({"token": "", "a": "b"})
    for _ in range(depth):
        text, emptied = json.dumps({"in": text}), json.dumps({"in": emptied})
    assert cut_from_text(text[:-1]) == (emptied[:-1], 1)


@pytest.mark.parametrize("value", [{"a": ["x}", {"b": "]\\"}], "c": "d"}, ["x", ["y"], 'z"]'], {}, []])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_objects_and_arrays_in_text_that_is_no_json(value: object, depth: int) -> None:
    text = json.dumps({"credentials": value, "a": "b"})
    emptied = json.dumps({"credentials": type(value)(), "a": "b"})
    for _ in range(depth):
        text, emptied = json.dumps({"in": text}), json.dumps({"in": emptied})
    assert cut_from_text(text[:-1]) == (emptied[:-1], 1)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (r'{"to\u006ben":"x","secrets":["x"],"a":"{\"credentials\":{\"b\":\"x\"}}"}', '{"a":"{}"}'),
        ('{"secrets":["x",{"a":"x', '{"secrets":['),
        ("[" * 100_000 + '{"token":"x"', "[" * 100_000 + '{"token":""'),
        ('{"a" : 1}', '{"a" : 1}'),
    ],
)
def test_text_that_is_likely_json(text: str, left: str) -> None:
    assert cut_from_json(text)[0] == left


def test_junk_takes_time_in_proportion_to_its_length() -> None:
    junk = "\\" * 1_000_000
    assert cut_from_text(f'{junk}"token":"{junk}') == (f'{junk}"token":"', 1)


def test_bytes_keep_what_is_no_text() -> None:
    assert cut_from_bytes(b'\xff{"token": "\xfe", "a":"\xfd"}') == b'\xff{"token": "", "a":"\xfd"}'


@pytest.mark.parametrize(
    ("line", "dropped", "left"),
    [
        ('{"Properties":{"a.token":"x"}}', 1, '{"Properties":{}}'),
        ('{"Properties":{"a.token":"x","b":"c"}}', 1, '{"Properties":{"b":"c"}}'),
        ('{"Properties":{"b":"c" , "A.TOKEN" : "x\\"y"},"d":1}', 1, '{"Properties":{"b":"c" },"d":1}'),
        ('{"modifiedConfigs": {"x":"token","y.secret":"s","z.secret":"t"}}', 2, '{"modifiedConfigs": {"x":"token"}}'),
        ('{"Spark Properties":{"fs.azure.account.key.x":"k"}}', 1, '{"Spark Properties":{}}'),
        ('{"Stage Name":"token at a.py","secret":"s"}', 0, '{"Stage Name":"token at a.py","secret":"s"}'),
        ('{"Properties":{"x.tokens":5,"b":"say \\"token\\":\\"t\\""}}', 0, None),
        ('{"Properties":{"b":"c","a.secret":"torn\\"}}', 1, None),
        ('{"Properties":{"b":"c","a.secret":"torn\\', 1, None),
        (None, 0, None),
    ],
)
def test_events_lose_their_secret_properties(line: str | None, dropped: int, left: str | None) -> None:
    """Only events with properties have secrets; what is left is JSON."""
    lines = pa.array([line, '{"Properties":{"token":"x"}}'], pa.string())
    assert secrets_in_events(lines).to_pylist() == [dropped, 1]
    cut = cut_from_events(lines).to_pylist()
    assert "torn" not in str(cut[0])
    if dropped and left is not None:
        assert cut == [left, '{"Properties":{}}']
        json.loads(left)
