/*
 * Paths: what is left in place, what is decoded, resolved and refused.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/route/path.h"

struct path_case {
    const char *raw;
    const char *text;    /* NULL: refused */
    const char *decoded; /* NULL: as text */
    bool in_place;
};

static const struct path_case cases[] = {
    {"/", "/", NULL, true},
    {"", "/", NULL, true},
    {"/a", "/a", NULL, true},
    {"/a/b/c", "/a/b/c", NULL, true},
    {"/a/", "/a/", NULL, true},
    {"//", "//", NULL, true},
    {"///a//b", "///a//b", NULL, true},
    {"/.well-known/acme", "/.well-known/acme", NULL, true},
    {"/a/.hidden/..data/...", "/a/.hidden/..data/...", NULL, true},
    {"/a.b/c..d/e.", "/a.b/c..d/e.", NULL, true},
    {"/0123456789abcdef0123456789abcdef", "/0123456789abcdef0123456789abcdef", NULL, true},
    {"/+a b;c=d", "/+a b;c=d", NULL, true},
    /* escapes */
    {"/%41", "/A", NULL, false},
    {"/%61%62/c", "/ab/c", NULL, false},
    {"/%C3%a4", "/\xc3\xa4", NULL, false},
    {"/%ff", "/\xff", NULL, false},
    {"/a%20b", "/a b", NULL, false},
    {"/a+b%2B", "/a+b+", NULL, false},
    {"/%25", "/%", NULL, false},
    {"/%5C..%5ca", "/\\..\\a", NULL, false},
    {"/%2541", "/%41", NULL, false},
    {"/%3F%23", "/?#", NULL, false},
    {"/%0d%0A", "/\r\n", NULL, false},
    /* an encoded slash stays within its segment */
    {"/a%2Fb", "/a%2Fb", "/a/b", false},
    {"/a%2fb/%2F", "/a%2Fb/%2F", "/a/b//", false},
    {"/%2F", "/%2F", "//", false},
    {"/%252F", "/%2F", NULL, false},
    {"/..%2F..%2Fetc", "/..%2F..%2Fetc", "/../../etc", false},
    {"/a%2F/../b%2F", "/b%2F", "/b/", false},
    {"/a%2F/..", "/", NULL, false},
    /* dot segments */
    {"/.", "/", NULL, false},
    {"/..", "/", NULL, false},
    {"/./", "/", NULL, false},
    {"/../", "/", NULL, false},
    {"/../..", "/", NULL, false},
    {"/../../a", "/a", NULL, false},
    {"/a/.", "/a/", NULL, false},
    {"/a/..", "/", NULL, false},
    {"/a/b/..", "/a/", NULL, false},
    {"/a/b/../", "/a/", NULL, false},
    {"/a/./b", "/a/b", NULL, false},
    {"/a/../b", "/b", NULL, false},
    {"/a/b/c/../../d", "/a/d", NULL, false},
    {"/a/%2e%2E/b", "/b", NULL, false},
    {"/a/.%2e/b", "/b", NULL, false},
    {"/a/%2e/b", "/a/b", NULL, false},
    {"/%2e%2e", "/", NULL, false},
    {"/%252e%252e", "/%2e%2e", NULL, false},
    {"//..", "/", NULL, false},
    {"/a//../b", "/a/b", NULL, false},
    {"/a//..//b", "/a//b", NULL, false},
    {"//../a", "/a", NULL, false},
    {"/.//a", "//a", NULL, false},
    {"/..//a", "//a", NULL, false},
    {"/0123456789abcde/../x", "/x", NULL, false},
    {"/0123456789abcdef/..", "/", NULL, false},
    {"/0123456789abcd/..", "/", NULL, false},
    /* refused */
    {"a", NULL, NULL, false},
    {"*", NULL, NULL, false},
    {"http://a/", NULL, NULL, false},
    {"%2F", NULL, NULL, false},
    {"/%", NULL, NULL, false},
    {"/%4", NULL, NULL, false},
    {"/%4/", NULL, NULL, false},
    {"/%g1", NULL, NULL, false},
    {"/%1g", NULL, NULL, false},
    {"/%/41", NULL, NULL, false},
    {"/%%41", NULL, NULL, false},
    {"/%00", NULL, NULL, false},
    {"/a%00b", NULL, NULL, false},
    {"/%00/../a", NULL, NULL, false},
    {"/\\", NULL, NULL, false},
    {"/a\\b", NULL, NULL, false},
    {"/..\\..\\a", NULL, NULL, false},
    {"/0123456789abcdef0123\\", NULL, NULL, false},
    {"/a/%u0041", NULL, NULL, false},
    {"/%-1", NULL, NULL, false},
    {"/% 1", NULL, NULL, false},
};

static void check(struct fixture *f, const struct path_case *c)
{
    char *raw = fixture_exact(c->raw, strlen(c->raw));
    struct path path = {0};
    int error = path_normalize(slice_of(raw, strlen(c->raw)), &f->arena, &path);
    if (!c->text) {
        if (error != WEIR_EPROTO)
            fail_msg("\"%s\" gave %d", c->raw, error);
    } else {
        const char *decoded = c->decoded ? c->decoded : c->text;
        if (error || !slice_equal(path.text, slice_from(c->text)) || !slice_equal(path.decoded, slice_from(decoded)))
            fail_msg("\"%s\" gave %d, \"%.*s\"", c->raw, error, (int)path.text.len, path.text.data);
        assert_int_equal(path.route.len, path.decoded.len);
        assert_int_equal(path.in_place, c->in_place);
        for (size_t i = 0; i < path.route.len; i++)
            assert_true(path.route.data[i] == path.decoded.data[i] ||
                        (path.route.data[i] == '\0' && path.decoded.data[i] == '/'));
        if (!c->decoded)
            assert_ptr_equal(path.route.data, path.decoded.data);
        if (!c->in_place) {
            assert_int_equal(path.text.data[path.text.len], '\0');
            assert_int_equal(path.decoded.data[path.decoded.len], '\0');
            assert_int_equal(path.route.data[path.route.len], '\0');
        }
    }
    fixture_clear_arena(f);
    free(raw);
}

static void test_table(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&f, &cases[i]);
    fixture_close(&f);
}

static void test_in_place_is_the_same_memory(void **state)
{
    struct fixture f;
    struct path path;
    const char *raw = "/some/where/index.html";
    (void)state;
    fixture_open(&f);
    fixture_starve(&f);
    assert_int_equal(path_normalize(slice_from(raw), &f.arena, &path), 0);
    assert_ptr_equal(path.route.data, raw);
    assert_ptr_equal(path.decoded.data, raw);
    assert_ptr_equal(path.text.data, raw);
    fixture_close(&f);
}

static void test_raw_nul_is_refused(void **state)
{
    struct fixture f;
    struct path path;
    char raw[41];
    (void)state;
    fixture_open(&f);
    for (size_t len = 2; len <= sizeof raw; len++) {
        for (size_t at = 1; at < len; at++) {
            memset(raw, 'a', sizeof raw);
            raw[0] = '/';
            raw[at] = '\0';
            assert_int_equal(path_normalize(slice_of(raw, len), &f.arena, &path), WEIR_EPROTO);
        }
    }
    fixture_close(&f);
}

/* What has to be noticed is noticed at every offset and length: the scan works in words of 16, 8 and 1 bytes. */
static void test_scan_at_every_offset(void **state)
{
    struct fixture f;
    struct path path;
    (void)state;
    fixture_open(&f);
    for (size_t len = 4; len < 70; len++) {
        for (size_t at = 1; at + 3 <= len; at++) {
            char *raw = malloc(len);
            assert_non_null(raw);
            memset(raw, 'x', len);
            raw[0] = '/';
            memcpy(raw + at, "%41", 3);
            assert_int_equal(path_normalize(slice_of(raw, len), &f.arena, &path), 0);
            assert_int_equal(path.text.len, len - 2);
            assert_int_equal(path.text.data[at], 'A');
            fixture_clear_arena(&f);
            memcpy(raw + at, "/./", 3);
            assert_int_equal(path_normalize(slice_of(raw, len), &f.arena, &path), 0);
            assert_int_equal(path.text.len, len - 2);
            fixture_clear_arena(&f);
            memcpy(raw + at, "/..", 3);
            assert_int_equal(path_normalize(slice_of(raw, len), &f.arena, &path), 0);
            assert_int_equal(path.in_place, at + 3 != len);
            if (at + 3 == len)
                assert_int_equal(path.text.len, 1);
            fixture_clear_arena(&f);
            free(raw);
        }
    }
    fixture_close(&f);
}

/* A slow and obvious version to compare with: split, decode, resolve. */
static bool reference(const char *raw, char *out)
{
    char segments[64][64];
    size_t count = 0;
    if (*raw != '/')
        return false;
    for (const char *p = raw; *p;) {
        char segment[64];
        size_t len = 0;
        for (p++; *p && *p != '/'; p++) {
            char c = *p;
            if (c == '\\')
                return false;
            if (c == '%') {
                char digits[3] = {p[1], p[1] ? p[2] : '\0', '\0'};
                char *end;
                if (digits[0] == ' ' || digits[0] == '+' || digits[0] == '-')
                    return false;
                long value = strtol(digits, &end, 16);
                if (end != digits + 2 || value == 0)
                    return false;
                c = value == '/' ? '\1' : (char)value;
                p += 2;
            }
            segment[len++] = c;
        }
        segment[len] = '\0';
        bool last = !*p;
        if (strcmp(segment, "..") == 0 && count > 0)
            count--;
        if (strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0)
            memcpy(segments[count++], segment, sizeof segment);
        else if (last)
            segments[count++][0] = '\0';
    }
    *out = '\0';
    for (size_t i = 0; i < count; i++) {
        *out++ = '/';
        size_t len = strlen(segments[i]);
        memcpy(out, segments[i], len + 1);
        out += len;
    }
    return true;
}

static void test_random_against_reference(void **state)
{
    static const char *const pieces[] = {"/", "/",   ".", "..",  "%2e", "%2F", "a",
                                         "b", "%41", "%", "%00", "/.",  "/..", "\\"};
    struct fixture f;
    uint64_t seed = 88172645463325252u;
    (void)state;
    fixture_open(&f);
    for (int round = 0; round < 200000; round++) {
        char raw[64] = "/";
        char expected[128];
        struct path path;
        seed ^= (seed & UINT64_MAX >> 13) << 13;
        seed ^= seed >> 7;
        seed ^= (seed & UINT64_MAX >> 17) << 17;
        uint64_t bits = seed;
        for (size_t i = bits % 10; i > 0; i--) {
            bits /= 11;
            size_t index = bits % (sizeof pieces / sizeof *pieces);
            if ((index != 9 && index != 10) || bits % 5 == 0)
                memcpy(raw + strlen(raw), pieces[index], strlen(pieces[index]) + 1);
        }
        int error = path_normalize(slice_from(raw), &f.arena, &path);
        if (!reference(raw, expected)) {
            assert_int_equal(error, WEIR_EPROTO);
        } else {
            char route[128];
            assert_int_equal(error, 0);
            for (size_t i = 0; i < path.route.len; i++)
                route[i] = path.route.data[i] ? path.route.data[i] : '\1';
            route[path.route.len] = '\0';
            if (strcmp(route, expected) != 0)
                fail_msg("\"%s\" gave \"%s\" and not \"%s\"", raw, route, expected);
        }
        fixture_clear_arena(&f);
    }
    fixture_close(&f);
}

static void test_no_memory(void **state)
{
    struct fixture f;
    struct path path;
    (void)state;
    fixture_open(&f);
    fixture_starve(&f);
    assert_int_equal(path_normalize(SLICE("/%41"), &f.arena, &path), WEIR_ENOMEM);
    fixture_clear_arena(&f);
    char *big = malloc(FIXTURE_BLOCK);
    assert_non_null(big);
    memset(big, 'a', FIXTURE_BLOCK);
    memcpy(big, "/%2F", 4);
    assert_int_equal(path_normalize(slice_of(big, FIXTURE_BLOCK), &f.arena, &path), WEIR_ENOMEM);
    fixture_clear_arena(&f);
    assert_int_equal(path_normalize(slice_of(big, FIXTURE_BLOCK / 2), &f.arena, &path), WEIR_ENOMEM);
    free(big);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_in_place_is_the_same_memory),
        cmocka_unit_test(test_raw_nul_is_refused),
        cmocka_unit_test(test_scan_at_every_offset),
        cmocka_unit_test(test_random_against_reference),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
