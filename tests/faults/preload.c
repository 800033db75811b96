/* Makes chosen system calls of one process fail, or ends the process in the middle of them.
 *
 * FAULT_PLAN names a file that is read again at each call, so that faults come and go at run time.
 * Each of its lines is a rule: CALL PART ACTION SKIP TIMES
 *   CALL    pwritev, fdatasync, fsync, fallocate, ftruncate, mmap, open, unlink, rename (by its
 *           new name)
 *   PART    what the path contains
 *   ACTION  an error number; or `before` and `after`: the process is killed before or after the
 *           call; or `tear`: half of what is written is, then the process is killed; or `wait`:
 *           the call begins when the plan is gone
 *   SKIP    so many calls that match go well first
 *   TIMES   then so many are hit; -1: all
 * Each fault is noted as "CALL PATH" in a file named as the plan with ".hits" behind it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE = 0, BEFORE = -1, AFTER = -2, TEAR = -3, WAIT = -4 }; /* above 0: an error number */
enum { MOST_RULES = 16, MOST_TEXT = 4096 };

static struct rule {
  char call[16], part[256];
  int action;
  long skip, times;
} rules[MOST_RULES];
static int rule_count;
static char plan[MOST_TEXT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The next definition of a function: the library's own. */
#define REAL(name, ...)                                                                            \
  ((__typeof__(&name))real(#name))(__VA_ARGS__)

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL)
    abort();
  return found;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;)
    pause();
}

static int action_of(const char *word) {
  return strcmp(word, "before") == 0  ? BEFORE
         : strcmp(word, "after") == 0 ? AFTER
         : strcmp(word, "tear") == 0  ? TEAR
         : strcmp(word, "wait") == 0  ? WAIT
                                      : atoi(word);
}

static void load_plan(const char *path) {
  char text[MOST_TEXT] = {0};
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t count = read((int)fd, text, sizeof text - 1);
    text[count > 0 ? count : 0] = 0;
    close((int)fd);
  } else if (errno != ENOENT) {
    return; /* such as no descriptor left: the rules stay */
  }
  if (strcmp(text, plan) == 0)
    return;
  strcpy(plan, text);
  rule_count = 0;
  char *rest = NULL;
  for (char *line = strtok_r(text, "\n", &rest); line != NULL && rule_count < MOST_RULES;
       line = strtok_r(NULL, "\n", &rest)) {
    struct rule *r = &rules[rule_count];
    char action[16];
    if (sscanf(line, "%15s %255s %15s %ld %ld", r->call, r->part, action, &r->skip, &r->times) == 5)
      r->action = action_of(action), ++rule_count;
  }
}

static void note(const char *plan_path, const char *call, const char *path) {
  char name[1024], line[2048];
  snprintf(name, sizeof name, "%s.hits", plan_path);
  int length = snprintf(line, sizeof line, "%s %s\n", call, path);
  long fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0)
    return;
  if (write((int)fd, line, (size_t)length) < 0)
    abort();
  close((int)fd);
}

/* What shall happen to this call; dies if it shall not begin, and waits if not yet. */
static int fault(const char *call, const char *path) {
  const char *plan_path = getenv("FAULT_PLAN");
  int saved = errno, action = NONE;
  if (plan_path == NULL)
    return NONE;
  pthread_mutex_lock(&lock);
  load_plan(plan_path);
  for (int i = 0; i < rule_count && action == NONE; ++i) {
    struct rule *r = &rules[i];
    if (strcmp(r->call, call) != 0 || strstr(path, r->part) == NULL)
      continue;
    if (r->skip > 0)
      --r->skip;
    else if (r->times != 0)
      r->times -= r->times > 0, action = r->action;
  }
  if (action != NONE)
    note(plan_path, call, path);
  if (action == BEFORE)
    die();
  pthread_mutex_unlock(&lock);
  while (action == WAIT && access(plan_path, F_OK) == 0)
    usleep(10000);
  errno = action > 0 ? action : saved;
  return action;
}

static int fault_of(const char *call, int fd) {
  char link[64], path[1024];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int saved = errno;
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (length <= 0)
    return NONE;
  path[length] = 0;
  return fault(call, path);
}

/* The answer of a call that was let through; dies if the process was to die behind it. */
#define DONE(action, type, expression)                                                             \
  do {                                                                                             \
    type answer_ = (expression);                                                                   \
    if ((action) == AFTER)                                                                         \
      die();                                                                                       \
    return answer_;                                                                                \
  } while (0)

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  int action = fault_of("pwritev", fd);
  if (action > 0)
    return -1;
  if (action == TEAR) {
    size_t total = 0, written = 0;
    for (int i = 0; i < count; ++i)
      total += parts[i].iov_len;
    for (int i = 0; i < count && written < total / 2; ++i) {
      size_t rest = total / 2 - written;
      size_t length = parts[i].iov_len < rest ? parts[i].iov_len : rest;
      if (REAL(pwrite, fd, parts[i].iov_base, length, offset + (off_t)written) < 0)
        abort();
      written += length;
    }
    die();
  }
  DONE(action, ssize_t, REAL(pwritev, fd, parts, count, offset));
}

int fdatasync(int fd) {
  int action = fault_of("fdatasync", fd);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(fdatasync, fd));
}

int fsync(int fd) {
  int action = fault_of("fsync", fd);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(fsync, fd));
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  int action = fault_of("fallocate", fd);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(fallocate, fd, mode, offset, length));
}

int ftruncate(int fd, off_t length) {
  int action = fault_of("ftruncate", fd);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(ftruncate, fd, length));
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  if (fd < 0) /* memory; a signal handler may ask for it, so no lock is taken */
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
  int action = fault_of("mmap", fd);
  if (action > 0)
    return MAP_FAILED;
  DONE(action, void *, REAL(mmap, at, length, protection, flags, fd, offset));
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  int action = fault("open", path);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(open, path, flags, mode));
}

int unlink(const char *path) {
  int action = fault("unlink", path);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(unlink, path));
}

int rename(const char *from, const char *to) {
  int action = fault("rename", to);
  if (action > 0)
    return -1;
  DONE(action, int, REAL(rename, from, to));
}
