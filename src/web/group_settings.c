/*
 * Settings of a group's requests: checked when they are given, and completed by those of the groups above when the
 * server starts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/token.h"
#include "web/site.h"

#include <stdio.h>
#include <string.h>

#define BODY_MEMORY_MAX (INT64_C(1) << 40)

/* A member of the settings, with the values that it may have; 0 is not set. */
struct member {
    const char *name;
    int64_t value, least, most;
    bool may_be_off;
};

static bool member_is_good(const struct member *m)
{
    return m->value == 0 || (m->value == WEIR_OFF && m->may_be_off) || (m->value >= m->least && m->value <= m->most);
}

static int settings_check(const weir_group *g, const weir_group_settings *s)
{
    const struct member members[] = {
        {"max_body", s->max_body, 1, INT64_MAX, true},
        {"request_memory", (int64_t)s->request_memory, REQUEST_MEMORY_MIN, REQUEST_MEMORY_MAX, false},
        {"handler_timeout_ms", s->handler_timeout_ms, 1, TIMEOUT_MAX_MS, true},
        {"deadline_ms", s->deadline_ms, 1, TIMEOUT_MAX_MS, true},
        {"stop_ends_waits", s->stop_ends_waits, 1, 1, true},
        {"body_memory", (int64_t)s->body_memory, 1, BODY_MEMORY_MAX, false},
        {"hsts_seconds", s->hsts_seconds, 1, INT32_MAX, true},
        {"hsts_subdomains", s->hsts_subdomains, 1, 1, true},
        {"hsts_preload", s->hsts_preload, 1, 1, true},
        {"content_tags", s->content_tags, 1, 1, true},
    };
    int error = 0;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct member *m = &members[i];
        if (member_is_good(m))
            continue;
        char what[100];
        snprintf(what, sizeof what, "group \"%.60s\": %s", g->prefix, m->name);
        site_error_number(g->site, what, m->value, m->least, m->most, m->may_be_off ? "WEIR_OFF" : NULL);
        error = WEIR_EINVAL;
    }
    return error;
}

/* Takes from one the members that are 0 in the other. */
static void settings_complete_by(weir_group_settings *s, const weir_group_settings *from)
{
    if (s->max_body == 0)
        s->max_body = from->max_body;
    if (s->request_memory == 0)
        s->request_memory = from->request_memory;
    if (s->handler_timeout_ms == 0)
        s->handler_timeout_ms = from->handler_timeout_ms;
    if (s->deadline_ms == 0)
        s->deadline_ms = from->deadline_ms;
    if (!s->deadline_header)
        s->deadline_header = from->deadline_header;
    if (s->stop_ends_waits == 0)
        s->stop_ends_waits = from->stop_ends_waits;
    if (s->body_memory == 0)
        s->body_memory = from->body_memory;
    if (s->hsts_seconds == 0)
        s->hsts_seconds = from->hsts_seconds;
    if (s->hsts_subdomains == 0)
        s->hsts_subdomains = from->hsts_subdomains;
    if (s->hsts_preload == 0)
        s->hsts_preload = from->hsts_preload;
    if (s->content_tags == 0)
        s->content_tags = from->content_tags;
}

void group_complete(weir_group *g)
{
    weir_group_settings *s = &g->settings;
    if (g->parent)
        settings_complete_by(s, &g->parent->settings);
    g->compress = g->own_compress ? g->own_compress : g->parent ? g->parent->compress : NULL;
    if (g->compress && !g->compress->on)
        g->compress = NULL;
    if (s->hsts_seconds > 0)
        snprintf(g->hsts, sizeof g->hsts, HSTS_NAME ": max-age=%d%s%s\r\n", s->hsts_seconds,
                 s->hsts_subdomains == WEIR_ON ? "; includeSubDomains" : "",
                 s->hsts_preload == WEIR_ON ? "; preload" : "");
}

/* Adds the size of a group's request memory to sizes, which has room. */
static uint32_t add_size(uint32_t sizes[ADMISSION_MEMORIES], uint32_t count, size_t size, size_t usual)
{
    if (size == 0 || size == usual)
        return count;
    for (uint32_t i = 0; i < count; i++)
        if (sizes[i] == size)
            return count;
    sizes[count] = (uint32_t)size;
    return count + 1;
}

uint32_t site_memories(const struct site *s, size_t usual, uint32_t sizes[ADMISSION_MEMORIES])
{
    uint32_t count = add_size(sizes, 0, s->root.settings.request_memory, usual);
    list_for_each (l, &s->groups) {
        const weir_group *g = container_of(l, const weir_group, link);
        if (count < ADMISSION_MEMORIES)
            count = add_size(sizes, count, g->settings.request_memory, usual);
    }
    return count;
}

void site_number_memories(struct site *s, const uint32_t *sizes, uint32_t count)
{
    list_for_each (l, &s->routes) {
        struct route *r = container_of(l, struct route, link);
        for (uint32_t i = 0; i < count; i++)
            if (sizes[i] == r->group->settings.request_memory)
                r->admission.memory = (uint8_t)(i + 1);
    }
}

size_t site_body_memory(const struct site *s)
{
    size_t most = s->root.settings.body_memory;
    list_for_each (l, &s->groups) {
        const weir_group *g = container_of(l, const weir_group, link);
        if (g->settings.body_memory > most)
            most = g->settings.body_memory;
    }
    return most;
}

bool site_content_tags(const struct site *s)
{
    bool any = s->root.settings.content_tags == WEIR_ON;
    list_for_each (l, &s->groups)
        any |= container_of(l, const weir_group, link)->settings.content_tags == WEIR_ON;
    return any;
}

/* Whether one more size of request memory is within what there can be. */
static bool size_has_room(const weir_group *g, size_t size)
{
    uint32_t sizes[ADMISSION_MEMORIES];
    uint32_t count = site_memories(g->site, 0, sizes);
    for (uint32_t i = 0; i < count; i++)
        if (sizes[i] == size)
            return true;
    return size == 0 || count < ADMISSION_MEMORIES;
}

/* Copies the name of a field that tells deadlines, where there is one. */
static int settings_keep_header(weir_group *g, weir_group_settings *given)
{
    const char *name = given->deadline_header;
    if (!name)
        return 0;
    size_t len = strlen(name);
    if (len >= sizeof g->deadline_header || (len > 0 && !is_token(slice_of(name, len)))) {
        site_error(g->site, "group \"%.60s\": deadline_header: \"%.70s\" is no name of a field", g->prefix, name);
        return WEIR_EINVAL;
    }
    memcpy(g->deadline_header, name, len + 1);
    given->deadline_header = g->deadline_header;
    return 0;
}

int weir_group_set_sized(weir_group *g, const weir_group_settings *settings, size_t size)
{
    weir_group_settings given = {0};
    if (!g)
        return WEIR_EINVAL;
    if (!settings || g->site->sealed) {
        site_error(g->site, "settings of group \"%.60s\": %s", g->prefix,
                   settings ? "the server has started" : "there are none");
        return WEIR_EINVAL;
    }
    memcpy(&given, settings, size < sizeof given ? size : sizeof given);
    int error = settings_check(g, &given);
    if (!error && !size_has_room(g, given.request_memory)) {
        site_error(g->site, "group \"%.60s\": request_memory: groups have more than %d different ones", g->prefix,
                   ADMISSION_MEMORIES);
        error = WEIR_EINVAL;
    }
    if (error)
        return error;
    error = settings_keep_header(g, &given);
    if (error)
        return error;
    settings_complete_by(&given, &g->settings);
    g->settings = given;
    return 0;
}

int weir_group_max_body(weir_group *g, int64_t bytes)
{
    if (bytes == 0)
        return WEIR_EINVAL;
    return weir_group_set(g, &(weir_group_settings){.max_body = bytes});
}
