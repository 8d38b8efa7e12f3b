/*
 * Names and patterns of topics.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/topic/name.h"
#include "weir.h"

static void test_kinds(void **state)
{
    static const struct {
        const char *text;
        enum topic_name_kind kind;
    } cases[] = {
        {"a", TOPIC_NAME},
        {"room/5", TOPIC_NAME},
        {"$presence/room/5", TOPIC_NAME},
        {"r\xc3\xa4ume", TOPIC_NAME},
        {"a b", TOPIC_NAME},
        {"*", TOPIC_NAME},
        {"+", TOPIC_PATTERN},
        {"#", TOPIC_PATTERN},
        {"room/+", TOPIC_PATTERN},
        {"+/5", TOPIC_PATTERN},
        {"a/+/c/#", TOPIC_PATTERN},
        {"$presence/#", TOPIC_PATTERN},
        {"", TOPIC_NAME_WRONG},
        {"/", TOPIC_NAME_WRONG},
        {"/a", TOPIC_NAME_WRONG},
        {"a/", TOPIC_NAME_WRONG},
        {"a//b", TOPIC_NAME_WRONG},
        {"a+", TOPIC_NAME_WRONG},
        {"a/b#", TOPIC_NAME_WRONG},
        {"#/a", TOPIC_NAME_WRONG},
        {"a/#/b", TOPIC_NAME_WRONG},
        {"++", TOPIC_NAME_WRONG},
        {"a\nb", TOPIC_NAME_WRONG},
        {"a\x7f", TOPIC_NAME_WRONG},
        {"\xff", TOPIC_NAME_WRONG},
        {"a/\xc3", TOPIC_NAME_WRONG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (topic_name_kind(slice_from(cases[i].text)) != cases[i].kind)
            fail_msg("%s", cases[i].text);
    assert_int_equal(topic_name_kind(slice_of("a\0b", 3)), TOPIC_NAME_WRONG);
}

static void test_length(void **state)
{
    (void)state;
    char text[WEIR_TOPIC_NAME_MAX + 1];
    memset(text, 'a', sizeof text);
    assert_int_equal(topic_name_kind(slice_of(text, WEIR_TOPIC_NAME_MAX)), TOPIC_NAME);
    assert_int_equal(topic_name_kind(slice_of(text, WEIR_TOPIC_NAME_MAX + 1)), TOPIC_NAME_WRONG);
}

static void test_matches(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        {"room/+", "room/5", true},
        {"room/+", "room", false},
        {"room/+", "room/5/6", false},
        {"room/+", "rooms/5", false},
        {"+", "room", true},
        {"+", "room/5", false},
        {"+/+", "room/5", true},
        {"+/5", "room/5", true},
        {"+/5", "room/6", false},
        {"room/#", "room/5", true},
        {"room/#", "room/5/6/7", true},
        {"room/#", "room", true},
        {"room/#", "rooms", false},
        {"#", "room", true},
        {"#", "a/b/c", true},
        {"a/+/c", "a/b/c", true},
        {"a/+/c", "a/b/d", false},
        {"a/+/#", "a/b", true},
        {"a/+/#", "a", false},
        {"#", "$presence/a", false},
        {"+/a", "$presence/a", false},
        {"$presence/#", "$presence/a", true},
        {"a/#", "a/$b", true},
        {"a", "a", true},
        {"a/b", "a", false},
        {"a", "a/b", false},
        {"room/+", "room/+", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (topic_name_matches(slice_from(cases[i].pattern), slice_from(cases[i].name)) != cases[i].matches)
            fail_msg("%s and %s", cases[i].pattern, cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
