/*
 * Expressions in route patterns: PCRE2 behind a few calls. An expression has to match a whole value; expressions are
 * trusted, what they are matched against is not, so the work of a match, its subject and its memory are bounded.
 *
 * No UTF mode (a path is bytes), "." matches every byte and "$" only the very end: a path has no lines.
 *
 * All of PCRE2's memory is charged to the account given, also its machine code and the stack of that.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_REGEX_H
#define WEIR_WEB_ROUTE_REGEX_H

#include "base/memory.h"
#include "base/slice.h"

#define REGEX_SUBJECT_MAX 4096 /* bytes; a longer one is refused */
#define REGEX_STEPS_MAX   10000

/* A compiled expression. Read-only once made: any thread may match with it, each with a context of its own. */
struct regex;

/* A worker's means to match: match data, limits, the stack of compiled code. One thread at a time. */
struct regex_context;

enum regex_outcome {
    REGEX_NO = 0,
    REGEX_YES = 1,
    REGEX_REFUSED = -1, /* too long, too much work, or too much memory: to be answered by 400 */
};

/*
 * Compiles text. The result is linked in front of *list, and is freed with it by regex_list_free(); *out (not NULL)
 * is set to it. An equal text in the list is used again. Returns 0; WEIR_ENOMEM; WEIR_EINVAL with a reason in message
 * (size bytes) and the byte of text where it lies in *at.
 */
int regex_compile(struct account *account, struct slice text, struct regex **list, struct regex **out, char *message,
                  size_t size, size_t *at) MUST_CHECK;
void regex_list_free(struct account *account, struct regex *list);

/* Whether regex takes anything: ".*" or ".+", with or without "^" and "$". Such a one is matched without PCRE2. */
bool regex_takes_anything(const struct regex *regex);

/* The order of expressions at one place: negative if a goes first. Longer text first, then byte order. */
int regex_compare(const struct regex *a, const struct regex *b);

/*
 * Makes a context that can match every expression of list (NULL: none) without any further allocation. account is the
 * one of the thread that will use it. NULL if there is no memory.
 */
struct regex_context *regex_context_new(struct account *account, const struct regex *list) MUST_CHECK;
/* Frees a context. NULL is allowed. */
void regex_context_free(struct regex_context *context);

/* Whether regex matches the whole of subject. */
enum regex_outcome regex_match(struct regex_context *context, const struct regex *regex, struct slice subject);

/* The number of matches that have been refused. */
uint64_t regex_context_refused(const struct regex_context *context);

#endif
