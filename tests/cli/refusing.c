/* Loaded before the C library: answers system calls as some file systems do.

   REFUSE holds pairs name=errno, separated by commas; what is not named is passed on. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The error that a call is to answer with, 0 for none. */
static int refusal(const char *name) {
  const char *at = getenv("REFUSE");
  size_t size = strlen(name);
  while (at && *at) {
    if (!strncmp(at, name, size) && at[size] == '=') return atoi(at + size + 1);
    at = strchr(at, ',');
    at = at ? at + 1 : 0;
  }
  return 0;
}

#define REFUSING(name, parameters, arguments)                                  \
  int name parameters {                                                        \
    int number = refusal(#name);                                               \
    int(*next) parameters = (int(*) parameters)dlsym(RTLD_NEXT, #name);        \
    if (!number) return next arguments;                                        \
    errno = number;                                                            \
    return -1;                                                                 \
  }

REFUSING(fchmod, (int fd, mode_t mode), (fd, mode))
REFUSING(fchown, (int fd, uid_t owner, gid_t group), (fd, owner, group))
REFUSING(futimens, (int fd, const struct timespec times[2]), (fd, times))
REFUSING(fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags),
         (fd, name, value, size, flags))
REFUSING(fsync, (int fd), (fd))
REFUSING(linkat, (int from, const char *old, int to, const char *name, int flags), (from, old, to, name, flags))
