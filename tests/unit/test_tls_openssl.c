/*
 * OpenSSL's functions as weir calls them are those that a program gets which is linked to OpenSSL.
 *
 * SPDX-License-Identifier: MIT
 */
#define OPENSSL_OWN_NAMES 1
#include "openssl_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_loaded_once(void **state)
{
    (void)state;
    assert_null(openssl_load());
    assert_null(openssl_load());
}

#if !WEIR_LINKED

/* Which of the names that the linker knows has another address than the table has; NULL: none. */
static const char *other_one(void)
{
#define COMPARE(name)                                                                                                  \
    if (openssl_table.name != name)                                                                                    \
        return #name;
    OPENSSL_FUNCTIONS(COMPARE)
#undef COMPARE
    return NULL;
}

static void test_same_functions(void **state)
{
    (void)state;
    assert_null(other_one());
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loaded_once),
#if !WEIR_LINKED
        cmocka_unit_test(test_same_functions),
#endif
    };
    return cmocka_run_group_tests(tests, load_openssl, NULL);
}
