import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import TopologyError
from afflux.topology.secrets import broken_reference, is_secret_key, literal_in_url, redact, resolve

# long, and with a letter that stands nowhere else, so that finding one is no accident
SECRETS = st.text(st.characters(codec="utf-8"), min_size=1).map(lambda text: f"Ω{text}Ω")
PLACES = [
    "postgresql://user:${env:S}@host/dw",
    "postgresql://${env:U}:${env:S}@host:5432/dw?sslmode=require",
    "postgresql://user@host/dw?password=${env:S}&sslmode=require",
    "postgresql://user:${env:S}${env:S}@h1:1,h2:2/dw?sslpassword=${env:S}",
    "https://user:${env:S}@host",
    "${env:URL}",
]


@given(st.sampled_from(PLACES), SECRETS)
def test_what_is_shown_of_a_url_never_holds_the_secret(url: str, secret: str) -> None:
    environ = {"S": secret, "U": "me", "URL": f"postgresql://user:{secret}@host/dw"}
    for shown in (redact(url), redact(resolve(url, environ))):
        assert secret not in unquote(shown)
        assert "Ω" not in unquote(shown)


@given(SECRETS)
def test_a_password_in_a_url_arrives_whole_whatever_its_characters(secret: str) -> None:
    url = urlsplit(resolve("postgresql://me:${env:S}@host:5432/dw", {"S": secret}))
    assert (unquote(url.password or ""), url.hostname, url.port, url.path) == (secret, "host", 5432, "/dw")


@given(st.text(), SECRETS)
def test_outside_urls_values_take_the_references_places_as_they_are(before: str, secret: str) -> None:
    text = before.replace("$", "").replace("://", "") + "${env:S};"
    assert resolve(text, {"S": secret}) == text.replace("${env:S}", secret)


@given(st.text())
def test_text_without_references_stays_as_it_is(text: str) -> None:
    if "${" not in text:
        assert resolve(text, {}) == text


def test_a_value_is_not_searched_for_references() -> None:
    assert resolve("${env:A}", {"A": "${env:B}", "B": "no"}) == "${env:B}"


def test_hosts_and_whole_urls_are_not_encoded() -> None:
    environ = {"H": "h1:1,h2:2", "URL": "postgresql://a:b@c/d"}
    assert resolve("postgresql://${env:H}/dw", environ) == "postgresql://h1:1,h2:2/dw"
    assert resolve("${env:URL}", environ) == "postgresql://a:b@c/d"


def test_a_file_is_read_as_java_properties(tmp_path: Path) -> None:
    path = tmp_path / "secrets.properties"
    path.write_text("# of the warehouse\nuser=me\npassword: p\\u00e4ss \\\n  word=1\n", encoding="utf-8")
    assert resolve(f"${{file:{path}:password}}", {}) == "päss word=1"
    assert resolve(f"postgresql://${{file:{path}:user}}:${{file:{path}:password}}@h/d", {}) == (
        "postgresql://me:p%C3%A4ss%20word%3D1@h/d"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"other=hunter2", "has no key 'password'"),
        (b"password=\\u12 hunter2", r"line 1: \u wants four hexadecimal digits"),
        (b"password=hunter2\xff", "is not UTF-8 text"),
    ],
)
def test_a_reference_to_nowhere_is_named_and_no_value_is(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "secrets.properties"
    if content is not None:
        path.write_bytes(content)
    reference = f"${{file:{path}:password}}"
    with pytest.raises(TopologyError, match=re.escape(f"{reference} leads nowhere: ")) as caught:
        resolve(f"postgresql://u:{reference}@h/d", {})
    assert said in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert caught.value.hint


def test_a_variable_that_is_not_set_is_named_with_what_to_do() -> None:
    with pytest.raises(TopologyError, match="the environment has no variable CDC_PASSWORD") as caught:
        resolve("${env:CDC_PASSWORD}", {"OTHER": "x"})
    assert "export CDC_PASSWORD" in caught.value.hint


def test_a_provider_that_afflux_does_not_have_is_refused() -> None:
    with pytest.raises(TopologyError, match=re.escape("${vault:pg:password} is no reference that afflux can follow")):
        resolve("${vault:pg:password}", {})


@pytest.mark.parametrize("good", ["", "plain $1", "${env:A}", "a${env:A}b${file:/x:y.z}", "${file:/x:y:z}"])
def test_references_of_both_kinds_are_known(good: str) -> None:
    assert broken_reference(good) is None


@pytest.mark.parametrize(
    "bad", ["${A}", "${env:}", "${env", "${file:/x}", "${file::x}", "${vault:a:b}", "${env:a:b}", "${}"]
)
def test_what_only_looks_like_a_reference_is_found(bad: str) -> None:
    assert broken_reference("${env:GOOD} " + bad) == bad


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d",
        "postgresql://u@h/d",
        "postgresql://u:${env:P}@h:1/d?x=a@b",
        "postgresql://${env:U}:${file:/a:b@c}@h/d",
        "postgresql://h1:1,h2:2/d?application_name=a@b",
        "http://[::1]:80/a@b",
        "${env:URL}",
        "postgresql://u@h/d?password=${env:P}",
    ],
)
def test_a_url_without_a_password_in_clear_is_taken(url: str) -> None:
    assert not literal_in_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h/d",
        "postgresql://u:p/w@h/d",
        "postgresql://u:p?w@h/d",
        "postgresql://u:p#w@h/d",
        "postgresql://u:p@w@h/d",
        "postgresql://u:p${env:P}@h/d",
        "postgresql://h/d?password=p",
        "postgresql://h/d?a=b&sslpassword=p",
    ],
)
def test_a_password_in_clear_is_found_however_odd(url: str) -> None:
    assert literal_in_url(url)
    assert "***" in redact(url)


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("sasl.password", True),
        ("ssl.key.password", True),
        ("ssl.key.pem", True),
        ("sasl.oauthbearer.client.secret", True),
        ("basic.auth.user.info", True),
        ("producer.override.sasl.jaas.config", True),
        ("bearer.auth.token", True),
        ("sasl.username", False),
        ("sasl.oauthbearer.token.endpoint.url", False),
        ("ssl.ca.location", False),
        ("heartbeat.interval.ms", False),
    ],
)
def test_a_propertys_name_says_whether_it_is_a_secret(key: str, secret: bool) -> None:
    assert is_secret_key(key) is secret
