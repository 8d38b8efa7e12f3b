/*
 * Methods as bits: names to numbers and back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/method.h"

static const struct slice standard_names[METHOD_STANDARD_COUNT] = {
    [METHOD_GET] = {"GET", 3},         [METHOD_HEAD] = {"HEAD", 4},     [METHOD_POST] = {"POST", 4},
    [METHOD_PUT] = {"PUT", 3},         [METHOD_DELETE] = {"DELETE", 6}, [METHOD_PATCH] = {"PATCH", 5},
    [METHOD_OPTIONS] = {"OPTIONS", 7}, [METHOD_TRACE] = {"TRACE", 5},   [METHOD_CONNECT] = {"CONNECT", 7},
};

unsigned method_number_other(struct slice method, const struct method_extensions *extensions)
{
    if (method.len == 4 && memcmp(method.data, "POST", 4) == 0)
        return METHOD_POST;
    for (unsigned i = 0; i < METHOD_STANDARD_COUNT; i++)
        if (slice_equal(method, standard_names[i]))
            return i;
    for (unsigned i = 0; i < extensions->count; i++)
        if (slice_equal(method, slice_from(extensions->names[i])))
            return METHOD_STANDARD_COUNT + i;
    return METHOD_UNKNOWN;
}

const char *method_spelled_otherwise(struct slice method)
{
    for (unsigned i = 0; i < METHOD_STANDARD_COUNT; i++)
        if (slice_equal_nocase(method, standard_names[i]) && !slice_equal(method, standard_names[i]))
            return standard_names[i].data;
    return NULL;
}

static struct slice method_name(unsigned number, const struct method_extensions *extensions)
{
    if (number < METHOD_STANDARD_COUNT)
        return standard_names[number];
    number -= METHOD_STANDARD_COUNT;
    debug_assert(number < extensions->count);
    return slice_from(extensions->names[number]);
}

const char *method_list(uint64_t methods, const struct method_extensions *extensions, struct arena *arena)
{
    size_t size = 1;
    methods &= METHOD_BIT(METHOD_STANDARD_COUNT + extensions->count) - 1; /* any method's others have no names */
    for (unsigned i = 0; i < METHOD_UNKNOWN; i++)
        if (methods & METHOD_BIT(i))
            size += method_name(i, extensions).len + 2;
    char *list = arena_alloc(arena, size);
    if (!list)
        return NULL;
    size_t len = 0;
    for (unsigned i = 0; i < METHOD_UNKNOWN; i++) {
        if (!(methods & METHOD_BIT(i)))
            continue;
        struct slice name = method_name(i, extensions);
        if (len > 0) {
            memcpy(list + len, ", ", 2);
            len += 2;
        }
        memcpy(list + len, name.data, name.len);
        len += name.len;
    }
    list[len] = '\0';
    return list;
}
