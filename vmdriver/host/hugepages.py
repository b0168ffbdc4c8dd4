"""Tell whether a guest's RAM fits into the host's reserved huge pages."""


def fits_huge_pages(memory_mib: int, meminfo: str, mounts: str) -> bool:
    """Whether that much RAM fits into reserved huge pages that nobody uses.

    Args:
        memory_mib: MiB, to be a multiple of the pages' size.
        meminfo: text of ``/proc/meminfo`` (proc(5)).
        mounts: text of ``/proc/mounts``: libvirt wants a hugetlbfs, though it does not use it here.
    """
    values = {}
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        values[name] = value.split()
    pages = int(values.get("HugePages_Free", ["0"])[0])
    size_kib = int(values.get("Hugepagesize", ["0"])[0])
    if size_kib == 0 or not any(line.split()[2] == "hugetlbfs" for line in mounts.splitlines()):
        return False
    wanted, rest = divmod(memory_mib << 10, size_kib)
    return rest == 0 and wanted <= pages
