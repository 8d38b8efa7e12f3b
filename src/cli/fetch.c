/*
 * Fetching.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/fetch.h"
#include "base/clock.h"
#include "http/h1/chunked.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WAIT_SECONDS 10 /* bound on one step, and on all of them together */
#define REQUEST_MAX  8192

/* ---- URLs ---- */

static bool good_port(const char *text, size_t len)
{
    unsigned long port = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    return len > 0 && len <= 5 && port > 0 && port <= 65535;
}

static bool good_character(unsigned char c)
{
    return c > 0x20 && c < 0x7f;
}

const char *url_parse(struct url *url, const char *text)
{
    for (const char *p = text; *p; p++)
        if (!good_character((unsigned char)*p))
            return "it holds a space or a control character";
    if (strncasecmp(text, "http://", 7) != 0)
        return strncasecmp(text, "https://", 8) == 0 ? "only http:// can be read" : "it does not begin with http://";
    text += 7;
    size_t len = strcspn(text, "/?#");
    if (len == 0 || len >= sizeof url->host || memchr(text, '@', len))
        return len == 0 ? "it has no host" : "its host is too long or has a user in it";
    if (strpbrk(text + len, "?#"))
        return "it has a query or a fragment";
    if (strlen(text + len) >= sizeof url->path)
        return "its path is too long";
    memcpy(url->authority, text, len);
    url->authority[len] = '\0';
    snprintf(url->path, sizeof url->path, "%s", text + len);
    size_t name_len = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/");
    if (name_len > len)
        return name_len > len + 1 ? "its host is not complete" : "it has no host";
    bool bracketed = text[0] == '[';
    const char *port = text + name_len;
    size_t port_len = len - name_len;
    if (port_len > 0 && (*port != ':' || !good_port(port + 1, port_len - 1)))
        return "its port is not a number up to 65535";
    if (name_len <= (bracketed ? 2u : 0u))
        return "it has no host";
    snprintf(url->host, sizeof url->host, "%.*s", (int)(name_len - (bracketed ? 2 : 0)), text + bracketed);
    snprintf(url->port, sizeof url->port, "%.*s", port_len > 0 ? (int)port_len - 1 : 2, port_len > 0 ? port + 1 : "80");
    return NULL;
}

/* ---- The connection ---- */

static bool fail(struct fetch *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct fetch *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->why, sizeof f->why, fmt, args);
    va_end(args);
    return false;
}

static const char *error_text(int number)
{
    return number == EAGAIN || number == EINPROGRESS || number == ETIMEDOUT ? "it does not answer in time"
                                                                            : strerror(number);
}

static int connect_to(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -1;
    struct timeval wait = {.tv_sec = WAIT_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* bounds the connecting, too */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_connection(struct fetch *f)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(f->url->host, f->url->port, &hints, &found);
    if (error) {
        fail(f, "%s: %s", f->url->host, gai_strerror(error));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = connect_to(a);
    if (fd < 0)
        fail(f, "%s: %s", f->url->authority, error_text(errno));
    freeaddrinfo(found);
    return fd;
}

static bool send_request(struct fetch *f, int fd)
{
    char request[REQUEST_MAX];
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: close\r\n", f->url->path,
                       f->url->authority);
    for (int i = 0; i < f->header_count && len < REQUEST_MAX; i++)
        len += snprintf(request + len, sizeof request - (size_t)len, "%s\r\n", f->headers[i]);
    if (len < REQUEST_MAX)
        len += snprintf(request + len, sizeof request - (size_t)len, "\r\n");
    if (len >= REQUEST_MAX)
        return fail(f, "the header lines are too long");
    for (int sent = 0; sent < len;) {
        ssize_t n = send(fd, request + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(f, "%s: %s", f->url->authority, error_text(errno));
        sent += (int)n;
    }
    return true;
}

/* Receives all that comes until the server closes. */
static bool receive_all(struct fetch *f, int fd, size_t *len)
{
    uint64_t until = clock_monotonic_ns() + (uint64_t)WAIT_SECONDS * 1000000000u;
    for (*len = 0; *len < FETCH_SIZE_MAX;) {
        ssize_t n = recv(fd, f->buf + *len, FETCH_SIZE_MAX - *len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(f, "%s: %s", f->url->authority, error_text(errno));
        if (n == 0)
            return true;
        *len += (size_t)n;
        if (clock_monotonic_ns() > until)
            return fail(f, "%s: it does not answer in time", f->url->authority);
    }
    return fail(f, "%s: the answer is longer than %zu bytes", f->url->authority, FETCH_SIZE_MAX);
}

/* ---- The reply ---- */

struct framing {
    bool chunked;
    long long length; /* -1: until the end */
};

static bool parse_head(struct fetch *f, struct slice all, size_t *head_len, struct framing *framing)
{
    const char *end = all.len ? memmem(all.data, all.len, "\r\n\r\n", 4) : NULL;
    if (!end || all.len < 12 || memcmp(all.data, "HTTP/1.", 7) != 0)
        return fail(f, "%s: what answers is not an HTTP server", f->url->authority);
    *head_len = (size_t)(end - all.data) + 4;
    f->status = (int)strtol(all.data + 9, NULL, 10);
    for (const char *line = all.data; line < end;) {
        const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        struct slice field = slice_of(line, (size_t)(next - line));
        if (field.len > 15 && strncasecmp(field.data, "Content-Length:", 15) == 0)
            framing->length = strtoll(field.data + 15, NULL, 10);
        if (field.len > 18 && strncasecmp(field.data, "Transfer-Encoding:", 18) == 0)
            framing->chunked = true;
        line = next + 2;
    }
    return true;
}

/* Joins the chunks of a body in place: the pieces move together over the chunks' frames. */
static bool join_chunks(struct fetch *f, struct slice coded, struct slice *body)
{
    struct h1_chunked chunks;
    h1_chunked_begin(&chunks, CHUNK_EXTENSION_MAX, CHUNK_TRAILER_MAX);
    char *to = (char *)(uintptr_t)coded.data;
    size_t len = 0, used;
    struct slice piece;
    enum h1_chunked_event event;
    while ((event = h1_chunked_next(&chunks, coded, &used, &piece, (char *)(uintptr_t)coded.data)) == CHUNKED_DATA) {
        memmove(to + len, piece.data, piece.len);
        len += piece.len;
        coded = slice_of(coded.data + used, coded.len - used);
    }
    *body = slice_of(to, len);
    return event == CHUNKED_END ? true : fail(f, "%s: the answer is not complete", f->url->authority);
}

static bool parse_reply(struct fetch *f, size_t len, struct slice *body)
{
    size_t head_len = 0;
    struct framing framing = {.length = -1};
    if (!parse_head(f, slice_of(f->buf, len), &head_len, &framing))
        return false;
    if (f->status == 401 || f->status == 403)
        return fail(f, "%s: the ledger is not for everybody (%d); --header gives what it asks for", f->url->authority,
                    f->status);
    if (f->status != 200)
        return fail(f, "%s: there is no ledger at %s (%d)", f->url->authority, f->url->path, f->status);
    struct slice rest = slice_of(f->buf + head_len, len - head_len);
    if (framing.chunked)
        return join_chunks(f, rest, body);
    if (framing.length > (long long)rest.len)
        return fail(f, "%s: the answer is not complete", f->url->authority);
    *body = framing.length < 0 ? rest : slice_of(rest.data, (size_t)framing.length);
    return true;
}

bool fetch_get(struct fetch *f, struct slice *body)
{
    f->status = 0;
    int fd = open_connection(f);
    if (fd < 0)
        return false;
    size_t len;
    bool good = send_request(f, fd) && receive_all(f, fd, &len);
    close(fd);
    return good && parse_reply(f, len, body);
}
