/*
 * The uploads of weir serve: PUT makes or replaces a file, POST makes one that is not there yet (409 if it is), or
 * those of a form, for which there is a page. A file has its name when all of it has come. Pages of other origins are
 * refused unless --cors names them: a browser would send their forms with whatever password its user has given.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve_upload.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REST      "/{path:^.*$}"
#define PATH_MOST 1024 /* bytes of a path below the folder */

static const char page[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Upload</title><h1>Upload</h1><form method=post enctype=multipart/form-data>"
    "<p><input type=file name=file multiple required> <button>Send</button></form>\n";

/* Whether the body is a form, with the file somewhere in it. */
static bool is_form(weir_ctx *c)
{
    static const char type[] = "multipart/form-data";
    const char *given = weir_header(c, "Content-Type");
    return given && strncasecmp(given, type, sizeof type - 1) == 0;
}

/* Whether a segment of a path begins with a dot. */
static bool is_hidden(const char *path)
{
    return path[0] == '.' || strstr(path, "/.") != NULL;
}

/* Saves the files of a form in a folder whose path ends with a slash or is empty. */
static void save_form(weir_ctx *c, const struct upload *u, const char *folder)
{
    const weir_save_options how = {.exclusive = WEIR_ON, .folders = WEIR_ON};
    const weir_part *part;
    char path[PATH_MOST];
    int found, count = 0;
    while ((found = weir_part_next(c, &part)) == 1) {
        if (!part->filename || !*part->safe_name)
            continue; /* a field, or no file was chosen */
        if (snprintf(path, sizeof path, "%s%s", folder, part->safe_name) >= (int)sizeof path)
            weir_fail(c, 414, "the path is too long");
        if (weir_part_save(c, u->folder, path, &how) != 0)
            return; /* the page that fits is sent */
        count++;
    }
    if (found < 0)
        return;
    if (count == 0)
        weir_fail(c, 400, "there is no file in the form");
    weir_set_status(c, 201);
    weir_reply_printf(c, "text/plain; charset=utf-8", "%d file%s saved\n", count, count == 1 ? "" : "s");
}

static void upload(weir_ctx *c, bool exclusive)
{
    const struct upload *u = weir_route_data(c);
    const char *path = weir_param(c, "path");
    weir_saved saved;
    const weir_save_options how = {.exclusive = exclusive ? WEIR_ON : WEIR_OFF, .folders = WEIR_ON, .saved = &saved};
    if (!cors_may_change(u->cors, weir_header(c, "Origin"), weir_host(c)))
        weir_fail(c, 403, "a page of another origin may not upload here");
    if (!u->hidden && is_hidden(path))
        weir_fail(c, 403, "names that begin with a dot are not taken");
    bool is_folder = !*path || path[strlen(path) - 1] == '/';
    if (is_folder && exclusive && is_form(c)) {
        save_form(c, u, path);
        return;
    }
    if (is_form(c))
        weir_fail(c, 415, "a form goes by POST to a path that ends with a slash");
    if (is_folder)
        weir_fail(c, 400, "the path has to end with the name of the file");
    if (weir_header(c, "Content-Range"))
        weir_fail(c, 400, "a part of a file is not taken"); /* RFC 9110 section 14.5 */
    if (weir_save_body(c, u->folder, path, &how) != 0)
        return; /* the page that fits is sent */
    weir_set_status(c, saved.replaced ? 204 : 201);
    if (!saved.replaced)
        weir_set_header(c, "Location", weir_target(c));
}

static void put(weir_ctx *c)
{
    upload(c, false);
}

static void post(weir_ctx *c)
{
    upload(c, true);
}

/* A page with a form, for browsers. */
static void show_page(weir_ctx *c)
{
    weir_set_header(c, "Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    weir_set_header(c, "X-Content-Type-Options", "nosniff");
    weir_reply_static(c, "text/html; charset=utf-8", page, sizeof page - 1);
}

void upload_add(weir_server *s, const char *prefix, const struct upload *u)
{
    weir_group *g = weir_group_new(s, NULL, prefix, NULL);
    if (!g)
        return;
    if (u->limit)
        weir_group_max_body(g, u->limit);
    if (*prefix) /* at the root are the files */
        weir_group_route(g, "GET", "/", show_page, NULL);
    weir_group_route(g, "PUT", REST, put, (void *)u);
    weir_group_route(g, "POST", REST, post, (void *)u);
}
