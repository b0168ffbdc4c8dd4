/* What the workload's process is given and what is taken from it, before it reports ready. */
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "executor.h"

STEP(set_rlimit) {
  (void)job;
  int64_t which = take_int(&step->fields);
  struct rlimit limit;
  limit.rlim_cur = take_int(&step->fields);
  limit.rlim_max = take_int(&step->fields);
  return setrlimit(which, &limit);
}

/* Field: the AppArmor profile that the exec changes to (aa_change_onexec(2)). Only processes of the
 * kernel before 5.1 have the file where all security modules shared it. */
STEP(change_profile) {
  (void)job;
  char text[PATH_MAX];
  const char *profile = take_text(&step->fields);
  int length = snprintf(text, sizeof text, "exec %s", profile);
  if (length >= (int)sizeof text) return errno = ENAMETOOLONG, failed("the AppArmor profile");
  int fd = open_own("attr/apparmor/exec");
  if (fd < 0 && errno == ENOENT) fd = open_own("attr/exec");
  if (fd < 0) return -1;
  int done = write(fd, text, length) < 0 ? -1 : 0, number = errno;
  close(fd);
  errno = number;
  if (done < 0 && errno == ENOENT) return failed("the AppArmor profile '%s' is not loaded", profile);
  return done < 0 ? failed("the AppArmor profile '%s'", profile) : 0;
}

STEP(no_new_privileges) {
  (void)job, (void)step;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Takes everything else out of the bounding set; must precede the change of ids. */
STEP(bound_capabilities) {
  (void)job;
  uint64_t keep = take_int(&step->fields);
  for (int number = 0; number < 64; number++)
    if (!(keep >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) {
      if (errno == EINVAL) break; /* one past the kernel's last capability */
      return failed("capability %d", number);
    }
  return 0;
}

/* What is permitted stays so across the change of ids, until set_capabilities says otherwise. */
STEP(keep_capabilities) {
  (void)job, (void)step;
  return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

/* Fields: effective, permitted, inheritable, ambient. */
STEP(set_capabilities) {
  (void)job;
  uint64_t effective = take_int(&step->fields), permitted = take_int(&step->fields);
  uint64_t inheritable = take_int(&step->fields), ambient = take_int(&step->fields);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {effective >> 32, permitted >> 32, inheritable >> 32}};
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return failed("ambient set");
  if (syscall(SYS_capset, &header, data) < 0) return failed("capset");
  for (int number = 0; number < 64; number++)
    if (ambient >> number & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
      return failed("ambient capability %d", number);
  return 0;
}

STEP(set_umask) {
  (void)job;
  umask(take_int(&step->fields));
  return 0;
}

STEP(set_personality) {
  (void)job;
  return personality(take_int(&step->fields)) < 0 ? -1 : 0;
}

/* Fields: policy, flags, nice, priority, runtime, deadline, period (sched_setattr(2)). */
STEP(set_scheduler) {
  (void)job;
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {.size = 48};
  attributes.policy = take_int(&step->fields);
  attributes.flags = take_int(&step->fields);
  attributes.nice = take_int(&step->fields);
  attributes.priority = take_int(&step->fields);
  attributes.runtime = take_int(&step->fields);
  attributes.deadline = take_int(&step->fields);
  attributes.period = take_int(&step->fields);
  return syscall(SYS_sched_setattr, 0, &attributes, 0);
}

STEP(set_io_priority) {
  (void)job;
  return syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, (int)take_int(&step->fields));
}

/* Fields: numbers of CPUs. */
STEP(set_affinity) {
  (void)job;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int64_t left = take_int(&step->fields); left > 0; left--) CPU_SET(take_int(&step->fields), &set);
  return sched_setaffinity(0, sizeof set, &set);
}

/* Gives standard input, output and error to the workload's user, who may open them anew through
 * /proc. Fields: user, group, whether they are a terminal of the container's own, whose group is its
 * devpts's affair. Devices and directories of the host's stay whose they are. */
STEP(own_stdio) {
  (void)job;
  uid_t uid = take_int(&step->fields);
  gid_t gid = take_int(&step->fields);
  int64_t terminal = take_int(&step->fields);
  for (int number = 0; number < 3; number++) {
    struct stat status;
    if (fstat(number, &status) < 0) continue;
    int other = S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode);
    if (terminal ? status.st_uid == uid : other || (status.st_uid == uid && status.st_gid == gid))
      continue;
    /* a host's file keeps its owner where this namespace may not change it */
    if (fchown(number, uid, terminal ? (gid_t)-1 : gid) < 0 && errno != EPERM && errno != EINVAL &&
        errno != EROFS)
      return failed("descriptor %d", number);
  }
  return 0;
}

/* Fields: handled file accesses, handled network accesses, scopes; paths with the access to a
 * directory and to a file; ports with theirs (landlock(7)). Links in the image lead nowhere. */
STEP(restrict_landlock) {
  struct {
    uint64_t handled_access_fs, handled_access_net, scoped;
  } attributes;
  attributes.handled_access_fs = take_int(&step->fields);
  attributes.handled_access_net = take_int(&step->fields);
  attributes.scoped = take_int(&step->fields);
  int64_t paths = take_int(&step->fields);
  size_t size = attributes.scoped ? 24 : attributes.handled_access_net ? 16 : 8;
  int root = job->root >= 0 ? job->root : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int rules = syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (rules < 0) return failed("landlock_create_ruleset");
  for (int64_t i = 0; i < paths; i++) {
    struct stat status;
    const char *path = take_text(&step->fields);
    uint64_t below = take_int(&step->fields), itself = take_int(&step->fields);
    struct landlock_path_beneath_attr beneath = {.parent_fd = open_in_root(root, path, O_PATH, REFUSE)};
    if (beneath.parent_fd < 0 || fstat(beneath.parent_fd, &status) < 0) return failed("%s", path);
    beneath.allowed_access = S_ISDIR(status.st_mode) ? below : itself;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
      return failed("%s", path);
    close(beneath.parent_fd);
  }
  for (int64_t left = take_int(&step->fields); left > 0; left--) {
    uint64_t port[2]; /* access, port */
    port[1] = take_int(&step->fields);
    port[0] = take_int(&step->fields);
    if (syscall(SYS_landlock_add_rule, rules, 2 /* LANDLOCK_RULE_NET_PORT */, port, 0) < 0)
      return failed("port %d", (int)port[1]);
  }
  int done = syscall(SYS_landlock_restrict_self, rules, 0);
  int number = errno;
  close(rules);
  errno = number;
  return done;
}

/* A working directory outside the root would be a way out (CVE-2024-21626). */
STEP(working_directory) {
  (void)job;
  char path[PATH_MAX];
  const char *wanted = take_text(&step->fields);
  if (chdir(wanted) < 0) return failed("chdir");
  if (syscall(SYS_getcwd, path, sizeof path) < 0) return -1;
  if (*path != '/') return errno = ENOENT, failed("the working directory lies outside the root");
  return 0;
}

/* SIGKILL when the spawner dies; last of the identity steps, since a change of ids clears it. The
 * signal is tied to the parent, which may be gone already, so it is checked after. */
STEP(die_with_parent) {
  (void)step;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return -1;
  pid_t parent = getppid();
  /* inside a pid namespace the parent reads as 0; a dead spawner shows as a closed socket */
  if (parent && parent != job->parent) return errno = ESRCH, failed("the spawner is gone");
  return 0;
}
