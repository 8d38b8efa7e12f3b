/*
 * Numbers, and the calls that take them from a request.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/number.h"

#include "web/context.h"

int number_read(const char *text, int64_t min, int64_t max, int64_t *value)
{
    bool negative = *text == '-', small = true;
    const char *p = text + negative;
    int64_t number = 0; /* below zero for a negative one: of those there is one more */
    if (*p == '\0')
        return WEIR_EINVAL;
    for (; *p; p++) {
        if (*p < '0' || *p > '9')
            return WEIR_EINVAL;
        int64_t digit = negative ? '0' - *p : *p - '0';
        small =
            small && !__builtin_mul_overflow(number, 10, &number) && !__builtin_add_overflow(number, digit, &number);
    }
    if (!small || number < min || number > max)
        return WEIR_ETOOBIG;
    *value = number;
    return 0;
}

/* Reads a number that may be missing: text is NULL then. */
static int number_take(const char *text, int64_t min, int64_t max, int64_t *value)
{
    if (!value || min > max)
        return WEIR_EINVAL;
    return text ? number_read(text, min, max, value) : 0;
}

int weir_param_int(weir_ctx *c, const char *name, int64_t min, int64_t max, int64_t *value)
{
    return name ? number_take(weir_param(c, name), min, max, value) : WEIR_EINVAL;
}

int weir_query_int(weir_ctx *c, const char *name, int64_t min, int64_t max, int64_t *value)
{
    return name ? number_take(weir_query(c, name), min, max, value) : WEIR_EINVAL;
}

int weir_header_int(weir_ctx *c, const char *name, int64_t min, int64_t max, int64_t *value)
{
    return name ? number_take(weir_header(c, name), min, max, value) : WEIR_EINVAL;
}
