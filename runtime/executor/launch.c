/* Making the process: a container's first, or one that enters a container.
 *
 * Both become children of whoever started the executor (CLONE_PARENT), which owns and reaps them.
 */
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "executor.h"

/* linux/sched.h and glibc's sched.h cannot both be included */
struct clone_arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};

/* What is used in a user namespace is charged to who owns it, too (inotify(7), mq_overview(7)): a
 * container would use up the quotas of the host's root, and of all other containers. The owner is
 * whose effective id makes the namespace; we keep our capabilities under it. */
static int become(uid_t owner) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_setresuid, -1, owner, -1) < 0) return -1;
  if (syscall(SYS_capget, &header, data) < 0) return -1;
  for (int i = 0; i < 2; i++) data[i].effective = data[i].permitted;
  return syscall(SYS_capset, &header, data);
}

static pid_t make(struct job *job, uint64_t flags, int cgroup, int *pidfd) {
  struct clone_arguments arguments = {
      /* a sibling takes over its maker's signal; naming one is EINVAL */
      .flags = flags | CLONE_PARENT | CLONE_PIDFD | (cgroup >= 0 ? INTO_CGROUP : 0),
      .pidfd = (uintptr_t)pidfd,
      .cgroup = cgroup >= 0 ? cgroup : 0,
  };
  uid_t before = geteuid();
  int owned = job->owner && flags & CLONE_NEWUSER;
  pid_t pid = -1;
  if (!owned || become(job->owner) == 0) pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (owned && pid != 0) {
    int number = errno;
    if (become(before) < 0) _exit(123); /* better none of us than one with another's id */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* which a change of ids clears */
    errno = number;
  }
  return pid;
}

/* Who kept the channel could answer for us, and would keep it open when we die. */
static void forget_channel(void) {
  close(resident);
  resident = -1;
}

static void begin(struct job *job) {
  if (resident >= 0) forget_channel();
  signal(SIGPIPE, SIG_DFL);
  carry_out(job);
}

/* A limit above our own takes a privilege over the host (setrlimit(2)), which is dropped, or not had
 * in the container's user namespace, by the time the process sets its limits. That of processes counts
 * when it is born. */
static void raise_own_limits(struct job *job) {
  for (int i = 0; i < job->steps; i++) {
    struct cursor fields = job->step[i].fields;
    if (!sets_rlimit(&job->step[i])) continue;
    int64_t which = take_int(&fields);
    rlim_t soft = take_int(&fields), hard = take_int(&fields);
    struct rlimit limit;
    if (getrlimit(which, &limit) < 0) continue;
    if (limit.rlim_max < hard) limit.rlim_max = hard;
    if (which == RLIMIT_NPROC && limit.rlim_cur < soft) limit.rlim_cur = soft;
    if (setrlimit(which, &limit) < 0) errno = 0; /* its own attempt tells */
  }
}

/* By the older call, whose flags a filter that is loaded by now can see. */
static pid_t be_born_inside(int *pidfd) {
  prctl(PR_SET_DUMPABLE, 0); /* which a change of ids has set to what the host wants */
  return syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD, 0, pidfd, 0, 0);
}

struct outcome {
  int64_t pid, error, step; /* the step that failed, counted from one */
  char text[sizeof detail];
};

/* Enters what exists, then makes the process: one enters a pid namespace only by being born in it.
 *
 * Who enters stays invisible in the container until then, and has given up by then all that the
 * workload does not get: what is half-made in a container must be of no use to whoever is in there
 * already (CVE-2019-5736, CVE-2016-9962), also where that may trace any process. Nor is it dumpable,
 * so that /proc/PID/exe and /proc/PID/fd stay shut until the exec, and it holds no descriptor that is
 * not the workload's.
 *
 * A container that is made in namespaces of others is made by the process that is born there. */
static void enter(struct job *job) {
  struct outcome told = {0};
  int pidfd = -1, entering = job->target >= 0;
  forget_channel();
  prctl(PR_SET_DUMPABLE, 0);
  for (int i = 0; i < job->joins && !told.error; i++)
    if (setns(job->join_fds[i], job->join_flags[i]) < 0) told.error = errno;
  if (entering) {
    raise_own_limits(job);
    if (approach(job) < 0) told.error = errno, told.step = job->at + 1;
  }
  if (!told.error) {
    told.pid = entering ? be_born_inside(&pidfd) : make(job, job->flags, -1, &pidfd);
    if (told.pid == 0) {
      close(job->result);
      job->result = -1;
      begin(job);
    }
    if (told.pid < 0) told.error = errno;
  }
  memcpy(told.text, detail, sizeof told.text);
  send_fd(job->result, (char *)&told, sizeof told, told.error ? -1 : pidfd);
  _exit(0);
}

/* Where a step fails, the answer's id is its place, less than zero, as of one that was prepared. */
static pid_t make_inside(struct job *job, struct answer *answer, int *pidfd) {
  struct outcome told = {0, ECHILD, 0, ""};
  int pair[2], helper_fd = -1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -1;
  pid_t helper = make(job, 0, job->cgroup, &helper_fd);
  if (helper == 0) {
    close(pair[0]);
    job->result = pair[1];
    enter(job);
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
  if (helper > 0 && !told.error) return told.pid;
  answer->pid = -told.step;
  if (told.step)
    memcpy(detail, told.text, sizeof detail);
  else
    failed("join the namespaces");
  return errno = number, -1;
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

/* A limit above our own takes a privilege over the host (setrlimit(2)), which no user namespace
 * gives; the process itself finds its limits as it wants them then. */
static void raise_limits(struct job *job, pid_t pid) {
  if (!*job->uid_map) return;
  for (int i = 0; i < job->steps; i++) {
    struct cursor fields = job->step[i].fields;
    if (!sets_rlimit(&job->step[i])) continue;
    int64_t which = take_int(&fields);
    struct rlimit limit;
    limit.rlim_cur = take_int(&fields);
    limit.rlim_max = take_int(&fields);
    if (prlimit(pid, which, &limit, NULL) < 0) errno = 0; /* its own attempt tells */
  }
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
  job->feed = pipe_fds[1];
  pid_t pid;
  if (job->joins || job->target >= 0)
    pid = make_inside(job, answer, pidfd);
  else if ((pid = make(job, job->flags, job->cgroup, pidfd)) == 0)
    begin(job);
  answer->spawned_ns = now();
  if (pid > 0) answer->pid = pid;
  close(job->mapping);
  if (pid < 0) {
    fill(answer, errno, *detail || answer->pid ? detail : "clone3");
  } else if (map_ids(job, pid) < 0) {
    fill(answer, errno, detail);
    syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
  } else {
    int64_t word = pid;
    raise_limits(job, pid);
    /* where it has failed meanwhile, it says why itself */
    if (write(pipe_fds[1], &word, sizeof word) < 0) errno = 0;
  }
  close(pipe_fds[1]);
}
