/* The root: an overlay, a bind or a plain chroot, and the pivot into it. */
#include <linux/mount.h>
#include <sys/stat.h>

#include "executor.h"

/* glibc's sys/mount.h and the kernel's linux/mount.h differ; these are all we need of the first. */
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

#define O_WHERE (O_PATH | O_CLOEXEC)
#define DETACH 2

/* A writable layer that stays: fields of overlay_root are its size and its directory. */
STEP(prepare_upper) {
  (void)job;
  take_int(&step->fields);
  const char *folder = take_text(&step->fields);
  if (!*folder) return 0;
  step->prepared = move_up(clone_tree(AT_FDCWD, folder, AT_SYMLINK_NOFOLLOW));
  return step->prepared < 0 ? failed("%s", folder) : 0;
}

/* ":" and "," would end an overlay option; the paths in ours hold neither. */
STEP(overlay_root) {
  char options[64], layers[4096];
  int64_t size = take_int(&step->fields);
  const char *upper = take_text(&step->fields);
  if (*upper) {
    /* the way there may be closed to the container's ids, and the mount is another namespace's */
    int target = open("scratch", O_DIRECTORY | O_WHERE);
    if (target < 0 || attach(step->prepared, target) < 0) return failed("%s", upper);
    close(target);
  } else {
    size_t used = snprintf(options, sizeof options, "mode=0755");
    if (size) snprintf(options + used, sizeof options - used, ",size=%lld", (long long)size);
    if (mount(job->marker, "scratch", "tmpfs", MS_NODEV, options) < 0) return failed("tmpfs");
    if (mkdir("scratch/upper", 0755) < 0 || mkdir("scratch/work", 0755) < 0)
      return failed("make the directories of the writable layer");
  }
  snprintf(layers, sizeof layers,
           "lowerdir=%s,upperdir=scratch/upper,workdir=scratch/work,userxattr", job->lower);
  if (mount(job->marker, "merged", "overlay", MS_NODEV, layers) < 0) return failed("overlay");
  job->root = move_up(open("merged", O_DIRECTORY | O_WHERE));
  return job->root < 0 ? -1 : 0;
}

/* Fields of bind_root: the tree, or "" for the image that the spawner holds; whether device nodes in
 * it mean nothing. The host's mount may be shared, and nothing made below it here must travel. */
STEP(prepare_bind_root) {
  const char *path = take_text(&step->fields);
  if (!*path) path = job->lower;
  step->prepared = move_up(clone_tree(AT_FDCWD, path, RECURSIVE));
  if (step->prepared < 0) return failed("%s", path);
  if (set_attributes(step->prepared, RECURSIVE, 0, 0, MS_SLAVE, -1) < 0)
    return failed("the propagation of %s", path);
  return 0;
}

/* The tree is a mount once it stands somewhere. Where does not matter, since it becomes the root, but
 * hooks look for it at its own path. */
STEP(bind_root) {
  const char *stones[] = {take_text(&step->fields), "merged", "/tmp", "/mnt", "/run", "/dev"};
  if (take_int(&step->fields) && set_attributes(step->prepared, 0, ATTR_NODEV, 0, 0, -1) < 0)
    return failed("nodev");
  for (size_t i = 0; i < sizeof stones / sizeof *stones; i++) {
    int target = open(stones[i], O_DIRECTORY | O_WHERE);
    if (target < 0) continue;
    int done = attach(step->prepared, target);
    int number = errno;
    close(target);
    errno = number;
    if (done < 0) return failed("attach the tree");
    job->root = step->prepared;
    return 0;
  }
  return errno = ENOENT, failed("none of /tmp, /mnt, /run and /dev is there to mount upon");
}

STEP(pivot) {
  (void)step;
  if (fchdir(job->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) return -1;
  if (umount2(".", DETACH) < 0) return failed("detach the host's root");
  return chdir("/");
}

/* The namespace to go back to, which is the one that the executor is in. */
STEP(prepare_leaving) {
  (void)job;
  step->prepared = move_up(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  return step->prepared < 0 ? failed("/proc/self/ns/mnt") : 0;
}

/* For a container that shares the host's mount namespace and has mounts all the same: they were made
 * in a namespace of their own, and go along as a tree that is attached nowhere. The host never sees
 * them, and they end with the container's last process. */
STEP(leave_mounts) {
  int tree = clone_tree(job->root, "", EMPTY_PATH | RECURSIVE);
  if (tree < 0) return failed("copy the root");
  if (setns(step->prepared, CLONE_NEWNS) < 0) return failed("the host's mount namespace");
  if (fchdir(tree) < 0 || chroot(".") < 0) return failed("enter the root");
  close(tree);
  return 0;
}

STEP(prepare_change_root) {
  const char *path = take_text(&step->fields);
  step->prepared = move_up(open(*path ? path : job->lower, O_DIRECTORY | O_WHERE));
  return step->prepared < 0 ? failed("%s", *path ? path : job->lower) : 0;
}

STEP(change_root) {
  (void)job;
  if (fchdir(step->prepared) < 0 || chroot(".") < 0) return -1;
  return chdir("/");
}

/* Fields: the target, "" for everything; propagation flags of mount(2), with MS_REC where wanted. */
STEP(set_propagation) {
  const char *path = take_text(&step->fields);
  int64_t flags = take_int(&step->fields);
  unsigned depth = flags & MS_REC ? RECURSIVE : 0;
  if (!*path) return mount("none", "/", NULL, flags, NULL);
  int fd = strcmp(path, "/") ? open_in_root(job->root, path, O_PATH, FOLLOW)
                             : openat(job->root, ".", O_WHERE | O_DIRECTORY);
  if (fd < 0) return failed("%s", path);
  int done = set_attributes(fd, depth, 0, 0, flags & ~(int64_t)MS_REC, -1);
  int number = errno;
  close(fd);
  errno = number;
  return done;
}
