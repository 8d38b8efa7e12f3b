/*
 * Opens many connections to a server by TLS, HTTP/2 or both, gets replies on each, prints `ready`, and holds them all
 * until its standard input ends; then a line of JSON tells what became of each. script/memory and the tables of
 * bench/tables measure the server meanwhile.
 *
 * A connection goes as far as --stop says: nothing sent, half a ClientHello, a whole one, the requests sent and nothing
 * read, or (without it) until the replies have come. One connection after the other, or --at-once of them. OpenSSL's
 * object is given up once the replies are there: the server cannot see that, and a client of a thousand connections
 * stays small. Over HTTP/2 it stays, since a server may go on talking: SETTINGS and PING are answered for as long as
 * the connections are held.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/h2.h"
#include "client/tls.h"

enum { HEAD_MAX = 1024, EVENTS = 256, INPUT = 64 << 10, OUTPUT = 64 << 10, TICK_MS = 100 };

#define STDIN_TAG UINT64_MAX

enum stop { STOP_NEVER, STOP_SILENT, STOP_HALF, STOP_HELLO, STOP_ASKED };

enum state { SHAKING, ASKED, HELD, ENDED };

struct options {
    struct sockaddr_in server, from;
    long connections, requests, streams, at_once;
    double patience;     /* seconds until what has not been answered is left; 0: for ever */
    const char *request; /* as HTTP/1.1 has it; empty: nothing is asked for */
    uint32_t window;
    int receive_buffer;
    bool tls, h2, tolerate;
    enum stop stop;
};

struct connection {
    int fd;
    enum state state;
    SSL *ssl;             /* while it is needed */
    long asked, answered; /* requests */
    struct h2_client *h2;
    char *head; /* of the reply of HTTP/1.1 that is coming, until it is whole */
    size_t head_len;
    long long left; /* of its body */
};

/* What became of connections and requests. */
static struct {
    long open;          /* connections that are held */
    long good, refused; /* replies of status 200, and of another */
    long waiting;       /* connections that the server had neither answered nor ended when the patience was over */
    /* Connections that the server ended: within the handshake, before a reply's first byte, within it, while held. */
    long unshaken, closed, cut, closed_later;
    char version[32], cipher[64];
} counts;

static struct options o = {.server = {.sin_family = AF_INET},
                           .from = {.sin_family = AF_INET},
                           .connections = 1,
                           .requests = 1,
                           .streams = 1,
                           .at_once = 1,
                           .request = "",
                           .window = H2_WINDOW_MAX};
static struct connection *all;
static SSL_CTX *context;
static struct h2_request request;
static int poller;
static long active; /* connections that are not yet held */
static uint8_t input[INPUT];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("hold: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* ---- The end of a connection, and of its work */

static void release(struct connection *conn)
{
    if (conn->ssl) {
        SSL_set_quiet_shutdown(conn->ssl, 1);
        SSL_free(conn->ssl);
        conn->ssl = NULL;
    }
    free(conn->head);
    conn->head = NULL;
}

/* The server has ended a connection, or broken a rule. */
static void end(struct connection *conn, const char *why)
{
    bool held = conn->state == HELD;
    bool begun = conn->h2 ? conn->h2->received > 0 : conn->head_len > 0;
    long *count = held                     ? &counts.closed_later
                  : conn->state == SHAKING ? &counts.unshaken
                  : begun                  ? &counts.cut
                                           : &counts.closed;
    if (!o.tolerate)
        fail("connection %ld: %s", (long)(conn - all), why);
    ++*count;
    counts.open -= held;
    active -= !held;
    release(conn);
    free(conn->h2);
    conn->h2 = NULL;
    close(conn->fd);
    conn->fd = -1;
    conn->state = ENDED;
}

/* All that was asked for has come, or been sent: from now on the connection is only held. */
static void hold(struct connection *conn)
{
    conn->state = HELD;
    active--;
    counts.open++;
    if (conn->h2 && o.stop == STOP_NEVER)
        return; /* the server may have more to say */
    epoll_ctl(poller, EPOLL_CTL_DEL, conn->fd, NULL);
    release(conn);
}

/* ---- Bytes */

static bool send_bytes(struct connection *conn, const void *data, size_t len)
{
    ssize_t sent = 0;
    if (len > 0)
        sent = conn->ssl ? SSL_write(conn->ssl, data, (int)len) : send(conn->fd, data, len, MSG_NOSIGNAL);
    if (sent == (ssize_t)len)
        return true;
    end(conn, "what was sent was not taken");
    return false;
}

/* Reads into `input`. The length; 0: nothing has come; -1: the connection has ended. */
static ssize_t read_bytes(struct connection *conn)
{
    if (!conn->ssl) {
        ssize_t len = recv(conn->fd, input, sizeof(input), 0);
        return len > 0 ? len : len < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    ERR_clear_error();
    int len = SSL_read(conn->ssl, input, sizeof(input));
    if (len > 0)
        return len;
    int error = SSL_get_error(conn->ssl, len);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* ---- Requests and replies */

static void ask(struct connection *conn)
{
    static uint8_t data[OUTPUT];
    struct h2_output out = {data, 0, sizeof(data)};
    long more = o.requests - conn->asked;
    conn->state = ASKED;
    if (!conn->h2) {
        conn->head_len = 0;
        conn->left = -1;
        conn->asked++;
        if (!send_bytes(conn, o.request, strlen(o.request)))
            return;
    } else {
        if (conn->asked == 0)
            h2_begin(conn->h2, o.window, &out);
        for (long i = 0; i < o.streams && i < more; i++, conn->asked++)
            h2_ask(conn->h2, &request, &out);
        if (!send_bytes(conn, out.data, out.len))
            return;
    }
    if (o.stop == STOP_ASKED)
        hold(conn);
}

/* A connection's replies have come. The next requests, or the end of its work. */
static void answered(struct connection *conn)
{
    if (conn->asked < o.requests)
        ask(conn);
    else
        hold(conn);
}

/* Reads the head of a reply of HTTP/1.1. False: more has to come, or the connection has ended. */
static bool take_head(struct connection *conn, const uint8_t *data, size_t len)
{
    if (!conn->head)
        conn->head = malloc(HEAD_MAX);
    if (!conn->head)
        die("malloc");
    size_t room = HEAD_MAX - 1 - conn->head_len, kept = len < room ? len : room, before = conn->head_len;
    memcpy(conn->head + conn->head_len, data, kept);
    conn->head_len += kept;
    conn->head[conn->head_len] = '\0';
    const char *blank = strstr(conn->head, "\r\n\r\n"), *length = strcasestr(conn->head, "\r\nContent-Length: ");
    if (!blank) {
        if (kept < len)
            end(conn, "a reply's head is too long");
        return false;
    }
    if (!length || strncmp(conn->head, "HTTP/1.1 ", 9) != 0) {
        end(conn, "a reply is not one of known length");
        return false;
    }
    bool good = strncmp(conn->head + 9, "200", 3) == 0;
    counts.good += good;
    counts.refused += !good;
    if (!good && !o.tolerate)
        fail("a reply is not of status 200: %.60s", conn->head);
    size_t head = (size_t)(blank + 4 - conn->head);
    conn->left = strtoll(length + strlen("\r\nContent-Length: "), NULL, 10) - (long long)(len - (head - before));
    return true;
}

static void take_http1(struct connection *conn, const uint8_t *data, size_t len)
{
    if (conn->left >= 0)
        conn->left -= (long long)len;
    else if (!take_head(conn, data, len))
        return;
    if (conn->left < 0)
        end(conn, "more came than the reply's length");
    else if (conn->left == 0)
        answered(conn);
}

static void take_h2(struct connection *conn, const uint8_t *data, size_t len)
{
    uint8_t reply[1024];
    struct h2_output out = {reply, 0, sizeof(reply)};
    uint32_t good = conn->h2->good, refused = conn->h2->refused;
    const char *wrong = h2_feed(conn->h2, data, len, &out);
    counts.good += conn->h2->good - good;
    counts.refused += conn->h2->refused - refused;
    if (wrong || (conn->h2->refused > refused && !o.tolerate)) {
        end(conn, wrong ? wrong : "a reply is not of status 200");
        return;
    }
    if (send_bytes(conn, out.data, out.len) && conn->state == ASKED && conn->h2->open == 0 && conn->h2->begun)
        answered(conn);
}

/* Takes what has come. */
static void receive(struct connection *conn)
{
    for (;;) {
        ssize_t len = read_bytes(conn);
        if (len < 0)
            end(conn, "the server closed it");
        if (len <= 0)
            return;
        if (conn->h2)
            take_h2(conn, input, (size_t)len);
        else
            take_http1(conn, input, (size_t)len);
        if (conn->state == ENDED || (conn->state == HELD && !conn->ssl && !conn->h2))
            return;
    }
}

/* ---- Handshakes */

static void shaken(struct connection *conn)
{
    if (conn->ssl && !tls_agreed(conn->ssl, o.h2)) {
        end(conn, "ALPN agreed on another protocol");
        return;
    }
    if (conn->ssl && !*counts.cipher) {
        snprintf(counts.version, sizeof(counts.version), "%s", SSL_get_version(conn->ssl));
        snprintf(counts.cipher, sizeof(counts.cipher), "%s", SSL_get_cipher_name(conn->ssl));
    }
    if (*o.request || o.h2)
        ask(conn);
    else
        hold(conn);
}

static void shake(struct connection *conn)
{
    ERR_clear_error();
    int result = SSL_do_handshake(conn->ssl), error = SSL_get_error(conn->ssl, result);
    if (result == 1)
        shaken(conn);
    else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        end(conn, "the handshake failed");
}

/* Sends the beginning of a ClientHello, and goes no further. */
static void send_hello(struct connection *conn)
{
    static uint8_t hello[4096];
    size_t len = tls_write_hello(context, hello, sizeof(hello));
    if (send_bytes(conn, hello, o.stop == STOP_HALF ? len / 2 : len))
        hold(conn);
}

static void open_connection(struct connection *conn)
{
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket");
    if (o.receive_buffer > 0)
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &o.receive_buffer, sizeof(o.receive_buffer));
    /* The port is chosen at connect(), so that it need only be free towards this server. */
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(conn->fd, (const struct sockaddr *)&o.from, sizeof(o.from)) < 0)
        die("bind");
    active++;
    if (connect(conn->fd, (const struct sockaddr *)&o.server, sizeof(o.server)) < 0) {
        end(conn, strerror(errno));
        return;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(conn - all)};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event) < 0)
        die("epoll_ctl");
    if (o.h2 && !(conn->h2 = calloc(1, sizeof(*conn->h2))))
        die("calloc");
    if (o.stop == STOP_SILENT) {
        hold(conn);
    } else if (o.stop == STOP_HALF || o.stop == STOP_HELLO) {
        send_hello(conn);
    } else if (o.tls) {
        conn->ssl = tls_new_client(context, conn->fd);
        shake(conn);
    } else {
        shaken(conn);
    }
}

/* ---- Driving */

/* Waits for what comes, for at most so many milliseconds. False: standard input has ended. */
static bool turn(int most_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, most_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == STDIN_TAG)
            return false;
        struct connection *conn = &all[events[i].data.u64];
        if (conn->state == SHAKING)
            shake(conn);
        else if (conn->state != ENDED)
            receive(conn);
    }
    return true;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void drive(void)
{
    double ending = now() + o.patience;
    for (long opened = 0; (opened < o.connections || active > 0) && (o.patience <= 0 || now() < ending);) {
        if (opened < o.connections && active < o.at_once)
            open_connection(&all[opened++]);
        else
            turn(o.patience > 0 ? TICK_MS : -1);
    }
    counts.waiting = active;
    puts("ready");
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = STDIN_TAG};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        die("epoll_ctl");
    while (turn(-1))
        ;
}

static bool parse_stop(const char *word)
{
    static const char *const words[] = {"never", "silent", "half", "hello", "asked"};
    for (enum stop stop = STOP_NEVER; stop <= STOP_ASKED; stop++) {
        if (strcmp(word, words[stop]) == 0) {
            o.stop = stop;
            return true;
        }
    }
    return false;
}

static bool parse_option(const char *name, const char *value)
{
    long number = strtol(value, NULL, 10);
    if (strcmp(name, "--port") == 0)
        o.server.sin_port = htons((uint16_t)number);
    else if (strcmp(name, "--host") == 0)
        return inet_pton(AF_INET, value, &o.server.sin_addr) == 1;
    else if (strcmp(name, "--from") == 0)
        return inet_pton(AF_INET, value, &o.from.sin_addr) == 1;
    else if (strcmp(name, "--connections") == 0)
        o.connections = number;
    else if (strcmp(name, "--tls") == 0)
        o.tls = number != 0;
    else if (strcmp(name, "--h2") == 0)
        o.h2 = number != 0;
    else if (strcmp(name, "--tolerate") == 0)
        o.tolerate = number != 0;
    else if (strcmp(name, "--request") == 0)
        o.request = value;
    else if (strcmp(name, "--requests") == 0)
        o.requests = number;
    else if (strcmp(name, "--streams") == 0)
        o.streams = number;
    else if (strcmp(name, "--at-once") == 0)
        o.at_once = number;
    else if (strcmp(name, "--window") == 0)
        o.window = (uint32_t)number;
    else if (strcmp(name, "--patience") == 0)
        o.patience = strtod(value, NULL);
    else if (strcmp(name, "--rcvbuf") == 0)
        o.receive_buffer = (int)number;
    else
        return strcmp(name, "--stop") == 0 && parse_stop(value);
    return number >= 0;
}

static bool parse(int argc, char **argv)
{
    o.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !parse_option(argv[i], argv[i + 1]))
            return false;
    }
    return o.server.sin_port != 0 && o.connections > 0 && o.requests > 0 && o.streams > 0 && o.streams <= 100 &&
           o.at_once > 0 && (!o.h2 || *o.request);
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs("usage: hold --port N [--host ADDRESS] [--from ADDRESS] [--connections N] [--at-once N] [--tls 1] [--h2 "
              "1]\n"
              "            [--request TEXT] [--requests N] [--streams N] [--stop silent|half|hello|asked] [--window "
              "BYTES]\n"
              "            [--rcvbuf BYTES] [--patience SECONDS] [--tolerate 1]\n",
              stderr);
        return 2;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    all = calloc((size_t)o.connections, sizeof(*all));
    if (poller < 0 || !all)
        die("epoll_create1");
    context = tls_new_context(o.h2);
    if (o.h2 && !h2_make_request(&request, o.request, o.tls))
        fail("no request: %s", o.request);
    drive();
    printf("{\"open\": %ld, \"good\": %ld, \"refused\": %ld, \"waiting\": %ld, \"unshaken\": %ld, \"closed\": %ld, ",
           counts.open, counts.good, counts.refused, counts.waiting, counts.unshaken, counts.closed);
    printf("\"cut\": %ld, \"closed_later\": %ld, \"version\": \"%s\", \"cipher\": \"%s\"}\n", counts.cut,
           counts.closed_later, counts.version, counts.cipher);
    return 0; /* the kernel closes the connections */
}
