/* A file system as clusters have it, preloaded into a process: no locks, and what other processes write is seen late.
 *
 * Below the folder SHARED_DISK_ROOT
 *   - flock and fcntl locks fail with ENOLCK, as on NFS without a lock daemon;
 *   - a file that another process made or renamed less than SHARED_DISK_LATE milliseconds ago is not there
 *     (ENOENT), as where lookups are cached. What a process made itself it sees at once;
 *   - with SHARED_DISK_STALE=N every Nth file opened for reading answers ESTALE to the second read, until it is
 *     opened again: its file was replaced, and the handle leads nowhere;
 *   - with SHARED_DISK_RENAME=N every Nth rename is done, and answers ENOENT: the answer was lost, the request
 *     repeated.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MADE (1 << 16)
static uint64_t made[MADE]; /* hashes of what this process made */
static int n_made;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static int below(const char *path) {
    const char *root = getenv("SHARED_DISK_ROOT");
    return root && path && path[0] == '/' && strncmp(path, root, strlen(root)) == 0;
}

static uint64_t hash(const char *path) {
    uint64_t h = 1469598103934665603ull;
    while (*path) h = (h ^ (unsigned char)*path++) * 1099511628211ull;
    return h;
}

static void remember(const char *path) {
    if (!below(path)) return;
    pthread_mutex_lock(&guard);
    if (n_made < MADE) made[n_made++] = hash(path);
    pthread_mutex_unlock(&guard);
}

static int is_mine(const char *path) {
    uint64_t h = hash(path);
    int found = 0;
    pthread_mutex_lock(&guard);
    for (int i = n_made - 1; i >= 0 && !found; i--) found = made[i] == h;
    pthread_mutex_unlock(&guard);
    return found;
}

static int is_hidden(const char *path) {
    struct stat s;
    struct timespec now;
    const char *late = getenv("SHARED_DISK_LATE");
    if (!late || !below(path) || is_mine(path)) return 0;
    if (syscall(SYS_newfstatat, AT_FDCWD, path, &s, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(s.st_mode)) return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    double age = (double)(now.tv_sec - s.st_ctim.tv_sec) + (double)(now.tv_nsec - s.st_ctim.tv_nsec) / 1e9;
    return age * 1000 < atof(late);
}

#define REAL(name, type) \
    static type real; \
    if (!real) real = (type)dlsym(RTLD_NEXT, name)

int flock(int fd, int operation) {
    (void)fd, (void)operation;
    errno = ENOLCK;
    return -1;
}

static int control(const char *name, int fd, int command, void *argument) {
    typedef int (*type)(int, int, void *);
    type real = (type)dlsym(RTLD_NEXT, name);
    if (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW) {
        errno = ENOLCK;
        return -1;
    }
    return real(fd, command, argument);
}

#define CONTROL(name) \
    int name(int fd, int command, ...) { \
        va_list list; \
        va_start(list, command); \
        void *argument = va_arg(list, void *); \
        va_end(list); \
        return control(#name, fd, command, argument); \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

#define FILES 4096
static int stale[FILES]; /* by handle: reads until it is stale; 0: never */
static int n_opened, n_renamed;

static int every(const char *name, int *count) {
    const char *n = getenv(name);
    int turn, each = n ? atoi(n) : 0;
    if (each <= 0) return 0;
    pthread_mutex_lock(&guard);
    turn = ++*count;
    pthread_mutex_unlock(&guard);
    return turn % each == 0;
}

static int opened(const char *path, int flags, int fd) {
    struct stat s;
    if (fd < 0 || fd >= FILES) return fd;
    stale[fd] = 0;
    if ((flags & O_ACCMODE) == O_RDONLY && below(path) && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) &&
        every("SHARED_DISK_STALE", &n_opened))
        stale[fd] = 2;
    return fd;
}

static int is_stale(int fd) {
    if (fd < 0 || fd >= FILES || !stale[fd]) return 0;
    if (stale[fd] > 1) {
        stale[fd]--;
        return 0;
    }
    errno = ESTALE;
    return 1;
}

ssize_t read(int fd, void *buffer, size_t count) {
    typedef ssize_t (*type)(int, void *, size_t);
    REAL("read", type);
    return is_stale(fd) ? -1 : real(fd, buffer, count);
}

#define PREAD(name, offset) \
    ssize_t name(int fd, void *buffer, size_t count, offset at) { \
        typedef ssize_t (*type)(int, void *, size_t, offset); \
        REAL(#name, type); \
        return is_stale(fd) ? -1 : real(fd, buffer, count, at); \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

#define PREADV(name, offset) \
    ssize_t name(int fd, const struct iovec *parts, int n, offset at) { \
        typedef ssize_t (*type)(int, const struct iovec *, int, offset); \
        REAL(#name, type); \
        return is_stale(fd) ? -1 : real(fd, parts, n, at); \
    }
PREADV(preadv, off_t)
PREADV(preadv64, off64_t)

static int hidden_open(const char *path, int flags) {
    if (!(flags & O_CREAT) && is_hidden(path)) {
        errno = ENOENT;
        return 1;
    }
    return 0;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        typedef int (*type)(const char *, int, mode_t); \
        REAL(#name, type); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? (mode_t)va_arg(list, int) : 0; \
        va_end(list); \
        if (hidden_open(path, flags)) return -1; \
        if (flags & O_CREAT) remember(path); \
        return opened(path, flags, real(path, flags, mode)); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        typedef int (*type)(int, const char *, int, mode_t); \
        REAL(#name, type); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? (mode_t)va_arg(list, int) : 0; \
        va_end(list); \
        if (hidden_open(path, flags)) return -1; \
        if (flags & O_CREAT) remember(path); \
        return opened(path, flags, real(folder, path, flags, mode)); \
    }
OPENAT(openat)
OPENAT(openat64)

#define STAT(name, buffer) \
    int name(const char *path, struct buffer *out) { \
        typedef int (*type)(const char *, struct buffer *); \
        REAL(#name, type); \
        if (is_hidden(path)) { \
            errno = ENOENT; \
            return -1; \
        } \
        return real(path, out); \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

#define STATAT(name, buffer) \
    int name(int folder, const char *path, struct buffer *out, int flags) { \
        typedef int (*type)(int, const char *, struct buffer *, int); \
        REAL(#name, type); \
        if (is_hidden(path)) { \
            errno = ENOENT; \
            return -1; \
        } \
        return real(folder, path, out, flags); \
    }
STATAT(fstatat, stat)
STATAT(fstatat64, stat64)

int access(const char *path, int mode) {
    typedef int (*type)(const char *, int);
    REAL("access", type);
    if (is_hidden(path)) {
        errno = ENOENT;
        return -1;
    }
    return real(path, mode);
}

int rename(const char *from, const char *to) {
    typedef int (*type)(const char *, const char *);
    REAL("rename", type);
    int done = real(from, to);
    if (done == 0) remember(to);
    if (done == 0 && below(to) && every("SHARED_DISK_RENAME", &n_renamed)) {
        errno = ENOENT;
        return -1;
    }
    return done;
}
