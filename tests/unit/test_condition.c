/*
 * Preconditions and entity tags: each field alone, their precedence (RFC 9110 section 13.2.2), both comparisons, and
 * what is no tag and no date.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/file/condition.h"
#include "web/file/etag.h"

#include <stdio.h>
#include <string.h>

#define NOW    1790000000
#define AT     784111777 /* when the representation was modified */
#define DATE   "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

struct request {
    struct http_head head;
    struct http_field fields[HEAD_FIELDS_INLINE];
    char text[1024];
};

/* Makes a head of lines "Name: value\n". */
static const struct http_head *make_head(struct request *r, const char *lines)
{
    memset(r, 0, sizeof *r);
    r->head = (struct http_head){.base = r->text, .fields = r->fields};
    assert_true(strlen(lines) < sizeof r->text);
    memcpy(r->text, lines, strlen(lines));
    for (size_t at = 0; lines[at];) {
        size_t name = strcspn(lines + at, ":"), end = at + strcspn(lines + at, "\n");
        r->fields[r->head.field_count++] = (struct http_field){.name = (uint16_t)at,
                                                               .name_len = (uint16_t)name,
                                                               .value = (uint16_t)(at + name + 2),
                                                               .value_len = (uint16_t)(end - at - name - 2)};
        at = end + 1;
    }
    return &r->head;
}

static const struct validators strong = {true, true, true, AT, {"\"a\"", 3}};
static const struct validators weak = {true, true, false, AT, {"W/\"a\"", 5}};
static const struct validators dated = {true, true, true, AT, {"", 0}};
static const struct validators tagged = {.exists = true, .etag = {"\"a\"", 3}};
static const struct validators missing = {.exists = false};
static const struct validators commas = {.exists = true, .etag = {"\"a,b\"", 5}};
static const struct validators empty = {.exists = true, .etag = {"\"\"", 2}};
static const struct validators obscure = {.exists = true, .etag = {"\"\xc3\xa4\\!#~\"", 8}};

static void verdicts(void **state)
{
    (void)state;
    enum { GO = CONDITION_MET, SAME = CONDITION_NOT_MODIFIED, FAIL = CONDITION_FAILED };
    static const struct {
        const char *lines;
        const struct validators *v;
        int read, other; /* what GET and HEAD get, and what others get */
    } rows[] = {
        {"", &strong, GO, GO},
        {"Accept: x\n", &strong, GO, GO},
        /* If-Match compares strongly. */
        {"If-Match: \"a\"\n", &strong, GO, GO},
        {"if-match: \"a\"\n", &strong, GO, GO},
        {"If-Match: \"b\"\n", &strong, FAIL, FAIL},
        {"If-Match: \"b\", \"a\"\n", &strong, GO, GO},
        {"If-Match: \"b\",\"a\"\n", &strong, GO, GO},
        {"If-Match: , \"b\" ,\t, \"a\" ,\n", &strong, GO, GO},
        {"If-Match: \"b\"\nIf-Match: \"a\"\n", &strong, GO, GO},
        {"If-Match: W/\"a\"\n", &strong, FAIL, FAIL},
        {"If-Match: W/\"a\"\n", &weak, FAIL, FAIL},
        {"If-Match: \"a\"\n", &weak, FAIL, FAIL},
        {"If-Match: *\n", &strong, GO, GO},
        {"If-Match: *\n", &weak, GO, GO},
        {"If-Match: *\n", &dated, GO, GO},
        {"If-Match: *\n", &missing, FAIL, FAIL},
        {"If-Match: \"a\"\n", &missing, FAIL, FAIL},
        {"If-Match: \"a\"\n", &dated, FAIL, FAIL},
        {"If-Match: *, \"a\"\n", &strong, FAIL, FAIL},
        {"If-Match: \"*\"\n", &strong, FAIL, FAIL},
        {"If-Match: *\nIf-Match: *\n", &strong, FAIL, FAIL},
        /* What is no tag matches nothing, nor does what is behind it. */
        {"If-Match: \n", &strong, FAIL, FAIL},
        {"If-Match: a\n", &strong, FAIL, FAIL},
        {"If-Match: \"a\n", &strong, FAIL, FAIL},
        {"If-Match: a\"\n", &strong, FAIL, FAIL},
        {"If-Match: 'a'\n", &strong, FAIL, FAIL},
        {"If-Match: \"a\"b\n", &strong, FAIL, FAIL},
        {"If-Match: \"a\" \"b\"\n", &strong, FAIL, FAIL},
        {"If-Match: x, \"a\"\n", &strong, FAIL, FAIL},
        {"If-Match: \"b\"; \"a\"\n", &strong, FAIL, FAIL},
        {"If-Match: \"a\", x\n", &strong, GO, GO},
        {"If-Match: \"A\"\n", &strong, FAIL, FAIL},
        {"If-Match: \" a\"\n", &strong, FAIL, FAIL},
        {"If-Match: \"b \", \"a\"\n", &strong, FAIL, FAIL}, /* a space is in no tag */
        /* What a tag may hold. */
        {"If-Match: \"a,b\"\n", &commas, GO, GO},
        {"If-Match: \"x\", \"a,b\"\n", &commas, GO, GO},
        {"If-Match: \"a\", \"b\"\n", &commas, FAIL, FAIL},
        {"If-Match: \"\"\n", &empty, GO, GO},
        {"If-Match: \"a\"\n", &empty, FAIL, FAIL},
        {"If-Match: \"\xc3\xa4\\!#~\"\n", &obscure, GO, GO},
        {"If-Match: \"a\x7f\", \"a\"\n", &strong, FAIL, FAIL},
        /* If-None-Match compares weakly. */
        {"If-None-Match: \"a\"\n", &strong, SAME, FAIL},
        {"If-None-Match: \"b\"\n", &strong, GO, GO},
        {"If-None-Match: W/\"a\"\n", &strong, SAME, FAIL},
        {"If-None-Match: \"a\"\n", &weak, SAME, FAIL},
        {"If-None-Match: W/\"a\"\n", &weak, SAME, FAIL},
        {"If-None-Match: w/\"a\"\n", &weak, GO, GO},
        {"If-None-Match: W/ \"a\"\n", &weak, GO, GO},
        {"If-None-Match: W\"a\"\n", &weak, GO, GO},
        {"If-None-Match: W/\"b\"\n", &weak, GO, GO},
        {"If-None-Match: \"b\", W/\"a\"\n", &strong, SAME, FAIL},
        {"If-None-Match: \"b\"\nIf-None-Match: \"a\"\n", &strong, SAME, FAIL},
        {"If-None-Match: *\n", &strong, SAME, FAIL},
        {"If-None-Match: *\n", &missing, GO, GO},
        {"If-None-Match: \"a\"\n", &missing, GO, GO},
        {"If-None-Match: \n", &strong, GO, GO},
        {"If-None-Match: a\n", &strong, GO, GO},
        /* Dates. */
        {"If-Modified-Since: " DATE "\n", &strong, SAME, GO},
        {"If-Modified-Since: " AFTER "\n", &strong, SAME, GO},
        {"If-Modified-Since: " BEFORE "\n", &strong, GO, GO},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\n", &strong, SAME, GO},
        {"If-Modified-Since: Sun Nov  6 08:49:37 1994\n", &strong, SAME, GO},
        {"If-Modified-Since: " DATE "\n", &tagged, GO, GO},
        {"If-Modified-Since: " DATE "\n", &missing, GO, GO},
        {"If-Modified-Since: yesterday\n", &strong, GO, GO},
        {"If-Modified-Since: \n", &strong, GO, GO},
        {"If-Modified-Since: " DATE "\nIf-Modified-Since: " DATE "\n", &strong, GO, GO},
        {"If-Unmodified-Since: " DATE "\n", &strong, GO, GO},
        {"If-Unmodified-Since: " AFTER "\n", &strong, GO, GO},
        {"If-Unmodified-Since: " BEFORE "\n", &strong, FAIL, FAIL},
        {"If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT\n", &strong, FAIL, FAIL},
        {"If-Unmodified-Since: " BEFORE "\n", &tagged, GO, GO},
        {"If-Unmodified-Since: yesterday\n", &strong, GO, GO},
        {"If-Unmodified-Since: " BEFORE "\nIf-Unmodified-Since: " BEFORE "\n", &strong, GO, GO},
        /* Precedence: a tag makes its date be ignored, in both directions. */
        {"If-Match: \"a\"\nIf-Unmodified-Since: " BEFORE "\n", &strong, GO, GO},
        {"If-Unmodified-Since: " AFTER "\nIf-Match: \"b\"\n", &strong, FAIL, FAIL},
        {"If-None-Match: \"b\"\nIf-Modified-Since: " DATE "\n", &strong, GO, GO},
        {"If-Modified-Since: " BEFORE "\nIf-None-Match: \"a\"\n", &strong, SAME, FAIL},
        {"If-None-Match: x\nIf-Modified-Since: " DATE "\n", &strong, GO, GO},
        /* And what must hold is asked before what must not. */
        {"If-Match: \"b\"\nIf-None-Match: \"a\"\n", &strong, FAIL, FAIL},
        {"If-Match: \"a\"\nIf-None-Match: \"a\"\n", &strong, SAME, FAIL},
        {"If-Match: \"a\"\nIf-Modified-Since: " DATE "\n", &strong, SAME, GO},
        {"If-Match: \"b\"\nIf-Modified-Since: " DATE "\n", &strong, FAIL, FAIL},
        {"If-Unmodified-Since: " BEFORE "\nIf-None-Match: \"a\"\n", &strong, FAIL, FAIL},
        {"If-Unmodified-Since: " DATE "\nIf-None-Match: \"a\"\n", &strong, SAME, FAIL},
        {"If-Unmodified-Since: " BEFORE "\nIf-Modified-Since: " DATE "\n", &strong, FAIL, FAIL},
        {"If-Unmodified-Since: " DATE "\nIf-Modified-Since: " DATE "\n", &strong, SAME, GO},
        /* Neither has a say in it. */
        {"Range: bytes=0-0\nIf-Range: \"b\"\n", &strong, GO, GO},
        {"If-Matches: \"b\"\nXf-Match: \"b\"\nIf_Match: \"b\"\n", &strong, GO, GO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request r;
        const struct http_head *h = make_head(&r, rows[i].lines);
        int read = (int)condition_check(h, condition_fields(h), rows[i].v, true, NOW);
        int other = (int)condition_check(h, condition_fields(h), rows[i].v, false, NOW);
        if (read != rows[i].read || other != rows[i].other)
            fail_msg("%s of %s: %d and %d", rows[i].lines, rows[i].v->etag.data, read, other);
    }
}

static void if_range(void **state)
{
    (void)state;
    static const struct validators unsure = {true, true, false, AT, {"\"a\"", 3}};
    static const struct {
        const char *lines;
        const struct validators *v;
        bool allowed;
    } rows[] = {
        {"", &strong, false},
        {"If-Range: \"a\"\n", &strong, false},
        {"Range: bytes=0-0\n", &strong, true},
        {"range: bytes=0-0\n", &strong, true},
        {"Ranges: bytes=0-0\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: \"a\"\n", &strong, true},
        {"if-range: \"a\"\nrange: bytes=0-0\n", &strong, true},
        {"Range: bytes=0-0\nIf-Range: \"b\"\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: W/\"a\"\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: W/\"a\"\n", &weak, false},
        {"Range: bytes=0-0\nIf-Range: \"a\"\n", &weak, false},
        {"Range: bytes=0-0\nIf-Range: \"a\", \"a\"\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: \"a\"\nIf-Range: \"a\"\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: *\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: \n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: a\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: \"a\"\n", &dated, false},
        {"Range: bytes=0-0\nIf-Range: \"a\"\n", &missing, false},
        {"Range: bytes=0-0\nIf-Range: " DATE "\n", &strong, true},
        {"Range: bytes=0-0\nIf-Range: " DATE "\n", &dated, true},
        {"Range: bytes=0-0\nIf-Range: Sunday, 06-Nov-94 08:49:37 GMT\n", &strong, true},
        {"Range: bytes=0-0\nIf-Range: " DATE "\n", &unsure, false},
        {"Range: bytes=0-0\nIf-Range: " DATE "\n", &tagged, false},
        {"Range: bytes=0-0\nIf-Range: " BEFORE "\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: " AFTER "\n", &strong, false},
        {"Range: bytes=0-0\nIf-Range: yesterday\n", &strong, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request r;
        const struct http_head *h = make_head(&r, rows[i].lines);
        if (condition_allows_range(h, condition_fields(h), rows[i].v, NOW) != rows[i].allowed)
            fail_msg("%s of %s", rows[i].lines, rows[i].v->etag.data);
    }
}

static void tag_of(const struct stat *status, bool settled, char text[64])
{
    char tag[ETAG_FILE_MAX + 1];
    memset(tag, '#', sizeof tag);
    size_t len = etag_of_file(status, settled, tag);
    assert_in_range(len, 18, ETAG_FILE_MAX);
    assert_int_equal(tag[len], '#');
    assert_true(etag_is_valid(slice_of(tag, len)));
    assert_int_equal(etag_is_weak(slice_of(tag, len)), !settled);
    snprintf(text, 64, "%.*s", (int)len, tag);
}

static void tags_of_files(void **state)
{
    (void)state;
    const struct stat file = {.st_dev = 1,
                              .st_ino = 2,
                              .st_size = 3,
                              .st_mtim = {.tv_sec = 4, .tv_nsec = 5},
                              .st_ctim = {.tv_sec = 6, .tv_nsec = 7}};
    struct stat others[7] = {file, file, file, file, file, file, file};
    others[0].st_dev++;
    others[1].st_ino++;
    others[2].st_size++;
    others[3].st_mtim.tv_sec++;
    others[4].st_mtim.tv_nsec++;
    others[5].st_ctim.tv_sec++;
    others[6].st_ctim.tv_nsec++;
    char is[64], again[64], fresh[64];
    tag_of(&file, true, is);
    tag_of(&file, true, again);
    assert_string_equal(is, again);
    assert_string_equal(is, "\"a6a1ddd65e344928\""); /* of every process, on every machine */
    tag_of(&file, false, fresh);
    assert_false(etag_equal_weakly(slice_from(is), slice_from(fresh)));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tag_of(&others[i], true, again);
        assert_string_not_equal(is, again);
    }
    const uint8_t digest[ETAG_CONTENT_LEN] = {0x01, 0x23, 0xff};
    char content[ETAG_FILE_MAX + 1] = "";
    assert_int_equal(etag_of_content(digest, content), ETAG_FILE_MAX);
    assert_string_equal(content, "\"0123ff00000000000000000000000000\"");
    assert_true(etag_is_valid(slice_from(content)) && !etag_is_weak(slice_from(content)));
    assert_false(etag_is_settled(&file, 6));
    assert_false(etag_is_settled(&file, 8));
    assert_true(etag_is_settled(&file, 9));
    assert_false(etag_is_settled(&file, 5)); /* from the future */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts), cmocka_unit_test(if_range),
                                       cmocka_unit_test(tags_of_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
