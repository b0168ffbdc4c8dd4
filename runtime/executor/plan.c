/* A plan: the steps by their numbers, what the host's side prepares, and the loop over them.
 *
 * The order of the table is that of runtime/plan/steps/encoding.py; the steps themselves stand in
 * identity.c, mounts.c, devices.c, process.c and last.c.
 */
#include <signal.h>
#include <sys/prctl.h>

#include "executor.h"

static const struct {
  int (*prepare)(struct job *, struct step *);
  int (*apply)(struct job *, struct step *);
} table[] = {
    {NULL, new_session},
    {NULL, loopback_up},
    {NULL, new_keyring},
    {NULL, set_hostname},
    {NULL, set_domainname},
    {NULL, await_mapping},
    {NULL, await_token},
    {NULL, become_root},
    {NULL, set_user},
    {NULL, enter_namespaces},
    {NULL, be_born},
    {NULL, unshare_late},
    {NULL, offset_clock},
    {prepare_upper, overlay_root},
    {prepare_bind_root, bind_root},
    {NULL, mount_new},
    {prepare_bind, bind_mount},
    {NULL, set_propagation},
    {NULL, pivot},
    {prepare_leaving, leave_mounts},
    {prepare_change_root, change_root},
    {NULL, provide_directory},
    {NULL, mask_paths},
    {NULL, readonly_paths},
    {NULL, readonly_mount},
    {NULL, write_sysctl},
    {NULL, make_link},
    {NULL, provide_devices},
    {prepare_device, make_device},
    {NULL, open_console},
    {NULL, take_console},
    {NULL, set_rlimit},
    {NULL, change_profile},
    {NULL, no_new_privileges},
    {NULL, bound_capabilities},
    {NULL, keep_capabilities},
    {NULL, set_capabilities},
    {NULL, set_umask},
    {NULL, set_personality},
    {NULL, set_scheduler},
    {NULL, set_io_priority},
    {NULL, set_affinity},
    {NULL, own_stdio},
    {NULL, restrict_landlock},
    {NULL, working_directory},
    {NULL, die_with_parent},
    {NULL, close_descriptors},
    {NULL, report},
    {NULL, await_start},
    {prepare_hook, run_hook},
    {NULL, find_program},
    {NULL, load_filter},
    {NULL, execute},
};

static int pick(const int *fds, int count, int64_t index) {
  return index >= 0 && index < count ? fds[index] : -1;
}

int read_job(struct job *job, const char *data, size_t size, const int *fds, int count) {
  struct cursor c = {data, data + size};
  size_t length;
  memset(job, 0, offsetof(struct job, step));
  job->root = job->mapping = job->result = -1;
  job->options = take_int(&c);
  job->parent = take_int(&c);
  job->owner = take_int(&c);
  job->control = pick(fds, count, take_int(&c));
  job->cgroup = pick(fds, count, take_int(&c));
  job->init = pick(fds, count, take_int(&c));
  job->target = pick(fds, count, take_int(&c));
  job->console = pick(fds, count, take_int(&c));
  job->start = pick(fds, count, take_int(&c));
  job->lower = take_text(&c);
  job->marker = take_text(&c);
  int64_t number = take_int(&c);
  if (number < 0 || number > MOST_FDS) return errno = E2BIG, failed("more than %d descriptors", MOST_FDS);
  job->count = number;
  for (int i = 0; i < job->count; i++) {
    job->numbers[i] = take_int(&c);
    job->fds[i] = pick(fds, count, take_int(&c));
  }
  /* from here on the harness has written it, once for each specification */
  job->flags = take_int(&c);
  job->enter = take_int(&c);
  job->uid_map = take_text(&c);
  job->gid_map = take_text(&c);
  job->deny_setgroups = take_text(&c);
  job->oom = take_text(&c);
  job->argv = take_list(&c);
  job->env = take_list(&c);
  const char *filter = take_bytes(&c, &length);
  job->filter = (struct sock_fprog){length / sizeof(struct sock_filter), (void *)filter};
  job->filter_flags = take_int(&c);
  /* what `discard` goes through is counted only once it fits */
  number = take_int(&c);
  if (number < 0 || number > MOST_JOINS) return errno = E2BIG, failed("more than %d namespaces to join", MOST_JOINS);
  job->joins = number;
  for (int i = 0; i < job->joins; i++) job->join_fds[i] = -1;
  for (int i = 0; i < job->joins; i++) {
    const char *path = take_text(&c);
    job->join_flags[i] = take_int(&c);
    job->join_fds[i] = open(path, O_RDONLY | O_CLOEXEC);
    if (job->join_fds[i] < 0) return failed("%s", path);
  }
  number = take_int(&c);
  if (number < 0 || number > MOST_STEPS)
    return errno = E2BIG, failed("the start takes %lld steps, more than %d", (long long)number, MOST_STEPS);
  job->steps = number;
  for (int i = 0; i < job->steps; i++) job->step[i].prepared = job->step[i].second = -1;
  for (int i = 0; i < job->steps; i++) {
    struct step *step = &job->step[i];
    step->code = take_int(&c);
    step->fields.at = take_bytes(&c, &length);
    step->fields.end = step->fields.at + length;
    if (step->code < 0 || (size_t)step->code >= sizeof table / sizeof *table)
      return errno = ENOSYS, failed("step %d", (int)step->code);
  }
  return 0;
}

int prepare(struct job *job) {
  for (int i = 0; i < job->steps; i++) {
    struct step *step = &job->step[i];
    struct step seen = *step; /* the child reads the fields again */
    if (table[step->code].apply == pivot) job->pivoted = 1;
    if (!table[step->code].prepare) continue;
    int done = table[step->code].prepare(job, &seen);
    step->prepared = seen.prepared;
    step->second = seen.second;
    if (done < 0) return i + 1;
  }
  return 0;
}

int sets_rlimit(const struct step *step) { return table[step->code].apply == set_rlimit; }

void discard(struct job *job) {
  for (int i = 0; i < job->steps; i++) {
    if (job->step[i].prepared >= 0) close(job->step[i].prepared);
    if (job->step[i].second >= 0) close(job->step[i].second);
  }
  for (int i = 0; i < job->joins; i++)
    if (job->join_fds[i] >= 0) close(job->join_fds[i]);
  free(job->argv);
  free(job->env);
}

static void give_up(struct job *job, int step) {
  char text[640];
  int number = errno;
  int length = snprintf(text, sizeof text, "e%d %d %s", step, number, detail);
  if (length > (int)sizeof text - 1) length = sizeof text - 1;
  if (send_fd(job->control, text, length, -1) < 0) _exit(126);
  _exit(125);
}

/* Where it fails, the descriptor stays as it is: the control socket has to tell. */
static int lift(int *fd, int top) {
  if (*fd < 0 || *fd > top) return 0;
  int high = fcntl(*fd, F_DUPFD_CLOEXEC, top + 1);
  if (high < 0) return -1;
  *fd = high;
  return 0;
}

/* Sources that lie among the targets first move above them, so that no target overwrites a source
 * still needed; as a rule none does, since the resident process holds the low numbers. */
static int arrange(struct job *job) {
  int top = 2;
  for (int i = 0; i < job->count; i++)
    if (job->numbers[i] > top) top = job->numbers[i];
  int *own[] = {&job->control, &job->init,   &job->console, &job->start,
                &job->mapping, &job->target, &job->result};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (lift(own[i], top) < 0) return -1;
  for (int i = 0; i < job->steps; i++)
    if (lift(&job->step[i].prepared, top) < 0 || lift(&job->step[i].second, top) < 0) return -1;
  for (int i = 0; i < job->count; i++)
    if (job->fds[i] < 0 || lift(&job->fds[i], top) < 0) return errno = EBADF, -1;
  for (int i = 0; i < job->count; i++)
    if (dup2(job->fds[i], job->numbers[i]) < 0) return -1;
  /* who made the container may wait for the end of what it gave as output */
  for (int i = 0; i < job->count; i++) close(job->fds[i]);
  return 0;
}

/* What only the making of the process took. The pipe's other end in our own hands would keep us
 * waiting for a mapping after the executor has died. */
static void let_go(struct job *job) {
  int spent[] = {job->feed, job->cgroup};
  for (size_t i = 0; i < sizeof spent / sizeof *spent; i++)
    if (spent[i] >= 0) close(spent[i]);
  for (int i = 0; i < job->joins; i++)
    if (job->join_fds[i] >= 0) close(job->join_fds[i]);
}

static struct {
  size_t used;
  char text[MOST_STEPS * 16 + 1];
} stamps;

/* Carries out steps up to the one named, which is passed over; -1 where one fails, which job->at
 * names then. */
static int carry_on(struct job *job, int (*last)(struct job *, struct step *)) {
  for (; job->at < job->steps; job->at++) {
    struct step *step = &job->step[job->at];
    detail[0] = 0;
    if (table[step->code].apply == last) return job->at++, 0;
    if (job->options & OPT_TIMED && table[step->code].apply == report) {
      stamps.text[0] = 's';
      send_fd(job->control, stamps.text, stamps.used + 1, -1);
    }
    if (table[step->code].apply(job, step) < 0) return -1;
    if (job->options & OPT_TIMED) {
      int64_t stamp[2] = {job->at, now()};
      memcpy(stamps.text + 1 + stamps.used, stamp, sizeof stamp);
      stamps.used += sizeof stamp;
    }
  }
  job->at = job->steps - 1;
  return errno = ENOEXEC, failed("the plan has no last step");
}

int approach(struct job *job) {
  let_go(job);
  if (arrange(job) < 0) return job->at = -1, failed("descriptors");
  return carry_on(job, be_born);
}

void carry_out(struct job *job) {
  if (job->options & OPT_UNDUMPABLE) prctl(PR_SET_DUMPABLE, 0);
  /* until the identity steps do it for good: nothing half-made outlives the spawner */
  if (!(job->options & OPT_ORPHAN)) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!job->at) { /* else who has approached has done so */
    let_go(job);
    if (arrange(job) < 0) failed("descriptors"), give_up(job, -1);
  }
  carry_on(job, NULL);
  give_up(job, job->at);
  _exit(125);
}
