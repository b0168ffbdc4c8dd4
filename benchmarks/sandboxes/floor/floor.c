/* The floor: the bare system calls that make the default container, in C, nothing around them.
 *
 * A resident, single-threaded program that starts one container per message, so that a start costs
 * a clone and the calls themselves: no program to load but the workload, no specification to read,
 * no check of what an image may have planted, no record for a later exec. Not a runtime and not
 * safe for hostile images; it is what no runtime can be much faster than.
 *
 *   floor CONTROL LOWER ID COUNT INIT FILTER [-m MASKED]... [-r READONLY]... -- PROGRAM [ARG]...
 *
 * CONTROL is a SOCK_SEQPACKET descriptor, LOWER the image, ID and COUNT the ids of the user
 * namespace, INIT and FILTER paths of the init program and of the BPF filter, or "-". The working
 * directory is a tmpfs with the empty directories `scratch` and `merged`; it must be in a private
 * mount namespace.
 *
 * A message brings the workload's descriptors 0 to 3 and one line for each step of its cgroup, none
 * for no cgroup:
 *   m DIRECTORY      make it
 *   w FILE TEXT      write a limit
 *   a FILE           write the new process's id (cgroup v1)
 *   i DIRECTORY      be born inside (cgroup v2, CLONE_INTO_CGROUP); the last line
 * The answer is a struct answer, with the pidfd where the start succeeded.
 *
 * Sources: clone(2), user_namespaces(7), pivot_root(2), cgroups(7), seccomp(2), capabilities(7).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 64
#define FDS 4
#define INTO_CGROUP 0x200000000ULL

/* linux/sched.h and glibc's sched.h cannot both be included */
struct arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};

struct answer {
  int64_t pid, spawned_ns, ready_ns, error;
  char step[64];
};

static int control, init_fd = -1;
static const char *lower, *masked[MOST], *readonly_[MOST];
static char map[64], overlay[4096];
static char **program, *with_init[MOST + 3];
static struct sock_fprog filter;
extern char **environ;

/* Podman's eleven capabilities, as the default profile keeps them (runtime/spec/capabilities.py). */
static const int kept[] = {CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,
                           CAP_KILL,    CAP_SETGID,       CAP_SETUID,  CAP_SETPCAP,
                           CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_SETFCAP};

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fill(struct answer *a, const char *step, int error) {
  a->error = error;
  snprintf(a->step, sizeof a->step, "%s", step);
}

static int write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t done = write(fd, text, strlen(text));
  close(fd);
  return done < 0 ? -1 : 0;
}

/* ---- in the new process ---- */

static int channel; /* to the parent; closes with the exec, which tells it that all went well */

static void fail(const char *step) {
  struct answer a = {0};
  fill(&a, step, errno);
  if (write(channel, &a, sizeof a) < 0) _exit(126);
  _exit(125);
}

#define MUST(call, step) do { if ((call) < 0) fail(step); } while (0)

static void await(void) {
  char token;
  if (read(channel, &token, 1) != 1) _exit(125);
}

static void fresh(const char *kind, const char *target, unsigned long flags, const char *data) {
  MUST(mount("floor", target, kind, flags, data), target);
}

static void device(const char *name) {
  char from[32], to[48];
  snprintf(from, sizeof from, "/dev/%s", name);
  snprintf(to, sizeof to, "merged/dev/%s", name);
  int fd = open(to, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0666);
  MUST(fd, to);
  close(fd);
  MUST(mount(from, to, NULL, MS_BIND, NULL), to);
}

static void make_root(void) {
  const unsigned long safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
  fresh("tmpfs", "scratch", MS_NODEV, "mode=0755");
  MUST(mkdir("scratch/upper", 0755), "scratch/upper");
  MUST(mkdir("scratch/work", 0755), "scratch/work");
  fresh("overlay", "merged", MS_NODEV, overlay);
  fresh("proc", "merged/proc", safe, NULL);
  fresh("sysfs", "merged/sys", safe | MS_RDONLY, NULL);
  fresh("tmpfs", "merged/dev", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=755,size=65536k");
  static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) device(devices[i]);
  MUST(symlink("/proc/self/fd", "merged/dev/fd"), "/dev/fd");
  MUST(symlink("/proc/self/fd/0", "merged/dev/stdin"), "/dev/stdin");
  MUST(symlink("/proc/self/fd/1", "merged/dev/stdout"), "/dev/stdout");
  MUST(symlink("/proc/self/fd/2", "merged/dev/stderr"), "/dev/stderr");
  MUST(symlink("/proc/kcore", "merged/dev/core"), "/dev/core");
  MUST(symlink("pts/ptmx", "merged/dev/ptmx"), "/dev/ptmx");
  MUST(mkdir("merged/dev/pts", 0755), "/dev/pts");
  MUST(mkdir("merged/dev/shm", 0755), "/dev/shm");
  MUST(mkdir("merged/dev/mqueue", 0755), "/dev/mqueue");
  fresh("devpts", "merged/dev/pts", MS_NOSUID | MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620,gid=5");
  fresh("tmpfs", "merged/dev/shm", safe, "mode=1777");
  fresh("mqueue", "merged/dev/mqueue", safe, NULL);
  MUST(chdir("merged"), "merged");
  MUST(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  MUST(umount2(".", MNT_DETACH), "umount2");
  MUST(chdir("/"), "chdir");
}

static void mask(void) {
  const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC | MS_NODEV;
  struct stat status;
  for (int i = 0; readonly_[i]; i++) {
    if (stat(readonly_[i], &status) < 0) continue;
    MUST(mount(readonly_[i], readonly_[i], NULL, MS_BIND | MS_REC, NULL), readonly_[i]);
    MUST(mount(NULL, readonly_[i], NULL, flags, NULL), readonly_[i]);
  }
  for (int i = 0; masked[i]; i++) {
    if (stat(masked[i], &status) < 0) continue;
    if (S_ISDIR(status.st_mode))
      fresh("tmpfs", masked[i], MS_RDONLY | MS_NOSUID | MS_NODEV, "size=0,mode=0555");
    else
      MUST(mount("/dev/null", masked[i], NULL, MS_BIND, NULL), masked[i]);
  }
}

static void drop(void) {
  uint64_t keep = 0;
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) keep |= 1ULL << kept[i];
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  for (int i = 0; i < 64; i++)
    if (!(keep >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) break;
  MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities");
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{(uint32_t)keep, (uint32_t)keep, 0},
                                           {keep >> 32, keep >> 32, 0}};
  MUST(syscall(SYS_capset, &header, data), "capset");
}

static void become(int *fds, int has_group) {
  struct ifreq lo = {.ifr_flags = IFF_UP};
  strcpy(lo.ifr_name, "lo");
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "pdeathsig");
  MUST(setsid(), "setsid");
  int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  MUST(ioctl(sock, SIOCSIFFLAGS, &lo), "lo");
  close(sock);
  syscall(SYS_keyctl, 1, NULL); /* KEYCTL_JOIN_SESSION_KEYRING; a kernel may have none */
  MUST(sethostname("tare", 4), "sethostname");
  await();
  MUST(syscall(SYS_setgroups, 0, NULL), "setgroups");
  MUST(setresgid(0, 0, 0), "setresgid");
  MUST(setresuid(0, 0, 0), "setresuid");
  make_root();
  mask();
  if (has_group) {
    await();
    MUST(unshare(CLONE_NEWCGROUP), "cgroup namespace");
  }
  drop();
  MUST(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "pdeathsig"); /* changing ids has cleared it */
  for (int i = 0; i < FDS; i++) MUST(dup2(fds[i], i), "dup2");
  MUST(syscall(SYS_close_range, FDS, ~0U, 4), "close_range"); /* CLOSE_RANGE_CLOEXEC */
  struct answer ready = {.ready_ns = now()};
  MUST(write(channel, &ready, sizeof ready), "report");
  if (filter.len) MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), "seccomp");
  if (init_fd >= 0)
    syscall(SYS_execveat, init_fd, "", with_init, environ, AT_EMPTY_PATH);
  else
    execve(program[0], program, environ);
  fail("exec");
}

/* ---- in the resident process ---- */

/* Carries out the lines that `wanted` names; returns the step that failed, or NULL. */
static const char *group_steps(char *lines, const char *wanted, int pid) {
  static char said[256];
  char number[16];
  snprintf(number, sizeof number, "%d", pid);
  for (char *next, *line = lines; line && *line; line = next) {
    next = strchr(line, '\n');
    size_t length = next ? (size_t)(next++ - line) : strlen(line);
    if (!strchr(wanted, *line)) continue;
    char copy[512];
    snprintf(copy, sizeof copy, "%.*s", (int)length, line);
    char *path = copy + 2, *text = strchr(path, ' ');
    int done = -1;
    if (*copy == 'm') done = mkdir(path, 0755);
    if (*copy == 'a') done = write_text(path, number);
    if (*copy == 'w' && text) {
      *text = 0;
      done = write_text(path, text + 1);
    }
    if (done < 0) {
      snprintf(said, sizeof said, "%.200s", path);
      return said;
    }
  }
  return NULL;
}

static int settle(int pid, char *lines, int born_inside, int ours, struct answer *a) {
  char path[64];
  const char *step;
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "/proc/%d/%cid_map", pid, "ug"[i]);
    if (write_text(path, map) < 0) return fill(a, path, errno), -1;
  }
  if (write(ours, "m", 1) < 0) return 0; /* it failed meanwhile and says why itself */
  if (!*lines) return 0;
  if (!born_inside && (step = group_steps(lines, "mwa", pid))) return fill(a, step, errno), -1;
  if (write(ours, "g", 1) < 0) return 0;
  return 0;
}

static void reply(struct answer *a, int pidfd) {
  char space[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {a, sizeof *a};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (pidfd >= 0) {
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &pidfd, sizeof pidfd);
  }
  sendmsg(control, &message, MSG_NOSIGNAL);
}

static void start(char *lines, int *fds) {
  struct answer a = {0}, heard;
  int pair[2], pidfd = -1, inside = -1;
  char *birth = strstr(lines, "i /");
  if (birth) {
    const char *step = group_steps(lines, "mw", 0);
    if (step) return fill(&a, step, errno), reply(&a, -1);
    char *end = strchr(birth, '\n');
    if (end) *end = 0;
    inside = open(birth + 2, O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    return fill(&a, "socketpair", errno), reply(&a, -1);
  struct arguments args = {
      .flags = CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET |
               CLONE_NEWUSER | CLONE_PIDFD | (inside >= 0 ? INTO_CGROUP : 0),
      .pidfd = (uintptr_t)&pidfd,
      .exit_signal = SIGCHLD,
      .cgroup = inside >= 0 ? inside : 0,
  };
  int pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    channel = pair[1];
    close(pair[0]);
    become(fds, *lines != 0);
  }
  a.pid = pid;
  a.spawned_ns = now();
  if (pid < 0) fill(&a, "clone3", errno);
  close(pair[1]);
  if (inside >= 0) close(inside);
  if (pid > 0 && settle(pid, lines, inside >= 0, pair[0], &a) == 0)
    while (read(pair[0], &heard, sizeof heard) == sizeof heard) {
      if (heard.error) fill(&a, heard.step, heard.error);
      a.ready_ns = heard.ready_ns;
    }
  if (!a.error && !a.ready_ns) fill(&a, "become the container", ECHILD);
  if (a.error && pid > 0) kill(pid, SIGKILL);
  reply(&a, a.error ? -1 : pidfd);
  close(pair[0]);
  if (pidfd >= 0) close(pidfd);
}

/* Room for the largest filter the kernel takes. */
static struct sock_filter code[BPF_MAXINSNS];

static int load(int argc, char **argv) {
  int option, m = 0, r = 0, n = 0;
  control = atoi(argv[1]);
  lower = argv[2];
  snprintf(map, sizeof map, "0 %s %s\n", argv[3], argv[4]);
  snprintf(overlay, sizeof overlay,
           "lowerdir=%s,upperdir=scratch/upper,workdir=scratch/work,userxattr", lower);
  if (strcmp(argv[5], "-") && (init_fd = open(argv[5], O_RDONLY | O_CLOEXEC)) < 0) return -1;
  if (strcmp(argv[6], "-")) {
    int fd = open(argv[6], O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, code, sizeof code);
    if (size <= 0) return -1;
    close(fd);
    filter = (struct sock_fprog){size / sizeof *code, code};
  }
  optind = 7;
  while ((option = getopt(argc, argv, "m:r:")) != -1) {
    if (option == 'm' && m < MOST - 1) masked[m++] = optarg;
    if (option == 'r' && r < MOST - 1) readonly_[r++] = optarg;
  }
  program = argv + optind;
  with_init[n++] = "init";
  with_init[n++] = "--";
  for (int i = 0; program[i] && n < MOST + 2; i++) with_init[n++] = program[i];
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 9 || load(argc, argv) < 0) {
    perror("floor: wrong arguments, or a file of them cannot be read");
    return 2;
  }
  fcntl(control, F_SETFD, FD_CLOEXEC);
  struct sigaction reap = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &reap, NULL);
  signal(SIGPIPE, SIG_IGN);
  for (;;) {
    static char lines[16384];
    char space[CMSG_SPACE(FDS * sizeof(int))];
    int fds[FDS];
    struct iovec part = {lines, sizeof lines - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
                             .msg_controllen = sizeof space};
    ssize_t size = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!head || head->cmsg_len != CMSG_LEN(sizeof fds)) return 0;
    lines[size] = 0;
    memcpy(fds, CMSG_DATA(head), sizeof fds);
    start(lines + 1, fds); /* the first byte only makes an empty list a message */
    for (int i = 0; i < FDS; i++) close(fds[i]);
  }
}
