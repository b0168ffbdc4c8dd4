/* Reading requests and writing answers. */
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>

#include "executor.h"

char detail[512];

int failed(const char *format, ...) {
  int number = errno;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  errno = number;
  return -1;
}

/* Only our own Python writes requests; a field that does not fit is a bug, and ends us. */
static void torn(void) {
  fputs("executor: a request does not fit its own description\n", stderr);
  _exit(124);
}

int64_t take_int(struct cursor *c) {
  int64_t value;
  if (c->end - c->at < (ptrdiff_t)sizeof value) torn();
  memcpy(&value, c->at, sizeof value);
  c->at += sizeof value;
  return value;
}

const char *take_bytes(struct cursor *c, size_t *length) {
  int64_t size = take_int(c);
  const char *start = c->at;
  if (size < 0 || size >= c->end - c->at || start[size]) torn();
  c->at += (size + 1 + 7) / 8 * 8;
  if (c->at > c->end) torn();
  *length = size;
  return start;
}

const char *take_text(struct cursor *c) {
  size_t length;
  return take_bytes(c, &length);
}

char **take_list(struct cursor *c) {
  int64_t count = take_int(c);
  if (count < 0 || count > c->end - c->at) torn();
  char **list = calloc(count + 1, sizeof *list);
  if (!list) torn();
  for (int64_t i = 0; i < count; i++) list[i] = (char *)take_text(c);
  return list;
}

int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return failed("%s", path);
  ssize_t done = write(fd, text, strlen(text));
  int number = errno;
  close(fd);
  errno = number;
  return done < 0 ? failed("%s", path) : 0;
}

int move_up(int fd) {
  if (fd < 0 || fd >= FIRST_FREE) return fd;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
  close(fd);
  return high;
}

int send_fd(int socket, const char *data, size_t length, int fd) {
  char space[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {(void *)data, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}
