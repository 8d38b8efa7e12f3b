/*
 * Plain HTTP on a port of TLS. The head is looked at where it is, in the kernel, and dropped when it is answered; so is
 * what follows it, for a close with bytes unread would be a reset, which may overtake the answer.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/plain_http.h"
#include "base/slice.h"
#include "base/system.h"
#include "net/tls/listener.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define LINGER_MS    2000
#define LINGER_READS 16

static const char refusal[] = "400 Bad Request\nPlain HTTP was sent to a port that speaks HTTPS.\n";

/* The target of a request line in origin form; empty: it has none, or none that may be repeated. */
static struct slice request_target(const char *head, size_t len)
{
    const char *begin = memchr(head, ' ', len), *end = head + len, *p;
    if (!begin || ++begin == end || *begin != '/')
        return (struct slice){0};
    for (p = begin; p<end && * p> ' ' && *p < 127; p++)
        ;
    return p < end && *p == ' ' ? slice_of(begin, (size_t)(p - begin)) : (struct slice){0};
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(".-_:[]", c));
}

/* The value of the field Host; empty: there is none, or none that may be repeated. */
static struct slice host_field(const char *head, size_t len)
{
    const char *end = head + len;
    for (const char *line = memchr(head, '\n', len); line && ++line + 5 < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        if (strncasecmp(line, "Host:", 5) != 0)
            continue;
        const char *value = line + 5, *stop;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        for (stop = value; stop < end && is_host_byte(*stop); stop++)
            ;
        bool whole = stop < end && stop > value && (*stop == '\r' || *stop == '\n');
        return whole ? slice_of(value, (size_t)(stop - value)) : (struct slice){0};
    }
    return (struct slice){0};
}

#define DATE_SIZE 32

/* The time as a header says it (RFC 9110 section 5.6.7), whatever the locale. */
static void write_date(char date[DATE_SIZE], time_t now)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm t = {0};
    gmtime_r(&now, &t);
    snprintf(date, DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[t.tm_wday], (unsigned)t.tm_mday % 100,
             months[t.tm_mon], ((unsigned)t.tm_year + 1900) % 10000, (unsigned)t.tm_hour % 100,
             (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
}

size_t plain_http_write(char *to, const char *head, size_t len, bool redirect)
{
    char date[DATE_SIZE];
    write_date(date, time(NULL));
    struct slice target = redirect ? request_target(head, len) : (struct slice){0};
    struct slice host = target.len > 0 ? host_field(head, len) : (struct slice){0};
    int written = -1;
    if (host.len > 0)
        written = snprintf(to, PLAIN_ANSWER_MAX,
                           "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://%.*s%.*s\r\nDate: %s\r\n"
                           "Content-Length: 0\r\nConnection: close\r\n\r\n",
                           (int)host.len, host.data, (int)target.len, target.data, date);
    if (written > 0 && (size_t)written < PLAIN_ANSWER_MAX)
        return (size_t)written;
    written = snprintf(to, PLAIN_ANSWER_MAX,
                       "HTTP/1.1 400 Bad Request\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s",
                       date, sizeof refusal - 1, refusal);
    return written > 0 ? (size_t)written : 0;
}

/* Whether a head's end is among len bytes. */
static bool head_is_whole(const char *head, size_t len)
{
    for (size_t i = 1; i < len; i++)
        if (head[i] == '\n' && (head[i - 1] == '\n' || (i >= 2 && head[i - 1] == '\r' && head[i - 2] == '\n')))
            return true;
    return false;
}

/* Drops what comes until the client has ended its side, or its time is over. */
static int linger(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    for (int i = 0; i < LINGER_READS; i++) {
        ssize_t got = system_recv(t->c.fd, w->in, TLS_IN_SIZE, MSG_DONTWAIT);
        if (got > 0)
            continue;
        bool wants = got < 0 && (errno == EAGAIN || errno == EINTR);
        if (wants && ticks_between(loop_now_ms(w->net->loop), t->c.deadline) > 0)
            return TRANSPORT_WANT_READ;
        break;
    }
    return TRANSPORT_FAILED(HANDSHAKE_PLAIN_HTTP);
}

int plain_http_answer(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    if (t->flags & TLS_ANSWERED)
        return linger(t);
    ssize_t have = system_recv(t->c.fd, w->in, TLS_IN_SIZE, MSG_PEEK | MSG_DONTWAIT);
    if (have < 0 && (errno == EAGAIN || errno == EINTR))
        return TRANSPORT_WANT_READ;
    if (have <= 0)
        return TRANSPORT_FAILED(HANDSHAKE_PLAIN_HTTP);
    bool over = (size_t)have == TLS_IN_SIZE || (t->c.ready & READY_HALF_CLOSED);
    if (!head_is_whole(w->in, (size_t)have) && !over)
        return TRANSPORT_WANT_READ;
    const struct tls_listener *l = w->net->listeners[t->c.timer.owner_bits].tls;
    size_t len = plain_http_write(w->out, w->in, (size_t)have, l->settings.redirect_plain);
    ssize_t sent = system_send(t->c.fd, w->out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the first bytes of a connection fit the kernel's buffer; who does not take them gets none */
    shutdown(t->c.fd, SHUT_WR);
    t->flags |= TLS_ANSWERED;
    tls_count(w, TLS_PLAIN_ANSWERS, 1);
    connection_deadline(w->net, &t->c, LINGER_MS);
    return linger(t);
}
