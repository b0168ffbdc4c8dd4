"""Links in an image are followed inside it, whatever they name."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.image import inside

PARTS = st.sampled_from(["a", "b", "..", ".", "etc", ""])
PATHS = st.lists(PARTS, max_size=6).map("/".join)


def test_links_are_taken_as_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "tool").write_text("inside")
    (tmp_path / "bin").symlink_to("/usr/bin")
    (tmp_path / "etc").symlink_to("../../../../etc")
    (tmp_path / "loop").symlink_to("loop")
    assert inside.resolved(tmp_path, "/bin/tool") == tmp_path / "usr" / "bin" / "tool"
    assert inside.read(tmp_path, "bin/tool") == "inside"
    assert inside.resolved(tmp_path, "etc/passwd") is None
    assert inside.resolved(tmp_path, "loop") is None
    assert inside.read(tmp_path, "usr/bin") == ""


@settings(max_examples=200, deadline=None)
@given(links=st.dictionaries(st.sampled_from("abcd"), PATHS.filter(bool)), asked=PATHS)
def test_nothing_leads_out(links: dict[str, str], asked: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "one" / "root"
        root.mkdir(parents=True)
        for link, target in links.items():
            (root / link).symlink_to(target)
        found = inside.resolved(root, asked)
        assert found is None or found == root or root in found.parents
        assert found is None or ".." not in found.parts
