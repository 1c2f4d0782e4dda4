// Loaded into Ringbolt with LD_PRELOAD, counts the calls that change a store and, at the chosen one,
// kills the process or lets the call fail. What no real disk can be made to do on demand.
//
// SHIM_ROOT: only calls below this path count.  SHIM_AT: which one, from 1 (0: none).
// SHIM_FAIL: an errno instead of SIGKILL.       SHIM_LOG: where each call is noted.
// SHIM_ROT: once a manifest is there, a bit of the last byte of its payload is flipped.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int calls;

// A file is written in pieces, and how many is chance: the pieces are one step.
static char writing[4096];

static int below(const char *path) {
  const char *root = getenv("SHIM_ROOT");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

// Returns an errno with which the call must fail, or 0.
static int step(const char *call, const char *path) {
  if (!below(path) || strstr(path, ".ringbolt.lock")) return 0;
  int now = __sync_add_and_fetch(&calls, 1);
  const char *log = getenv("SHIM_LOG"), *at = getenv("SHIM_AT"), *fail = getenv("SHIM_FAIL");
  if (log) {
    int fd = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    dprintf(fd, "%s %s\n", call, path);
    close(fd);
  }
  if (!at || now != atoi(at)) return 0;
  if (fail) return atoi(fail);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int step_fd(const char *call, int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return step(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_IF(error) do { int e_ = (error); if (e_) { errno = e_; return -1; } } while (0)

int fsync(int fd) { FAIL_IF(step_fd("fsync", fd)); return REAL(fsync)(fd); }
static char payload[4096];

// The disk that was right when it was asked, and is not afterwards.
static void rot(const char *renamed) {
  if (!getenv("SHIM_ROT") || !below(renamed)) return;
  if (!strstr(renamed, ".json")) { strncpy(payload, renamed, sizeof payload - 1); return; }
  if (!strstr(renamed, ".manifest.json")) return;
  int fd = open(payload, O_RDWR);
  struct stat found;
  char byte;
  if (fd < 0 || fstat(fd, &found) || pread(fd, &byte, 1, found.st_size - 1) != 1) return;
  byte ^= 1;
  if (pwrite(fd, &byte, 1, found.st_size - 1) != 1) return;
  close(fd);
}

int rename(const char *from, const char *to) {
  FAIL_IF(step("rename", to));
  int result = REAL(rename)(from, to);
  if (result == 0) rot(to);
  return result;
}
int mkdir(const char *path, mode_t mode) { FAIL_IF(step("mkdir", path)); return REAL(mkdir)(path, mode); }
int unlink(const char *path) { FAIL_IF(step("unlink", path)); return REAL(unlink)(path); }

ssize_t write(int fd, const void *data, size_t size) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length > 0) {
    path[length] = 0;
    if (below(path) && strcmp(path, writing) != 0) {
      strcpy(writing, path);
      FAIL_IF(step("write", path));
    }
  }
  return REAL(write)(fd, data, size);
}

int open64(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (flags & O_CREAT) FAIL_IF(step("create", path));
  return REAL(open64)(path, flags, mode);
}
