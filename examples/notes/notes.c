/*
 * The handlers of notes. Each reads what it was sent, asks the store, and replies; what goes wrong ends it where it
 * happens.
 *
 * SPDX-License-Identifier: MIT
 */
#include "notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "jobs.h"

/* Ends the request where the store has not done what it was asked. */
static void check(weir_ctx *c, int error)
{
    if (error == WEIR_ENOENT)
        weir_fail(c, 404, "no such note");
    if (error == WEIR_ECONDITION)
        weir_fail(c, 412, "the note has been changed by somebody else");
    if (error == WEIR_ETIMEDOUT)
        weir_fail(c, 504, "the notes take too long to answer");
    if (error == WEIR_ECLOSED || error == WEIR_ECANCELED)
        weir_fail(c, 503, "the client has gone, or the service stops");
    if (error == WEIR_EREACH || error == WEIR_EBUSY || error == WEIR_ENOMEM) {
        weir_set_header(c, "Retry-After", "1");
        weir_fail(c, 503, "the notes are out of reach");
    }
    if (error)
        weir_fail(c, 500, "the notes have failed");
}

static int64_t note_id(weir_ctx *c)
{
    int64_t id = 0;
    if (weir_param_int(c, "id", 1, INT64_MAX, &id) != 0)
        weir_fail(c, 404, "no such note"); /* more digits than a number has */
    return id;
}

/* ---- Entity tags: a note's version, in quotes */

static const char *tag_of(weir_ctx *c, int64_t version)
{
    const char *tag = weir_sprintf(c, "\"%lld\"", (long long)version);
    if (!tag)
        weir_fail(c, 503, "the request has no memory left");
    return tag;
}

/* Whether a list of entity tags (RFC 9110 section 8.8.3) has this one. The quotes belong to a tag, and are in none. */
static bool has_tag(const char *list, const char *tag)
{
    return list && (strcmp(list, "*") == 0 || strstr(list, tag));
}

/* The version that If-Match names; 0: any. */
static int64_t version_wanted(weir_ctx *c)
{
    const char *list = weir_header(c, "If-Match");
    if (!list || strcmp(list, "*") == 0)
        return 0;
    char *end;
    int64_t version = list[0] == '"' ? strtoll(list + 1, &end, 10) : 0;
    if (version <= 0 || strcmp(end, "\"") != 0)
        weir_fail(c, 412, "If-Match is not the ETag of this note");
    return version;
}

static void reply_note(weir_ctx *c, int status, int64_t version, const char *json)
{
    weir_set_status(c, status);
    weir_set_header(c, "ETag", tag_of(c, version));
    weir_set_header(c, "Cache-Control", "private, no-cache"); /* clients may keep it, and ask whether it has changed */
    if (status == 304)
        return;
    weir_reply_printf(c, "application/json", "%s\n", json);
}

/* ---- Handlers */

void notes_list(weir_ctx *c)
{
    struct app *app = app_of(c);
    int64_t after = 0, limit = 10; /* where the query does not say otherwise */
    if (weir_query_int(c, "after", 0, INT64_MAX, &after) != 0)
        weir_fail(c, 400, "after is the id of a note");
    if (weir_query_int(c, "limit", 1, NOTE_PAGE_MAX, &limit) != 0)
        weir_fail(c, 400, "limit is a number from 1 to %d", NOTE_PAGE_MAX);

    struct note notes[NOTE_PAGE_MAX + 1]; /* one more than is shown, to know whether there is more */
    int count;
    check(c, app->store.list(c, app->store.data, after, (int)limit + 1, notes, &count));
    int shown = count > limit ? (int)limit : count;
    if (count > shown)
        weir_set_header(c, "Link",
                        weir_sprintf(c, "</notes?after=%lld&limit=%lld>; rel=\"next\"", (long long)notes[shown - 1].id,
                                     (long long)limit));
    weir_set_header(c, "Content-Type", "application/json");
    weir_printf(c, "{\"notes\":[");
    for (int i = 0; i < shown; i++)
        weir_printf(c, "%s%s", i ? "," : "", note_json(c, &notes[i]));
    weir_printf(c, "],\"more\":%s}\n", count > shown ? "true" : "false");
}

void notes_create(weir_ctx *c)
{
    struct app *app = app_of(c);
    struct note note = {0};
    note_read(c, &note);
    check(c, app->store.add(c, app->store.data, &note));
    if (note.link)
        jobs_fetch_title(c, &note);
    weir_set_header(c, "Location", weir_sprintf(c, "/notes/%lld", (long long)note.id));
    reply_note(c, 201, note.version, note_json(c, &note));
}

void notes_read(weir_ctx *c)
{
    struct app *app = app_of(c);
    int64_t id = note_id(c);
    struct cached cached;
    bool hit = cache_note(c, &app->cache, id, &cached);
    if (!hit) {
        struct note note;
        check(c, app->store.find(c, app->store.data, id, &note));
        cached = (struct cached){.version = note.version, .json = note_json(c, &note)};
        cache_keep_note(c, &app->cache, id, &cached);
    }
    weir_set_header(c, "X-Cache", hit ? "hit" : "miss");
    bool known = has_tag(weir_header(c, "If-None-Match"), tag_of(c, cached.version));
    reply_note(c, known ? 304 : 200, cached.version, cached.json);
}

void notes_change(weir_ctx *c)
{
    struct app *app = app_of(c);
    struct note note = {.id = note_id(c)};
    int64_t version = version_wanted(c);
    note_read(c, &note);
    check(c, app->store.change(c, app->store.data, version, &note));
    cache_forget_note(c, &app->cache, note.id);
    if (note.link)
        jobs_fetch_title(c, &note);
    reply_note(c, 200, note.version, note_json(c, &note));
}

void notes_remove(weir_ctx *c)
{
    struct app *app = app_of(c);
    int64_t id = note_id(c);
    check(c, app->store.remove(c, app->store.data, id));
    cache_forget_note(c, &app->cache, id);
    weir_set_status(c, 204);
}
