/* Fresh file systems. */
#include <dirent.h>
#include <linux/mount.h>
#include <sys/stat.h>

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

/* The mode of the directory that a tmpfs hides, where none is asked for: as Docker has had it. */
static int keep_mode(struct job *job, const char *path, int mounted) {
  struct stat status;
  int under = open_in_root(job->root, path, O_PATH | O_DIRECTORY, FOLLOW);
  if (under < 0) return 0;
  int done = fstat(under, &status);
  if (done == 0) done = fchmodat(mounted, ".", status.st_mode & 07777, 0);
  close(under);
  return done;
}

/* The host's own /sys, where the kernel gives a user namespace no fresh one: it wants the network
 * namespace, too (sysfs(5)). What is mounted below it is locked to it (mount_namespaces(7)). */
static int bind_sysfs(uint64_t attributes) {
  int tree = clone_tree(AT_FDCWD, "/sys", RECURSIVE);
  if (tree < 0) return failed("/sys of the host");
  if (set_attributes(tree, RECURSIVE, 0, 0, MS_SLAVE, -1) == 0 &&
      set_attributes(tree, RECURSIVE, attributes, 0, 0, -1) == 0)
    return tree;
  int number = errno;
  close(tree);
  errno = number;
  return failed("/sys of the host");
}

static int has_option(const struct options *options, const char *name) {
  for (int64_t i = 0; i < options->count; i++)
    if (!strcmp(options->name[i], name)) return 1;
  return 0;
}

int place(struct job *job, int tree, const char *path, int target) {
  if (attach(tree, target) < 0) return -1;
  if (path[strspn(path, "/")]) return 0;
  /* what is mounted on the root is the root from now on */
  int root = move_up(fcntl(tree, F_DUPFD_CLOEXEC, 0));
  if (root < 0) return -1;
  job->root = root;
  return 0;
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
  int moded = !strcmp(kind, "tmpfs") && !has_option(&options, "mode");
  /* what is to be changed in it comes before it is made read-only */
  uint64_t first = copying || moded ? attributes & ~ATTR_RDONLY : (uint64_t)attributes;
  int detached = new_filesystem(kind, source, &options, first);
  if (detached < 0 && errno == EPERM && !strcmp(kind, "sysfs")) detached = bind_sysfs(attributes);
  if (detached < 0) return -1;
  int done = moded ? keep_mode(job, path, detached) : 0;
  if (done < 0) failed("the mode of %s", path);
  /* a /proc, /sys or /dev elsewhere would be taken for the real one (CVE-2019-19921, CVE-2023-27561) */
  int links = strcmp(kind, "proc") && strcmp(kind, "sysfs") && strcmp(path, "/dev") ? FOLLOW : REFUSE;
  int target = done < 0 ? -1 : open_directory(job->root, path, links);
  if (target < 0) done = -1;
  if (done == 0 && copying && (done = copy_up(target, detached)) < 0) failed("copy %s up", path);
  if (done == 0 && first != (uint64_t)attributes)
    done = set_attributes(detached, 0, ATTR_RDONLY, 0, 0, -1);
  if (done == 0) done = place(job, detached, path, target);
  int number = errno;
  if (target >= 0) close(target);
  close(detached);
  errno = number;
  return done;
}
