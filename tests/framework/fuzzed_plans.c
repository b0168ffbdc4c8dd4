/* Fuzzes the executor's reader of requests: mutates valid ones, keeps those that reach something new.
 *
 *   fuzzed_plans SEED COUNT FILE...   each FILE a request; ends by abort(3) where a sanitizer complains
 *
 * Built with -fsanitize=address,undefined -fsanitize-coverage=trace-pc, with the reader's own sources
 * (wire.c, plan.c) and nothing of what carries plans out. A request that is torn ends the executor by
 * _exit, which leads back here. The request at fault is left in the file fuzzed_plans.last.
 */
#include <setjmp.h>

#include "executor.h"

#define MOST_KEPT 4096
#define LONGEST 65536

static jmp_buf again;
static unsigned char seen[1 << 16];
static int fresh;
int resident = -1;

void fuzz_exit(int status) __attribute__((noreturn));
void fuzz_exit(int status) {
  (void)status;
  longjmp(again, 1);
}

__attribute__((no_sanitize("coverage"))) void __sanitizer_cov_trace_pc(void) {
  uintptr_t at = (uintptr_t)__builtin_return_address(0);
  unsigned slot = (at ^ at >> 16) & 0xffff;
  if (!seen[slot]) seen[slot] = fresh = 1;
}

static struct { size_t size; char *data; } kept[MOST_KEPT];
static unsigned pool;
static uint64_t state;

static uint64_t draw(void) { /* xorshift64* */
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 2685821657736338717ULL;
}

static void keep(const char *data, size_t size) {
  unsigned at = pool < MOST_KEPT ? pool++ : draw() % MOST_KEPT;
  free(kept[at].data);
  kept[at].data = malloc(size ? size : 1);
  kept[at].size = size;
  memcpy(kept[at].data, data, size);
}

static size_t mutate(char *data, size_t size) {
  static const int64_t odd[] = {0, 1, -1, 7, 8, 9, 64, 250, 251, 1024, 1025, 65536, INT32_MAX,
                                INT64_MAX, INT64_MIN, INT64_MAX - 7, 1LL << 32, -8};
  for (int times = 1 + draw() % 4; times && size; times--) {
    size_t at = draw() % size, word = at / 8 * 8;
    switch (draw() % 6) {
      case 0: data[at] ^= 1 << draw() % 8; break;
      case 1: data[at] = (char)draw(); break;
      case 2:
        if (word + 8 <= size) memcpy(data + word, &odd[draw() % (sizeof odd / 8)], 8);
        break;
      case 3: size = at; break;
      case 4: { /* a piece of another one */
        unsigned other = draw() % pool;
        size_t from = kept[other].size ? draw() % kept[other].size / 8 * 8 : 0;
        size_t length = kept[other].size - from;
        if (length > LONGEST - word) length = LONGEST - word;
        memcpy(data + word, kept[other].data + from, length);
        if (word + length > size) size = word + length;
        break;
      }
      default: { /* a word more */
        if (size + 8 > LONGEST) break;
        memmove(data + word + 8, data + word, size - word);
        size += 8;
      }
    }
  }
  return size;
}

static size_t reads; /* so that the compiler leaves them in */

static void look(const char *text) { reads += strlen(text); }

static void read_whole(const char *data, size_t size) {
  static struct job job;
  const int fds[8] = {900, 901, 902, 903, 904, 905, 906, 907};
  if (setjmp(again)) return;
  if (read_job(&job, data, size, fds, 8) == 0) {
    look(job.lower), look(job.marker), look(job.uid_map), look(job.gid_map), look(job.oom);
    for (char **at = job.argv; *at; at++) look(*at);
    for (char **at = job.env; *at; at++) look(*at);
    static int i; /* a torn field leads back past what a register holds */
    for (i = 0; i < job.steps; i++) {
      sets_rlimit(&job.step[i]);
      if (setjmp(again)) continue;
      struct cursor fields = job.step[i].fields;
      while (fields.at < fields.end) reads += take_int(&fields);
      for (const char *at = job.step[i].fields.at; at < fields.end; at += 8) {
        struct cursor text = {at, fields.end};
        if (*(const int64_t *)at >= 0 && *(const int64_t *)at < text.end - at - 8)
          look(take_text(&text));
      }
    }
  }
  discard(&job);
}

int main(int argc, char **argv) {
  static char data[LONGEST];
  if (argc < 4) return 2;
  state = strtoull(argv[1], NULL, 10) * 2 + 1;
  stderr = fopen("/dev/null", "w"); /* each torn request says so */
  for (int i = 3; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (!file) return 2;
    keep(data, fread(data, 1, sizeof data, file));
    fclose(file);
  }
  int last = open("fuzzed_plans.last", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  for (unsigned long long left = strtoull(argv[2], NULL, 10), round = 0; left; left--, round++) {
    unsigned from = round < pool ? round : draw() % pool;
    size_t size = kept[from].size;
    memcpy(data, kept[from].data, size);
    if (round >= (unsigned)(argc - 3)) size = mutate(data, size);
    if (pwrite(last, data, size, 0) < 0 || ftruncate(last, size) < 0) return 2;
    char *exact = malloc(size ? size : 1); /* of this very size: reading on is seen */
    memcpy(exact, data, size);
    fresh = 0;
    read_whole(exact, size);
    free(exact);
    if (fresh) keep(data, size);
  }
  printf("%u kept, %zu read\n", pool, reads);
  return 0;
}
