/*
 * Compression below the wire: what a group wants, types, the heap of a context, and that every library does with its
 * context's block whatever it is fed, and with one that has served before as with a new one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/compress/contexts.h"
#include "web/compress/library.h"
#include "web/compress/settings.h"
#include "web/site.h"

#include <stdlib.h>
#include <zlib.h>

static void test_types(void **state)
{
    static const struct {
        const char *patterns, *type;
        bool matches;
    } cases[] = {
        {"text/*", "text/html", true},
        {"text/*", "TEXT/Html; charset=utf-8", true},
        {"text/*", "text/", true},
        {"text/*", "text", false},
        {"text/*", "", false},
        {"*", "", false},
        {"*", "image/png", true},
        {"* !image/*", "image/png", false},
        {"!image/* *", "image/png", false},
        {"!image/*", "text/html", false},
        {"application/json", "application/json", true},
        {"application/json", "application/json ;q", true},
        {"application/json", "application/jsonx", false},
        {"application/json", "application/jso", false},
        {"application/*+json", "application/ld+json", true},
        {"application/*+json", "application/+json", true},
        {"application/*+json", "application/json", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXcYb", false},
        {"**", "x/y", true},
        {"  text/plain   text/css  ", "text/css", true},
        {"", "text/css", false},
        {"text/css", ";", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (compress_type_matches(cases[i].patterns, slice_from(cases[i].type)) != cases[i].matches)
            fail_msg("\"%s\" of \"%s\"", cases[i].type, cases[i].patterns);
}

/* ---- Settings ---- */

static void test_settings(void **state)
{
    static const struct {
        weir_compress_config config;
        const char *message; /* NULL: there is none */
    } cases[] = {
        {{0}, NULL},
        {{.on = WEIR_OFF, .codings = "gzip"}, NULL},
        {{.codings = " br  gzip ", .gzip_level = 9, .br_level = 8, .zstd_level = 9}, NULL},
        {{.on = 2}, "on: 2 is neither WEIR_ON nor WEIR_OFF"},
        {{.codings = ""}, "codings: there are none"},
        {{.codings = "gzip deflate"}, "codings: \"deflate\" is none of gzip, br and zstd"},
        {{.codings = "identity"}, "codings: \"identity\" is none"},
        {{.codings = "gzip gzip"}, "codings: \"gzip\" is named twice"},
        {{.gzip_level = 10}, "gzip_level: 10 is not within 1 and 9"},
        {{.gzip_level = -1}, "gzip_level: -1 is not"},
        {{.br_level = 9}, "br_level: 9 is not within 1 and 8"},
        {{.zstd_level = 10}, "zstd_level: 10 is not within 1 and 9"},
    };
    struct fixture f;
    struct log log = {0};
    struct site site;
    (void)state;
    fixture_open(&f);
    assert_int_equal(site_init(&site, &f.memory, &log), 0);
    weir_group *g = site_add_group(&site, NULL, "/g", NULL), *inner = site_add_group(&site, g, "/inner", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        site.errors_len = 0;
        assert_int_equal(weir_group_compress(g, &cases[i].config), cases[i].message ? WEIR_EINVAL : 0);
        if (cases[i].message && !strstr(site.errors, cases[i].message))
            fail_msg("%s, not %s", site.errors, cases[i].message);
        assert_true(!cases[i].message || strstr(site.errors, "compression of group \"/g\": "));
    }
    assert_int_equal(weir_group_compress(NULL, NULL), WEIR_EINVAL);
    /* the last that was good is what there is, for those below as well */
    assert_int_equal(g->own_compress->order[0], CODING_BR);
    assert_int_equal(g->own_compress->count, 2);
    size_t sizes[CODINGS];
    site_compress_sizes(&site, sizes);
    assert_true(sizes[CODING_GZIP] > 0 && sizes[CODING_BR] > 0 && sizes[CODING_ZSTD] == 0);
    f.fail_after = 0;
    assert_int_equal(weir_group_compress(inner, NULL), WEIR_ENOMEM);
    f.fail_after = -1;
    assert_int_equal(weir_group_compress(&site.root, &(weir_compress_config){.on = WEIR_OFF}), 0);
    assert_int_equal(site_seal(&site), 0);
    assert_null(site.root.compress);
    assert_ptr_equal(inner->compress, g->own_compress);
    assert_true(site.root.plain && !inner->plain);
    assert_int_equal(weir_group_compress(g, NULL), WEIR_EINVAL); /* it has started */
    site_done(&site);
    fixture_close(&f);
}

/* ---- The heap of a context ---- */

static unsigned next(unsigned *random)
{
    return *random = (unsigned)((uint64_t)*random * 48271 % 2147483647);
}

static void test_block(void **state)
{
    enum { PIECES = 40 };
    static _Alignas(16) char memory[65536];
    struct context_block b;
    char *pieces[PIECES] = {0};
    size_t sizes[PIECES];
    unsigned random = 7;
    (void)state;
    context_block_init(&b, memory, sizeof memory);
    assert_null(context_block_take(&b, sizeof memory));
    assert_null(context_block_take(&b, SIZE_MAX));
    for (int round = 0; round < 20000; round++) {
        unsigned i = next(&random) % PIECES;
        if (pieces[i]) {
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal((unsigned char)pieces[i][at], i);
            context_block_give(&b, pieces[i]);
            pieces[i] = NULL;
        } else {
            sizes[i] = next(&random) % (next(&random) % 8 ? 500 : 9000);
            pieces[i] = context_block_take(&b, sizes[i]);
            if (pieces[i]) {
                assert_true((uintptr_t)pieces[i] % 16 == 0 && context_block_has(&b, pieces[i]));
                assert_true(pieces[i] + sizes[i] <= memory + sizeof memory);
                memset(pieces[i], (int)i, sizes[i]);
            }
        }
    }
    for (unsigned i = 0; i < PIECES; i++)
        if (pieces[i])
            context_block_give(&b, pieces[i]);
    assert_ptr_equal(context_block_take(&b, sizeof memory - 16), memory + 16); /* all of it is one piece again */
}

/* ---- The libraries ---- */

#define INPUT ((size_t)200000)

/* Data of which there is hardly anything to be made, and of which much is; fed in pieces of up to 8 KiB. */
static void fill(char *data, int kind)
{
    unsigned random = 3;
    for (size_t i = 0; i < INPUT; i++) {
        unsigned n = next(&random) >> 7;
        data[i] = kind == 0   ? (char)n
                  : kind == 1 ? "abcdefgh"[n % 8]
                  : kind == 2 ? (char)('a' + i / 1000 % 26)
                              : "{\"id\":1234,\"name\":\"somebody\",\"on\":true},"[(i + (n % 50 == 0)) % 40];
    }
}

/* Compresses the first len bytes; returns what comes out, and its length. */
static char *compressed(struct compressor *c, const char *data, size_t len, size_t room, size_t *size)
{
    size_t most = len + len / 8 + 4096;
    char *all = malloc(most);
    unsigned random = 5;
    *size = 0;
    for (size_t at = 0, done = 0; !done;) {
        size_t piece = next(&random) % 8192 + 1;
        piece = piece < len - at ? piece : len - at;
        struct compress_io io = {.in = data + at, .in_len = piece};
        enum compress_act act = piece == 0 ? COMPRESS_FINISH : next(&random) % 16 == 0 ? COMPRESS_FLUSH : COMPRESS_MORE;
        int more = 1;
        while (more) {
            assert_true(most - *size >= room);
            io.out = all + *size;
            io.room = room;
            more = c->codec->run(c, act, &io);
            assert_true(more >= 0);
            *size += room - io.room;
        }
        assert_int_equal(io.in_len, 0);
        at += piece;
        done = piece == 0;
    }
    return all;
}

static void check_gzip(const char *out, size_t size, const char *data, size_t len)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)out, .avail_in = (unsigned)size};
    char *back = malloc(len + 1);
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    z.next_out = (unsigned char *)back;
    z.avail_out = (unsigned)len + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, len);
    assert_memory_equal(back, data, len);
    inflateEnd(&z);
    free(back);
}

static void check_level(struct contexts *contexts, enum coding coding, int level, char *data)
{
    for (int kind = 0; kind < 4; kind++) {
        size_t sizes[3], len = kind == 3 ? INPUT : INPUT / 4;
        char *outs[3];
        fill(data, kind);
        for (int i = 0; i < 3; i++) {
            struct compressor *c = contexts_take(contexts, coding, level);
            assert_non_null(c);
            outs[i] = compressed(c, data, i == 1 ? len / 2 : len, i == 1 ? 700 : CODEC_ROOM_MIN, &sizes[i]);
            assert_null(c->beyond);
            contexts_give(c);
        }
        /* by a context that was new, or had served, and was then left in the midst: the same */
        assert_int_equal(sizes[0], sizes[2]);
        assert_memory_equal(outs[0], outs[2], sizes[0]);
        if (coding == CODING_GZIP) {
            check_gzip(outs[0], sizes[0], data, len);
            check_gzip(outs[1], sizes[1], data, len / 2);
        }
        for (int i = 0; i < 3; i++)
            free(outs[i]);
    }
}

static void test_codecs(void **state)
{
    struct fixture f;
    struct account parent;
    char *data = malloc(INPUT);
    (void)state;
    fixture_open(&f);
    account_open_shared(&parent, &f.memory, "compression", NULL, 16 << 20);
    for (unsigned coding = CODING_GZIP; coding < CODINGS; coding++) {
        const struct codec *codec = codec_of(coding);
        for (int level = 1; codec && level <= codec->level_most; level++) {
            struct contexts contexts = {0};
            size_t sizes[CODINGS] = {0};
            sizes[coding] = codec->size(level);
            assert_int_equal(sizes[coding] % 16, 0);
            contexts_open(&contexts, &f.memory, &parent, sizes);
            check_level(&contexts, coding, level, data);
            assert_int_equal(counter_read(&contexts.account.in_use), 0);
            contexts_close(&contexts);
        }
    }
    account_close(&parent);
    free(data);
    fixture_close(&f);
}

/* Each context is refused where the bound is met, and what rests of another coding gives way. */
static void test_bound(void **state)
{
    enum { MOST = 64 };
    struct fixture f;
    struct account parent;
    struct contexts contexts = {0};
    struct compressor *taken[MOST];
    size_t sizes[CODINGS] = {0};
    int count = 0;
    (void)state;
    for (unsigned coding = CODING_GZIP; coding < CODINGS; coding++)
        sizes[coding] = codec_of(coding) ? codec_of(coding)->size(codec_of(coding)->level_usual) : 0;
    if (!sizes[CODING_GZIP] || !sizes[CODING_BR])
        return;
    fixture_open(&f);
    account_open_shared(&parent, &f.memory, "compression", NULL, 2 << 20);
    contexts_open(&contexts, &f.memory, &parent, sizes);
    while (count < MOST && (taken[count] = contexts_take(&contexts, CODING_BR, 5)) != NULL)
        count++;
    assert_int_equal(count, 2);
    assert_null(contexts_take(&contexts, CODING_GZIP, 5));
    while (count > 0)
        contexts_give(taken[--count]);
    assert_int_equal(counter_read(&parent.granted), 2 << 20);
    while (count < MOST && (taken[count] = contexts_take(&contexts, CODING_GZIP, 5)) != NULL)
        count++;
    assert_int_equal(count, 24);
    while (count > 0)
        contexts_give(taken[--count]);
    contexts_close(&contexts);
    account_close(&parent);
    fixture_close(&f);
}

/* A library that is not there, or lacks a function, is told, and nothing is called. */
static void test_missing_library(void **state)
{
    (void)state;
#if !WEIR_LINKED
    void *table[2] = {NULL};
    assert_non_null(strstr(coding_load("libweir-nothing.so.9", "deflate\0", table, sizeof table), "cannot be loaded"));
    assert_non_null(
        strstr(coding_load("libz.so.1", "deflate\0weir_nothing\0", table, sizeof table), "library is too old"));
    assert_null(coding_load("libz.so.1", "deflate\0inflate\0", table, sizeof table));
    assert_true(table[0] && table[1]);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),  cmocka_unit_test(test_settings), cmocka_unit_test(test_block),
        cmocka_unit_test(test_codecs), cmocka_unit_test(test_bound),    cmocka_unit_test(test_missing_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
