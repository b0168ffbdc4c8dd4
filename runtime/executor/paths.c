/* Opening below a root, and the calls on mounts by descriptor.
 *
 * Paths in the image are opened with openat2(2) as if the new root were "/", and mounted upon by
 * descriptor: a link planted in an image leads no mount outside (CVE-2021-30465, CVE-2024-45310).
 * Where it must not lead elsewhere inside either, links are refused (CVE-2019-19921,
 * CVE-2023-27561).
 */
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "executor.h"

#define DEEPEST 200 /* directories to make and links to follow, one in the other */

int open_in_root(int root, const char *path, int flags, int links) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                         .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
                                    (links == FOLLOW ? 0 : RESOLVE_NO_SYMLINKS)};
  return syscall(SYS_openat2, root, path, &how, sizeof how);
}

int clone_tree(int directory, const char *path, unsigned flags) {
  return syscall(SYS_open_tree, directory, path, flags | TREE_CLONE | TREE_CLOEXEC);
}

int attach(int tree, int target) {
  return syscall(SYS_move_mount, tree, "", target, "", MOVE_EMPTY_PATHS);
}

int set_attributes(int fd, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
                   int userns) {
  struct mount_attr attributes = {set, clear, propagation, userns >= 0 ? userns : 0};
  return syscall(SYS_mount_setattr, fd, "", EMPTY_PATH | flags, &attributes, sizeof attributes);
}

/* The directory above, and the last part of a path, which is copied to `copy`. */
char *split_path(char *copy, size_t room, const char *path, const char **above) {
  snprintf(copy, room, "%s", path);
  size_t length = strlen(copy);
  while (length > 1 && copy[length - 1] == '/') copy[--length] = 0;
  char *slash = strrchr(copy, '/');
  *above = slash && slash != copy ? copy : "/";
  if (!slash) return copy;
  *slash = 0;
  return slash + 1;
}

/* Makes a directory or an empty file; 0 also where it is there already. */
static int make_entry(int parent, const char *name, int directory) {
  int made = directory ? mkdirat(parent, name, 0755)
                       : openat(parent, name, O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (made < 0) return errno == EEXIST ? 0 : -1;
  if (!directory) close(made);
  return 0;
}

/* Opens what is to be mounted upon, made where it is missing. A link that leads to nothing yet is
 * followed to where that has to be. */
static int provide(int root, const char *path, int directory, int links, int depth) {
  int kind = directory ? O_PATH | O_DIRECTORY : O_PATH;
  int fd = open_in_root(root, path, kind, links);
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? failed("%s in the image", path) : fd;
  if (depth > DEEPEST) return errno = ELOOP, failed("%s in the image", path);
  char copy[PATH_MAX], link[PATH_MAX], beyond[2 * PATH_MAX];
  const char *above;
  char *name = split_path(copy, sizeof copy, path, &above);
  if (!*name) return errno = EINVAL, failed("%s in the image", path);
  int parent = provide(root, above, 1, links, depth + 1);
  if (parent < 0) return -1;
  int done = make_entry(parent, name, directory);
  ssize_t length = done == 0 && links == FOLLOW ? readlinkat(parent, name, link, sizeof link - 1) : -1;
  int number = errno;
  close(parent);
  errno = number;
  if (done < 0) return failed("make %s in the image", path);
  if (length > 0) {
    link[length] = 0;
    snprintf(beyond, sizeof beyond, "%s/%s", *link == '/' ? "" : above, link);
    int there = provide(root, beyond, directory, links, depth + 1);
    if (there < 0) return -1;
    close(there);
  }
  fd = open_in_root(root, path, kind, links);
  return fd < 0 ? failed("%s in the image", path) : fd;
}

static int make_directory(int root, const char *path) {
  char copy[PATH_MAX];
  const char *above;
  char *name = split_path(copy, sizeof copy, path, &above);
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) return 0;
  int parent = open_in_root(root, above, O_PATH | O_DIRECTORY, REFUSE);
  if (parent < 0) return failed("%s in the image", above);
  int done = make_entry(parent, name, 1);
  int number = errno;
  close(parent);
  errno = number;
  return done < 0 ? failed("make %s in the image", path) : 0;
}

/* Without links one level after the other, by no recursion: a path may have two thousand. */
static int provide_plain(int root, const char *path, int directory) {
  char copy[PATH_MAX];
  int kind = directory ? O_PATH | O_DIRECTORY : O_PATH;
  int fd = open_in_root(root, path, kind, REFUSE);
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? failed("%s in the image", path) : fd;
  snprintf(copy, sizeof copy, "%s", path);
  for (char *slash = copy; (slash = strchr(slash + 1, '/')); *slash = '/') {
    *slash = 0;
    if (make_directory(root, copy) < 0) return -1;
  }
  if (directory) {
    if (make_directory(root, copy) < 0) return -1;
  } else {
    const char *above;
    char *name = split_path(copy, sizeof copy, path, &above);
    int parent = open_in_root(root, above, O_PATH | O_DIRECTORY, REFUSE);
    int done = parent < 0 ? -1 : make_entry(parent, name, 0);
    int number = errno;
    if (parent >= 0) close(parent);
    errno = number;
    if (done < 0) return failed("make %s in the image", path);
  }
  fd = open_in_root(root, path, kind, REFUSE);
  return fd < 0 ? failed("%s in the image", path) : fd;
}

int open_directory(int root, const char *path, int links) {
  return links == REFUSE ? provide_plain(root, path, 1) : provide(root, path, 1, links, 0);
}

int open_file(int root, const char *path, int links) {
  return links == REFUSE ? provide_plain(root, path, 0) : provide(root, path, 0, links, 0);
}
