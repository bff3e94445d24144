/* A load generator for what wrk cannot tell: answers by status, and a fixed rate.
 *
 *     client PORT CONNECTIONS SECONDS RATE PAUSE <request
 *
 * One thread, epoll, keep-alive connections on loopback; the request is read from standard input.
 * It ends with a line of JSON, as lua/report.lua does; latencies are in milliseconds.
 *
 * RATE 0 is a closed loop: each connection sends its request again as soon as it is answered with a
 * 2xx. One that is refused (any other status, or no answer and an end) pauses for PAUSE seconds,
 * from half of it to one and a half so that those who were refused together do not come back
 * together, and then asks again, on a new connection if the old one is closed. A latency begins
 * when the client wants an answer: connecting, and waiting in the kernel's backlog, are part of it.
 *
 * Any other RATE is an open loop: so many requests a second, at constant intervals, whether earlier
 * ones are answered or not. A request takes the connection that has been free for longest. Its
 * latency begins when it was due, not when a connection was free for it or when this program got
 * round to sending it: a server that stalls is charged with all requests that it delayed (the
 * opposite is called coordinated omission; wrk2 does the same). What is not answered in the end is
 * charged with the time until then. Intervals are constant, as wrk2's, and not Poisson's, so that
 * tails are the server's and not those of a few seconds' chance arrivals.
 *
 * Limits: answers carry a Content-Length or end with their connection, chunks are not understood;
 * heads are below MOST_HEAD. Anything that breaks these ends the program with a sentence.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000) /* in ns, as all times here */
#define NEVER UINT64_MAX
#define LEAST_PAUSE (SECOND / 1000) /* after a connection that failed, whatever PAUSE says */
#define DRAIN (2 * SECOND)          /* for answers after the end of an open loop */
#define PATIENCE 10                 /* seconds for each of the first connections */
#define MOST_CONNECTIONS 1000000
#define MOST_RATE 10000000
#define MOST_SECONDS 86400
#define MOST_REQUEST (64u << 20)
#define MOST_HEAD 8192
#define MOST_EVENTS 512
#define MOST_STATUS 600
#define DIGITS 7 /* binary ones of a latency that are kept: buckets of less than 1 % */
#define BUCKETS ((64 - DIGITS + 1) << DIGITS)

enum state {
    FREE,       /* open, or closed if fd is -1; nothing to do */
    CONNECTING, /* for a request if `asks`, or to be free */
    SENDING,    /* the kernel has no room for all of the request */
    READING,
    PAUSING /* until `due` */
};

struct connection {
    enum state state;
    int fd;         /* -1: none */
    int asks;       /* there is a request */
    int served;     /* there was an answer, of any kind */
    uint64_t since; /* when it was wanted */
    uint64_t due;   /* when a pause is over */
    uint64_t freed; /* when it has become free */
    size_t sent;    /* bytes of the request */
    /* The answer: */
    int status;    /* 0: the head is not complete */
    int closes;    /* the server announces that it closes */
    uint64_t left; /* bytes of the body; NEVER: it ends with the connection */
    size_t length; /* bytes of the head so far */
    char head[MOST_HEAD];
};

struct histogram {
    uint64_t count, highest, buckets[BUCKETS];
};

/* Settings. */
static struct sockaddr_in server = {.sin_family = AF_INET};
static uint64_t rate, pause_length;
static char *request;
static size_t request_length;

/* What runs. */
static int epoll, timer;
static uint64_t started, ends, soonest = NEVER; /* the end of the pause that is over first */
static struct connection *connections;
static size_t connection_count;
static uint32_t *free_ring; /* of an open loop: connections, longest free first */
static size_t free_first, free_count;
static uint64_t next_request, request_count; /* of an open loop */

/* What there was. */
static struct histogram good, refused, late;
static uint64_t statuses[MOST_STATUS], bytes, answers;
static struct {
    uint64_t connect, read, write, status;
} errors;

static void fail(const char *what)
{
    fprintf(stderr, "client: %s\n", what);
    exit(1);
}

static void die(const char *what)
{
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* ------------------------------------------------------------------ histograms */

/* Below 2^DIGITS ns each value has its bucket, above it so many buckets share a power of two. */
static size_t bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < UINT64_C(1) << DIGITS)
        return value;
    shift = 63 - (unsigned)__builtin_clzll(value) - DIGITS;
    return ((size_t)shift << DIGITS) + (size_t)(value >> shift);
}

/* The middle of a bucket. */
static double value_of(size_t bucket)
{
    size_t shift = bucket >> DIGITS;
    size_t digits;

    if (shift < 2)
        return (double)bucket;
    shift--;
    digits = bucket - (shift << DIGITS);
    return ((double)digits + 0.5) * (double)(UINT64_C(1) << shift);
}

static void record(struct histogram *in, uint64_t value)
{
    in->count++;
    in->buckets[bucket_of(value)]++;
    if (value > in->highest)
        in->highest = value;
}

static double percentile(const struct histogram *of, double part)
{
    uint64_t rank = (uint64_t)((double)of->count * part), seen = 0;

    if (rank >= of->count)
        return (double)of->highest;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += of->buckets[bucket];
        if (seen > rank) {
            double value = value_of(bucket);

            return value < (double)of->highest ? value : (double)of->highest;
        }
    }
    return (double)of->highest;
}

/* ------------------------------------------------------------------ a connection's life */

static void send_request(struct connection *conn);

static uint64_t some_pause(void)
{
    static uint64_t random = UINT64_C(88172645463325252); /* xorshift; the same in each run */

    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return pause_length ? pause_length / 2 + random % pause_length : 0;
}

static void close_connection(struct connection *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}

static void rest(struct connection *conn, uint64_t length)
{
    conn->asks = 0;
    conn->state = PAUSING;
    conn->due = now() + length;
    if (conn->due < soonest)
        soonest = conn->due;
}

/* The connection has failed; so has its request, if it had one. */
static void lose(struct connection *conn, uint64_t *counter)
{
    uint64_t length = some_pause();

    ++*counter;
    close_connection(conn);
    rest(conn, length > LEAST_PAUSE ? length : LEAST_PAUSE);
}

static int new_socket(int flags)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        die("socket");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
        die("TCP_NODELAY");
    return fd;
}

static void watch(struct connection *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = conn};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event))
        die("epoll_ctl");
}

static void connect_anew(struct connection *conn)
{
    conn->fd = new_socket(SOCK_NONBLOCK);
    conn->state = CONNECTING;
    if (connect(conn->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        lose(conn, &errors.connect);
    else
        watch(conn);
}

static void ask(struct connection *conn, uint64_t since)
{
    conn->asks = 1;
    conn->since = since;
    conn->sent = conn->length = 0;
    conn->status = 0;
    if (conn->fd < 0)
        connect_anew(conn);
    else
        send_request(conn);
}

static void send_request(struct connection *conn)
{
    ssize_t went = send(conn->fd, request + conn->sent, request_length - conn->sent, MSG_NOSIGNAL);

    if (went < 0 && errno != EAGAIN) {
        lose(conn, &errors.write);
        return;
    }
    conn->sent += went > 0 ? (size_t)went : 0;
    conn->state = conn->sent == request_length ? READING : SENDING;
}

static void set_free(struct connection *conn)
{
    conn->state = FREE;
    conn->asks = 0;
    conn->freed = now();
    free_ring[(free_first + free_count++) % connection_count] = (uint32_t)(conn - connections);
}

/* What a connection without a request does next. */
static void go_on(struct connection *conn)
{
    if (!rate)
        ask(conn, now());
    else if (conn->fd < 0)
        connect_anew(conn);
    else
        set_free(conn);
}

static void answered(struct connection *conn)
{
    uint64_t took = now() - conn->since;
    int is_good = conn->status / 100 == 2;

    answers++;
    conn->served = 1;
    statuses[conn->status]++;
    errors.status += !is_good;
    record(is_good ? &good : &refused, took);
    if (conn->closes || conn->state == SENDING) /* the rest of the request is of no use */
        close_connection(conn);
    conn->asks = 0;
    if (is_good || !pause_length)
        go_on(conn);
    else
        rest(conn, some_pause());
}

/* ------------------------------------------------------------------ answers */

/* The value of a header, NULL if it is not there; the head ends with a NUL. */
static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, name, length) && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

static void understand(struct connection *conn)
{
    const char *length = header(conn->head, "Content-Length");
    const char *connection = header(conn->head, "Connection");
    int status = 0, minor = 0;

    if (sscanf(conn->head, "HTTP/1.%1d %3d", &minor, &status) != 2 || status < 100 ||
        status >= MOST_STATUS)
        fail("an answer does not begin with a status line of HTTP/1");
    if (header(conn->head, "Transfer-Encoding"))
        fail("an answer has a Transfer-Encoding, which this client does not understand");
    conn->status = status;
    conn->left = length ? strtoull(length, NULL, 10) : status == 204 || status == 304 ? 0 : NEVER;
    conn->closes = connection ? !strncasecmp(connection, "close", 5) : minor == 0;
    conn->closes |= conn->left == NEVER;
}

/* Take what belongs to the head; how many bytes that were. */
static size_t take_head(struct connection *conn, const char *from, size_t size)
{
    size_t before = conn->length, searched = before > 3 ? before - 3 : 0;
    size_t taken = size < MOST_HEAD - 1 - before ? size : MOST_HEAD - 1 - before;
    char *end;

    memcpy(conn->head + before, from, taken);
    conn->length += taken;
    conn->head[conn->length] = 0;
    end = memmem(conn->head + searched, conn->length - searched, "\r\n\r\n", 4);
    if (!end) {
        if (conn->length == MOST_HEAD - 1)
            fail("an answer's head is too long");
        return taken;
    }
    end[2] = 0;
    taken = (size_t)(end - conn->head) + 4 - before;
    understand(conn);
    return taken;
}

/* Take what has come; 0 if the connection is of no more use. */
static int take(struct connection *conn, const char *from, size_t size)
{
    bytes += size;
    while (size) {
        size_t taken;

        if (!conn->asks) { /* what is this? */
            errors.read++;
            close_connection(conn);
            return 0;
        }
        if (!conn->status) {
            taken = take_head(conn, from, size);
            if (conn->status && conn->status < 200) /* another head follows */
                conn->status = 0, conn->length = 0;
        } else {
            taken = size < conn->left ? size : (size_t)conn->left;
            conn->left -= conn->left == NEVER ? 0 : taken;
        }
        from += taken;
        size -= taken;
        if (conn->status && !conn->left) {
            int fd = conn->fd;

            answered(conn);
            if (conn->fd != fd || conn->state == CONNECTING)
                return 0;
        }
    }
    return 1;
}

static void ended(struct connection *conn)
{
    if (conn->asks && conn->status && conn->left == NEVER) {
        answered(conn);
    } else if (conn->asks || conn->state == CONNECTING) {
        lose(conn, &errors.read);
    } else { /* found out when it is needed, as a pool of connections does */
        close_connection(conn);
    }
}

static void receive(struct connection *conn, int hung_up)
{
    static char here[65536];
    ssize_t got;

    do {
        got = recv(conn->fd, here, sizeof here, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0 && conn->asks) {
            lose(conn, &errors.read);
            return;
        }
        if (got <= 0) {
            ended(conn);
            return;
        }
        if (!take(conn, here, (size_t)got))
            return;
    } while (hung_up || (size_t)got == sizeof here);
}

static void connected(struct connection *conn)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
        lose(conn, &errors.connect);
    else if (conn->asks)
        send_request(conn);
    else
        set_free(conn);
}

static void handle(struct connection *conn, uint32_t events)
{
    if (conn->fd < 0)
        return;
    if (conn->state == CONNECTING)
        connected(conn);
    else if (conn->state == SENDING && events & EPOLLOUT)
        send_request(conn);
    if (conn->fd >= 0 && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        receive(conn, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

/* ------------------------------------------------------------------ what is due */

static uint64_t due_at(uint64_t number)
{
    return started + (uint64_t)((double)number * (double)SECOND / (double)rate);
}

/* Send what is due over the connections that are free. */
static void send_due(void)
{
    uint64_t time = now();

    while (next_request < request_count && free_count && due_at(next_request) <= time) {
        struct connection *conn = &connections[free_ring[free_first]];
        uint64_t due = due_at(next_request);

        free_first = (free_first + 1) % connection_count;
        free_count--;
        next_request++;
        record(&late, time - (due > conn->freed ? due : conn->freed));
        ask(conn, due);
        time = now();
    }
}

static void end_pauses(void)
{
    uint64_t time = now();

    if (time < soonest)
        return;
    soonest = NEVER;
    for (size_t i = 0; i < connection_count; i++) {
        struct connection *conn = &connections[i];

        if (conn->state != PAUSING)
            continue;
        if (conn->due <= time)
            go_on(conn);
        else if (conn->due < soonest)
            soonest = conn->due;
    }
}

static uint64_t next_due(void)
{
    uint64_t due = soonest;

    if (rate && free_count && next_request < request_count && due_at(next_request) < due)
        due = due_at(next_request);
    return due;
}

/* Wait for events, or for a time. */
static int wait_for(struct epoll_event *events, uint64_t until)
{
    static uint64_t set;
    struct itimerspec at = {.it_value.tv_sec = (time_t)(until / SECOND),
                            .it_value.tv_nsec = (long)(until % SECOND)};

    if (until <= now())
        return epoll_wait(epoll, events, MOST_EVENTS, 0);
    if (until != set && timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL))
        die("timerfd_settime");
    set = until;
    return epoll_wait(epoll, events, MOST_EVENTS, -1);
}

static int all_answered(void)
{
    for (size_t i = 0; i < connection_count; i++)
        if (connections[i].asks)
            return 0;
    return next_request == request_count;
}

static int is_over(void)
{
    uint64_t time = now();

    return time >= ends && (!rate || time >= ends + DRAIN || all_answered());
}

static void run(void)
{
    struct epoll_event events[MOST_EVENTS];

    while (!is_over()) {
        uint64_t until = next_due(), end = now() < ends ? ends : ends + DRAIN;
        int ready = wait_for(events, until < end ? until : end);

        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++)
            if (events[i].data.ptr)
                handle(events[i].data.ptr, events[i].events);
        end_pauses();
        if (rate)
            send_due();
    }
}

/* ------------------------------------------------------------------ beginning and end */

/* All connections, before the clock starts. */
static void connect_all(void)
{
    struct timeval patience = {.tv_sec = PATIENCE};

    for (size_t i = 0; i < connection_count; i++) {
        struct connection *conn = &connections[i];

        conn->fd = new_socket(0);
        if (setsockopt(conn->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience))
            die("SO_SNDTIMEO");
        if (connect(conn->fd, (struct sockaddr *)&server, sizeof server))
            die("connect");
        if (fcntl(conn->fd, F_SETFL, O_NONBLOCK))
            die("O_NONBLOCK");
        watch(conn);
        if (rate)
            set_free(conn);
    }
}

static void ask_all(void)
{
    for (size_t i = 0; i < connection_count && !rate; i++)
        ask(&connections[i], started);
}

static void read_request(void)
{
    size_t room = 0, got;

    do {
        if (request_length == room) {
            room = room ? room * 2 : 4096;
            if (room > MOST_REQUEST || !(request = realloc(request, room)))
                fail("the request is too large");
        }
        got = fread(request + request_length, 1, room - request_length, stdin);
        request_length += got;
    } while (got);
    if (!request_length)
        fail("there is no request on standard input");
}

static double number(const char *from, double least, double most)
{
    char *end;
    double value = strtod(from, &end);

    if (end == from || *end || !(value >= least && value <= most))
        fail("an argument is no number, or out of its range");
    return value;
}

static void watch_timer(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    epoll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event))
        die("epoll");
}

static void set_up(char **arguments)
{
    double seconds = number(arguments[3], 0.001, MOST_SECONDS);

    server.sin_port = htons((uint16_t)number(arguments[1], 1, 65535));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection_count = (size_t)number(arguments[2], 1, MOST_CONNECTIONS);
    rate = (uint64_t)number(arguments[4], 0, MOST_RATE);
    pause_length = (uint64_t)(number(arguments[5], 0, MOST_SECONDS) * (double)SECOND);
    ends = (uint64_t)(seconds * (double)SECOND); /* from the start, which is not yet */
    request_count = (uint64_t)((double)rate * seconds);
    connections = calloc(connection_count, sizeof *connections);
    free_ring = calloc(connection_count, sizeof *free_ring);
    if (!connections || !free_ring)
        die("memory");
    read_request();
    watch_timer();
}

/* Those that have no answer: how many, and for how long the oldest has waited. In an open loop they
 * count as if they had come now, those that were never sent too. */
static uint64_t charge_unanswered(uint64_t *oldest)
{
    uint64_t count = 0, time = now();

    for (size_t i = 0; i < connection_count; i++) {
        struct connection *conn = &connections[i];

        if (!conn->asks)
            continue;
        count++;
        if (time - conn->since > *oldest)
            *oldest = time - conn->since;
        if (rate)
            record(&good, time - conn->since);
    }
    for (; next_request < request_count; next_request++, count++) {
        if (time - due_at(next_request) > *oldest)
            *oldest = time - due_at(next_request);
        record(&good, time - due_at(next_request));
    }
    return count;
}

/* Clients that have had no answer at all. */
static size_t starved(void)
{
    size_t count = 0;

    for (size_t i = 0; i < connection_count; i++)
        count += !connections[i].served;
    return count;
}

static double milliseconds(double ns)
{
    return ns / 1e6;
}

static void say_statuses(void)
{
    const char *between = "";

    printf("\"statuses\":{");
    for (int status = 0; status < MOST_STATUS; status++)
        if (statuses[status]) {
            printf("%s\"%d\":%" PRIu64, between, status, statuses[status]);
            between = ",";
        }
    printf("}");
}

static void say_histogram(const char *name, const struct histogram *of)
{
    printf("\"%sp50\":%f,\"%sp99\":%f,\"%sp99.9\":%f,\"%smax\":%f,", name,
           milliseconds(percentile(of, 0.5)), name, milliseconds(percentile(of, 0.99)), name,
           milliseconds(percentile(of, 0.999)), name, milliseconds((double)of->highest));
}

static void say(double seconds)
{
    uint64_t oldest = 0, good_count = good.count, waiting = charge_unanswered(&oldest);

    printf("{\"requests\":%" PRIu64 ",\"good\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%f,",
           answers, good_count, bytes, seconds);
    say_histogram("", &good);
    if (refused.count)
        say_histogram("refused_", &refused);
    if (rate)
        say_histogram("late_", &late);
    printf("\"errors\":{\"connect\":%" PRIu64 ",\"read\":%" PRIu64 ",\"write\":%" PRIu64
           ",\"status\":%" PRIu64 ",\"timeout\":%" PRIu64 "},",
           errors.connect, errors.read, errors.write, errors.status, rate ? waiting : 0);
    say_statuses();
    printf(",\"waiting\":%" PRIu64 ",\"oldest\":%f,\"starved\":%zu}\n", waiting,
           milliseconds((double)oldest), starved());
}

int main(int argc, char **argv)
{
    if (argc != 6)
        fail("arguments: PORT CONNECTIONS SECONDS RATE PAUSE, and a request on standard input");
    set_up(argv);
    connect_all();
    started = now();
    ends += started;
    ask_all();
    run();
    say((double)(now() - started) / 1e9);
    return 0;
}
