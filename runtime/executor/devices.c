/* Device nodes and the terminal. */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "executor.h"

#define O_WHERE (O_PATH | O_CLOEXEC)
#define DEVPTS_MAGIC 0x1cd1

static const struct {
  const char *name;
  unsigned major, minor;
} known[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

static const char *const links[][2] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
};

/* The host's own node shows in the container: it can be opened as ever on a mount that is read-only,
 * but where the container's root is the host's, it must not change its mode or owner. */
static int protect(int tree) {
  return set_attributes(tree, 0, ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC, 0, 0, -1);
}

/* The host's node must be the device it is named after. */
static int host_device(const char *name) {
  char path[320];
  struct stat status;
  snprintf(path, sizeof path, "/dev/%s", name);
  int tree = clone_tree(AT_FDCWD, path, 0);
  if (tree < 0 || fstat(tree, &status) < 0) return failed("%s of the host", path);
  int right = S_ISCHR(status.st_mode);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(name, known[i].name))
      right = right && status.st_rdev == makedev(known[i].major, known[i].minor);
  if (right && protect(tree) == 0) return tree;
  close(tree);
  if (right) return failed("%s of the host cannot be made read-only", path);
  return errno = ENODEV, failed("%s of the host is something else", path);
}

/* Binds the harmless devices into the fresh /dev, and makes its customary links. /dev is our own
 * tmpfs by now, so nothing in it can be a trap (CVE-2025-31133). */
STEP(provide_devices) {
  int64_t count = take_int(&step->fields);
  int dev = open_in_root(job->root, "dev", O_PATH | O_DIRECTORY, REFUSE);
  if (dev < 0) return -1;
  for (int64_t i = 0; i < count; i++) {
    const char *name = take_text(&step->fields);
    int tree = host_device(name);
    if (tree < 0) return -1;
    int target = openat(dev, name, O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (target < 0) return failed("/dev/%s", name);
    if (attach(tree, target) < 0) return failed("/dev/%s", name);
    close(target);
    close(tree);
  }
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (symlinkat(links[i][1], dev, links[i][0]) < 0 && errno != EEXIST)
      return failed("/dev/%s", links[i][0]);
  close(dev);
  return 0;
}

/* Fields: path, mode with its type, major, minor, owner. A user namespace makes no nodes: there
 * the host's own is bound, if it is that device. */
STEP(make_device) {
  char copy[4096];
  struct stat status;
  const char *path = take_text(&step->fields);
  mode_t mode = take_int(&step->fields);
  unsigned major_number = take_int(&step->fields), minor_number = take_int(&step->fields);
  int64_t uid = take_int(&step->fields), gid = take_int(&step->fields);
  dev_t device = makedev(major_number, minor_number);
  snprintf(copy, sizeof copy, "%s", path);
  char *slash = strrchr(copy, '/');
  if (!slash || !slash[1]) return errno = EINVAL, failed("%s", path);
  *slash = 0;
  int parent = open_directory(job->root, *copy ? copy : "/", REFUSE);
  if (parent < 0) return -1;
  mode_t before = umask(0);
  int done = mknodat(parent, slash + 1, mode, device);
  umask(before);
  if (done == 0) {
    done = fchownat(parent, slash + 1, uid, gid, AT_SYMLINK_NOFOLLOW);
    close(parent);
    return done < 0 ? failed("the owner of %s", path) : 0;
  }
  close(parent);
  if (errno == EEXIST) {
    int there = open_in_root(job->root, path, O_PATH | O_NOFOLLOW, REFUSE);
    if (there >= 0 && fstat(there, &status) == 0 && status.st_rdev == device &&
        (status.st_mode & S_IFMT) == (mode & S_IFMT))
      return close(there), 0;
    return errno = EEXIST, failed("%s is there already and is something else", path);
  }
  if (errno != EPERM) return failed("%s", path);
  int tree = clone_tree(AT_FDCWD, path, 0);
  if (tree < 0) return failed("%s of the host", path);
  if (fstat(tree, &status) < 0 || status.st_rdev != device ||
      (status.st_mode & S_IFMT) != (mode & S_IFMT))
    return errno = ENODEV, failed("%s of the host is something else", path);
  int target = open_file(job->root, path, REFUSE);
  if (target < 0 || protect(tree) < 0 || attach(tree, target) < 0) return failed("%s", path);
  close(target);
  close(tree);
  return 0;
}

/* Fields: rows and columns, 0 for the terminal's own; whether it is /dev/console, too. The slave is
 * opened through the master, not by its name, which the image could have replaced
 * (CVE-2025-52565). */
STEP(open_console) {
  struct winsize size = {0};
  size.ws_row = take_int(&step->fields);
  size.ws_col = take_int(&step->fields);
  int64_t bind = take_int(&step->fields);
  int unlocked = 0;
  /* one who has entered a container stands in its root */
  int root = job->root >= 0 ? job->root : open("/", O_WHERE | O_DIRECTORY);
  int pts = open_in_root(root, "dev/pts", O_PATH | O_DIRECTORY, REFUSE);
  struct statfs kind;
  /* what the image has there instead could be any device */
  if (pts >= 0 && (fstatfs(pts, &kind) < 0 || kind.f_type != DEVPTS_MAGIC))
    return errno = ENODEV, failed("/dev/pts in the image is no devpts");
  int master = pts < 0 ? -1 : openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
  if (master < 0) return failed("/dev/pts/ptmx; a terminal needs a devpts in the container");
  close(pts);
  if (ioctl(master, TIOCSPTLCK, &unlocked) < 0) return failed("unlock the terminal");
  int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return failed("open the terminal");
  if (size.ws_row && ioctl(master, TIOCSWINSZ, &size) < 0) return failed("size the terminal");
  if (bind) {
    int tree = clone_tree(slave, "", EMPTY_PATH);
    int target = open_file(root, "dev/console", REFUSE);
    if (tree < 0 || target < 0 || attach(tree, target) < 0) return failed("/dev/console");
    close(target);
    close(tree);
  }
  if (job->console >= 0 ? send_fd(job->console, "/dev/ptmx", 9, master) < 0
                        : send_fd(job->control, "t", 1, master) < 0)
    return failed("hand the terminal over");
  for (int number = 0; number < 3; number++)
    if (dup2(slave, number) < 0) return -1;
  close(master);
  if (slave > 2) close(slave);
  return ioctl(0, TIOCSCTTY, 0) < 0 ? failed("make it the controlling terminal") : 0;
}
