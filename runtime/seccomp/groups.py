"""System calls that containers may make, in named groups.

The division is ours; the union follows Docker's default profile (moby/profiles/seccomp). What that
allows and we do not is the group `docker`; docs/seccomp.md gives the reason for each of its calls.
"""

from __future__ import annotations

# ruff: noqa: SIM905  # words in a paragraph read better than two hundred quoted strings

GROUPS: dict[str, tuple[str, ...]] = {
    "files": tuple(
        """
        access chdir chmod chown copy_file_range creat faccessat faccessat2 fallocate fchdir fchmod
        fchmodat fchmodat2 fchown fchownat fgetxattr flistxattr flock fremovexattr fsetxattr fstat
        fstatfs fsync fdatasync ftruncate futimesat getcwd getdents getdents64 getxattr lchown
        lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat
        mknod mknodat newfstatat open openat openat2 readahead readlink readlinkat removexattr
        rename renameat renameat2 rmdir setxattr stat statfs statx symlink symlinkat sync
        sync_file_range syncfs truncate umask unlink unlinkat utime utimensat utimes getxattrat
        setxattrat listxattrat removexattrat fadvise64
        """.split()
    ),
    "descriptors": tuple(
        """
        close close_range dup dup2 dup3 fcntl ioctl pipe pipe2 pread64 preadv preadv2 pwrite64
        pwritev pwritev2 read readv sendfile splice write writev memfd_create
        """.split()
    ),
    "polling": tuple(
        """
        epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
        poll ppoll pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime
        timerfd_settime inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
        """.split()
    ),
    "memory": tuple(
        """
        brk madvise membarrier mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock
        munlockall munmap pkey_alloc pkey_free pkey_mprotect map_shadow_stack
        """.split()
    ),
    "processes": tuple(
        """
        arch_prctl capget capset execve execveat exit exit_group fork vfork wait4 waitid getpgid
        getpgrp getpid getppid getpriority getrlimit getrusage getsid gettid kill pause pidfd_open
        pidfd_send_signal prctl prlimit64 rseq set_robust_list get_robust_list set_tid_address
        setpgid setpriority setrlimit setsid tgkill tkill times uname restart_syscall
        """.split()
    ),
    "tracing": tuple("ptrace process_vm_readv process_vm_writev".split()),
    "identity": tuple(
        """
        getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid
        setgroups setregid setresgid setresuid setreuid setuid
        """.split()
    ),
    "signals": tuple(
        """
        alarm getitimer rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
        rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack
        """.split()
    ),
    "futexes": tuple("futex futex_requeue futex_wait futex_waitv futex_wake".split()),
    "scheduling": tuple(
        """
        ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity
        sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity
        sched_setattr sched_setparam sched_setscheduler sched_yield getcpu
        """.split()
    ),
    "time": tuple(
        """
        clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep time timer_create
        timer_delete timer_getoverrun timer_gettime timer_settime
        """.split()
    ),
    "ipc": tuple(
        """
        mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv
        msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget
        """.split()
    ),
    "network": tuple(
        """
        accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg
        recvmsg sendmmsg sendmsg sendto setsockopt shutdown
        """.split()
    ),
    "aio": tuple("io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit".split()),
    "sandboxing": tuple(
        "seccomp landlock_add_rule landlock_create_ruleset landlock_restrict_self".split()
    ),
    "information": tuple("getrandom sysinfo".split()),
    "chroot": ("chroot",),
    # state of the host's clock discipline; setting it needs CAP_SYS_TIME over the host
    "clock": tuple("adjtimex clock_adjtime".split()),
    # which pages of a file are in memory: shared by all who run the same image
    "residency": ("mincore",),
    "seldom": tuple("memfd_secret tee".split()),
    # not for programs: the kernel's own return path of a probe that the host's root has set
    "probes": ("uretprobe",),
    "docker": tuple(
        """
        cachestat fanotify_mark listmount modify_ldt name_to_handle_at process_mrelease
        remap_file_pages statmount vmsplice
        """.split()
    ),
}
