/* What is hidden or made read-only in the finished root, and files written below it. */
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "executor.h"


/* Something else than /dev/null there would be shown instead of it (CVE-2025-31133). */
static int open_null(int root) {
  struct stat status;
  int null = open_in_root(root, "dev/null", O_PATH | O_NOFOLLOW, REFUSE);
  if (null < 0 || fstat(null, &status) < 0) return failed("/dev/null of the container");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
    return errno = ENODEV, failed("/dev/null of the container is something else");
  return null;
}

/* Hides files behind /dev/null and directories behind an empty read-only tmpfs. */
STEP(mask_paths) {
  int64_t count = take_int(&step->fields);
  int null = open_null(job->root), empty = -1, done = 0;
  if (null < 0) return -1;
  for (int64_t i = 0; i < count && done == 0; i++) {
    const char *path = take_text(&step->fields);
    struct stat status;
    int target = open_in_root(job->root, path, O_PATH, FOLLOW);
    if (target < 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      done = failed("%s", path);
      break;
    }
    int tree = -1;
    if (fstat(target, &status) < 0) {
      done = -1;
    } else if (S_ISDIR(status.st_mode) && empty < 0) {
      static const struct options nothing = {2, {"size", "mode"}, {"0", "0555"}};
      tree = new_filesystem("tmpfs", "", &nothing, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV);
      done = tree < 0 ? -1 : attach(tree, target);
      empty = tree; /* once attached, further ones are copies of it */
      tree = -1;
    } else {
      tree = clone_tree(S_ISDIR(status.st_mode) ? empty : null, "", EMPTY_PATH);
      done = tree < 0 ? -1 : attach(tree, target);
    }
    if (done < 0) failed("%s", path);
    int number = errno;
    if (tree >= 0) close(tree);
    close(target);
    errno = number;
  }
  int number = errno;
  if (empty >= 0) close(empty);
  close(null);
  errno = number;
  return done;
}

/* Binds paths over themselves, read-only. */
STEP(readonly_paths) {
  int64_t count = take_int(&step->fields);
  for (int64_t i = 0; i < count; i++) {
    const char *path = take_text(&step->fields);
    int target = open_in_root(job->root, path, O_PATH, FOLLOW);
    if (target < 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      return failed("%s", path);
    }
    int tree = clone_tree(target, "", EMPTY_PATH | RECURSIVE);
    int done = tree < 0 ? -1
                        : set_attributes(tree, RECURSIVE,
                                         ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC, 0, 0,
                                         -1);
    if (done == 0) done = attach(tree, target);
    int number = errno;
    if (tree >= 0) close(tree);
    close(target);
    errno = number;
    if (done < 0) return failed("%s", path);
  }
  return 0;
}

STEP(readonly_mount) {
  const char *path = take_text(&step->fields);
  if (!strcmp(path, "/")) return set_attributes(job->root, 0, ATTR_RDONLY, 0, 0, -1);
  int target = open_in_root(job->root, path, O_PATH, FOLLOW);
  int done = target < 0 ? -1 : set_attributes(target, 0, ATTR_RDONLY, 0, 0, -1);
  int number = errno;
  if (target >= 0) close(target);
  errno = number;
  return done;
}

/* Fields: where the link stands, in a directory of ours, and what it says. */
STEP(make_link) {
  char copy[PATH_MAX];
  const char *path = take_text(&step->fields), *value = take_text(&step->fields), *above;
  char *name = split_path(copy, sizeof copy, path, &above);
  int parent = open_directory(job->root, above, REFUSE);
  if (parent < 0) return -1;
  int done = symlinkat(value, parent, name);
  int number = errno;
  close(parent);
  errno = number;
  return done < 0 && errno != EEXIST ? failed("%s", path) : 0;
}

/* Where it cannot be made, whatever needs it says so. */
STEP(provide_directory) {
  int fd = open_directory(job->root, take_text(&step->fields), FOLLOW);
  if (fd >= 0) close(fd);
  return 0;
}
