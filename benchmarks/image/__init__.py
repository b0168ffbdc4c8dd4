"""The image: one tree of bytes, and what is made of it, for every sandbox.

`build` makes it or finds it in the cache, `import_image` takes one in that others made, `export`
writes one for another host, `store` keeps it; see `model` for what an image holds
and `digest` for what its name means. `distribution` makes a whole distribution of it for the one
sandbox that boots one.
"""

from benchmarks.image import store
from benchmarks.image.adopt import import_image
from benchmarks.image.builder import build, get, recorded
from benchmarks.image.errors import BuildError, ImageError, NoGuestError, StoreError
from benchmarks.image.export import export
from benchmarks.image.model import Image, Manifest

__all__ = [
    "BuildError",
    "Image",
    "ImageError",
    "Manifest",
    "NoGuestError",
    "StoreError",
    "build",
    "export",
    "get",
    "import_image",
    "recorded",
    "store",
]
