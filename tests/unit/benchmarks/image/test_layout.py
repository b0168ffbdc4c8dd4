"""What an OCI image layout is believed, and what not."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.image import layout
from benchmarks.image.errors import BadArchiveError
from tests.unit.benchmarks.image.stand_ins import ARCH, GZIP, Layout

OTHER = "arm64" if ARCH == "amd64" else "amd64"


@pytest.fixture
def made(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def on(arch: str, system: str = "linux") -> dict[str, Any]:
    return {"platform": {"architecture": arch, "os": system}}


def test_layers_are_named_in_their_order_with_their_format(made: Layout) -> None:
    lower = made.blob(b"one", GZIP)
    upper = made.blob(b"two", "application/vnd.docker.image.rootfs.diff.tar.gzip")
    plain = made.blob(b"three", "application/vnd.oci.image.layer.v1.tar")
    named = {"annotations": {"org.opencontainers.image.ref.name": "mine"}}
    image, kernel = layout.read(made.index(made.image(lower, upper, plain) | named))
    assert [form for form, _ in image.files] == ["gzip", "gzip", "tar"]
    assert [path.read_bytes() for _, path in image.files] == [b"one", b"two", b"three"]
    assert image.digests == ("sha256:0", "sha256:1", "sha256:2")
    assert image.name == "mine"
    assert kernel is None


def test_of_an_index_of_platforms_this_host_s_is_taken(made: Layout) -> None:
    layer = made.blob(b"own", GZIP)
    inner = made.blob(
        json.dumps(
            {
                "manifests": [
                    made.image(made.blob(b"other", GZIP), arch=OTHER) | on(OTHER),
                    made.image(layer) | on(ARCH),
                    made.blob(b"an attestation, whatever it says") | on("unknown", "unknown"),
                ]
            }
        ).encode(),
        "application/vnd.oci.image.index.v1+json",
    )
    image, _ = layout.read(made.index(inner))
    assert image.files[0][1].read_bytes() == b"own"


def test_several_or_none_or_another_architecture_is_refused(made: Layout) -> None:
    one, two = made.image(made.blob(b"1", GZIP)), made.image(made.blob(b"2", GZIP))
    with pytest.raises(BadArchiveError, match="holds 2 images"):
        layout.read(made.index(one, two))
    with pytest.raises(BadArchiveError, match="holds no images"):
        layout.read(made.index())
    with pytest.raises(BadArchiveError, match=f"for linux on {OTHER}, this host is {ARCH}"):
        layout.read(made.index(made.image(made.blob(b"1", GZIP), arch=OTHER)))


@pytest.mark.parametrize("broken", [b"changed", b"same length", b""])
def test_a_blob_that_is_not_what_its_digest_says_is_refused(made: Layout, broken: bytes) -> None:
    layer = made.blob(b"the content", GZIP)
    folder = made.index(made.image(layer))
    (folder / "blobs" / "sha256" / layer["digest"][7:]).write_bytes(broken)
    with pytest.raises(BadArchiveError, match="is not what its digest says; fetch"):
        layout.read(folder)


def test_a_digest_that_is_a_path_is_refused(made: Layout) -> None:
    layer = made.blob(b"x", GZIP) | {"digest": "sha256:../../../../etc/passwd"}
    with pytest.raises(BadArchiveError, match="which is no digest"):
        layout.read(made.index(made.image(layer)))


def test_a_layer_of_an_unknown_kind_is_refused(made: Layout) -> None:
    layer = made.blob(b"x", "application/vnd.oci.image.layer.v1.tar+encrypted")
    with pytest.raises(BadArchiveError, match=r"which is none of tar"):
        layout.read(made.index(made.image(layer)))


def test_indices_without_an_end_are_refused(made: Layout) -> None:
    described = made.index(made.image(made.blob(b"x", GZIP)))
    kind = "application/vnd.oci.image.index.v1+json"
    for _ in range(6):
        inner = made.blob((described / "index.json").read_bytes(), kind)
        described = made.index(inner)
    with pytest.raises(BadArchiveError, match="too deep"):
        layout.read(described)


def test_a_missing_blob_is_named(made: Layout) -> None:
    folder = made.index(made.image(made.blob(b"x", GZIP)))
    for path in (folder / "blobs" / "sha256").iterdir():
        path.unlink()
    with pytest.raises(BadArchiveError, match=r"cannot read the blob .*No such file"):
        layout.read(folder)


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["manifests", "digest", "size", "layers", "config"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_index_says_is_an_image_or_a_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "index.json").write_bytes(content)
        with pytest.raises(BadArchiveError):
            layout.read(Path(name))
