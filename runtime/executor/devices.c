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
    if (set_attributes(tree, 0, ATTR_NOSUID | ATTR_NOEXEC, 0, 0, -1) < 0)
      return failed("the options of /dev/%s", name);
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

struct device {
  const char *path;
  mode_t mode; /* with the type */
  dev_t number;
  int64_t uid, gid;
};

static struct device take_device(struct cursor *fields) {
  struct device device = {.path = take_text(fields)};
  device.mode = take_int(fields);
  unsigned major_number = take_int(fields);
  device.number = makedev(major_number, take_int(fields));
  device.uid = take_int(fields);
  device.gid = take_int(fields);
  return device;
}

static int make_node(int parent, const char *name, const struct device *device, uid_t uid, gid_t gid) {
  mode_t before = umask(0);
  int done = mknodat(parent, name, device->mode, device->number);
  umask(before);
  if (done == 0 && (done = fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW)) < 0)
    return failed("the owner of %s", device->path);
  return done;
}

/* Where an id of the container's is on the host; text as in uid_map. */
static int64_t on_host(const char *map, int64_t id) {
  long long inside, outside, count;
  for (int used; sscanf(map, "%lld %lld %lld%n", &inside, &outside, &count, &used) == 3; map += used)
    if (id >= inside && id < inside + count) return outside + id - inside;
  return -1;
}

/* A user namespace makes no nodes: there it is made here, in a file system of its own, and bound. An
 * ordinary user makes none here either, and has it bound from the host. */
STEP(prepare_device) {
  static const struct options small = {2, {"mode", "size"}, {"0755", "4096"}};
  struct device device = take_device(&step->fields);
  if (!*job->uid_map || S_ISFIFO(device.mode)) return 0;
  int64_t uid = on_host(job->uid_map, device.uid), gid = on_host(job->gid_map, device.gid);
  if (uid < 0 || gid < 0) return errno = EINVAL, failed("the owner of %s is not mapped", device.path);
  int shelf = new_filesystem("tmpfs", "", &small, ATTR_NOSUID | ATTR_NOEXEC);
  if (shelf < 0) return -1;
  if (make_node(shelf, "node", &device, uid, gid) == 0)
    step->prepared = move_up(clone_tree(shelf, "node", 0));
  int number = errno;
  close(shelf);
  errno = number;
  return step->prepared < 0 && number != EPERM ? failed("%s", device.path) : 0;
}

static int same_device(int fd, const struct device *device) {
  struct stat status;
  return fstat(fd, &status) == 0 && status.st_rdev == device->number &&
         (status.st_mode & S_IFMT) == (device->mode & S_IFMT);
}

static int bind_device(struct job *job, const struct device *device, int tree) {
  int target = open_file(job->root, device->path, REFUSE);
  if (target < 0) return -1;
  int done = protect(tree) < 0 ? -1 : attach(tree, target);
  int number = errno;
  close(target);
  errno = number;
  return done < 0 ? failed("%s", device->path) : 0;
}

/* Fields: path, mode with its type, major, minor, owner. */
STEP(make_device) {
  char copy[PATH_MAX];
  const char *above;
  struct device device = take_device(&step->fields);
  if (step->prepared >= 0) return bind_device(job, &device, step->prepared);
  char *name = split_path(copy, sizeof copy, device.path, &above);
  int parent = open_directory(job->root, above, REFUSE);
  if (parent < 0) return -1;
  int done = make_node(parent, name, &device, device.uid, device.gid), number = errno;
  if (done < 0 && number == EEXIST) {
    int there = openat(parent, name, O_WHERE | O_NOFOLLOW);
    done = there >= 0 && same_device(there, &device) ? 0 : -1;
    if (there >= 0) close(there);
    if (done < 0) failed("%s is there already and is something else", device.path);
  }
  close(parent);
  errno = number;
  if (done == 0 || number != EPERM) return done < 0 && !*detail ? failed("%s", device.path) : done;
  int tree = clone_tree(AT_FDCWD, device.path, 0);
  if (tree < 0) return failed("%s of the host", device.path);
  done = same_device(tree, &device) ? bind_device(job, &device, tree)
                                    : (errno = ENODEV, failed("%s of the host is something else",
                                                              device.path));
  number = errno;
  close(tree);
  errno = number;
  return done;
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
  return 0;
}

/* Apart from the above, which may be another process's work: only who leads a session may. */
STEP(take_console) {
  (void)job, (void)step;
  return ioctl(0, TIOCSCTTY, 0) < 0 ? failed("make it the controlling terminal") : 0;
}
