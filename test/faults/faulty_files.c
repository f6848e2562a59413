// A fault-injecting layer under the file calls of a process, for LD_PRELOAD. Every call that changes something below
// FAULT_DIRECTORY is counted, over all processes that share FAULT_COUNTER, and the call number FAULT_AT meets FAULT_KIND:
//   kill-before   SIGKILL instead of the call         kill-after   SIGKILL when it has returned
//   torn          half of the bytes, then SIGKILL     ENOSPC, EIO, EROFS   the call fails with that error
// With FAULT_STICKY=1 the error stays, for every later call it can befall: a full disk still removes and renames.
// FAULT_LOG names a file that gets a line a call: number, operation, path.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum { KILL_BEFORE, KILL_AFTER, TORN, FAIL, NOTHING } Fault;

static const char *directory;
static size_t directory_length;
static uint64_t *counter;
static uint64_t fault_at;
static Fault kind = NOTHING;
static int fault_errno, sticky, log_file = -1;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("FAULT_COUNTER"), *name = getenv("FAULT_KIND");
  directory = getenv("FAULT_DIRECTORY");
  if (!directory || !file) return;
  directory_length = strlen(directory);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *page = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (page == MAP_FAILED) return;
  counter = page;
  if (getenv("FAULT_AT")) fault_at = strtoull(getenv("FAULT_AT"), NULL, 10);
  sticky = getenv("FAULT_STICKY") && getenv("FAULT_STICKY")[0] == '1';
  if (getenv("FAULT_LOG"))
    log_file = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (!name) return;
  kind = FAIL;
  if (!strcmp(name, "kill-before")) kind = KILL_BEFORE;
  else if (!strcmp(name, "kill-after")) kind = KILL_AFTER;
  else if (!strcmp(name, "torn")) kind = TORN;
  else if (!strcmp(name, "ENOSPC")) fault_errno = ENOSPC;
  else if (!strcmp(name, "EIO")) fault_errno = EIO;
  else if (!strcmp(name, "EROFS")) fault_errno = EROFS;
  else kind = NOTHING;
}

static int below(const char *path) {
  return counter && path && !strncmp(path, directory, directory_length) &&
         (path[directory_length] == '/' || path[directory_length] == 0);
}

static int path_below(const char *path) {
  char absolute[PATH_MAX * 2];
  if (!counter || !path) return 0;
  if (path[0] == '/') return below(path);
  if (!getcwd(absolute, PATH_MAX)) return 0;
  strcat(absolute, "/");
  strncat(absolute, path, PATH_MAX - 1);
  return below(absolute);
}

static int fd_below(int fd, char *name) {
  char link[64];
  if (!counter) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, name, PATH_MAX - 1);
  if (length < 0) return 0;
  name[length] = 0;
  return below(name);
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

/** What befalls this call. Kills for KILL_BEFORE; sets errno for FAIL. `allocates`: it can meet a full disk. */
static Fault meet(const char *operation, const char *path, int allocates) {
  uint64_t number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
  if (log_file >= 0) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%llu %s %s\n", (unsigned long long)number, operation, path);
    syscall(SYS_write, log_file, line, length);
  }
  if (kind == NOTHING || fault_at == 0) return NOTHING;
  if (number != fault_at && !(kind == FAIL && sticky && number > fault_at)) return NOTHING;
  if (kind == KILL_BEFORE) die();
  if (kind == FAIL) {
    if (fault_errno == ENOSPC && !allocates) return NOTHING;
    errno = fault_errno;
  }
  return kind;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/** Every call but the writing ones: `torn` is a kill before it, there is no half of them. */
#define CHANGES(operation, path, allocates, call)            \
  do {                                                       \
    Fault fault_ = meet(operation, path, allocates);         \
    if (fault_ == FAIL) return -1;                           \
    if (fault_ == TORN) die();                               \
    __typeof__(call) result_ = call;                         \
    if (fault_ == KILL_AFTER) die();                         \
    return result_;                                          \
  } while (0)

static int opens(const char *path, int flags) {
  return (flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)) && path_below(path);
}

#define OPEN(name)                                                                  \
  int name(const char *path, int flags, ...) {                                      \
    mode_t mode = 0;                                                                \
    if (flags & (O_CREAT | O_TMPFILE)) {                                            \
      va_list more;                                                                 \
      va_start(more, flags);                                                        \
      mode = va_arg(more, mode_t);                                                  \
      va_end(more);                                                                 \
    }                                                                               \
    if (!opens(path, flags)) return REAL(name)(path, flags, mode);                  \
    CHANGES("open", path, flags & O_CREAT, REAL(name)(path, flags, mode));          \
  }
OPEN(open)
OPEN(open64)

#define TWO_PATHS(name, allocates)                                                    \
  int name(const char *from, const char *to) {                                        \
    if (!path_below(from) && !path_below(to)) return REAL(name)(from, to);            \
    CHANGES(#name, to, allocates, REAL(name)(from, to));                              \
  }
TWO_PATHS(rename, 1)
TWO_PATHS(link, 1)
TWO_PATHS(symlink, 1)

#define ONE_PATH(name)                                       \
  int name(const char *path) {                               \
    if (!path_below(path)) return REAL(name)(path);          \
    CHANGES(#name, path, 0, REAL(name)(path));               \
  }
ONE_PATH(unlink)
ONE_PATH(rmdir)
ONE_PATH(remove)

int mkdir(const char *path, mode_t mode) {
  if (!path_below(path)) return REAL(mkdir)(path, mode);
  CHANGES("mkdir", path, 1, REAL(mkdir)(path, mode));
}

int unlinkat(int at, const char *path, int flags) {
  if (!path_below(path)) return REAL(unlinkat)(at, path, flags);
  CHANGES("unlinkat", path, 0, REAL(unlinkat)(at, path, flags));
}

#define ONE_FILE(name)                                           \
  int name(int fd) {                                             \
    char path[PATH_MAX];                                         \
    if (!fd_below(fd, path)) return REAL(name)(fd);              \
    CHANGES(#name, path, 1, REAL(name)(fd));                     \
  }
ONE_FILE(fsync)
ONE_FILE(fdatasync)

#define TRUNCATE(name, type)                                     \
  int name(int fd, type length) {                                \
    char path[PATH_MAX];                                         \
    if (!fd_below(fd, path)) return REAL(name)(fd, length);      \
    CHANGES("ftruncate", path, 0, REAL(name)(fd, length));       \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

/** A write that is torn leaves half of its bytes. */
#define WRITES(fd, whole, half)                                  \
  do {                                                           \
    char path_[PATH_MAX];                                        \
    if (!fd_below(fd, path_)) return whole;                      \
    Fault fault_ = meet("write", path_, 1);                      \
    if (fault_ == FAIL) return -1;                               \
    if (fault_ == TORN) {                                        \
      (void)!half;                                               \
      die();                                                     \
    }                                                            \
    ssize_t result_ = whole;                                     \
    if (fault_ == KILL_AFTER) die();                             \
    return result_;                                              \
  } while (0)

ssize_t write(int fd, const void *bytes, size_t size) {
  WRITES(fd, REAL(write)(fd, bytes, size), REAL(write)(fd, bytes, size / 2));
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  WRITES(fd, REAL(pwrite)(fd, bytes, size, at), REAL(pwrite)(fd, bytes, size / 2, at));
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  WRITES(fd, REAL(pwrite64)(fd, bytes, size, at), REAL(pwrite64)(fd, bytes, size / 2, at));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  WRITES(fd, REAL(writev)(fd, parts, count), REAL(write)(fd, parts[0].iov_base, parts[0].iov_len / 2));
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  WRITES(fd, REAL(pwritev)(fd, parts, count, at), REAL(pwrite)(fd, parts[0].iov_base, parts[0].iov_len / 2, at));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  WRITES(fd, REAL(pwritev64)(fd, parts, count, at), REAL(pwrite64)(fd, parts[0].iov_base, parts[0].iov_len / 2, at));
}
