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

#define MOST_PROPAGATIONS 8

/* Fields of bind_mount: source, recursive, attributes set and cleared, the same recursively,
 * propagations, mapping of users and of groups or "", target. */
struct bind {
  const char *source, *uids, *gids, *target;
  unsigned depth;
  uint64_t set, clear, all_set, all_clear;
  int64_t propagations, propagation[MOST_PROPAGATIONS];
};

static int take_bind(struct cursor *fields, struct bind *bind) {
  bind->source = take_text(fields);
  bind->depth = take_int(fields) ? RECURSIVE : 0;
  bind->set = take_int(fields);
  bind->clear = take_int(fields);
  bind->all_set = take_int(fields);
  bind->all_clear = take_int(fields);
  bind->propagations = take_int(fields);
  if (bind->propagations > MOST_PROPAGATIONS)
    return errno = E2BIG, failed("the propagations of %s", bind->source);
  for (int64_t i = 0; i < bind->propagations; i++) bind->propagation[i] = take_int(fields);
  bind->uids = take_text(fields);
  bind->gids = take_text(fields);
  bind->target = take_text(fields);
  return 0;
}

static int make_tree(const struct bind *bind) {
  int tree = move_up(clone_tree(AT_FDCWD, bind->source, bind->depth));
  if (tree < 0) return failed("%s", bind->source);
  int done = 0;
  for (int64_t i = 0; i < bind->propagations && done == 0; i++) {
    int64_t flags = bind->propagation[i];
    done = set_attributes(tree, flags & MS_REC ? RECURSIVE : 0, 0, 0, flags & ~(int64_t)MS_REC, -1);
    if (done < 0) failed("the propagation of %s", bind->source);
  }
  if (done == 0 && *bind->uids && (done = shift_owners(tree, bind->depth, bind->uids, bind->gids)) < 0)
    failed("shift the owners of %s", bind->source);
  if (done == 0 && (bind->all_set | bind->all_clear))
    done = set_attributes(tree, RECURSIVE, bind->all_set, bind->all_clear, 0, -1);
  if (done == 0 && (bind->set | bind->clear))
    done = set_attributes(tree, 0, bind->set, bind->clear, 0, -1);
  if (done == 0) return tree;
  int number = errno;
  close(tree);
  errno = number;
  return *detail ? -1 : failed("the options of %s", bind->source);
}

/* Whether the process itself finds what the host has: then it binds at its turn, and mounts are listed
 * in the order in which they were asked for. */
static int sees_host(const struct job *job) {
  int64_t others = CLONE_NEWUSER | CLONE_NEWNS;
  for (int i = 0; i < job->joins; i++)
    if (job->join_flags[i] & others) return 0;
  return job->options & OPT_ORPHAN && !job->pivoted && !(job->flags & CLONE_NEWUSER);
}

STEP(prepare_bind) {
  struct bind bind;
  if (take_bind(&step->fields, &bind) < 0) return -1;
  /* a mapping is made by the host's ids of processes */
  if (sees_host(job) && !*bind.uids) return 0;
  step->prepared = make_tree(&bind);
  return step->prepared < 0 ? -1 : 0;
}

STEP(bind_mount) {
  struct bind bind;
  struct stat status;
  if (take_bind(&step->fields, &bind) < 0) return -1;
  if (step->prepared < 0 && (step->prepared = make_tree(&bind)) < 0) return -1;
  if (fstat(step->prepared, &status) < 0) return -1;
  int target = S_ISDIR(status.st_mode) ? open_directory(job->root, bind.target, FOLLOW)
                                         : open_file(job->root, bind.target, FOLLOW);
  if (target < 0) return -1;
  int done = place(job, step->prepared, bind.target, target);
  int number = errno;
  close(target);
  close(step->prepared);
  step->prepared = -1;
  errno = number;
  return done;
}
