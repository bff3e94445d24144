"""Nothing in deploy/ is without a test."""

from pathlib import Path

import pytest

from tests.deploy.shipped import DEPLOY

FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_is_named_by_a_test(path):
    """By its name, or as kubectl's, which takes a directory with what its kustomization lists."""
    tests = [one for one in Path(__file__).parent.glob("*.py") if one.name != Path(__file__).name]
    listed = (DEPLOY / "kubernetes" / "kustomization.yaml").read_text()
    assert any(path.name in one.read_text() for one in tests) or f"- {path.name}\n" in listed
