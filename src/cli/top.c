/*
 * weir top.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/top.h"
#include "cli/fetch.h"
#include "cli/screen.h"
#include "cli/terminal.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char top_usage[] =
    "usage: weir top [options] URL\n"
    "\n"
    "Shows what a server does and where its memory is, once a second. URL is where the server has\n"
    "mounted its ledger, such as http://127.0.0.1:60000/_weir. The key q ends it. If standard output is\n"
    "not a terminal, plain text is printed.\n"
    "\n"
    "  --once              print the figures once as plain text, and end\n"
    "  --count N           print them N times as plain text, and end\n"
    "  --interval SECONDS  time between two readings, from 0.1 on (1)\n"
    "  --header LINE       a header line of the request, such as 'Authorization: Basic ...'; repeatable\n"
    "  --help              this text\n";

struct options {
    const char *where;
    int count;       /* readings; 0: without end */
    int interval_ms; /* milliseconds between two readings */
    struct url url;
    struct fetch fetch;
};

struct top {
    struct options options;
    struct view views[2];
    int readings;
    struct screen screen;
};

/* ---- Arguments ---- */

static bool wrong(const char *what, const char *value)
{
    fprintf(stderr, "weir top: %s '%s'\n", what, value);
    return false;
}

static bool parse_count(struct options *o, const char *text)
{
    char *end;
    errno = 0;
    long count = strtol(text, &end, 10);
    if (errno || end == text || *end || count < 1 || count > 1000000000)
        return wrong("--count is a number from 1 on, not", text);
    o->count = (int)count;
    return true;
}

static bool parse_interval(struct options *o, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0.1 && seconds <= 86400))
        return wrong("--interval is a number of seconds from 0.1 to 86400, not", text);
    o->interval_ms = (int)(seconds * 1000);
    return true;
}

static bool parse_header(struct options *o, const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || strpbrk(text, "\r\n"))
        return wrong("--header is a line 'Name: value', not", text);
    if (o->fetch.header_count == FETCH_HEADERS_MAX)
        return wrong("there are too many header lines:", text);
    o->fetch.headers[o->fetch.header_count++] = text;
    return true;
}

/* Reads the URL of a ledger: its JSON lies below the place where the ledger is mounted. */
static bool parse_url(struct options *o, const char *text)
{
    static const char file[] = "/ledger.json";
    const char *why = url_parse(&o->url, text);
    if (why) {
        fprintf(stderr, "weir top: '%s' cannot be read from: %s\n", text, why);
        return false;
    }
    char *path = o->url.path;
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        path[--len] = '\0';
    if (len == 0)
        len = (size_t)snprintf(path, sizeof o->url.path, "/_weir");
    if (len < sizeof file - 1 || strcmp(path + len - (sizeof file - 1), file) != 0) {
        if (len + sizeof file > sizeof o->url.path)
            return wrong("its path is too long:", text);
        memcpy(path + len, file, sizeof file);
    }
    o->where = text;
    return true;
}

enum parsed { PARSED_GOOD, PARSED_HELP, PARSED_WRONG };

static enum parsed parse_arguments(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"once", no_argument, NULL, 'o'},           {"count", required_argument, NULL, 'c'},
        {"interval", required_argument, NULL, 'i'}, {"header", required_argument, NULL, 'H'},
        {"help", no_argument, NULL, 'h'},           {0},
    };
    int option;
    bool good = true;
    opterr = 0;
    while (good && (option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (option == 'h')
            return PARSED_HELP;
        if (option == 'o')
            o->count = 1;
        else if (option == 'c')
            good = parse_count(o, optarg);
        else if (option == 'i')
            good = parse_interval(o, optarg);
        else if (option == 'H')
            good = parse_header(o, optarg);
        else
            good = wrong(option == ':' ? "a value is missing for" : "there is no option", argv[optind - 1]);
    }
    if (!good)
        return PARSED_WRONG;
    if (optind + 1 != argc) {
        fprintf(stderr, optind < argc ? "weir top: one URL is enough\n" : "weir top: a URL is missing\n");
        return PARSED_WRONG;
    }
    return parse_url(o, argv[optind]) ? PARSED_GOOD : PARSED_WRONG;
}

/* ---- Reading and showing ---- */

/* Reads a further view. False: the fetch says why. */
static bool top_read(struct top *t)
{
    struct fetch *f = &t->options.fetch;
    struct slice body;
    if (!fetch_get(f, &body))
        return false;
    if (!view_read(&t->views[t->readings % 2], body)) {
        snprintf(f->why, sizeof f->why, "%s: what is at %s is not a ledger", f->url->authority, f->url->path);
        return false;
    }
    t->readings++;
    return true;
}

static const struct view *top_latest(const struct top *t)
{
    return &t->views[(t->readings - 1) % 2];
}

static const struct view *top_before(const struct top *t)
{
    return t->readings > 1 ? &t->views[t->readings % 2] : NULL;
}

static bool write_all(const char *text, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(STDOUT_FILENO, text + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Prints views as plain text, as many as were asked for. */
static int top_print(struct top *t)
{
    struct screen *s = &t->screen;
    s->width = 1000;
    s->height = SCREEN_LINES_ALL;
    s->line_begin = "";
    for (;;) {
        if (!top_read(t)) {
            fprintf(stderr, "weir top: %s\n", t->options.fetch.why);
            return EXIT_UNREACHED;
        }
        screen_compose(s, top_latest(t), top_before(t), t->options.where);
        bool read_on = (t->readings == 1 || write_all("\n", 1)) && write_all(s->buf, s->len);
        if (!read_on || t->readings == t->options.count)
            return 0; /* nobody reads any more, or all that was asked for has been printed */
        usleep((useconds_t)t->options.interval_ms * 1000);
    }
}

/* Draws the screen. trouble: why the server could not be read last time, or NULL. */
static void top_draw(struct top *t, const char *trouble)
{
    struct screen *s = &t->screen;
    terminal_size(STDOUT_FILENO, &s->width, &s->height);
    s->height -= trouble ? 2 : 1; /* a newline in the last line would scroll */
    s->line_begin = "\x1b[K";
    screen_compose(s, top_latest(t), top_before(t), t->options.where);
    if (trouble) {
        s->height++;
        screen_line(s, "31", "%s; trying again", trouble);
    }
    static const char home[] = "\x1b[H", below[] = "\x1b[J";
    (void)(write_all(home, sizeof home - 1) && write_all(s->buf, s->len) && write_all(below, sizeof below - 1));
}

/* Shows the ledger on a terminal until a key or a signal asks for the end. */
static int top_watch(struct top *t)
{
    if (!top_read(t)) {
        fprintf(stderr, "weir top: %s\n", t->options.fetch.why);
        return EXIT_UNREACHED;
    }
    terminal_begin();
    const char *trouble = NULL;
    enum terminal_event event;
    do {
        top_draw(t, trouble);
        event = terminal_wait(t->options.interval_ms);
        if (event == TERMINAL_TIME)
            trouble = top_read(t) ? NULL : t->options.fetch.why;
    } while (event != TERMINAL_QUIT);
    terminal_end();
    return 0;
}

int top_main(int argc, char **argv)
{
    static struct top top;
    struct options *o = &top.options;
    o->interval_ms = 1000;
    switch (parse_arguments(o, argc, argv)) {
    case PARSED_HELP:
        fputs(top_usage, stdout);
        return 0;
    case PARSED_WRONG:
        fputs("Try: weir top --help\n", stderr);
        return EXIT_USAGE;
    case PARSED_GOOD:
        break;
    }
    o->fetch.url = &o->url;
    o->fetch.buf = malloc(FETCH_SIZE_MAX);
    top.screen.buf = malloc(SCREEN_SIZE);
    top.screen.colour = terminal_has_colour();
    int status = EXIT_UNREACHED;
    if (!o->fetch.buf || !top.screen.buf)
        fputs("weir top: there is no memory\n", stderr);
    else
        status = terminal_is_at(STDOUT_FILENO) && o->count == 0 ? top_watch(&top) : top_print(&top);
    free(o->fetch.buf);
    free(top.screen.buf);
    return status;
}
