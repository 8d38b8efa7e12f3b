/*
 * Lines of the log about requests: which was refused, failed or was cut, and at the level DEBUG each one. All on the
 * worker's own thread.
 *
 * What a client sent appears only shortened and escaped, so that it can neither forge lines nor speak to a terminal.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_REQUEST_LOG_H
#define WEIR_HTTP_REQUEST_LOG_H

#include "http/http.h"

/* As http_refused(), with what is known of the request: c is its connection; x is the request, once there is one, else
 * NULL. A request that is cut, or whose handler is, is a warning. */
COLD void http_refused_request(struct http *h, const struct connection *c, const struct exchange *x, enum refusal cause,
                               const char *why);

/* Whether another warning may be written by this worker, which writes so many in a second; tells of those that might
 * not. */
bool http_may_warn(struct http *h);

/* A request has failed or was cut: a warning, with the request. Where there are many of them a worker counts the
 * others of a second and tells how many. */
COLD void http_log_failure(const struct exchange *x, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* A handler has refused a request, by a status below 500: a line at the level INFO, with the request. */
COLD void http_log_denial(const struct exchange *x, int status, const char *why);

/* The listener that writes each request's line at the level DEBUG. */
COLD void http_log_over(struct over_listener *l, const struct exchange_over *e);

#endif
