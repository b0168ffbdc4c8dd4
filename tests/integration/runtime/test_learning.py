"""A filter learned from a container, and enforced on the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime import SpecError
from runtime.seccomp import learning, to_object
from runtime.spec import profiles
from tests.integration.runtime.conftest import output

if TYPE_CHECKING:
    from benchmarks.image import Image
    from runtime import Engine, Spec


@pytest.fixture
def spec(image: Image) -> Spec:
    script = "echo hello > /note && cat /note"
    return profiles.default(rootfs=image.root, args=["sh", "-c", script])


def learned(spec: Spec, lesson: learning.Lesson, *args: str) -> Spec:
    linux = replace(spec.linux, seccomp=None, seccomp_object=to_object(lesson.profile))
    process = replace(spec.process, args=args or spec.process.args)
    return replace(spec, linux=linux, process=process)


def test_what_was_learned_is_enough_and_no_more(engine: Engine, spec: Spec) -> None:
    lesson = learning.learn(engine, spec, timeout_s=60)
    assert lesson.status == 0
    assert {"openat", "execve", "write"} <= lesson.observed.calls.keys()
    assert output(engine, learned(spec, lesson)) == (0, "hello\n")
    # a shell's redirection needs no socket, no link and no new group of processes
    status, text = output(engine, learned(spec, lesson, "ln", "-s", "a", "/b"))
    assert status != 0
    assert "not permitted" in text


def test_learning_needs_a_profile_to_learn_below(engine: Engine, spec: Spec) -> None:
    with pytest.raises(SpecError, match="profile to learn below"):
        learning.learn(engine, replace(spec, linux=replace(spec.linux, seccomp=None)))


def test_a_workload_that_never_ends_is_ended_and_what_was_seen_counts(
    engine: Engine, spec: Spec
) -> None:
    endless = replace(spec, process=replace(spec.process, args=("sleep", "1000")))
    lesson = learning.learn(engine, endless, timeout_s=1)
    assert lesson.status is None
    assert "execve" in lesson.observed.calls
