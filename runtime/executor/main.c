/* The executor: carries out the plans of containers, in C so that a start copies few pages.
 *
 * A resident, single-threaded program beside the spawner. It decides nothing: what to do, and in
 * which order, is written in Python (runtime/plan/builder.py); a request brings that as a list of steps.
 * The processes it makes are its parent's children (CLONE_PARENT).
 *
 *   executor CHANNEL               serve requests on the SOCK_SEQPACKET descriptor CHANNEL
 *   executor herald PIPE FILE      write our own id to FILE for each byte read from PIPE
 *
 * The working directory is the spawner's scratch directory, with the empty directories `scratch`
 * and `merged`. A request larger than a message comes as a memory file. The answer is a struct
 * answer, with the pidfd where there is a process.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "executor.h"

#define MOST_INLINE (128 << 10)

int resident = -1;

/* Starts the wait of cgroup v1 early (runtime/spawner/herald.py says why). */
static int herald(int pipe_fd, const char *path) {
  char number[16], bytes[64];
  int length = snprintf(number, sizeof number, "%d", getpid());
  int procs = open(path, O_WRONLY | O_CLOEXEC);
  if (procs < 0) return 1;
  while (read(pipe_fd, bytes, sizeof bytes) > 0)
    if (write(procs, number, length) < 0) return 1;
  return 0;
}

static void refuse(int channel, int number, const char *text) {
  struct answer answer = {.error = number};
  snprintf(answer.text, sizeof answer.text, "%s", text);
  send_fd(channel, (char *)&answer, sizeof answer, -1);
}

static void serve(int channel, const char *data, size_t size, int *fds, int count) {
  static struct job job;
  struct answer answer = {0};
  int pidfd = -1, at;
  detail[0] = 0;
  if (read_job(&job, data, size, fds, count) < 0) {
    answer.error = errno;
    snprintf(answer.text, sizeof answer.text, "%s", detail);
  } else if ((at = prepare(&job)) > 0) {
    answer.pid = -at; /* the step that failed, counted from one */
    answer.error = errno;
    snprintf(answer.text, sizeof answer.text, "%s", detail);
  } else {
    launch(&job, &answer, &pidfd);
  }
  discard(&job);
  send_fd(channel, (char *)&answer, sizeof answer, pidfd);
  if (pidfd >= 0) close(pidfd);
}

static int loop(int channel) {
  static char data[MOST_INLINE];
  resident = channel;
  for (;;) {
    char space[CMSG_SPACE(MOST_FDS * sizeof(int))];
    int fds[MOST_FDS], count = 0;
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
                             .msg_controllen = sizeof space};
    ssize_t size = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size < 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    int lost = message.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
    if (head && head->cmsg_type == SCM_RIGHTS) {
      count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      memcpy(fds, CMSG_DATA(head), count * sizeof(int));
      /* a workload's numbers are low; what we hold meanwhile must not stand in their way */
      for (int i = 0; i < count; i++)
        if ((fds[i] = move_up(fds[i])) < 0) lost = 1;
    }
    struct stat status;
    if (lost) {
      refuse(channel, EMFILE, "receive the descriptors of a request");
    } else if (size == 1 && count && fstat(fds[0], &status) == 0) { /* the request is in a file */
      char *mapped = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fds[0], 0);
      if (mapped == MAP_FAILED) {
        refuse(channel, errno, "read a request");
      } else {
        serve(channel, mapped, status.st_size, fds + 1, count - 1);
        munmap(mapped, status.st_size);
      }
    } else {
      serve(channel, data, size, fds, count);
    }
    for (int i = 0; i < count; i++)
      if (fds[i] >= 0) close(fds[i]);
  }
}

int main(int argc, char **argv) {
  sigset_t none;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* Python ignores some signals, and whoever started it may block others; workloads inherit ours */
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_IGN);
  if (argc == 4 && !strcmp(argv[1], "herald")) return herald(atoi(argv[2]), argv[3]);
  if (argc != 2) return 2;
  int channel = move_up(atoi(argv[1]));
  fcntl(channel, F_SETFD, FD_CLOEXEC);
  /* whatever our parent's parent left open is nobody's business here, nor a container's */
  syscall(SYS_close_range, 3, channel - 1, 0);
  syscall(SYS_close_range, channel + 1, ~0U, 0);
  return loop(channel);
}
