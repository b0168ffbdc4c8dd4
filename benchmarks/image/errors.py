"""What can go wrong with an image, each as one sentence for the person at the terminal.

ImageError
├── BuildError
│   ├── WrongHostError          the host's architecture is one for which none is made
│   ├── NotRootError            the build makes device files and foreign owners
│   ├── MissingToolError        a program the build calls is not installed
│   ├── NoSourcesError          the host's apt sources name no usable mirror
│   ├── NetworkDownError        a mirror cannot be reached at all
│   ├── MirrorMissingError      the mirror answers, but lacks what was asked for
│   ├── DiskFullError           no space left for the tree or what is made of it
│   ├── BadKernelError          the kernel that was named cannot be a guest's
│   ├── BuildInterruptedError   SIGTERM or SIGHUP arrived (SIGINT stays KeyboardInterrupt)
│   └── ToolFailedError         a program failed for a reason not told apart above
└── StoreError
    ├── UnknownImageError       nothing in the cache matches the reference
    ├── AmbiguousImageError     more than one image matches the reference
    ├── ImageInUseError         something is mounted inside the image's folder
    ├── ImageDamagedError       the manifest is unreadable, or the tree was changed
    ├── NoGuestError            the image has no kernel, or nothing for one to mount
    └── BadArchiveError         what is to be imported is no image, damaged or unsafe
"""


class ImageError(Exception):
    """Base of everything this package raises on purpose; `str()` is the whole sentence."""


class BuildError(ImageError):
    """The image could not be built; nothing of it was left in the cache."""


class WrongHostError(BuildError):
    """No image is made for the host's architecture."""


class NotRootError(BuildError):
    """The caller is not root."""


class MissingToolError(BuildError):
    """A program the build calls is not installed."""


class NoSourcesError(BuildError):
    """The host's apt sources name no mirror of its own distribution."""


class NetworkDownError(BuildError):
    """A mirror cannot be reached."""


class MirrorMissingError(BuildError):
    """The mirror answers, but does not hold the suite, package or file."""


class DiskFullError(BuildError):
    """No space is left where the image is built."""


class BadKernelError(BuildError):
    """The kernel that was named has no modules, or cannot be a guest's."""


class BuildInterruptedError(BuildError):
    """A signal asked the build to end."""


class ToolFailedError(BuildError):
    """A program the build called failed for a reason not told apart."""


class StoreError(ImageError):
    """The image cache could not answer."""


class UnknownImageError(StoreError):
    """No image matches the reference."""


class AmbiguousImageError(StoreError):
    """More than one image matches the reference."""


class ImageInUseError(StoreError):
    """The image's folder has a mount inside and must not be deleted."""


class ImageDamagedError(StoreError):
    """The image is not what its manifest says."""


class NoGuestError(StoreError):
    """The image has no kernel or no block image, so no guest can be started from it."""


class BadArchiveError(StoreError):
    """What is to be imported is no image, is damaged, or would write outside of it."""
