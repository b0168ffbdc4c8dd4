/* Opening below a root, and the calls on mounts by descriptor.
 *
 * Targets inside the image are opened with openat2(2) below the new root, links refused, and
 * mounted upon by descriptor: a link planted in an image cannot lead a mount elsewhere
 * (CVE-2021-30465, CVE-2019-19921, CVE-2023-27561, CVE-2024-45310).
 */
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "executor.h"

#define LINKS_REFUSED (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

static int resolve(int root, const char *path, int flags, uint64_t how_to) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = how_to};
  if (flags & O_CREAT) how.mode = 0644;
  return syscall(SYS_openat2, root, path, &how, sizeof how);
}

int open_in_root(int root, const char *path, int flags) {
  return resolve(root, path, flags, LINKS_REFUSED);
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

static int make_directory(int root, const char *path) {
  char copy[PATH_MAX];
  const char *above;
  char *name = split_path(copy, sizeof copy, path, &above);
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) return 0;
  int parent = open_in_root(root, above, O_PATH | O_DIRECTORY);
  if (parent < 0) return failed("%s in the image", above);
  int done = mkdirat(parent, name, 0755);
  int number = errno;
  close(parent);
  errno = number;
  return done < 0 && errno != EEXIST ? failed("make %s in the image", path) : 0;
}

/* One level after the other, by no recursion: a path may have two thousand. */
int open_directory(int root, const char *path) {
  int fd = open_in_root(root, path, O_PATH | O_DIRECTORY);
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? failed("%s in the image", path) : fd;
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", path);
  for (char *slash = copy; (slash = strchr(slash + 1, '/')); *slash = '/') {
    *slash = 0;
    if (make_directory(root, copy) < 0) return -1;
  }
  if (make_directory(root, copy) < 0) return -1;
  fd = open_in_root(root, path, O_PATH | O_DIRECTORY);
  return fd < 0 ? failed("%s in the image", path) : fd;
}

int open_file(int root, const char *path) {
  int fd = open_in_root(root, path, O_PATH);
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? failed("%s in the image", path) : fd;
  char copy[PATH_MAX];
  const char *above;
  char *name = split_path(copy, sizeof copy, path, &above);
  int parent = open_directory(root, above);
  if (parent < 0) return -1;
  int made = openat(parent, name, O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  int number = errno;
  close(parent);
  if (made >= 0) close(made);
  errno = number;
  if (made < 0 && errno != EEXIST) return failed("make %s in the image", path);
  fd = open_in_root(root, path, O_PATH);
  return fd < 0 ? failed("%s in the image", path) : fd;
}
