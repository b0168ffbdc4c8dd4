/* The system-call filter, and the descriptor by which another process answers for it. */
#include <linux/seccomp.h>
#include <sched.h>
#include <time.h>

#include "executor.h"

enum { WAITING, SENT, REFUSED };

static struct {
  int number, control;
  volatile int state, gone;
} watch;

static char stack[32768] __attribute__((aligned(16)));

/* A thread without the filter, which sees the same descriptors. Its calls set the errno of both. */
static int send_listener(void *nothing) {
  struct timespec pause = {0, 20000};
  (void)nothing;
  while (watch.state == WAITING) {
    if (fcntl(watch.number, F_GETFD) >= 0)
      watch.state = send_fd(watch.control, "n", 1, watch.number) < 0 ? REFUSED : SENT;
    else
      nanosleep(&pause, NULL);
  }
  watch.gone = 1;
  syscall(SYS_exit, 0);
  return 0;
}

static int load(struct job *job) {
  /* there is but one thread that the filter is for, and the other must stay without */
  unsigned flags = job->filter_flags & ~SECCOMP_FILTER_FLAG_TSYNC;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &job->filter);
}

/* The kernel makes the listener with the filter, closes it at the exec, and the filter may hold every
 * call that would hand it over. So a thread hands it over, and we wait for that without a call. */
static int load_with_listener(struct job *job) {
  watch.control = job->control;
  watch.state = WAITING;
  watch.gone = 0;
  watch.number = dup(job->control);
  if (watch.number < 0) return -1;
  close(watch.number); /* the kernel takes the lowest free number, as dup did */
  if (clone(send_listener, stack + sizeof stack,
            CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL) < 0)
    return failed("make a thread");
  if (load(job) < 0) {
    watch.state = REFUSED;
    while (!watch.gone) sched_yield();
    return load(job) < 0 ? -1 : (errno = EAGAIN, -1); /* fails again, with an errno of its own */
  }
  while (watch.state == WAITING) __asm__ volatile("" ::: "memory");
  return watch.state == SENT ? 0 : failed("hand the listener over");
}

STEP(load_filter) {
  (void)step;
  return job->filter_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? load_with_listener(job)
                                                               : load(job);
}
