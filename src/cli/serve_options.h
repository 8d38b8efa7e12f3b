/*
 * The arguments of weir serve, as values. Reading them looks at nothing but the arguments: whether a folder is there is
 * for the command to see.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SERVE_OPTIONS_H
#define WEIR_CLI_SERVE_OPTIONS_H

#include "cli/access_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVE_PORT         8000
#define SERVE_HOSTS_MAX    8
#define SERVE_PATTERNS_MAX 32
#define SERVE_ORIGINS_MAX  16
#define SERVE_INDEX_SIZE   256  /* bytes of the names of index files */
#define SERVE_PREFIX_SIZE  256  /* bytes of upload_at */
#define SERVE_WHY_SIZE     320  /* bytes of a line that says what is wrong */
#define SERVE_CACHE_ASK    0    /* cache_seconds: browsers ask each time */
#define SERVE_CACHE_UNSAID (-1) /* cache_seconds: no header */

enum serve_voice { SERVE_QUIET, SERVE_USUAL, SERVE_VERBOSE };

/* Strings are those of the arguments. */
struct serve_options {
    const char *root; /* folder; "." */
    const char *hosts[SERVE_HOSTS_MAX];
    size_t host_count; /* at least one after parsing */
    int port;          /* 0: any that is free */
    bool port_given;
    const char *certificate, *key; /* both or none */
    bool self_signed;
    const char *proxies; /* who tell their clients by PROXY prefaces; NULL: there are none */
    bool listing;
    bool listing_said; /* one of the options for it was given */
    bool hidden;
    bool no_links;
    bool no_precompressed;
    bool compress;
    char index[SERVE_INDEX_SIZE]; /* names with spaces between them; "" for the library's default */
    const char *fallback;         /* NULL: none */
    int cache_seconds;            /* SERVE_CACHE_ASK, SERVE_CACHE_UNSAID, or seconds */
    const char *immutable[SERVE_PATTERNS_MAX];
    size_t immutable_count;
    bool cors;
    const char *origins[SERVE_ORIGINS_MAX];
    size_t origin_count;   /* 0: every origin */
    const char *auth;      /* USER:PASSWORD, or NULL */
    const char *auth_file; /* or NULL */
    const char *upload;    /* folder, or NULL */
    const char *upload_at; /* prefix without a slash at its end, "" for the root; "/upload" */
    char upload_prefix[SERVE_PREFIX_SIZE];
    int64_t upload_limit; /* bytes; 0: the library's default */
    size_t memory_limit;  /* bytes; 0: none */
    int workers;          /* 0: the library's default */
    enum access_form log;
    bool log_said;
    enum serve_voice voice;
};

enum serve_parsed { SERVE_GOOD, SERVE_HELP, SERVE_VERSION, SERVE_WRONG };

/* Reads argv[1] and what follows. SERVE_WRONG: why[] holds one line for people, with a hint, without the command's name
 * and a newline. */
enum serve_parsed serve_options_parse(struct serve_options *o, int argc, char *const *argv, char why[SERVE_WHY_SIZE]);

/* Calls each(arg, name, letter) for every option: its name without dashes, and its letter or 0. */
void serve_options_each(void (*each)(void *arg, const char *name, char letter), void *arg);

extern const char serve_usage[];

#endif
