"""The digest changes with whatever a sandbox could notice, and with nothing else."""

import hashlib
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.image.digest import tree_digest

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."} and len(os.fsencode(name)) <= 200)
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=64), st.sampled_from((0o644, 0o755))))


def plant(root: Path, files: dict[str, tuple[bytes, int]]) -> None:
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    for name, (content, mode) in files.items():
        path = root / name
        path.write_bytes(content)
        path.chmod(mode)


@settings(max_examples=40, deadline=None)
@given(files=FILES)
def test_equal_trees_have_equal_digests_whatever_the_order_of_making(
    files: dict[str, tuple[bytes, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "one"), Path(folder, "two")
        plant(one, files)
        plant(two, dict(reversed(files.items())))
        assert tree_digest(one) == tree_digest(two)


@settings(max_examples=40, deadline=None)
@given(files=FILES.filter(bool), data=st.data())
def test_one_changed_byte_changes_the_digest(
    files: dict[str, tuple[bytes, int]], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "tree")
        plant(root, files)
        before = tree_digest(root)
        content, mode = files[name]
        plant(root, {name: (content + b"x", mode)})
        assert tree_digest(root) != before


def test_times_and_hard_links_do_not_count(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    plant(one, {"a": (b"same", 0o644), "b": (b"same", 0o644)})
    plant(two, {"a": (b"same", 0o644)})
    (two / "b").hardlink_to(two / "a")
    os.utime(two / "a", (1, 1))
    assert tree_digest(one) == tree_digest(two)


def test_mode_type_target_and_place_count(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    plant(root, {"file": (b"x", 0o644)})
    seen = {tree_digest(root)}
    (root / "file").chmod(0o4755)
    seen.add(tree_digest(root))
    (root / "file").rename(root / "elsewhere")
    seen.add(tree_digest(root))
    (root / "elsewhere").unlink()
    (root / "file").symlink_to("x")
    seen.add(tree_digest(root))
    (root / "file").unlink()
    (root / "file").symlink_to("y")
    seen.add(tree_digest(root))
    (root / "file").unlink()
    os.mkfifo(root / "file")
    seen.add(tree_digest(root))
    (root / "file").unlink()
    (root / "file").mkdir()
    seen.add(tree_digest(root))
    assert len(seen) == 7


def test_names_that_are_not_unicode_are_read(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / os.fsdecode(b"\xff\n")).write_bytes(b"")
    assert tree_digest(root).startswith("sha256:")


def test_digest_is_the_one_defined(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    plant(root, {"f": (b"content", 0o644)})
    owner = (b"%d" % os.getuid(), b"%d" % os.getgid())
    content = hashlib.sha256(b"content").hexdigest().encode()
    records = (
        (b".", b"d", b"0755", *owner, b"", b""),
        (b"f", b"f", b"0644", *owner, content, b""),
    )
    stream = b"".join(field + b"\0" for record in records for field in record)
    assert tree_digest(root) == "sha256:" + hashlib.sha256(stream).hexdigest()
