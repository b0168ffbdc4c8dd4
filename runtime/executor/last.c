/* The last steps: descriptors, ready, the wait for the start, the filter, exec. */
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

/* Waits for a connection to the listening socket and says "a" there; from then on failures are told
 * there. Whoever connects later finds nobody listening: a container is started once. */
STEP(await_start) {
  (void)step;
  int connection;
  do connection = accept4(job->start, NULL, NULL, SOCK_CLOEXEC);
  while (connection < 0 && errno == EINTR);
  if (connection < 0) return -1;
  close(job->control);
  close(job->start);
  job->start = -1;
  /* the workload's numbers are taken by now, and its limit may be below ours */
  job->control = connection;
  /* whoever has gone meanwhile wanted the start all the same */
  if (send_fd(job->control, "a", 1, -1) < 0) errno = 0;
  return 0;
}

static int64_t left(int64_t deadline) {
  int64_t milliseconds = (deadline - now() + 999999) / 1000000;
  return milliseconds < 0 ? 0 : milliseconds > INT_MAX ? INT_MAX : milliseconds;
}

static void become_hook(const struct step *step, const char *program, char **arguments,
                        char **variables, const char *folder, int state) {
  char *alone[] = {(char *)program, NULL};
  /* nothing of the runtime's or the caller's reaches it but what every process has */
  if (setsid() < 0 || dup2(state, 0) < 0) _exit(126);
  if (step->prepared >= 0 && dup2(step->prepared, 1) < 0) _exit(126);
  if (step->second >= 0 && dup2(step->second, 2) < 0) _exit(126);
  if (*folder && chdir(folder) < 0) errno = 0; /* it may be closed to us */
  syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  signal(SIGPIPE, SIG_DFL);
  execve(program, *arguments ? arguments : alone, variables);
  _exit(127);
}

/* Waits for a hook; 1 where it takes longer than it may, and then ends it with all it has started. */
static int outlast(pid_t pid, int64_t limit, int *status) {
  int64_t deadline = now() + limit * 1000000;
  struct pollfd ended = {syscall(SYS_pidfd_open, pid, 0), POLLIN, 0};
  while (poll(&ended, 1, limit < 0 ? -1 : (int)left(deadline)) < 0 && errno == EINTR) {
  }
  int late = !(ended.revents & POLLIN);
  if (late) kill(-pid, SIGKILL), kill(pid, SIGKILL);
  while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
  }
  close(ended.fd);
  return late;
}

static int open_output(const char *path) {
  int fd = move_up(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  return fd < 0 ? failed("%s", path) : fd;
}

/* Fields of run_hook: where its output and its errors go, "" for where the workload's do. */
STEP(prepare_hook) {
  (void)job;
  const char *output = take_text(&step->fields), *errors = take_text(&step->fields);
  if (*output && (step->prepared = open_output(output)) < 0) return -1;
  if (*errors && (step->second = open_output(errors)) < 0) return -1;
  return 0;
}

/* Further fields: program, arguments, environment, directory to run in, time limit in ms or -1, state
 * with "@PID@" for our id as the container sees it. */
STEP(run_hook) {
  (void)job;
  int pipe_fds[2], status = 0;
  char number[16];
  take_text(&step->fields), take_text(&step->fields);
  const char *program = take_text(&step->fields);
  char **arguments = take_list(&step->fields), **variables = take_list(&step->fields);
  const char *folder = take_text(&step->fields);
  int64_t limit = take_int(&step->fields);
  const char *state = take_text(&step->fields), *mark = strstr(state, "@PID@");
  int length = snprintf(number, sizeof number, "%d", (int)getpid());
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) return -1;
  fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK);
  pid_t pid = fork();
  if (pid < 0) return -1;
  if (pid == 0) become_hook(step, program, arguments, variables, folder, pipe_fds[0]);
  close(pipe_fds[0]);
  void (*before)(int) = signal(SIGPIPE, SIG_IGN);
  /* a state is smaller than a pipe; a hook that does not read it is its own affair */
  if (mark && (write(pipe_fds[1], state, mark - state) < 0 ||
               write(pipe_fds[1], number, length) < 0 ||
               write(pipe_fds[1], mark + 5, strlen(mark + 5)) < 0))
    errno = 0;
  signal(SIGPIPE, before);
  close(pipe_fds[1]);
  int late = outlast(pid, limit, &status);
  free(arguments);
  free(variables);
  if (late) return errno = ETIMEDOUT, failed("%s did not end in time", program);
  if (!status) return 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return errno = ENOENT, failed("%s cannot be executed, or ended with status 127", program);
  return errno = ECANCELED,
         failed("%s ended with status %d", program,
                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
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
  /* with the rights of the effective ids, as execve(2) looks */
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
}

/* As execvp(3) would find it, but before an init would report a bare 127. */
static const char *find(const char *name, char **env) {
  static char candidate[PATH_MAX];
  if (!name) return errno = ENOENT, failed("no program is named"), NULL;
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

/* Looked up before the filter is loaded, which need not allow what that takes. */
STEP(find_program) {
  (void)step;
  job->program = find(job->argv[0], job->env);
  return job->program ? 0 : -1;
}

/* Field: whether below an init, which runs from a sealed memory file: no file of the host is behind
 * /proc/1/exe (CVE-2019-5736). */
STEP(execute) {
  char *with_init[MOST_STEPS + 4] = {"init", "--"};
  int64_t init = take_int(&step->fields);
  const char *program = job->program ? job->program : find(job->argv[0], job->env);
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
