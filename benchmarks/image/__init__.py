"""The image: one tree of bytes, and what is made of it, for every sandbox.

`build` makes it or finds it in the cache, `store` keeps it; see `model` for what an image holds
and `digest` for what its name means. `distribution` makes a whole distribution of it for the one
sandbox that boots one.
"""

from benchmarks.image import store
from benchmarks.image.builder import build
from benchmarks.image.errors import BuildError, ImageError, StoreError
from benchmarks.image.model import Image, Manifest

__all__ = ["BuildError", "Image", "ImageError", "Manifest", "StoreError", "build", "store"]
