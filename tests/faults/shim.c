/* The C library's calls, of which one fails: preloaded into a server by `tests.faults.shim`.
 *
 * The plan and the counters are in a file that both processes have mapped. A call counts when the
 * plan is armed and its descriptor is a listener's (something was accepted from it), or that of a
 * connection that was accepted since: those that were there before are bystanders, and spared.
 * Call number `index` of `function` fails with `error`; SHORT passes on one byte; END says that
 * there are none. close(2) closes whatever it says. An error that means that the connection is lost
 * comes with its loss (`lost`): one of accept(2) takes the client off the queue, and after one of
 * recv(2) the socket is no longer connected, and its client gets a reset.
 *
 * It is for one thread: nothing here is atomic.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order is that of `tests.faults.shim.FUNCTIONS`. */
enum function {
    ACCEPT, RECV, SEND, READ, WRITE, SENDFILE, EPOLL_CTL, EPOLL_WAIT, CLOSE, SETSOCKOPT, GETSOCKOPT,
    GETSOCKNAME, GETPEERNAME, SHUTDOWN, MALLOC,
    IOCTL, FCNTL, DUP, POLL, RECVFROM, RECVMSG, SENDTO, SENDMSG, READV, WRITEV, FUNCTIONS
};
enum { SHORT = -1, END = -2 };
enum { DESCRIPTORS = 4096, LARGE = 32768 };
enum kind { OTHER, LISTENER, CONNECTION, BYSTANDER };

static struct shared {
    int32_t armed, function, index, error, lost, fired;
    int32_t counts[FUNCTIONS];
} *shared;

static unsigned char kinds[DESCRIPTORS];

extern void *__libc_malloc(size_t);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_PLAN");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *at;
    if (file < 0)
        return;
    at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at != MAP_FAILED)
        shared = at;
    close(file);
}

static int counted(int fd) {
    return fd >= 0 && fd < DESCRIPTORS && (kinds[fd] == LISTENER || kinds[fd] == CONNECTION);
}

/* What is to become of this call: 0, an errno, SHORT or END. */
static int verdict(enum function function) {
    if (shared == NULL || !shared->armed)
        return 0;
    if (shared->counts[function]++ != shared->index || shared->function != (int)function)
        return 0;
    shared->fired = 1;
    return shared->error;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Let the connection be lost, as it is after such an error: neither side has it any more, who reads
 * finds its end, and who writes EPIPE. */
static int failed(int fd, int error) {
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    REAL(shutdown);
    if (shared->lost) {
        (void)connect(fd, &nobody, sizeof nobody); /* resets TCP; a unix socket has no such thing */
        (void)real(fd, SHUT_RDWR);
    }
    errno = error;
    return -1;
}

#define FAIL_IF(function, fd) \
    do { \
        int error = counted(fd) ? verdict(function) : 0; \
        if (error > 0) { \
            errno = error; \
            return -1; \
        } \
    } while (0)

/* The same, for what moves bytes. */
#define FAIL_OR_SHORTEN(function, fd, size) \
    do { \
        int error = counted(fd) ? verdict(function) : 0; \
        if (error > 0) \
            return failed(fd, error); \
        if (error == END) \
            return 0; \
        if (error == SHORT && (size) > 1) \
            (size) = 1; \
    } while (0)

static int accepted(int listener, int fd, int error) {
    if (listener >= 0 && listener < DESCRIPTORS)
        kinds[listener] = LISTENER;
    if (fd >= 0 && error > 0) {
        close(fd);
        errno = error;
        return -1;
    }
    if (fd >= 0 && fd < DESCRIPTORS)
        kinds[fd] = shared != NULL && shared->armed ? CONNECTION : BYSTANDER;
    return fd;
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    int error = verdict(ACCEPT);
    REAL(accept4);
    if (error > 0 && !shared->lost) {
        errno = error;
        return -1;
    }
    return accepted(fd, real(fd, address, size, flags), error);
}

int accept(int fd, struct sockaddr *address, socklen_t *size) {
    return accept4(fd, address, size, 0);
}

ssize_t recv(int fd, void *into, size_t size, int flags) {
    REAL(recv);
    FAIL_OR_SHORTEN(RECV, fd, size);
    return real(fd, into, size, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(send);
    FAIL_OR_SHORTEN(SEND, fd, size);
    return real(fd, data, size, flags);
}

ssize_t read(int fd, void *into, size_t size) {
    REAL(read);
    FAIL_OR_SHORTEN(READ, fd, size);
    return real(fd, into, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    FAIL_OR_SHORTEN(WRITE, fd, size);
    return real(fd, data, size);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
    REAL(sendfile64);
    FAIL_OR_SHORTEN(SENDFILE, to, size);
    return real(to, from, offset, size);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    return sendfile64(to, from, (off64_t *)offset, size);
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event) {
    REAL(epoll_ctl);
    FAIL_IF(EPOLL_CTL, fd);
    return real(epoll, what, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    int error = verdict(EPOLL_WAIT); /* of the whole process */
    REAL(epoll_wait);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return real(epoll, events, most, timeout);
}

/* libuv's. */
int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
    int error = verdict(EPOLL_WAIT);
    REAL(epoll_pwait);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return real(epoll, events, most, timeout, mask);
}

int close(int fd) {
    int error = counted(fd) ? verdict(CLOSE) : 0, done;
    REAL(close);
    done = real(fd);
    if (fd >= 0 && fd < DESCRIPTORS)
        kinds[fd] = OTHER;
    if (error > 0) {
        errno = error;
        return -1;
    }
    return done;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    REAL(setsockopt);
    FAIL_IF(SETSOCKOPT, fd);
    return real(fd, level, name, value, size);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
    REAL(getsockopt);
    FAIL_IF(GETSOCKOPT, fd);
    return real(fd, level, name, value, size);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *size) {
    REAL(getsockname);
    FAIL_IF(GETSOCKNAME, fd);
    return real(fd, address, size);
}

int getpeername(int fd, struct sockaddr *address, socklen_t *size) {
    REAL(getpeername);
    FAIL_IF(GETPEERNAME, fd);
    return real(fd, address, size);
}

int shutdown(int fd, int how) {
    REAL(shutdown);
    FAIL_IF(SHUTDOWN, fd);
    return real(fd, how);
}

/* Memory: what is large, as the buffers are into which a connection is read. */
void *malloc(size_t size) {
    if (size >= LARGE && verdict(MALLOC) > 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

/* What is counted only, to see that nobody calls it on a connection. */
#define COUNT(function, fd) \
    do { \
        if (counted(fd)) \
            (void)verdict(function); \
    } while (0)

int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, void *);
    va_list arguments;
    void *argument;
    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (real == NULL)
        real = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    COUNT(IOCTL, fd);
    return real(fd, request, argument);
}

int fcntl64(int fd, int what, ...) {
    static int (*real)(int, int, void *);
    va_list arguments;
    void *argument;
    va_start(arguments, what);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (real == NULL)
        real = (int (*)(int, int, void *))dlsym(RTLD_NEXT, "fcntl64");
    COUNT(FCNTL, fd);
    return real(fd, what, argument);
}

int dup(int fd) {
    REAL(dup);
    COUNT(DUP, fd);
    return real(fd);
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
    REAL(poll);
    if (count > 0)
        COUNT(POLL, fds[0].fd);
    return real(fds, count, timeout);
}

ssize_t recvfrom(int fd, void *into, size_t size, int flags, struct sockaddr *peer, socklen_t *room) {
    REAL(recvfrom);
    COUNT(RECVFROM, fd);
    return real(fd, into, size, flags, peer, room);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    REAL(recvmsg);
    COUNT(RECVMSG, fd);
    return real(fd, message, flags);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *peer,
               socklen_t room) {
    REAL(sendto);
    COUNT(SENDTO, fd);
    return real(fd, data, size, flags, peer, room);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    COUNT(SENDMSG, fd);
    return real(fd, message, flags);
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    REAL(readv);
    COUNT(READV, fd);
    return real(fd, parts, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    COUNT(WRITEV, fd);
    return real(fd, parts, count);
}
