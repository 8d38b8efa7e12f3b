/*
 * Reading the arguments of weir serve: a table of options, and what goes with what.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve_options.h"
#include "cli/cors.h"
#include "cli/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX     65535
#define WORKERS_MAX  1024
#define SECONDS_MAX  31536000 /* a year: caches keep nothing for longer */
#define ARGUMENT_MAX 60       /* bytes of an argument that are repeated to whoever gave it */

struct parse {
    struct serve_options *o;
    const char *option; /* name of the one that is being read */
    char *why;
};

enum takes { NOTHING, VALUE, MAYBE_VALUE };

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum takes takes;
    bool (*read)(struct parse *p, const char *value); /* NULL: the flag at `member` becomes true, or the text value */
    size_t member;
    const char *example; /* of a value */
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct parse *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->why, SERVE_WHY_SIZE, fmt, args);
    va_end(args);
    return false;
}

/* ---- Values ---- */

/* A number within bounds that is the whole of text; with units, K, M or G may follow. */
static bool read_number(const char *text, bool units, long long least, long long most, long long *number)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10), unit = 1;
    int letter = toupper((unsigned char)*end);
    if (units && *end && strchr("KMG", letter)) {
        unit = letter == 'K' ? 1LL << 10 : letter == 'M' ? 1LL << 20 : 1LL << 30;
        end++;
    }
    if (errno || *end || value > most / unit || value * unit < least)
        return false;
    *number = value * unit;
    return true;
}

static bool read_port(struct parse *p, const char *value)
{
    long long number;
    if (!read_number(value, false, 0, PORT_MAX, &number))
        return wrong(p, "--port is a number from 1 to 65535, or 0 for any that is free, not '%.*s'", ARGUMENT_MAX,
                     value);
    p->o->port = (int)number;
    p->o->port_given = true;
    return true;
}

static bool read_host(struct parse *p, const char *value)
{
    if (p->o->host_count == SERVE_HOSTS_MAX)
        return wrong(p, "there are too many addresses: --host can be given %d times", SERVE_HOSTS_MAX);
    if (!*value)
        return wrong(p, "--host needs an address, such as --host 0.0.0.0 for all of this machine's");
    p->o->hosts[p->o->host_count++] = strcmp(value, "localhost") == 0 ? "127.0.0.1" : value;
    return true;
}

static bool read_workers(struct parse *p, const char *value)
{
    long long number;
    if (!read_number(value, false, 1, WORKERS_MAX, &number))
        return wrong(p, "--workers is a number from 1 to %d, not '%.*s'", WORKERS_MAX, ARGUMENT_MAX, value);
    p->o->workers = (int)number;
    return true;
}

static bool read_size(struct parse *p, const char *value, long long *bytes)
{
    return read_number(value, true, 1, LLONG_MAX, bytes) ||
           wrong(p, "--%s is a number of bytes, or of K, M or G, such as 64M, not '%.*s'", p->option, ARGUMENT_MAX,
                 value);
}

static bool read_memory(struct parse *p, const char *value)
{
    long long bytes = 0;
    bool good = read_size(p, value, &bytes);
    p->o->memory_limit = (size_t)bytes;
    return good;
}

static bool read_upload_limit(struct parse *p, const char *value)
{
    long long bytes = 0;
    bool good = read_size(p, value, &bytes);
    p->o->upload_limit = bytes;
    return good;
}

static bool read_upload_at(struct parse *p, const char *value)
{
    char *prefix = p->o->upload_prefix;
    size_t len = strlen(value);
    while (len > 0 && value[len - 1] == '/')
        len--;
    if (value[0] != '/' || len >= SERVE_PREFIX_SIZE || strpbrk(value, "{}*:?#% "))
        return wrong(p, "--upload-at is a path that begins with '/', such as --upload-at /upload, not '%.*s'",
                     ARGUMENT_MAX, value);
    memcpy(prefix, value, len);
    prefix[len] = '\0';
    p->o->upload_at = prefix;
    return true;
}

static bool read_index(struct parse *p, const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len >= SERVE_INDEX_SIZE || strchr(value, '/'))
        return wrong(p, "--index is names of files with commas between them, such as --index index.html,index.htm");
    for (size_t i = 0; i <= len; i++)
        p->o->index[i] = value[i] == ',' ? ' ' : value[i];
    return true;
}

static bool read_spa(struct parse *p, const char *value)
{
    const char *file = value ? value : "index.html";
    if (!*file || *file == '/')
        return wrong(p, "--spa is a file within the folder, such as --spa=index.html, not '%.*s'", ARGUMENT_MAX, file);
    p->o->fallback = file;
    return true;
}

static bool read_listing(struct parse *p, const char *value)
{
    (void)value;
    p->o->listing = p->o->listing_said = true;
    return true;
}

static bool read_no_listing(struct parse *p, const char *value)
{
    (void)value;
    p->o->listing = false;
    p->o->listing_said = true;
    return true;
}

static bool read_cache(struct parse *p, const char *value)
{
    long long number;
    if (strcmp(value, "off") == 0) {
        p->o->cache_seconds = SERVE_CACHE_UNSAID;
        return true;
    }
    if (!read_number(value, false, 0, SECONDS_MAX, &number))
        return wrong(p, "--cache is a number of seconds, up to a year, 0 to be asked each time, or off, not '%.*s'",
                     ARGUMENT_MAX, value);
    p->o->cache_seconds = (int)number;
    return true;
}

static bool read_immutable(struct parse *p, const char *value)
{
    if (p->o->immutable_count == SERVE_PATTERNS_MAX)
        return wrong(p, "there are too many patterns: --immutable can be given %d times", SERVE_PATTERNS_MAX);
    if (!*value || strlen(value) > 63)
        return wrong(p, "--immutable is a pattern of up to 63 bytes, such as --immutable '*-????????.js'");
    p->o->immutable[p->o->immutable_count++] = value;
    return true;
}

static bool read_cors(struct parse *p, const char *value)
{
    p->o->cors = true;
    if (!value || strcmp(value, "*") == 0)
        return true;
    const char *why = cors_origin_fault(value);
    if (why)
        return wrong(p, "--cors: '%.*s' is no origin: %s; such as --cors https://example.org", ARGUMENT_MAX, value,
                     why);
    if (p->o->origin_count == SERVE_ORIGINS_MAX)
        return wrong(p, "there are too many origins: --cors can be given %d times", SERVE_ORIGINS_MAX);
    p->o->origins[p->o->origin_count++] = value;
    return true;
}

static bool read_log(struct parse *p, const char *value)
{
    static const char *const forms[] = {
        [ACCESS_OFF] = "off", [ACCESS_COMMON] = "common", [ACCESS_COMBINED] = "combined", [ACCESS_JSON] = "json"};
    struct suggestion near = {.word = value};
    for (int i = 0; i < (int)(sizeof forms / sizeof *forms); i++) {
        if (strcmp(value, forms[i]) == 0) {
            p->o->log = (enum access_form)i;
            p->o->log_said = true;
            return true;
        }
        suggest_consider(&near, forms[i]);
    }
    return wrong(p, "--log is common, combined, json or off, not '%.*s'%s%s%s", ARGUMENT_MAX, value,
                 near.nearest ? "; did you mean " : "", near.nearest ? near.nearest : "", near.nearest ? "?" : "");
}

static bool read_quiet(struct parse *p, const char *value)
{
    (void)value;
    p->o->voice = SERVE_QUIET;
    return true;
}

static bool read_question(struct parse *p, const char *value)
{
    (void)p;
    (void)value;
    return true; /* the caller answers it */
}

static bool read_verbose(struct parse *p, const char *value)
{
    (void)value;
    p->o->voice = SERVE_VERBOSE;
    return true;
}

/* ---- The options ---- */

#define AT(member) NULL, offsetof(struct serve_options, member)
#define BY(read)   read, 0

static const struct option_row options[] = {
    {"host", 0, VALUE, BY(read_host), "0.0.0.0"},
    {"port", 'p', VALUE, BY(read_port), "8080"},
    {"cert", 0, VALUE, AT(certificate), "cert.pem"},
    {"key", 0, VALUE, AT(key), "key.pem"},
    {"self-signed", 0, NOTHING, AT(self_signed), NULL},
    {"proxy-protocol", 0, VALUE, AT(proxies), "'127.0.0.1 10.0.0.0/8'"},
    {"index", 0, VALUE, BY(read_index), "index.html"},
    {"listing", 0, NOTHING, BY(read_listing), NULL},
    {"no-listing", 0, NOTHING, BY(read_no_listing), NULL},
    {"spa", 0, MAYBE_VALUE, BY(read_spa), NULL},
    {"hidden", 0, NOTHING, AT(hidden), NULL},
    {"no-links", 0, NOTHING, AT(no_links), NULL},
    {"compress", 0, NOTHING, AT(compress), NULL},
    {"no-precompressed", 0, NOTHING, AT(no_precompressed), NULL},
    {"cache", 0, VALUE, BY(read_cache), "3600"},
    {"immutable", 0, VALUE, BY(read_immutable), "'assets/*'"},
    {"cors", 0, MAYBE_VALUE, BY(read_cors), NULL},
    {"auth", 0, VALUE, AT(auth), "USER:PASSWORD"},
    {"auth-file", 0, VALUE, AT(auth_file), "FILE"},
    {"upload", 0, VALUE, AT(upload), "incoming"},
    {"upload-at", 0, VALUE, BY(read_upload_at), "/upload"},
    {"upload-limit", 0, VALUE, BY(read_upload_limit), "100M"},
    {"memory-limit", 0, VALUE, BY(read_memory), "64M"},
    {"workers", 0, VALUE, BY(read_workers), "2"},
    {"log", 0, VALUE, BY(read_log), "json"},
    {"quiet", 'q', NOTHING, BY(read_quiet), NULL},
    {"verbose", 'v', NOTHING, BY(read_verbose), NULL},
    {"help", 'h', NOTHING, BY(read_question), NULL},
    {"version", 0, NOTHING, BY(read_question), NULL},
};

#define OPTION_COUNT (sizeof options / sizeof *options)

/* What other programs call it. */
static const struct {
    const char *theirs, *here;
} aliases[] = {
    {"address", "--host"},           {"basic-auth", "--auth"}, {"bind", "--host"},       {"brotli", "--compress"},
    {"directory", "weir serve DIR"}, {"dotfiles", "--hidden"}, {"gzip", "--compress"},   {"https", "--self-signed"},
    {"root", "weir serve DIR"},      {"single", "--spa"},      {"ssl", "--self-signed"}, {"threads", "--workers"},
    {"tls", "--self-signed"},        {"tls-cert", "--cert"},   {"tls-key", "--key"},     {"user", "--auth"},
};

void serve_options_each(void (*each)(void *arg, const char *name, char letter), void *arg)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        each(arg, options[i].name, options[i].letter);
}

static const struct option_row *find_name(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (letter && options[i].letter == letter)
            return &options[i];
    return NULL;
}

static bool unknown_name(struct parse *p, const char *name, size_t len)
{
    char word[SUGGEST_MAX + 1];
    snprintf(word, sizeof word, "%.*s", (int)len, name);
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(word, aliases[i].theirs) == 0)
            return wrong(p, "--%s is not an option; did you mean %s?", word, aliases[i].here);
    struct suggestion near = {.word = word};
    for (size_t i = 0; i < OPTION_COUNT; i++)
        suggest_consider(&near, options[i].name);
    if (near.nearest && len < sizeof word)
        return wrong(p, "--%s is not an option; did you mean --%s?", word, near.nearest);
    return wrong(p, "--%.*s is not an option; weir serve --help lists them", ARGUMENT_MAX, name);
}

static bool apply(struct parse *p, const struct option_row *row, const char *value)
{
    char *member = (char *)p->o + row->member;
    p->option = row->name;
    if (row->takes == NOTHING && value)
        return wrong(p, "--%s takes no value", row->name);
    if (row->takes == VALUE && !value)
        return wrong(p, "--%s needs a value, such as --%s %s", row->name, row->name, row->example);
    if (row->read)
        return row->read(p, value);
    if (row->takes == NOTHING)
        *(bool *)member = true;
    else if (value && *value)
        *(const char **)member = value;
    else
        return wrong(p, "--%s needs a value, such as --%s %s", row->name, row->name, row->example);
    return true;
}

/* ---- What goes with what ---- */

static bool check(struct parse *p)
{
    struct serve_options *o = p->o;
    if (!o->certificate != !o->key)
        return wrong(p, "--cert and --key go together; --self-signed needs neither, and is for development");
    if (o->certificate && o->self_signed)
        return wrong(p, "--self-signed makes a certificate; leave it out to use that of --cert");
    if (o->auth && o->auth_file)
        return wrong(p, "--auth and --auth-file are two ways for one thing; leave one of them out");
    if (!o->upload && (o->upload_at || o->upload_limit))
        return wrong(p, "--upload-%s is of no use without --upload DIR", o->upload_at ? "at" : "limit");
    if (o->port == 0 && o->host_count > 1)
        return wrong(p, "--port 0 goes with one --host; with several, name the port that all of them have");
    if (o->host_count == 0)
        o->hosts[o->host_count++] = "127.0.0.1";
    if (!o->upload_at)
        o->upload_at = "/upload";
    if (!o->listing_said)
        o->listing = !o->fallback;
    if (!o->log_said && o->voice == SERVE_QUIET)
        o->log = ACCESS_OFF;
    return true;
}

/* ---- All of it ---- */

struct arguments {
    int argc;
    char *const *argv;
    int at;
    bool root_given;
};

/* Whether the argument behind an option that may have a value is that value. Of others it is the folder. */
static bool is_value(const struct option_row *row, const char *next)
{
    return row->takes == VALUE || (strcmp(row->name, "cors") == 0 && (strstr(next, "://") || strcmp(next, "*") == 0));
}

/* Reads letters that take no value and stand together, such as -qv. *letter: the last letter, which is that of *row and
 * is yet to be applied; or the end, where a question has been found. */
static bool take_flags(struct parse *p, const char **letter, const struct option_row **row)
{
    for (;; ++*letter) {
        const char *at = *letter;
        *row = find_letter(*at);
        if (!*row) {
            (void)wrong(p, "-%.*s is not an option; weir serve --help lists them", ARGUMENT_MAX, at);
            return false;
        }
        if ((*row)->takes != NOTHING || at[1] == '\0' || at[1] == '=')
            return true;
        if (!apply(p, *row, NULL))
            return false;
        if ((*row)->read == read_question) {
            *letter = at + strlen(at);
            return true;
        }
    }
}

/* Reads one option, and the argument behind it where that is its value. *row is NULL where there is no such option. */
static bool take_option(struct parse *p, struct arguments *a, const struct option_row **row)
{
    const char *text = a->argv[a->at], *value = NULL;
    if (text[1] == '-') {
        size_t len = strcspn(text + 2, "=");
        *row = find_name(text + 2, len);
        value = text[2 + len] == '=' ? text + 3 + len : NULL;
        if (!*row)
            return unknown_name(p, text + 2, len);
    } else {
        const char *letter = text + 1;
        if (!take_flags(p, &letter, row))
            return false;
        if (letter[0] == '\0')
            return true;
        value = letter[1] ? letter + 1 + (letter[1] == '=') : NULL;
    }
    if (!value && a->at + 1 < a->argc && is_value(*row, a->argv[a->at + 1]))
        value = a->argv[++a->at];
    return apply(p, *row, value);
}

static bool take_root(struct parse *p, struct arguments *a)
{
    const char *text = a->argv[a->at];
    if (a->root_given)
        return wrong(p, "one folder is served, '%.*s' would be a second; --help tells of what may follow an option",
                     ARGUMENT_MAX, text);
    if (!*text)
        return wrong(p, "the folder's name is empty; leave it out for the current folder");
    p->o->root = text;
    a->root_given = true;
    return true;
}

enum serve_parsed serve_options_parse(struct serve_options *o, int argc, char *const *argv, char why[SERVE_WHY_SIZE])
{
    struct parse p = {.o = o};
    struct arguments a = {.argc = argc, .argv = argv, .at = 1};
    bool only_roots = false;
    p.why = why;
    *o = (struct serve_options){.root = ".", .port = SERVE_PORT, .log = ACCESS_COMMON, .voice = SERVE_USUAL};
    for (; a.at < argc; a.at++) {
        const struct option_row *row = NULL;
        const char *text = argv[a.at];
        if (!only_roots && strcmp(text, "--") == 0)
            only_roots = true;
        else if (only_roots || text[0] != '-' || text[1] == '\0') {
            if (!take_root(&p, &a))
                return SERVE_WRONG;
        } else if (!take_option(&p, &a, &row)) {
            return SERVE_WRONG;
        } else if (strcmp(row->name, "help") == 0) {
            return SERVE_HELP;
        } else if (strcmp(row->name, "version") == 0) {
            return SERVE_VERSION;
        }
    }
    return check(&p) ? SERVE_GOOD : SERVE_WRONG;
}
