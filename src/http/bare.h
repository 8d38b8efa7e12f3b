/*
 * Operations of an exchange that has no request: of an event of a client that stays, or of a task. Nothing is read by
 * them and nothing can be replied; who has such an exchange puts its own in the place of those that it has.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_BARE_H
#define WEIR_HTTP_BARE_H

#include "http/exchange.h"

ssize_t bare_read(struct exchange *x, const char **data);
bool bare_trailer(const struct exchange *x, size_t i, const char **name, const char **value);
char *bare_reserve(struct exchange *x, size_t min, size_t *room, int *error);
int bare_commit(struct exchange *x, size_t len);
char *bare_place(struct exchange *x, size_t len);
int bare_write(struct exchange *x, const char *data, size_t len);
size_t bare_written(struct exchange *x, const char **data);
int bare_nothing(struct exchange *x);
void bare_ignore(struct exchange *x);
void bare_end(struct exchange *x, enum ending how);
bool bare_watch(struct exchange *x);
enum exchange_peer bare_peer(struct exchange *x, bool look);
void bare_address(const struct exchange *x, bool own, struct address *a);
uint8_t bare_listener(const struct exchange *x);

/* The members of an exchange's operations that have none of their own. */
#define BARE_REPLY                                                                                                     \
    .trailer = bare_trailer, .reserve = bare_reserve, .commit = bare_commit, .place = bare_place, .write = bare_write, \
    .written = bare_written, .commit_head = bare_nothing, .flush = bare_nothing, .push = bare_nothing,                 \
    .discard = bare_ignore, .end = bare_end, .arm_body_deadline = bare_ignore

/* The exchange, which has been initialised, begins without a request: its reply has ended. */
void bare_begin(struct exchange *x);

#endif
