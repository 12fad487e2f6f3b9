from pathlib import Path

import pytest

from service import keys
from service.settings import Settings, SettingsError, variables

SETTINGS = sorted(variable.name for variable in variables())


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXON_HTTP__PORT", "3100")
    monkeypatch.setenv("AXON_MODELS__PINS", '{"cnn": 2}')
    monkeypatch.setenv("AXON_MODELS__ROOT", "/models")
    settings = Settings.load()
    assert settings.http.port == 3100
    assert settings.models.pins == {"cnn": 2}
    assert settings.models.root == Path("/models")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().http.port = 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AXON_HTTP__PORT", "99999", "less than or equal to 65535, got '99999'"),
        ("AXON_HTTP__PORT", "web", "valid integer"),
        ("AXON_INFERENCE__ENGINE", "tensorrt", "'auto', 'onnx' or 'torch'"),
        ("AXON_LOG__ACCESS_SAMPLE", "2", "less than or equal to 1"),
        ("AXON_HTTP__TIMEOUT_MS", "0", "greater than 0"),
        ("AXON_MODELS__REQUIRED", "cnn", "must be JSON, such as [\"cnn\"], got 'cnn'"),
        ("AXON_MODELS__PINS", "{bad", "must be JSON"),
    ],
)
def test_a_value_out_of_bounds_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.load()
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["axon_models__pins", "Axon_Access__Keys"])
def test_a_name_in_small_letters_is_the_same(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "{bad")
    with pytest.raises(SettingsError, match=f"{name.upper()} must be JSON"):
        Settings.load()


def test_settings_that_contradict_each_other_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXON_INFERENCE__ENGINE", "onnx")
    monkeypatch.setenv("AXON_INFERENCE__DEVICE", "cuda")
    with pytest.raises(SettingsError, match="engine onnx runs on the CPU"):
        Settings.load()
    monkeypatch.delenv("AXON_INFERENCE__DEVICE")
    monkeypatch.setenv("AXON_HTTP__MAX_IMAGES", "5000")
    with pytest.raises(SettingsError, match="would never fit"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AXON_HTP__PORT", "AXON_HTTP__PORT"),
        ("AXON_HTTP_PORT", "AXON_HTTP__PORT"),
        ("AXON_PORT", "not a setting"),
        ("axon_http__wrokers", "AXON_HTTP__WORKERS"),
        ("AXON_HTTP__PORT__X", "AXON_HTTP__PORT"),
    ],
)
def test_a_name_that_no_setting_has_is_an_error_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=words):
        Settings.load()


def test_the_trainers_variable_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXON_DATA", "data")
    Settings.load()


def test_every_setting_is_documented() -> None:
    assert len(SETTINGS) > 15
    for variable in variables():
        assert variable.meaning, variable.name


@pytest.mark.parametrize("name", ["AXON_ACCESS__KEYS", "AXON_ACCESS__MANAGEMENT_KEYS"])
@pytest.mark.parametrize(
    "shape",
    ['{"mobile": "%s"}', '{"%s": "mobile"}', '{"mobile": "sha256:%s"}', '["%s"]', '"%s"', "%s", '{"%s"', "null%s"],
)
def test_a_key_in_the_place_of_its_hash_is_an_error_that_does_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, name: str, shape: str
) -> None:
    key = keys.make()
    monkeypatch.setenv(name, shape % key)
    with pytest.raises(SettingsError, match=f"{name} must be") as caught:
        Settings.load()
    assert key not in str(caught.value)


def test_no_key_is_needed_only_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().access.keys == {}
    for slip in ("", "null", "[]", '{"mobile": ""}', '{"mobile": null}'):
        monkeypatch.setenv("AXON_ACCESS__KEYS", slip)
        with pytest.raises(SettingsError, match="AXON_ACCESS__KEYS must be"):
            Settings.load()
