/* Further mounts: fresh file systems, and binds of what the host has. */
#include <dirent.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "executor.h"

int new_filesystem(const char *kind, const char *source, const struct options *options,
                          uint64_t attributes) {
  int context = syscall(SYS_fsopen, kind, FSOPEN_CLOEXEC);
  if (context < 0) return failed("the file system %s", kind);
  int done = 0, made = -1;
  if (*source) done = syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", source, 0);
  for (int64_t i = 0; i < options->count && done >= 0; i++) {
    const char *name = options->name[i], *value = options->value[i];
    done = *value ? syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, name, value, 0)
                  : syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, name, NULL, 0);
    if (done < 0) failed("option %s%s%s of %s", name, *value ? "=" : "", value, kind);
  }
  if (done >= 0) done = syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
  if (done >= 0) made = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
  int number = errno;
  close(context);
  errno = number;
  return made;
}

/* Copies what a directory holds into another, below descriptors, links never followed (the option
 * tmpcopyup, for which the image's own files are to be seen in a fresh tmpfs). */
static int copy_tree(int from, int to, int depth) {
  static char link[PATH_MAX], block[65536]; /* used up before the next level is entered */
  DIR *list = depth < 64 ? fdopendir(from) : NULL;
  struct dirent *entry;
  if (!list) return close(from), errno = depth < 64 ? errno : ELOOP, -1;
  int done = 0;
  while (done == 0 && (errno = 0, entry = readdir(list))) {
    const char *name = entry->d_name;
    struct stat status;
    if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
    if ((done = fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW)) < 0) break;
    if (S_ISDIR(status.st_mode)) {
      done = mkdirat(to, name, 0700);
      int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (done == 0) done = in < 0 || out < 0 ? -1 : copy_tree(in, out, depth + 1);
      if (out >= 0) close(out);
    } else if (S_ISLNK(status.st_mode)) {
      ssize_t length = readlinkat(from, name, link, sizeof link - 1);
      if (length >= 0) link[length] = 0;
      done = length < 0 ? -1 : symlinkat(link, to, name);
    } else if (S_ISREG(status.st_mode)) {
      /* a pipe that has taken its place meanwhile must not stop us */
      int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      ssize_t size = -1;
      while (in >= 0 && out >= 0 && (size = read(in, block, sizeof block)) > 0)
        if (write(out, block, size) != size) break;
      if (size != 0) done = -1;
      if (in >= 0) close(in);
      if (out >= 0) close(out);
    } else {
      continue; /* a device or a socket means nothing here */
    }
    if (done == 0) done = fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW);
    if (done == 0 && !S_ISLNK(status.st_mode)) done = fchmodat(to, name, status.st_mode & 07777, 0);
  }
  int number = errno;
  closedir(list);
  errno = number;
  return number && done == 0 && !entry ? -1 : done; /* an unreadable rest is no complete copy */
}

static int copy_up(int target, int mounted) {
  int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int to = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat status;
  if (from < 0 || to < 0) return -1;
  int done = fstat(from, &status);
  if (done == 0) done = fchown(to, status.st_uid, status.st_gid);
  if (done == 0) done = copy_tree(from, to, 0);
  close(to);
  return done;
}

/* Fields: target, kind, attributes, whether to copy up, source, options. */
STEP(mount_new) {
  const char *path = take_text(&step->fields), *kind = take_text(&step->fields);
  int64_t attributes = take_int(&step->fields), copying = take_int(&step->fields);
  const char *source = take_text(&step->fields);
  struct options options = {.count = take_int(&step->fields)};
  if (options.count > MOST_OPTIONS) return errno = E2BIG, failed("more than %d options", MOST_OPTIONS);
  for (int64_t i = 0; i < options.count; i++) {
    options.name[i] = take_text(&step->fields);
    options.value[i] = take_text(&step->fields);
  }
  /* what is to be copied into it comes before it is made read-only */
  uint64_t first = copying ? attributes & ~ATTR_RDONLY : (uint64_t)attributes;
  int detached = new_filesystem(kind, source, &options, first);
  if (detached < 0) return -1;
  /* a /proc, /sys or /dev elsewhere would be taken for the real one (CVE-2019-19921, CVE-2023-27561) */
  int links = strcmp(kind, "proc") && strcmp(kind, "sysfs") && strcmp(path, "/dev") ? FOLLOW : REFUSE;
  int target = open_directory(job->root, path, links);
  int done = target < 0 ? -1 : 0;
  if (done == 0 && copying && (done = copy_up(target, detached)) < 0) failed("copy %s up", path);
  if (done == 0 && copying && attributes & ATTR_RDONLY)
    done = set_attributes(detached, 0, ATTR_RDONLY, 0, 0, -1);
  if (done == 0) done = attach(detached, target);
  int number = errno;
  if (target >= 0) close(target);
  close(detached);
  errno = number;
  return done;
}

/* Whose mapping shifts the owners of an idmapped mount: a user namespace that nothing else needs. */
static int user_namespace(const char *uids, const char *gids) {
  int pipe_fds[2];
  char path[64];
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) return -1;
  pid_t pid = syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, NULL, NULL, NULL, NULL);
  if (pid == 0) {
    close(pipe_fds[1]);
    if (read(pipe_fds[0], path, 1) >= 0) _exit(0);
    _exit(1);
  }
  int fd = -1, number = errno;
  close(pipe_fds[0]);
  if (pid > 0) {
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    int done = write_text(path, gids);
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    if (done == 0) done = write_text(path, uids);
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    if (done == 0) fd = open(path, O_RDONLY | O_CLOEXEC);
    number = errno;
    close(pipe_fds[1]);
    waitpid(pid, NULL, 0);
  } else {
    close(pipe_fds[1]);
  }
  errno = number;
  return fd;
}

static int shift_owners(int tree, unsigned depth, const char *uids, const char *gids) {
  int userns = user_namespace(uids, gids);
  int done = userns < 0 ? -1 : set_attributes(tree, depth, ATTR_IDMAP, 0, 0, userns);
  int number = errno;
  if (userns >= 0) close(userns);
  errno = number;
  return done;
}

/* Fields of bind_mount: source, recursive, attributes set and cleared, the same recursively,
 * propagations, mapping of users and of groups or "", then what the container's side needs: the
 * target. */
STEP(prepare_bind) {
  const char *source = take_text(&step->fields);
  unsigned depth = take_int(&step->fields) ? RECURSIVE : 0;
  uint64_t set = take_int(&step->fields), clear = take_int(&step->fields);
  uint64_t all_set = take_int(&step->fields), all_clear = take_int(&step->fields);
  (void)job;
  step->prepared = move_up(clone_tree(AT_FDCWD, source, depth));
  if (step->prepared < 0) return failed("%s", source);
  for (int64_t left = take_int(&step->fields); left > 0; left--) {
    int64_t flags = take_int(&step->fields);
    if (set_attributes(step->prepared, flags & MS_REC ? RECURSIVE : 0, 0, 0, flags & ~(int64_t)MS_REC,
                       -1) < 0)
      return failed("the propagation of %s", source);
  }
  const char *uids = take_text(&step->fields), *gids = take_text(&step->fields);
  if (*uids && shift_owners(step->prepared, depth, uids, gids) < 0)
    return failed("shift the owners of %s", source);
  if ((all_set | all_clear) &&
      set_attributes(step->prepared, RECURSIVE, all_set, all_clear, 0, -1) < 0)
    return failed("the options of %s", source);
  if ((set | clear) && set_attributes(step->prepared, 0, set, clear, 0, -1) < 0)
    return failed("the options of %s", source);
  return 0;
}

STEP(bind_mount) {
  struct stat status;
  take_text(&step->fields);
  for (int i = 0; i < 5; i++) take_int(&step->fields);
  for (int64_t left = take_int(&step->fields); left > 0; left--) take_int(&step->fields);
  take_text(&step->fields), take_text(&step->fields);
  const char *path = take_text(&step->fields);
  if (fstat(step->prepared, &status) < 0) return -1;
  int target = S_ISDIR(status.st_mode) ? open_directory(job->root, path, FOLLOW)
                                         : open_file(job->root, path, FOLLOW);
  if (target < 0) return -1;
  int done = attach(step->prepared, target);
  int number = errno;
  close(target);
  close(step->prepared);
  step->prepared = -1;
  errno = number;
  return done;
}
