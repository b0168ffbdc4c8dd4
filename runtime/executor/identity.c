/* Who the container is: session, keyring, names, loopback, ids, late namespaces. */
#include <grp.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <time.h>

#include "executor.h"

#define PROC_MAGIC 0x9fa0

STEP(new_session) {
  (void)job, (void)step;
  /* a process that leads a group already, as one executed by a shell, leads a session soon enough */
  return setsid() < 0 && errno != EPERM ? -1 : 0;
}

STEP(loopback_up) {
  (void)job, (void)step;
  struct ifreq lo = {.ifr_flags = IFF_UP};
  memcpy(lo.ifr_name, "lo", 3);
  int handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (handle < 0) return -1;
  int done = ioctl(handle, SIOCSIFFLAGS, &lo);
  int number = errno;
  close(handle);
  errno = number;
  return done;
}

STEP(new_keyring) {
  (void)job, (void)step;
  if (syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL) >= 0) return 0;
  if (errno == ENOSYS) return 0; /* a kernel without keys has none to show */
  if (errno == EDQUOT)
    return failed("the quota of keys is used up, and the container would keep the host's keyring; "
                  "see /proc/key-users and /proc/sys/kernel/keys/root_maxkeys");
  return -1;
}

STEP(set_hostname) {
  (void)job;
  const char *name = take_text(&step->fields);
  return sethostname(name, strlen(name));
}

STEP(set_domainname) {
  (void)job;
  const char *name = take_text(&step->fields);
  return setdomainname(name, strlen(name));
}

STEP(await_mapping) {
  (void)step;
  if (read(job->mapping, &job->pid, sizeof job->pid) != sizeof job->pid)
    return errno = ESRCH, failed("the executor gave up");
  return 0;
}

STEP(await_token) {
  int64_t wanted = take_int(&step->fields);
  while (!(job->tokens & 1u << (wanted & 31))) {
    char token;
    ssize_t size = read(job->control, &token, 1);
    if (size < 0 && errno == EINTR) continue;
    if (size != 1) return errno = ESRCH, failed("the spawner went away");
    job->tokens |= 1u << (token & 31);
  }
  return 0;
}

static int parent_death(struct job *job) {
  if (job->options & OPT_ORPHAN) return 0;
  return prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of ids has cleared it */
}

STEP(become_root) {
  /* where setgroups is denied (user_namespaces(7)), so are the groups' rights */
  if (setgroups(0, NULL) < 0 && !take_int(&step->fields)) return failed("setgroups");
  if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) return -1;
  return parent_death(job);
}

STEP(set_user) {
  static gid_t groups[NGROUPS_MAX];
  int64_t uid = take_int(&step->fields), gid = take_int(&step->fields);
  int64_t denied = take_int(&step->fields), count = take_int(&step->fields);
  if (count > NGROUPS_MAX) return errno = EINVAL, failed("%d additional groups", (int)count);
  for (int64_t i = 0; i < count; i++) groups[i] = take_int(&step->fields);
  if (setgroups(count, groups) < 0 && (!denied || count)) return failed("setgroups");
  if (setresgid(gid, gid, gid) < 0) return failed("group %d is not mapped", (int)gid);
  if (setresuid(uid, uid, uid) < 0) return failed("user %d is not mapped", (int)uid);
  return parent_death(job);
}

STEP(enter_namespaces) {
  (void)step;
  if (job->enter && setns(job->target, job->enter) < 0) return -1;
  close(job->target);
  job->target = -1;
  return 0;
}

/* Where the process is made; `approach` stops here. */
STEP(be_born) {
  (void)job, (void)step;
  return errno = ENOEXEC, -1;
}

STEP(unshare_late) {
  (void)job;
  return unshare(take_int(&step->fields));
}

/* /proc, which has to be that: what the image has there or mounts on it would take a write elsewhere
 * (CVE-2025-52881). */
static int open_proc(void) {
  struct statfs status;
  int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (proc < 0 || fstatfs(proc, &status) < 0) return failed("/proc of the container");
  if (status.f_type != PROC_MAGIC)
    return close(proc), errno = EXDEV, failed("/proc of the container is something else");
  return proc;
}

static int open_below(int proc, const char *path) {
  struct open_how how = {.flags = O_WRONLY | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
  return syscall(SYS_openat2, proc, path, &how, sizeof how);
}

int open_own(const char *name) {
  char self[32], path[96];
  int proc = open_proc(), fd = -1;
  if (proc < 0) return -1;
  ssize_t length = readlinkat(proc, "self", self, sizeof self - 1);
  if (length > 0) {
    self[length] = 0;
    snprintf(path, sizeof path, "%s/%s", self, name);
    fd = open_below(proc, path);
  }
  int number = errno;
  close(proc);
  errno = number;
  return fd < 0 ? failed("/proc/self/%s", name) : fd;
}

/* Fields: the parameter's path below /proc, and its value. By the host's /proc, on which a mount at
 * the parameter's own place would take the write elsewhere as well. */
STEP(write_sysctl) {
  (void)job;
  const char *path = take_text(&step->fields), *text = take_text(&step->fields);
  int proc = open_proc();
  if (proc < 0) return -1;
  int fd = open_below(proc, path);
  int done = fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0, number = errno;
  if (fd >= 0) close(fd);
  close(proc);
  errno = number;
  return done < 0 ? failed("/proc/%s", path) : 0;
}

STEP(offset_clock) {
  (void)job;
  char text[128];
  const char *clock = take_text(&step->fields);
  int64_t seconds = take_int(&step->fields), nanoseconds = take_int(&step->fields);
  snprintf(text, sizeof text, "%s %lld %lld\n", clock, (long long)seconds, (long long)nanoseconds);
  /* the change of ids made this process non-dumpable, and its /proc files the host root's */
  prctl(PR_SET_DUMPABLE, 1);
  int fd = open_own("timens_offsets");
  int done = fd < 0 ? -1 : write(fd, text, strlen(text)) < 0 ? failed("timens_offsets") : 0;
  int number = errno;
  if (fd >= 0) close(fd);
  prctl(PR_SET_DUMPABLE, 0);
  errno = number;
  return done;
}
