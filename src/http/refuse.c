/*
 * Refusing who has no request that could be replied to: a connection, or a socket that has not become one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "http/request_log.h"
#include "http/status.h"
#include "net/listener.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

size_t http_refusal_compose(enum refusal cause, int64_t seconds, char to[HTTP_REFUSAL_MAX])
{
    const struct refusal_info *info = &refusal_infos[cause];
    struct slice reason = status_reason(info->status);
    char date[DATE_LEN];
    date_format(date, seconds);
    int len = snprintf(
        to, HTTP_REFUSAL_MAX, "HTTP/1.1 %u %.*s\r\nDate: %.*s\r\n%sConnection: close\r\nContent-Length: 0\r\n\r\n",
        info->status, (int)reason.len, reason.data, DATE_LEN, date, info->status == 503 ? "Retry-After: 1\r\n" : "");
    weir_assert(len > 0 && len < HTTP_REFUSAL_MAX);
    return (size_t)len;
}

void http_refused_unasked(struct http *h, const struct connection *c, enum refusal cause)
{
    http_refused_request(h, c, NULL, cause, NULL);
    counter_add(&h->routes[-1].counts[0], 1);
    counter_add(&h->counters.replies[refusal_infos[cause].status / 100], 1);
}

/* Tells whom it may concern; the connection is the caller's to close. */
static void refuse_connection(struct http *h, struct connection *c, enum refusal cause)
{
    const struct listen_spec *spec = &h->net->listeners[c->timer.owner_bits];
    char text[1024];
    if ((spec->transport && spec->transport != &transport_plain) ||
        spec->service) { /* would be no word of the client's language */
        http_refused_request(h, c, NULL, cause, NULL);
        return;
    }
    http_refused_unasked(h, c, cause);
    struct iovec part = {.iov_base = text, .iov_len = http_refusal_compose(cause, (int64_t)time(NULL), text)};
    (void)transport_plain.write(c, &(struct flow){0}, &part, 1, false); /* into an empty buffer of the kernel's */
    /* Drops what has come already. Because bytes that nobody read would turn the close into a reset, which takes the
     * reply with it. The socket gets no place to linger: that would be a connection. */
    for (int i = 0; i < 16; i++)
        if (transport_plain.read(c, text, sizeof text) < (ssize_t)sizeof text)
            break;
}

void http_refuse_socket(struct http *h, int fd, uint8_t listener, enum refusal cause)
{
    struct connection c = {.fd = fd};
    c.timer.owner_bits = listener;
    refuse_connection(h, &c, cause);
    close(fd);
}

void http_refuse_client(void *owner, struct connection *c)
{
    refuse_connection(owner, c, REFUSAL_ADDRESS_CONNECTIONS);
}
