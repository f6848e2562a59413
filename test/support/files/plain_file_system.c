// Preloaded under a program, takes away what some file systems do not have (exFAT, gcsfuse, bind mounts of containers on
// other systems): hard links, flock, flushing a directory, and, where PLAIN_FS_DIRECTORIES is set, renaming a directory.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int link(const char* from, const char* to) {
  (void)from, (void)to;
  errno = EPERM;
  return -1;
}

int flock(int fd, int operation) {
  (void)fd, (void)operation;
  errno = ENOSYS;
  return -1;
}

int fsync(int fd) {
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EINVAL;
    return -1;
  }
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return real(fd);
}

int rename(const char* from, const char* to) {
  struct stat status;
  if (getenv("PLAIN_FS_DIRECTORIES") && stat(from, &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EXDEV;
    return -1;
  }
  static int (*real)(const char*, const char*);
  if (!real) real = (int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename");
  return real(from, to);
}
