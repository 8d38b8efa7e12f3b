/*
 * The access log of weir serve: a line for each request when its reply has been sent, on standard output.
 *
 * A worker fills a record and puts it into a queue; a thread of the log's own composes the lines and writes them. When
 * standard output is slower than the requests, records run out, and requests go by without a line: they are counted.
 * Records are of an account of the server, so that the ledger and memory_limit know them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_ACCESS_LOG_H
#define WEIR_CLI_ACCESS_LOG_H

#include "cli/access_line.h"
#include "cli/status_line.h"
#include "weir.h"

struct access_log;

/* Makes a log and starts its thread. With ACCESS_OFF it writes nothing and has records all the same. clients: tells
 * weir_client() in place of weir_peer(). above: the line of the terminal that lines are written above; NULL: there is
 * none. NULL when there is no memory or no thread. The caller's, until access_log_end(). */
struct access_log *access_log_new(weir_server *s, enum access_form form, bool clients, struct status_line *above);

/* Request middleware, the first of all: takes a record. Nothing with l NULL. */
void access_log_begin(weir_ctx *c, struct access_log *l);

/* From the error hook: the reply is an error page. For a head that could not be parsed, its only call. */
void access_log_fail(weir_ctx *c, struct access_log *l, int status);

/* The request is one of a user, len bytes of name. */
void access_log_user(weir_ctx *c, const char *name, size_t len);

/* Now, for access_log_target(). Any thread. l NULL: 0. */
uint64_t access_log_mark(struct access_log *l);

/* Copies the target, as the client sent it, of a request that was alive after the mark was taken: its sent_arg of
 * weir_live_read(). False: there is no record, or it was taken after the mark. Any thread. */
bool access_log_target(struct access_log *l, const void *sent_arg, uint64_t mark, char *to, size_t size);

/* Writes what is queued, for two seconds at most, ends the thread, and frees the log. Returns the number of requests
 * without a line. When the server has stopped; before it is freed. NULL: 0. */
uint64_t access_log_end(struct access_log *l);

#endif
