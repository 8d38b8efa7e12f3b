/*
 * Tests of the routes, in process: no port, no client, no clock but the test's. The store is an array; where
 * NOTES_TEST_DATABASE names a database, what depends on SQL is tested with that one as well, in real time.
 *
 * SPDX-License-Identifier: MIT
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir-pg.h>

#include "../app.h"
#include "../jobs.h"
#include "../migrate.h"
#include "../routes.h"
#include "memory.h"

static struct app app;
static struct memory memory;

/* A page whose title is its URL. */
static int title_of(weir_ctx *c, void *data, const char *url, char *title, size_t size)
{
    (void)data;
    snprintf(title, size, "at %s", url);
    return weir_sleep(c, 2000);
}

/* A service as it is before its first note. */
static weir_server *begin(void)
{
    memset(&memory, 0, sizeof memory);
    app = (struct app){.settings = {.keep_s = 60, .sweep_ms = 60000, .hosts = "weir.test"},
                       .store = store_memory(&memory),
                       .links = {.title = title_of}};
    weir_server *s = weir_server_new(&(weir_config){.server_data = &app, .log_level = WEIR_OFF});
    routes(s);
    jobs_add(s, &app);
    return s;
}

/* Asks, and expects a status and a text in the reply's body. Returns the reply. */
static weir_test_reply *ask(weir_server *s, const weir_test *request, int status, const char *part)
{
    weir_test_reply *r = weir_test_request(s, request);
    assert(r);
    if (r->error || r->status != status || !strstr(r->body, part))
        fprintf(stderr, "%s: %s, %d %s\n", request->target, weir_strerror(r->error), r->status, r->body);
    assert(!r->error && r->status == status && strstr(r->body, part));
    return r;
}

static void expect(weir_server *s, const char *method, const char *target, const char *body, int status,
                   const char *part)
{
    weir_test_reply_free(ask(s, &(weir_test){.method = method, .target = target, .body = body}, status, part));
}

static void test_create_read_list(weir_server *s)
{
    weir_test_reply *r = ask(s, &(weir_test){.target = "/notes", .body = "{\"text\":\"say \\\"hello\\\"\"}"}, 201,
                             "\"text\":\"say \\\"hello\\\"\",\"link\":null,\"title\":null");
    char *where = strdup(weir_test_header(r, "Location", 0));
    weir_test_reply_free(r);
    expect(s, "GET", where, NULL, 200, "say \\\"hello\\\"");
    expect(s, "GET", "/notes", NULL, 200, "say \\\"hello\\\"");
    expect(s, "DELETE", where, NULL, 204, "");
    expect(s, "GET", where, NULL, 404, "{\"status\":404,\"error\":\"no such note\"}");
    expect(s, "DELETE", where, NULL, 404, "no such note");
    free(where);
}

static void test_what_is_refused(weir_server *s)
{
    static char nested[200], large[20000];
    memset(nested, '[', sizeof nested - 1);
    memset(large, ' ', sizeof large - 1);
    expect(s, "POST", "/notes", "{\"text\":", 400, "\"error\":\"unexpected end of data\"");
    expect(s, "POST", "/notes", "{\"text\":\"\"}", 422, "text is");
    expect(s, "POST", "/notes", "{\"text\":7}", 422, "text is");
    expect(s, "POST", "/notes", "[]", 422, "a note is an object");
    expect(s, "POST", "/notes", "{\"text\":\"a\\u0000b\"}", 422, "text is");
    expect(s, "POST", "/notes", "{\"text\":\"\xff\"}", 400, "error");
    expect(s, "POST", "/notes", "{\"text\":\"a\",\"link\":\"file:///etc/passwd\"}", 422, "link is");
    expect(s, "POST", "/notes", "{\"text\":\"a\",\"link\":\"http://a/\\r\\nb\"}", 422, "link is");
    expect(s, "POST", "/notes", nested, 400, "nesting too deep");
    expect(s, "POST", "/notes", large, 413, "error");
    expect(s, "GET", "/notes/99999999999999999999", NULL, 404, "no such note");
    expect(s, "GET", "/notes?limit=1000", NULL, 400, "from 1 to 20");
    expect(s, "PATCH", "/notes/1", NULL, 405, "error");
    weir_test_reply_free(ask(s, &(weir_test){.target = "/notes", .headers = "Content-Type: text/plain", .body = "{}"},
                             415, "application/json"));
}

static void test_pages(weir_server *s)
{
    char body[NOTE_TEXT_MAX + 20];
    for (int i = 0; i < 25; i++)
        expect(s, "POST", "/notes", "{\"text\":\"one of many\"}", 201, "one of many");
    expect(s, "GET", "/notes?limit=20", NULL, 200, "],\"more\":true}");
    expect(s, "GET", "/notes?limit=20&after=20", NULL, 200, "],\"more\":false}");
    weir_test_reply *r = ask(s, &(weir_test){.target = "/notes?limit=2"}, 200, "{\"notes\":[{\"id\":1,");
    assert(strcmp(weir_test_header(r, "Link", 0), "</notes?after=2&limit=2>; rel=\"next\"") == 0);
    weir_test_reply_free(r);
    /* A page of the longest notes that there are, of which each byte is escaped. */
    snprintf(body, sizeof body, "{\"text\":\"%0*d\"}", NOTE_TEXT_MAX, 0);
    expect(s, "PUT", "/notes/1", body, 200, "\"version\":2");
    for (int i = 0; i < 20; i++) {
        memset(memory.notes[i].text, '\1', NOTE_TEXT_MAX);
        memory.notes[i].text[NOTE_TEXT_MAX] = '\0';
    }
    r = ask(s, &(weir_test){.target = "/notes?limit=20"}, 200, "\"more\":true}");
    assert(r->body_len > 20 * 6 * NOTE_TEXT_MAX);
    weir_test_reply_free(r);
}

static void test_versions(weir_server *s)
{
    weir_test_reply *r = ask(s, &(weir_test){.target = "/notes", .body = "{\"text\":\"first\"}"}, 201, "\"version\":1");
    assert(strcmp(weir_test_header(r, "ETag", 0), "\"1\"") == 0);
    weir_test_reply_free(r);
    r = ask(s, &(weir_test){.target = "/notes/1", .headers = "If-None-Match: \"7\", W/\"1\""}, 304, "");
    assert(r->body_len == 0 && strcmp(weir_test_header(r, "ETag", 0), "\"1\"") == 0);
    weir_test_reply_free(r);
    weir_test change = {
        .method = "PUT", .target = "/notes/1", .headers = "If-Match: \"1\"", .body = "{\"text\":\"b\"}"};
    weir_test_reply_free(ask(s, &change, 200, "\"version\":2"));
    weir_test_reply_free(ask(s, &change, 412, "somebody else"));
    weir_test_reply_free(ask(s, &(weir_test){.target = "/notes/1", .headers = "If-None-Match: \"1\""}, 200, "\"b\""));
    change.headers = "If-Match: nonsense";
    weir_test_reply_free(ask(s, &change, 412, "If-Match"));
}

static void test_title(weir_server *s)
{
    expect(s, "POST", "/notes", "{\"text\":\"a\",\"link\":\"http://weir.test/\"}", 201, "\"title\":null");
    weir_test_advance(s, 3000);
    expect(s, "GET", "/notes/1", NULL, 200, "\"title\":\"at http://weir.test/\"");
}

static void test_hosts(weir_server *s)
{
    static const char hosts[] = " a.test  [::1] 127.0.0.1 ";
    static const char *const good[] = {"http://a.test", "https://A.test:99/x@y", "http://[::1]:80/",
                                       "http://127.0.0.1?q"},
                             *const bad[] = {
                                 "http://b.test/",     "http://a.test@b.test/", "http://a.test.b/", "http://",
                                 "http://a.test\\@b/", "http://b.test/a.test",  "http://[::2]/",    "a.test"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert(links_may_ask(hosts, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert(!links_may_ask(hosts, bad[i]) && !links_may_ask("", bad[i]));
    expect(s, "POST", "/notes", "{\"text\":\"a\",\"link\":\"http://other.test/\"}", 201, "\"title\":null");
    weir_test_advance(s, 3000);
    expect(s, "GET", "/notes/1", NULL, 200, "\"title\":null");
}

static void test_sweep(weir_server *s)
{
    weir_test_reply_free(ask(s, &(weir_test){.target = "/healthz"}, 200, "alive"));
    weir_test_advance(s, 60000 * 3);
    assert(memory.expired == 3);
}

static void test_a_slow_store(weir_server *s)
{
    memory.delay_ms = 60000;
    weir_test_reply *r = ask(s, &(weir_test){.target = "/notes"}, 504, "too long");
    assert(r->took_ms >= 3000 && r->took_ms < 4000); /* by the test's clock */
    weir_test_reply_free(r);
    r = ask(s, &(weir_test){.target = "/notes/1", .headers = "Request-Timeout: 250"}, 504, "too long");
    assert(r->took_ms >= 250 && r->took_ms < 300);
    weir_test_reply_free(r);
    r = ask(s, &(weir_test){.target = "/readyz"}, 503, "\"ready\":false");
    assert(r->took_ms >= 500 && r->took_ms < 600);
    weir_test_reply_free(r);
}

static void test_a_store_that_is_away(weir_server *s)
{
    memory.error = WEIR_EREACH;
    weir_test_reply *r = ask(s, &(weir_test){.target = "/notes"}, 503, "out of reach");
    assert(strcmp(weir_test_header(r, "Retry-After", 0), "1") == 0);
    weir_test_reply_free(r);
    expect(s, "GET", "/readyz", NULL, 503, "\"ready\":false");
    expect(s, "GET", "/healthz", NULL, 200, "alive");
    memory.error = 0;
    expect(s, "GET", "/readyz", NULL, 200, "\"ready\":true");
}

/* ---- The store of the service */

static void test_postgres(const char *conninfo)
{
    assert(migrate(conninfo) && migrate(conninfo)); /* the second finds everything done */
    app = (struct app){.settings = {.keep_s = 60, .sweep_ms = 60000, .hosts = ""}, .links = {.title = title_of}};
    weir_server *s = weir_server_new(&(weir_config){.server_data = &app});
    weir_pg *pg = weir_pg_new(s, &(weir_pg_config){.conninfo = conninfo});
    assert(pg);
    app.store = store_postgres(pg);
    routes(s);
    assert(weir_test_hold_time(s, true) == 0); /* the database takes its time for real, and deadlines do not come */
    test_create_read_list(s);
    weir_test_reply *r =
        ask(s, &(weir_test){.target = "/notes", .body = "{\"text\":\"first\",\"link\":null}"}, 201, "\"version\":1");
    char *where = strdup(weir_test_header(r, "Location", 0));
    weir_test_reply_free(r);
    weir_test change = {.method = "PUT", .target = where, .headers = "If-Match: \"1\"", .body = "{\"text\":\"b\"}"};
    weir_test_reply_free(ask(s, &change, 200, "\"version\":2"));
    weir_test_reply_free(ask(s, &change, 412, "somebody else"));
    expect(s, "GET", "/readyz", NULL, 200, "\"database\":\"good\"");
    weir_server_free(s);
    weir_pg_free(pg);
    free(where);
}

static void test_titles_of_pages(void)
{
    static const struct {
        const char *page, *title; /* NULL: none */
    } cases[] = {
        {"<html><TITLE>\n  Two\twords </TITLE>", "Two words"},
        {"<title lang=\"en\">a</title><title>b</title>", "a"},
        {"<title>gr\xc3\xbc\xc3\x9f\xff</title>", "gr\xc3\xbc\xc3\x9f?"},
        {"<title> </title>", NULL},
        {"<title>never ends", NULL},
        {"", NULL},
    };
    char title[NOTE_TITLE_MAX + 1], page[1000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool found = links_find_title(cases[i].page, strlen(cases[i].page), title, sizeof title);
        assert(found == (cases[i].title != NULL) && (!found || strcmp(title, cases[i].title) == 0));
    }
    int len = snprintf(page, sizeof page, "<title>%0200d\xc3\xbc</title>", 0);
    assert(links_find_title(page, (size_t)len, title, 202) && strlen(title) == 200); /* not half a character */
}

int main(void)
{
    static void (*const tests[])(weir_server * s) = {
        test_create_read_list, test_what_is_refused,      test_pages, test_versions, test_title, test_hosts, test_sweep,
        test_a_slow_store,     test_a_store_that_is_away,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        weir_server *s = begin();
        tests[i](s);
        weir_server_free(s);
    }
    test_titles_of_pages();
    if (getenv("NOTES_TEST_DATABASE"))
        test_postgres(getenv("NOTES_TEST_DATABASE"));
    puts("good");
    return 0;
}
