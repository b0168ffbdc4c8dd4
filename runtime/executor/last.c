/* The last steps: descriptors, ready, the wait for the start, the filter, exec. */
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "executor.h"

extern char **environ;

/* Everything from 3 on closes with the exec, but what the workload was given (CVE-2024-21626,
 * CVE-2016-9962). */
STEP(close_descriptors) {
  (void)step;
  if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0) return -1;
  for (int i = 0; i < job->count; i++)
    if (job->numbers[i] > 2 && fcntl(job->numbers[i], F_SETFD, 0) < 0)
      return failed("descriptor %d", job->numbers[i]);
  return 0;
}

/* Field: the letter that tells how far things are; "r" for ready, with the clock. */
STEP(report) {
  char text[32] = {(char)take_int(&step->fields)};
  int length = snprintf(text + 1, sizeof text - 1, "%lld", (long long)now());
  return send_fd(job->control, text, length + 1, -1);
}

/* Waits for a connection to the listening socket; from then on failures are told there. */
STEP(await_start) {
  (void)step;
  int connection;
  do connection = accept4(job->start, NULL, NULL, SOCK_CLOEXEC);
  while (connection < 0 && errno == EINTR);
  if (connection < 0) return -1;
  close(job->control);
  job->control = move_up(connection);
  close(job->start);
  return 0;
}

static int64_t left(int64_t deadline) { return (deadline - now()) / 1000000; }

/* Fields: program, arguments, environment, time limit in ms or -1, state with "@PID@" for our id. */
STEP(run_hook) {
  int pipe_fds[2];
  char number[16];
  const char *program = take_text(&step->fields);
  char **arguments = take_list(&step->fields), **variables = take_list(&step->fields);
  int64_t limit = take_int(&step->fields);
  const char *state = take_text(&step->fields), *mark = strstr(state, "@PID@");
  int length = snprintf(number, sizeof number, "%d", (int)job->pid);
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) return -1;
  pid_t pid = fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    if (dup2(pipe_fds[0], 0) < 0) _exit(126);
    execve(program, *arguments ? arguments : (char *[]){(char *)program, NULL}, variables);
    _exit(127);
  }
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  close(pipe_fds[0]);
  signal(SIGPIPE, SIG_IGN);
  /* a state is smaller than a pipe; a hook that does not read it is its own affair */
  if (mark && (write(pipe_fds[1], state, mark - state) < 0 ||
               write(pipe_fds[1], number, length) < 0 ||
               write(pipe_fds[1], mark + 5, strlen(mark + 5)) < 0))
    errno = 0;
  signal(SIGPIPE, SIG_DFL);
  close(pipe_fds[1]);
  int64_t deadline = now() + limit * 1000000;
  struct pollfd ended = {pidfd, POLLIN, 0};
  int status = 0;
  while (poll(&ended, 1, limit < 0 ? -1 : (int)(left(deadline) > 0 ? left(deadline) : 0)) < 0 &&
         errno == EINTR) {
  }
  int late = !(ended.revents & POLLIN);
  if (late) kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  close(pidfd);
  free(arguments);
  free(variables);
  if (late) return errno = ETIMEDOUT, failed("%s did not end in time", program);
  if (status)
    return errno = ECANCELED, failed("%s ended with status %d", program,
                                     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}

/* With a listener (SECCOMP_FILTER_FLAG_NEW_LISTENER) its number is told before, since afterwards
 * the filter may keep us from telling: whoever answers for us takes it by pidfd_getfd(2). */
STEP(load_filter) {
  (void)step;
  if (job->filter_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
    char text[16];
    int next = dup(job->control);
    if (next < 0) return -1;
    close(next); /* the kernel takes the lowest free number, as dup did */
    int length = snprintf(text, sizeof text, "n%d", next);
    if (send_fd(job->control, text, length, -1) < 0) return -1;
  }
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, job->filter_flags, &job->filter) < 0 ? -1 : 0;
}

static const char *path_variable(char **env) {
  for (; *env; env++)
    if (!strncmp(*env, "PATH=", 5)) return *env + 5;
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int executable(const char *path) {
  struct stat status;
  if (stat(path, &status) < 0) return -1;
  if (!S_ISREG(status.st_mode)) return errno = EACCES, -1;
  return access(path, X_OK);
}

/* As execvp(3) would find it, but before an init would report a bare 127. */
static const char *find(const char *name, char **env) {
  static char candidate[PATH_MAX];
  if (strchr(name, '/')) {
    if (executable(name) == 0) return name;
    failed("executable file '%s'", name);
    return NULL;
  }
  int refused = 0;
  for (const char *at = path_variable(env), *end; at; at = *end ? end + 1 : NULL) {
    end = strchrnul(at, ':');
    snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)(end - at), at, end == at ? "./" : "/",
             name);
    if (executable(candidate) == 0) return candidate;
    if (errno == EACCES) refused = 1;
  }
  errno = refused ? EACCES : ENOENT;
  failed("executable file '%s' not found in $PATH", name);
  return NULL;
}

STEP(find_program) {
  (void)step;
  return find(job->argv[0], job->env) ? 0 : -1;
}

/* Field: whether below an init, which runs from a sealed memory file: no file of the host is behind
 * /proc/1/exe (CVE-2019-5736). */
STEP(execute) {
  char *with_init[MOST_STEPS + 4] = {"init", "--"};
  int64_t init = take_int(&step->fields);
  const char *program = find(job->argv[0], job->env);
  if (!program) return -1;
  if (init) {
    int n = 0;
    char **list = with_init;
    while (job->argv[n]) n++;
    if (n > MOST_STEPS && !(list = calloc(n + 4, sizeof *list))) return -1;
    list[0] = "init", list[1] = "--", list[2] = (char *)program;
    memcpy(list + 3, job->argv + 1, n * sizeof *list);
    syscall(SYS_execveat, job->init, "", list, job->env, EMPTY_PATH);
  } else {
    execve(program, job->argv, job->env);
  }
  return failed("%s", program);
}
