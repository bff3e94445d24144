"""The page: nothing from elsewhere, nothing filled in that could become markup."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

import pytest

from gpool.admin.page import Page, policy
from gpool.admin.snapshot import REASONS
from tests.admin.parts import snapshot


@pytest.fixture(scope="module")
def page():
    return Page()


def test_the_title_and_the_figures_are_filled_in(page):
    text = page.render(snapshot(title="shop:app", busy=3, requests={"2xx": 1_234})).decode()
    assert "<title>shop:app - gpool</title>" in text
    assert '<tr><th scope="row">Workers busy</th><td>3</td></tr>' in text
    assert '<tr><th scope="row">Answers 2xx</th><td>1234</td></tr>' in text
    assert "{{" not in text


def test_every_reason_for_a_refusal_has_a_colour(page):
    text = page.render(snapshot(title="x")).decode()
    assert re.findall(r'row\("refused", "(\w+)"', text) == list(REASONS)


def test_a_title_cannot_become_markup(page):
    text = page.render(snapshot(title="</title><script>x</script>{{rows}}\\1")).decode()
    assert "<script>x" not in text
    assert "&lt;script&gt;x&lt;/script&gt;{{rows}}\\1" in text


def test_the_policy_has_the_hashes_of_what_is_served(page):
    """CSP3 section 6.7.2.4; the browser's own opinion is in test_page_in_chromium."""
    text = page.render(snapshot(title="x")).decode()
    for kind in ("style", "script"):
        [inline] = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = b64encode(sha256(inline.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page.policy
    assert page.policy.startswith("default-src 'none'; ")
    assert "unsafe" not in page.policy


def test_what_is_not_there_is_not_allowed():
    assert "script-src 'sha256" not in policy("<style>a{}</style>")


def test_nothing_is_fetched_from_elsewhere():
    text = files("gpool.admin").joinpath("page.html").read_text("utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}  # a name
    assert not re.search(r"@import|url\((?!#)|\bsrc=|<iframe|<object", text)
    assert set(re.findall(r'href="([^"]*)"', text)) == {
        "data:,",
        "stats",
        "metrics",
        "healthz",
        "readyz",
    }
