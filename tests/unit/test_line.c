/*
 * The reader of lines: pieces of every size, lines that lie in one or in several, ends of all kinds, and bounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/line.h"
#include "weir.h"

#include <string.h>

/* A source that gives a text in pieces of a size, each a copy of its exact length, so that AddressSanitizer sees a look
 * beyond it; and what the text ends with. */
struct script {
    const char *text;
    size_t len, at, piece;
    ssize_t end; /* 0 or an error */
    char *copy;  /* the last piece */
    size_t copy_len;
    struct slice rest;
};

static ssize_t next_piece(void *owner, struct slice *rest)
{
    struct script *s = owner;
    assert_int_equal(rest->len, 0);
    free(s->copy);
    s->copy = NULL;
    size_t left = s->len - s->at, len = left < s->piece ? left : s->piece;
    if (len == 0)
        return s->end;
    s->copy = malloc(len);
    assert_non_null(s->copy);
    memcpy(s->copy, s->text + s->at, len);
    s->copy_len = len;
    s->at += len;
    *rest = slice_of(s->copy, len);
    return (ssize_t)len;
}

static struct script script_of(const char *text, size_t piece)
{
    return (struct script){.text = text, .len = strlen(text), .piece = piece};
}

static ssize_t next_line(struct script *s, struct line *l, const char **where)
{
    return line_read(&(struct line_source){.rest = &s->rest, .more = next_piece, .owner = s}, l, where);
}

static bool lies_in_piece(const struct script *s, const char *line)
{
    return s->copy && line >= s->copy && line < s->copy + s->copy_len;
}

static const char text[] =
    "first\n\nCRLF stays\r\n\r\na line that is a little longer than others\n\n\nx\nthe end has none";

/* Whatever the pieces are, the lines are the same, and they are the text's. */
static void all_pieces(void **state)
{
    (void)state;
    char buf[64];
    for (int by_slice = 0; by_slice < 2; by_slice++) {
        for (size_t piece = 1; piece <= sizeof text; piece++) {
            struct script s = script_of(text, piece);
            struct line l = {.buf = buf, .size = sizeof buf};
            const char *expected = text;
            int count = 0, whole = 0;
            for (ssize_t n; (n = next_line(&s, &l, by_slice ? &expected : NULL)) != 0; count++) {
                static const char *const lines[] = {
                    "first\n", "\n",  "CRLF stays\r\n",  "\r\n", "a line that is a little longer than others\n", "\n",
                    "\n",      "x\n", "the end has none"};
                assert_true(n > 0 && count < 9);
                const char *line = by_slice ? expected : buf;
                assert_int_equal(n, strlen(lines[count]));
                assert_memory_equal(line, lines[count], (size_t)n);
                whole += lies_in_piece(&s, line);
                if (!by_slice || line == buf)
                    assert_int_equal(buf[n], '\0');
            }
            assert_int_equal(count, 9);
            assert_int_equal(next_line(&s, &l, NULL), 0); /* and again */
            if (!by_slice)
                assert_int_equal(whole, 0);
            if (by_slice && piece == sizeof text)
                assert_int_equal(whole, 8); /* all but the one without a newline, of which more might have come */
            free(s.copy);
        }
    }
}

static void nothing(void **state)
{
    (void)state;
    char buf[1];
    struct script s = script_of("", 1);
    struct line l = {.buf = buf, .size = sizeof buf};
    assert_int_equal(next_line(&s, &l, NULL), 0);
    assert_int_equal(buf[0], '\0');
    free(s.copy);
    s = script_of("\n", 1); /* a buffer of one byte has room for no line */
    assert_int_equal(next_line(&s, &l, NULL), WEIR_ETOOBIG);
    free(s.copy);
}

/* A line's bound is the buffer's, wherever the line lies; NUL bytes are as others. */
static void bounds(void **state)
{
    (void)state;
    char buf[8];
    const char *where = NULL;
    for (size_t piece = 1; piece < 20; piece++) {
        for (int by_slice = 0; by_slice < 2; by_slice++) {
            struct line l = {.buf = buf, .size = sizeof buf};
            struct script s = script_of("123456\n12345678\nnext\n", piece);
            assert_int_equal(next_line(&s, &l, by_slice ? &where : NULL), 7);
            assert_int_equal(next_line(&s, &l, by_slice ? &where : NULL), WEIR_ETOOBIG);
            assert_true(l.len < sizeof buf);
            free(s.copy);
            s = script_of("1234567", piece); /* as long without a newline */
            assert_int_equal(next_line(&s, &l, by_slice ? &where : NULL), 7);
            free(s.copy);
            s = script_of("1234567\n", piece);
            assert_int_equal(next_line(&s, &l, by_slice ? &where : NULL), WEIR_ETOOBIG);
            free(s.copy);
        }
    }
    struct line l = {.buf = buf, .size = sizeof buf};
    struct script s = {.text = "a\0b\nc", .len = 5, .piece = 2};
    assert_int_equal(next_line(&s, &l, NULL), 4);
    assert_memory_equal(buf, "a\0b\n", 5);
    assert_int_equal(next_line(&s, &l, NULL), 1);
    free(s.copy);
}

/* An error of the source is the reader's, and tells what has been taken before. */
static void errors(void **state)
{
    (void)state;
    char buf[16];
    struct line l = {.buf = buf, .size = sizeof buf};
    struct script s = script_of("line\npart", 3);
    s.end = WEIR_ECLOSED;
    assert_int_equal(next_line(&s, &l, NULL), 5);
    assert_int_equal(next_line(&s, &l, NULL), WEIR_ECLOSED);
    assert_int_equal(l.len, 4);
    s = script_of("line\n", 3);
    s.end = WEIR_ECANCELED;
    assert_int_equal(next_line(&s, &l, NULL), 5);
    assert_int_equal(next_line(&s, &l, NULL), WEIR_ECANCELED);
    assert_int_equal(l.len, 0);
    assert_int_equal(next_line(&s, &l, NULL), WEIR_ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pieces),
        cmocka_unit_test(nothing),
        cmocka_unit_test(bounds),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
