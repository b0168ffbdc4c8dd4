/* What the parts of the executor share: one request, and the steps that carry it out. */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_FDS 250   /* SCM_RIGHTS carries 253 */
#define MOST_STEPS 1024
#define MOST_JOINS 8   /* kinds of namespaces */
#define FIRST_FREE 200 /* our own descriptors stay out of the numbers a workload may ask for */

/* Flags that glibc's headers lack or that clash with the kernel's own. */
#define INTO_CGROUP 0x200000000ULL
#define NEWTIME 0x00000080ULL
#define TREE_CLONE 1u
#define TREE_CLOEXEC O_CLOEXEC
#define EMPTY_PATH 0x1000
#define RECURSIVE 0x8000
#define MOVE_EMPTY_PATHS 0x44u /* MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH */
#define ATTR_RDONLY 1ULL
#define ATTR_NOSUID 2ULL
#define ATTR_NODEV 4ULL
#define ATTR_NOEXEC 8ULL
#define ATTR_IDMAP 0x100000ULL

/* Options of a request. */
#define OPT_TIMED 1      /* send the clock after every step */
#define OPT_UNDUMPABLE 2 /* close /proc/PID to others until the exec */
#define OPT_ORPHAN 4     /* outlive the parent: an OCI container has none */

/* Fields as runtime/plan/steps/encoding.py writes them: 8-byte integers in this machine's order,
 * strings as length, bytes, NUL and padding to 8. */
struct cursor {
  const char *at, *end;
};
int64_t take_int(struct cursor *c);
const char *take_text(struct cursor *c);
const char *take_bytes(struct cursor *c, size_t *length);
char **take_list(struct cursor *c); /* NULL-terminated, allocated for good */

struct step {
  int64_t code;
  struct cursor fields;
  int prepared, second; /* what the resident process opened for it on the host's side, or -1 */
};

struct job {
  int64_t options, flags, enter, parent;
  int64_t owner; /* of the user namespace, or 0 for whoever we are */
  int control;  /* to whoever answers for the container; closes with the exec */
  int cgroup;   /* to be born in, or -1 */
  int init;     /* the init program, or -1 */
  int target;   /* pidfd of the container to enter, until it is entered, or -1 */
  int console;  /* where the terminal goes, or -1 for the control socket */
  int start;    /* listening socket that says when to go on, or -1 */
  int mapping;  /* the read end of a pipe that brings the process id once the ids are mapped */
  int feed;     /* its other end */
  int result;   /* while a process enters: where it tells the resident one how that went, or -1 */
  int at;       /* the step that is next */
  int root;     /* the container's root once it is mounted */
  int pivoted;  /* while steps are prepared: those that follow come after the pivot */
  int64_t pid;  /* as the host sees it, once it is known */
  unsigned tokens;
  const char *lower, *marker, *uid_map, *gid_map, *deny_setgroups, *oom;
  int count, numbers[MOST_FDS], fds[MOST_FDS]; /* what the workload gets, and as which number */
  char **argv, **env;
  const char *program; /* of the workload, once it is found */
  struct sock_fprog filter;
  unsigned filter_flags;
  int joins, join_fds[MOST_JOINS], join_flags[MOST_JOINS];
  int steps;
  struct step step[MOST_STEPS];
};

extern int resident; /* the channel to the spawner, which nobody that is made may keep */
extern char detail[512]; /* what the failing call was about, where errno alone does not say it */
int failed(const char *format, ...) __attribute__((format(printf, 1, 2))); /* -1, errno kept */

int64_t now(void);
int write_text(const char *path, const char *text);
int move_up(int fd); /* to a number from FIRST_FREE on */
int send_fd(int socket, const char *data, size_t length, int fd);

/* plan.c */
int read_job(struct job *job, const char *data, size_t size, const int *fds, int count);
int prepare(struct job *job);   /* opens on the host's side what steps need */
void discard(struct job *job);  /* closes that again */
int sets_rlimit(const struct step *step);
int approach(struct job *job); /* to where the process is born inside; -1 at the step that fails */
void carry_out(struct job *job) __attribute__((noreturn));

/* launch.c */
struct answer {
  int64_t pid, spawned_ns, error;
  char text[488];
};
void launch(struct job *job, struct answer *answer, int *pidfd);

/* The steps, by file. */
#define STEP(name) int name(struct job *job, struct step *step)
STEP(new_session); STEP(loopback_up); STEP(new_keyring); STEP(set_hostname); STEP(set_domainname);
STEP(await_mapping); STEP(await_token); STEP(become_root); STEP(set_user); STEP(join_time);
STEP(unshare_late); STEP(offset_clock); STEP(enter_namespaces); STEP(be_born);
STEP(overlay_root); STEP(bind_root); STEP(mount_new); STEP(bind_mount); STEP(set_propagation);
STEP(pivot); STEP(leave_mounts); STEP(change_root); STEP(mask_paths); STEP(readonly_paths); STEP(readonly_mount);
STEP(write_sysctl); STEP(make_link); STEP(provide_directory);
STEP(provide_devices); STEP(make_device); STEP(open_console); STEP(take_console);
STEP(set_rlimit); STEP(change_profile); STEP(no_new_privileges); STEP(bound_capabilities); STEP(set_capabilities);
STEP(keep_capabilities); STEP(set_umask); STEP(set_personality); STEP(set_scheduler);
STEP(set_io_priority); STEP(set_affinity); STEP(own_stdio); STEP(restrict_landlock);
STEP(working_directory); STEP(die_with_parent); STEP(close_descriptors); STEP(report);
STEP(await_start); STEP(run_hook); STEP(find_program); STEP(load_filter); STEP(execute);
STEP(prepare_bind); STEP(prepare_bind_root); STEP(prepare_upper); STEP(prepare_leaving);
STEP(prepare_change_root); STEP(prepare_device); STEP(prepare_hook);

/* identity.c */
int open_own(const char *name); /* a file below the container's /proc/self, to write */

/* paths.c */
enum { REFUSE, FOLLOW }; /* links on the way, inside the root */
int open_in_root(int root, const char *path, int flags, int links);
int open_directory(int root, const char *path, int links); /* made where it is missing */
int open_file(int root, const char *path, int links);
int clone_tree(int directory, const char *path, unsigned flags);
int attach(int tree, int target);
/* The last part of a path, and the directory above it; `copy` holds both. */
char *split_path(char *copy, size_t room, const char *path, const char **above);
int set_attributes(int fd, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
                   int userns);

/* mounts.c */
int place(struct job *job, int tree, const char *path, int target); /* may become the root */
#define MOST_OPTIONS 64
struct options {
  int64_t count;
  const char *name[MOST_OPTIONS], *value[MOST_OPTIONS]; /* an empty value stands for a flag */
};
int new_filesystem(const char *kind, const char *source, const struct options *options,
                   uint64_t attributes);

#endif
