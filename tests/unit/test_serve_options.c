/*
 * The arguments of weir serve, and what is said of wrong ones.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve_options.h"
#include "cli/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 80

static char why[SERVE_WHY_SIZE];
static char words[1024];

/* Parses a line of arguments, with single spaces between them. */
static enum serve_parsed parse(struct serve_options *o, const char *line)
{
    char *argv[WORDS_MAX] = {"serve"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    char *rest = words;
    while (*line && rest) {
        char *word = strsep(&rest, " ");
        argv[argc++] = word;
    }
    why[0] = '\0';
    return serve_options_parse(o, argc, argv, why);
}

static struct serve_options good(const char *line)
{
    struct serve_options o;
    if (parse(&o, line) != SERVE_GOOD)
        fail_msg("%s: %s", line, why);
    return o;
}

static void test_defaults(void **state)
{
    (void)state;
    struct serve_options o = good("");
    assert_string_equal(o.root, ".");
    assert_int_equal(o.host_count, 1);
    assert_string_equal(o.hosts[0], "127.0.0.1");
    assert_int_equal(o.port, 8000);
    assert_false(o.port_given);
    assert_true(o.listing);
    assert_int_equal(o.log, ACCESS_COMMON);
    assert_int_equal(o.cache_seconds, SERVE_CACHE_ASK);
    assert_false(o.hidden || o.no_links || o.no_precompressed || o.compress || o.cors || o.self_signed);
    assert_null(o.fallback);
    assert_null(o.auth);
    assert_null(o.upload);
}

static void test_forms(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--port 81 d", "--port=81 d", "d --port 81", "-p 81 d", "-p81 d", "-p=81 d", "--port 80 --port 81 -- d"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct serve_options o = good(lines[i]);
        assert_int_equal(o.port, 81);
        assert_string_equal(o.root, "d");
    }
    assert_string_equal(good("-- -d").root, "-d");
}

static void test_values(void **state)
{
    (void)state;
    struct serve_options o = good("--host localhost --host :: --port 443 --cert c --key k --index a.html,b.htm "
                                  "--cache 60 --immutable *.js --immutable *.css --upload u --upload-at /in/ "
                                  "--upload-limit 2M --memory-limit 1g --workers 3 --log json -v "
                                  "--proxy-protocol ::1");
    assert_string_equal(o.proxies, "::1");
    assert_int_equal(o.host_count, 2);
    assert_string_equal(o.hosts[0], "127.0.0.1");
    assert_string_equal(o.hosts[1], "::");
    assert_string_equal(o.index, "a.html b.htm");
    assert_int_equal(o.cache_seconds, 60);
    assert_int_equal(o.immutable_count, 2);
    assert_string_equal(o.upload_at, "/in");
    assert_int_equal(o.upload_limit, 2 << 20);
    assert_int_equal(o.memory_limit, 1 << 30);
    assert_int_equal(o.workers, 3);
    assert_int_equal(o.log, ACCESS_JSON);
    assert_int_equal(o.voice, SERVE_VERBOSE);
    assert_int_equal(good("--cache off").cache_seconds, SERVE_CACHE_UNSAID);
    assert_string_equal(good("--upload u").upload_at, "/upload");
    assert_string_equal(good("--upload u --upload-at /").upload_at, "");
}

static void test_together(void **state)
{
    (void)state;
    assert_false(good("--spa").listing);
    assert_string_equal(good("--spa d").fallback, "index.html");
    assert_string_equal(good("--spa d").root, "d");
    assert_string_equal(good("--spa=app.html").fallback, "app.html");
    assert_true(good("--spa --listing").listing);
    assert_false(good("--no-listing").listing);
    assert_int_equal(good("--quiet").log, ACCESS_OFF);
    assert_int_equal(good("-q --log json").log, ACCESS_JSON);
}

/* The argument behind --cors is its value only where it looks like an origin. */
static void test_cors(void **state)
{
    (void)state;
    struct serve_options o = good("--cors d");
    assert_true(o.cors);
    assert_int_equal(o.origin_count, 0);
    assert_string_equal(o.root, "d");
    o = good("--cors https://a.example --cors=http://b:81 d");
    assert_int_equal(o.origin_count, 2);
    assert_string_equal(o.origins[1], "http://b:81");
    assert_string_equal(o.root, "d");
    assert_int_equal(good("--cors *").origin_count, 0);
}

static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } table[] = {
        {"--prot 1", "--prot is not an option; did you mean --port?"},
        {"--hots=x", "--hots is not an option; did you mean --host?"},
        {"--list", "--list is not an option; did you mean --listing?"},
        {"--gzip", "--gzip is not an option; did you mean --compress?"},
        {"--directory x", "--directory is not an option; did you mean weir serve DIR?"},
        {"--frobnicate", "--frobnicate is not an option; weir serve --help lists them"},
        {"-x", "-x is not an option; weir serve --help lists them"},
        {"--port", "--port needs a value, such as --port 8080"},
        {"--cert=", "--cert needs a value, such as --cert cert.pem"},
        {"--hidden=1", "--hidden takes no value"},
        {"--port 65536", "--port is a number from 1 to 65535, or 0 for any that is free, not '65536'"},
        {"--port -1", "--port is a number from 1 to 65535, or 0 for any that is free, not '-1'"},
        {"--port 8o", "--port is a number from 1 to 65535, or 0 for any that is free, not '8o'"},
        {"--workers 0", "--workers is a number from 1 to 1024, not '0'"},
        {"--memory-limit 5T", "--memory-limit is a number of bytes, or of K, M or G, such as 64M, not '5T'"},
        {"--log jsn", "--log is common, combined, json or off, not 'jsn'; did you mean json?"},
        {"--log apache", "--log is common, combined, json or off, not 'apache'"},
        {"--cert c", "--cert and --key go together; --self-signed needs neither, and is for development"},
        {"--upload-at /x", "--upload-at is of no use without --upload DIR"},
        {"--cors=a.example", "--cors: 'a.example' is no origin: it begins with http:// or https://; such as --cors "
                             "https://example.org"},
        {"--cors http://a/b", "--cors: 'http://a/b' is no origin: it ends with the host or the port, without a path; "
                              "such as --cors https://example.org"},
        {"a b", "one folder is served, 'b' would be a second; --help tells of what may follow an option"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct serve_options o;
        assert_int_equal(parse(&o, table[i].line), SERVE_WRONG);
        assert_string_equal(why, table[i].why);
    }
}

/* Nothing that is given makes a message longer than its line, or one with a newline. */
static void test_long(void **state)
{
    (void)state;
    static const char *const heads[] = {"--", "--port=",      "--log=",         "--cors=x://",
                                        "a ", "--upload-at=", "--memory-limit="};
    char line[900];
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct serve_options o;
        size_t len = strlen(heads[i]);
        memcpy(line, heads[i], len);
        memset(line + len, '/', sizeof line - len - 1);
        line[sizeof line - 1] = '\0';
        assert_int_equal(parse(&o, line), SERVE_WRONG);
        assert_true(strlen(why) < SERVE_WHY_SIZE - 1);
        assert_null(strchr(why, '\n'));
    }
}

static void test_questions(void **state)
{
    (void)state;
    struct serve_options o;
    assert_int_equal(parse(&o, "-h"), SERVE_HELP);
    assert_int_equal(parse(&o, "--port 1 --help --nonsense"), SERVE_HELP);
    assert_int_equal(parse(&o, "--version"), SERVE_VERSION);
    assert_int_equal(parse(&o, "--help=x"), SERVE_WRONG);
}

static void in_usage(void *arg, const char *name, char letter)
{
    (void)arg;
    char text[64];
    snprintf(text, sizeof text, letter ? "  -%2$c, --%1$s" : "  --%1$s", name, letter);
    if (!strstr(serve_usage, text))
        fail_msg("the usage lacks %s", text);
}

static void test_usage(void **state)
{
    (void)state;
    serve_options_each(in_usage, NULL);
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("port", "port"), 0);
    assert_int_equal(suggest_distance("prot", "port"), 1);
    assert_int_equal(suggest_distance("por", "port"), 1);
    assert_int_equal(suggest_distance("portt", "port"), 1);
    assert_int_equal(suggest_distance("part", "port"), 1);
    assert_int_equal(suggest_distance("", "port"), 4);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    assert_int_equal(suggest_distance("a-word-that-is-longer-than-32-bytes", "port"), SUGGEST_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_forms),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_together), cmocka_unit_test(test_cors),      cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_long),     cmocka_unit_test(test_questions), cmocka_unit_test(test_usage),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
