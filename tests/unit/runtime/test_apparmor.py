"""AppArmor profiles: what a bundle may name, and where in a start the process changes to one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime import Spec, SpecError, apparmor
from runtime.cli import exec_process
from runtime.cli.options import parse
from runtime.oci import bundle
from runtime.plan import builder
from runtime.plan.steps import Operation, process
from runtime.plan.steps.encoding import encode
from runtime.spec import profiles, validation

PROFILE = "containers-default-0.62.2"


def confined(folder: Path, profile: str | None) -> Spec:
    spec: Spec = profiles.default(rootfs=folder, args=["true"])
    return replace(spec, process=replace(spec.process, apparmor_profile=profile))


def told(monkeypatch: pytest.MonkeyPatch, *, enabled: bool) -> None:
    monkeypatch.setattr(apparmor, "is_enabled", lambda: enabled)


@pytest.mark.parametrize(("text", "found"), [("Y\n", True), ("N\n", False), ("", False)])
def test_the_kernel_says_whether_it_is_on(tmp_path: Path, *, text: str, found: bool) -> None:
    (tmp_path / "enabled").write_text(text)
    assert apparmor.is_enabled(tmp_path / "enabled") is found
    assert not apparmor.is_enabled(tmp_path / "absent")


@pytest.mark.parametrize("entering", [False, True])
def test_the_profile_comes_before_no_new_privs_and_the_filter(
    tmp_path: Path, *, entering: bool
) -> None:
    spec = confined(tmp_path, PROFILE)
    steps: list[Operation] = (
        builder.execute(spec, spec.process) if entering else builder.create(spec)
    )
    kinds = [type(step) for step in steps]
    own = steps.index(process.ChangeProfile(PROFILE))
    assert own < kinds.index(process.NoNewPrivileges) < kinds.index(process.Filter)
    assert PROFILE in steps[own].describe()
    assert encode(builder.program(spec, spec.process, steps))


@pytest.mark.parametrize(
    ("profile", "enabled", "asked"),
    [(None, True, False), ("unconfined", True, True), ("unconfined", False, False)],
)
def test_what_asks_for_nothing_takes_no_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    profile: str | None,
    enabled: bool,
    asked: bool,
) -> None:
    told(monkeypatch, enabled=enabled)
    spec = confined(tmp_path, profile)
    validation.validate(spec)
    steps = builder.create(spec)
    assert any(isinstance(step, process.ChangeProfile) for step in steps) is asked


def test_a_profile_is_refused_where_apparmor_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, enabled=False)
    with pytest.raises(SpecError, match="apparmor is not enabled on this host") as caught:
        validation.validate(confined(tmp_path, PROFILE))
    assert caught.value.path == "process.apparmorProfile"
    told(monkeypatch, enabled=True)
    validation.validate(confined(tmp_path, PROFILE))


@pytest.mark.parametrize(("value", "found"), [(PROFILE, PROFILE), ("", None), (None, None)])
def test_a_bundle_names_it(value: Any, found: str | None) -> None:
    read = {"args": ["a"], "cwd": "/", "apparmorProfile": value}
    document = {"ociVersion": "1.0.2", "root": {"path": "r"}, "process": read}
    spec = bundle.parse(document, Path("/b"))
    assert spec.process.apparmor_profile == found
    assert spec.notes == ()


@pytest.mark.parametrize(("words", "found"), [([], "its-own"), (["--apparmor", PROFILE], PROFILE)])
def test_exec_keeps_the_profile_of_the_container(
    tmp_path: Path, words: list[str], found: str
) -> None:
    own = confined(tmp_path, "its-own").process
    options = parse(["exec", *words, "name", "true"]).options
    assert exec_process._changed(own, options, ["true"]).apparmor_profile == found
