/* Binds of what the host has. */
#include <linux/mount.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "executor.h"

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
  int done = place(job, step->prepared, path, target);
  int number = errno;
  close(target);
  close(step->prepared);
  step->prepared = -1;
  errno = number;
  return done;
}
