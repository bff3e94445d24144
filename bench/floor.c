/* The kernel's floor: what a hello world costs when nearly all of it is system calls.
 *
 * One thread, epoll, a canned answer of the size of gpool's. It looks for the end of each head, so
 * that pipelined requests get an answer each, in one send, and for "Connection: close"; nothing
 * else of a request is read. No server that runs Python can be below it, so ratios to it say how
 * much a server adds to what the kernel takes.
 *
 * Its argument is the port; it serves until SIGTERM, whose default action is all it needs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_FDS 65536
#define MOST_EVENTS 512
#define MOST_ANSWERS 64 /* in one send */

#define HEAD                                                                                     \
    "HTTP/1.1 200 OK\r\nServer: gpool/0.1.0\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"            \
    "Content-Type: text/plain\r\nContent-Length: 13\r\n"
static const char answer[] = HEAD "\r\nHello, World!";
static const char last_answer[] = HEAD "Connection: close\r\n\r\nHello, World!";
static const char closing[] = "Connection: close";
enum { ANSWER = sizeof answer - 1, LAST_ANSWER = sizeof last_answer - 1 };

static char answers[MOST_ANSWERS * ANSWER];
static unsigned char matched[MOST_FDS]; /* of "\r\n\r\n", at the end of what each socket sent */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* How many heads end in what has been read; the end of one may come in pieces. */
static unsigned count_heads(const char *at, const char *end, unsigned char *so_far)
{
    unsigned heads = 0;

    for (; at < end; at++) {
        if (*so_far == 0 && !(at = memchr(at, '\r', (size_t)(end - at))))
            break;
        if (*at != "\r\n\r\n"[*so_far]) {
            *so_far = *at == '\r';
        } else if (++*so_far == 4) {
            heads++;
            *so_far = 0;
        }
    }
    return heads;
}

/* Answer that many requests; 0 if the socket is of no more use. A client that does not read its
 * answers is dropped rather than waited for: the bench has none. */
static int give(int fd, unsigned heads)
{
    while (heads) {
        unsigned now = heads < MOST_ANSWERS ? heads : MOST_ANSWERS;

        if (send(fd, answers, now * ANSWER, MSG_NOSIGNAL) != (ssize_t)(now * ANSWER))
            return 0;
        heads -= now;
    }
    return 1;
}

static void serve(int fd)
{
    static char read_here[65536];
    ssize_t got = recv(fd, read_here, sizeof read_here, 0);
    unsigned heads;

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        close(fd);
        return;
    }
    heads = count_heads(read_here, read_here + got, &matched[fd]);
    if (heads && memmem(read_here, (size_t)got, closing, sizeof closing - 1)) {
        if (give(fd, heads - 1)) /* who is not there to read it is closed all the same */
            (void)!send(fd, last_answer, LAST_ANSWER, MSG_NOSIGNAL);
        close(fd);
    } else if (!give(fd, heads)) {
        close(fd);
    }
}

static void accept_all(int listener, int epoll)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        if (fd >= MOST_FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
            close(fd);
            continue;
        }
        matched[fd] = 0;
    }
}

/* A listener on that port of loopback; its sockets inherit TCP_NODELAY. */
static int listening(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on))
        die("socket");
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, SOMAXCONN))
        die("listen");
    return fd;
}

int main(int count, char **arguments)
{
    int listener = listening(count == 2 ? atoi(arguments[1]) : 0), epoll = epoll_create1(0);
    struct epoll_event events[MOST_EVENTS], event = {.events = EPOLLIN, .data.fd = listener};

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
        die("epoll");
    for (int i = 0; i < MOST_ANSWERS; i++)
        memcpy(answers + i * ANSWER, answer, ANSWER);
    for (;;) {
        int ready = epoll_wait(epoll, events, MOST_EVENTS, -1);

        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener, epoll);
            else
                serve(events[i].data.fd);
        }
    }
}
