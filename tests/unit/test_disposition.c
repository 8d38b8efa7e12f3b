/*
 * Names and file names of parts, boundaries, and names that can be used for files.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/form/disposition.h"
#include "web/form/parameter.h"

#include <stdio.h>

/* "name", "name|filename", or "malformed". */
static const char *read_one(const char *text)
{
    static char out[512];
    size_t len = strlen(text);
    char *exact = fixture_exact(text, len), *room = malloc(len + 2);
    struct disposition d;
    assert_non_null(room);
    if (!disposition_read(slice_of(exact, len), room, &d))
        snprintf(out, sizeof out, "malformed");
    else if (d.filename)
        snprintf(out, sizeof out, "%s|%s", d.name, d.filename);
    else
        snprintf(out, sizeof out, "%s", d.name);
    free(exact);
    free(room);
    return out;
}

static void test_dispositions(void **state)
{
    static const char *const cases[][2] = {
        {"form-data; name=\"a\"", "a"},
        {"form-data; name=a", "a"},
        {"Form-Data;NAME=\"a\";FileName=\"b\"", "a|b"},
        {"form-data ; name=\"a\" ; filename=\"b.txt\"", "a|b.txt"},
        {"form-data; filename=\"b\"; name=\"a\"", "a|b"},
        {"form-data; name=\"\"", ""},
        {"form-data; name=\"a\"; filename=\"\"", "a|"},
        {"form-data;; name=\"a\";", "a"},
        {"form-data; name=\"a\"; size=3; other=\"x\\\"y\"", "a"},
        /* what browsers write: Chromium and Firefox for a"b, the same with a line end, and names in UTF-8 */
        {"form-data; name=\"a%22b\"; filename=\"c%22d.txt\"", "a\"b|c\"d.txt"},
        {"form-data; name=\"a%0D%0Ab\"; filename=\"c%0ad\"", "a\r\nb|c\nd"},
        {"form-data; name=\"a\"; filename=\"na\xc3\xafve \xe2\x82\xac.txt\"", "a|na\xc3\xafve \xe2\x82\xac.txt"},
        {"form-data; name=\"a\"; filename=\"latin \xe4\"", "a|latin \xe4"},
        {"form-data; name=\"a\"; filename=\"100%.txt\"", "a|100%.txt"},
        {"form-data; name=\"a\"; filename=\"%41%2F%00.txt\"", "a|%41%2F%00.txt"},
        {"form-data; name=\"a%\"; filename=\"%2\"", "a%|%2"},
        /* others: curl before 7.81, and paths of Windows */
        {"form-data; name=\"a\\\"b\"; filename=\"c\\\\d\\\"\"", "a\"b|c\\d\""},
        {"form-data; name=\"a\"; filename=\"C:\\dir\\file.txt\"", "a|C:\\dir\\file.txt"},
        {"form-data; name=\"a\"; filename=\"a; b=c\"", "a|a; b=c"},
        {"form-data; name=\"a\"; filename=\"a=\\\"; filename=b\"", "a|a=\"; filename=b"},
        /* filename* counts where there is nothing else */
        {"form-data; name=\"a\"; filename*=utf-8''na%c3%afve.txt", "a|na\xc3\xafve.txt"},
        {"form-data; name=\"a\"; filename*=UTF-8'en'b.txt", "a|b.txt"},
        {"form-data; name=\"a\"; filename=\"c\"; filename*=UTF-8''b.txt", "a|c"},
        {"form-data; name=\"a\"; filename*=UTF-8''b.txt; filename=\"c\"", "a|c"},
        {"form-data; name=\"a\"; filename*=iso-8859-1''b.txt", "malformed"},
        {"form-data; name=\"a\"; filename*=UTF-8''b%00", "malformed"},
        {"form-data; name=\"a\"; filename*=UTF-8''b%4", "malformed"},
        {"form-data; name=\"a\"; filename*=UTF-8'b", "malformed"},
        {"form-data; name=\"a\"; filename*=b", "malformed"},
        {"form-data; name=\"a\"; filename*=\"UTF-8''b\"", "malformed"},
        /* malformed */
        {"", "malformed"},
        {"form-data", "malformed"},
        {"form-data; filename=\"b\"", "malformed"},
        {"attachment; name=\"a\"", "malformed"},
        {"form-data x; name=\"a\"", "malformed"},
        {"form-data; name=\"a\"; name=\"b\"", "malformed"},
        {"form-data; name=\"a\"; Name=b", "malformed"},
        {"form-data; name=\"a\"; filename=\"b\"; filename=\"b\"", "malformed"},
        {"form-data; name=\"a\"; filename*=UTF-8''b; filename*=UTF-8''b", "malformed"},
        {"form-data; name=\"a", "malformed"},
        {"form-data; name=\"a\\\"", "malformed"},
        {"form-data; name=\"a\"b", "malformed"},
        {"form-data; name=\"a\"\"b\"", "malformed"},
        {"form-data; name=a\"b\"", "malformed"},
        {"form-data; name = \"a\"", "malformed"},
        {"form-data; name= a", "malformed"},
        {"form-data; name=", "malformed"},
        {"form-data; name", "malformed"},
        {"form-data; =a", "malformed"},
        {"form-data; name=a b", "malformed"},
        {"form-data; name=a, form-data; name=b", "malformed"},
        {"form-data; name=\xc3\xa4", "malformed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(read_one(cases[i][0]), cases[i][1]);
}

static void test_boundaries(void **state)
{
    static const char *const cases[][2] = {
        {"multipart/form-data; boundary=abc", "abc"},
        {"multipart/form-data;boundary=\"a b:c\"", "a b:c"},
        {"multipart/form-data; BOUNDARY=----WebKitFormBoundaryAbC1", "----WebKitFormBoundaryAbC1"},
        {"multipart/form-data; boundary=----=_Part_1_2.3/4:5",
         "----=_Part_1_2.3/4:5"}, /* should be quoted, and is clear */
        {"multipart/form-data; charset=utf-8; boundary=abc; x=y", "abc"},
        {"multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
         "0123456789012345678901234567890123456789012345678901234567890123456789"},
        {"multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890", ""},
        {"multipart/form-data", ""},
        {"multipart/form-data; boundary=", ""},
        {"multipart/form-data; boundary=\"\"", ""},
        {"multipart/form-data; boundary=\"abc \"", ""},
        {"multipart/form-data; boundary=\"a", ""},
        {"multipart/form-data; boundary=a; boundary=a", ""},
        {"multipart/form-data; boundary=\"a\\\"b\"", ""},
        {"multipart/form-data; boundary=a@b", ""},
        {"multipart/form-data; boundary=\"a\xc3\xa4\"", ""},
        {"multipart/form-data; boundary=a b", ""},
        {"multipart/form-data; boundary=a; x", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i][0]);
        char *exact = fixture_exact(cases[i][0], len);
        struct slice rest, boundary;
        assert_true(slice_equal(parameter_subject(slice_of(exact, len), &rest), SLICE("multipart/form-data")));
        assert_int_equal(parameter_boundary(rest, &boundary), cases[i][1][0] != '\0');
        if (cases[i][1][0])
            assert_true(slice_equal(boundary, slice_from(cases[i][1])));
        free(exact);
    }
}

static const char *safe(const char *filename)
{
    static char out[SAFE_NAME_MAX + 1];
    disposition_safe_name(filename, out);
    return out;
}

static void test_safe_names(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a.txt", "a.txt"},
        {"dir/a.txt", "a.txt"},
        {"C:\\dir\\a.txt", "a.txt"},
        {"../../etc/passwd", "passwd"},
        {"a/", ""},
        {"a\\", ""},
        {".", ""},
        {"..", ""},
        {"...", ""},
        {"dir/..", ""},
        {".bashrc", "bashrc"},
        {"...a", "a"},
        {"a..", "a.."},
        {"a\r\nb", "a__b"},
        {"\x01.a", "_.a"},
        {"a\x7f", "a_"},
        {"a\tb c", "a_b c"},
        {"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"a\xc2\x85z", "a__z"}, /* a control character of two bytes */
        {"a\xc2\xa0z", "a\xc2\xa0z"},
        {"a\xe4z", "a_z"}, /* ISO 8859-1 */
        {"a\x80z", "a_z"},
        {"a\xc0\xafz", "a__z"}, /* a slash in too many bytes */
        {"a\xe0\x80\xafz", "a___z"},
        {"a\xf0\x80\x80\xafz", "a____z"},
        {"a\xed\xa0\x80z", "a___z"},      /* half a surrogate pair */
        {"a\xf4\x90\x80\x80z", "a____z"}, /* beyond U+10FFFF */
        {"a\xf8z", "a_z"},
        {"a\xffz", "a_z"},
        {"a\xe2\x82", "a__"},
        {"a\xc3", "a_"},
    };
    char longer[SAFE_NAME_MAX + 10];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *exact = fixture_exact(cases[i][0], strlen(cases[i][0]) + 1);
        assert_string_equal(safe(exact), cases[i][1]);
        free(exact);
    }
    for (size_t len = SAFE_NAME_MAX - 2; len < SAFE_NAME_MAX + 2; len++) {
        memset(longer, 'a', sizeof longer);
        memcpy(longer + len, "\xe2\x82\xac", 4);
        size_t most = len + 3 <= SAFE_NAME_MAX ? len + 3 : len <= SAFE_NAME_MAX ? len : SAFE_NAME_MAX;
        assert_int_equal(strlen(safe(longer)), most); /* between characters */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispositions),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_safe_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
