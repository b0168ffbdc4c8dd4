/* Making the process: a container's first, or one that enters a container.
 *
 * Both become children of whoever started the executor (CLONE_PARENT), which owns and reaps them.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "executor.h"

/* linux/sched.h and glibc's sched.h cannot both be included */
struct clone_arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};

static pid_t make(uint64_t flags, int cgroup, int *pidfd) {
  struct clone_arguments arguments = {
      /* a sibling takes over its maker's signal; naming one is EINVAL */
      .flags = flags | CLONE_PARENT | CLONE_PIDFD | (cgroup >= 0 ? INTO_CGROUP : 0),
      .pidfd = (uintptr_t)pidfd,
      .cgroup = cgroup >= 0 ? cgroup : 0,
  };
  return syscall(SYS_clone3, &arguments, sizeof arguments);
}

static void begin(struct job *job) {
  signal(SIGPIPE, SIG_DFL);
  carry_out(job);
}

/* Enters what exists, then makes the process: one enters a pid namespace only by being born in it.
 *
 * What is half-made in a container must be of no use to whoever is in there already (CVE-2019-5736,
 * CVE-2016-9962): it is not dumpable, so that /proc/PID/exe and /proc/PID/fd stay shut until the
 * exec, and it holds no descriptor that is not the workload's. */
static void enter(struct job *job, int result) {
  struct {
    int64_t pid, error;
  } told = {0};
  int pidfd = -1;
  syscall(SYS_prctl, 4, 0, 0, 0, 0); /* PR_SET_DUMPABLE */
  for (int i = 0; i < job->joins && !told.error; i++)
    if (setns(job->join_fds[i], job->join_flags[i]) < 0) told.error = errno;
  if (!told.error && job->target >= 0 && job->enter && setns(job->target, job->enter) < 0)
    told.error = errno;
  if (!told.error) {
    told.pid = make(job->flags, -1, &pidfd);
    if (told.pid == 0) {
      close(result);
      begin(job);
    }
    if (told.pid < 0) told.error = errno;
  }
  send_fd(result, (char *)&told, sizeof told, told.error ? -1 : pidfd);
  _exit(0);
}

static pid_t make_inside(struct job *job, int *pidfd) {
  struct {
    int64_t pid, error;
  } told = {0, ECHILD};
  int pair[2], helper_fd = -1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -1;
  pid_t helper = make(0, job->cgroup, &helper_fd);
  if (helper == 0) {
    close(pair[0]);
    enter(job, pair[1]);
  }
  int number = errno;
  close(pair[1]);
  if (helper > 0) {
    char space[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&told, sizeof told};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
                             .msg_controllen = sizeof space};
    ssize_t size = recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head) memcpy(pidfd, CMSG_DATA(head), sizeof *pidfd);
    number = told.error;
    close(helper_fd);
  }
  close(pair[0]);
  errno = number;
  return helper < 0 || told.error ? failed("join the namespaces"), -1 : told.pid;
}

static int map_ids(struct job *job, pid_t pid) {
  char path[64];
  if (*job->deny_setgroups) { /* user_namespaces(7): without privilege, before gid_map */
    snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
    if (write_text(path, "deny") < 0) return -1;
  }
  snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
  if (*job->gid_map && write_text(path, job->gid_map) < 0) return -1;
  snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
  if (*job->uid_map && write_text(path, job->uid_map) < 0) return -1;
  snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
  return *job->oom ? write_text(path, job->oom) : 0;
}

static void fill(struct answer *answer, int number, const char *text) {
  answer->error = number;
  snprintf(answer->text, sizeof answer->text, "%s", text);
}

void launch(struct job *job, struct answer *answer, int *pidfd) {
  int pipe_fds[2];
  detail[0] = 0;
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) return fill(answer, errno, "pipe");
  job->mapping = move_up(pipe_fds[0]);
  pid_t pid;
  if (job->joins || job->target >= 0)
    pid = make_inside(job, pidfd);
  else if ((pid = make(job->flags, job->cgroup, pidfd)) == 0)
    begin(job);
  answer->spawned_ns = now();
  answer->pid = pid > 0 ? pid : 0;
  close(job->mapping);
  if (pid < 0) {
    fill(answer, errno, *detail ? detail : "clone3");
  } else if (map_ids(job, pid) < 0) {
    fill(answer, errno, detail);
    syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
  } else {
    int64_t word = pid;
    /* where it has failed meanwhile, it says why itself */
    if (write(pipe_fds[1], &word, sizeof word) < 0) errno = 0;
  }
  close(pipe_fds[1]);
}
