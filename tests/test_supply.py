"""What development installs is pinned and audited, and the threat model names tests that exist."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = ROOT / ".ci" / "dev.lock"


def locked():
    """What the lock has: each requirement, and the hashes of its files."""
    text = re.sub(r"^\s*#.*\n", "", LOCK.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s--hash=", line.strip())
        yield Requirement(requirement), [one.strip() for one in hashes]


def wanted():
    """What `gpool[dev]` needs, and what builds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras, names = project["project"]["optional-dependencies"], ["dev"]
    found = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    while names:
        for text in extras[names.pop()]:
            one = Requirement(text)
            if one.name == "gpool":
                names += sorted(one.extras)  # in one order for all processes of pytest-xdist
            else:
                found.append(text)
    return [Requirement(text) for text in found]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


# ---------------------------------------------------------------------- the lock


@pytest.mark.parametrize("one", wanted(), ids=str)
def test_the_lock_has_what_development_needs_in_a_version_that_is_allowed(one):
    """If not, `make lock` renews it."""
    versions = [
        str(next(iter(requirement.specifier)).version)
        for requirement, _ in locked()
        if canonical(requirement.name) == canonical(one.name)
    ]
    assert versions
    for version in versions:
        assert one.specifier.contains(version, prereleases=True)


def test_each_version_in_the_lock_is_one_and_has_its_hashes():
    names = set()
    for requirement, hashes in locked():
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement
        names.add((requirement.name, str(requirement.marker)))
    assert len(names) > 50


def test_the_lock_names_no_index_and_no_place():
    for line in LOCK.read_text().splitlines():
        assert not re.search(r"//|--(extra-)?index-url|--find-links|(^|\s)/|@ ", line), line


# ---------------------------------------------------------------------- the audit


@pytest.fixture
def audit(tmp_path):
    """Run .ci/audit with a pip-audit that says, for each service, what it is told here."""

    def run(**answers):
        (tmp_path / "python").symlink_to(sys.executable)
        for service in ("pypi", "osv"):
            said = answers.get(service)
            text = "an error" if said is None else json.dumps({"dependencies": said})
            (tmp_path / f"{service}.json").write_text(text)
        program = tmp_path / "pip-audit"
        # Whatever it has found, its status is 1: .ci/audit goes by the answer.
        program.write_text(
            "#!/usr/bin/env bash\n"
            'while [ $# -gt 0 ]; do case "$1" in\n'
            "--vulnerability-service) service=$2 ;; --output) output=$2 ;; esac; shift; done\n"
            'cp "$(dirname "$0")/$service.json" "$output"; echo "no route" >&2; exit 1\n'
        )
        program.chmod(0o755)
        return subprocess.run(
            ["bash", str(ROOT / ".ci" / "audit")],
            env=os.environ | {"BIN": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    return run


SOUND = {"name": "jinja2", "version": "3.1.6", "vulns": []}
FLAWED = {
    "name": "h11",
    "version": "0.14.0",
    "vulns": [{"id": "CVE-2025-43859", "fix_versions": ["0.16.0"]}],
}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found"}


def test_sound_versions_pass(audit):
    done = audit(pypi=[SOUND, UNKNOWN])
    assert done.returncode == 0, done.stderr
    assert "audited 1 of 2 locked versions (pypi): 0 vulnerable" in done.stdout


def test_a_vulnerable_version_fails_and_is_named_with_its_remedy(audit):
    done = audit(pypi=[SOUND, FLAWED])
    assert done.returncode == 1
    assert "h11 0.14.0: CVE-2025-43859; fixed in 0.16.0" in done.stdout


@pytest.mark.parametrize("first", [None, [UNKNOWN]], ids=["no answer", "nothing known"])
def test_a_second_service_is_asked_where_the_first_knows_nothing(audit, first):
    done = audit(pypi=first, osv=[FLAWED])
    assert done.returncode == 1
    assert "(osv): 1 vulnerable" in done.stdout


def test_where_nobody_can_be_asked_it_says_so_and_passes(audit):
    done = audit()
    assert done.returncode == 0
    assert done.stdout == "not audited: no advisory service can be reached from here\nno route\n"


# ---------------------------------------------------------------------- the threat model


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/security.md"])
def test_what_a_page_on_security_points_to_is_there(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:tests|\.ci)/[\w./-]+)`", text)
    named += [link for link in re.findall(r"\]\(([^)#:]+)", text) if not page.startswith("docs")]
    assert named
    for one in named:
        assert (ROOT / one).exists(), one
