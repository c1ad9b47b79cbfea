/*
 * Linked into the libraries of a wheel, so that they load with glibc 2.28 though they are built with a later one: calls
 * of the functions below come here (ld's --wrap) and go on to the version that 2.28 has. wheel.py reads the lists.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#if defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
enum { STAT_VERSION = 1 };
#elif defined(__aarch64__)
#define FIRST_GLIBC "GLIBC_2.17"
enum { STAT_VERSION = 0 };
#endif

/* Functions that have moved into libc.so.6: the old symbol. */
#define MOVED(result, name, parameters, arguments)                                                                     \
  extern result old_##name parameters;                                                                                 \
  __asm__(".symver old_" #name "," #name "@" FIRST_GLIBC);                                                             \
  extern result __wrap_##name parameters;                                                                              \
  result __wrap_##name parameters {                                                                                    \
    return old_##name arguments;                                                                                       \
  }

MOVED(void *, dlopen, (const char *path, int flags), (path, flags))
MOVED(void *, dlsym, (void *library, const char *name), (library, name))
MOVED(int, dlclose, (void *library), (library))
MOVED(char *, dlerror, (void), ())
MOVED(int, dladdr, (const void *address, Dl_info *info), (address, info))
MOVED(int, pthread_create,
      (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument),
      (thread, attributes, start, argument))
MOVED(int, pthread_join, (pthread_t thread, void **result), (thread, result))
MOVED(int, pthread_once, (pthread_once_t * once, void (*function)(void)), (once, function))
MOVED(int, pthread_attr_setstacksize, (pthread_attr_t * attributes, size_t size), (attributes, size))
MOVED(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))

/* Functions that were inline. */
#define INLINED(name, parameters, old, old_parameters, arguments)                                                      \
  extern int old old_parameters;                                                                                       \
  extern int __wrap_##name parameters;                                                                                 \
  int __wrap_##name parameters {                                                                                       \
    return old arguments;                                                                                              \
  }

INLINED(fstat, (int file, struct stat *status), __fxstat, (int, int, struct stat *), (STAT_VERSION, file, status))
INLINED(fstatat, (int folder, const char *path, struct stat *status, int flags), __fxstatat,
        (int, int, const char *, struct stat *, int), (STAT_VERSION, folder, path, status, flags))
INLINED(stat, (const char *path, struct stat *status), __xstat, (int, const char *, struct stat *),
        (STAT_VERSION, path, status))
