/*
 * Mounting the ledger's page: who may see it, and its routes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/admin.h"
#include "server/ledger.h"
#include "server/page.h"
#include "server/server.h"

#include <string.h>

#define EVENT_MS 1000 /* between events */

#define ADMIN_PATH_MAX 256

/* ---- Who may see it ---- */

static void admin_guard(weir_ctx *c)
{
    const weir_server *s = weir_ctx_server(c);
    const struct admin *a = &s->admin;
    if (a->own_listener && !s->settings.listeners[c->x->ops->listener(c->x)].admin) {
        (void)weir_reply_error(c, 404, "no such page");
        return;
    }
    int status = a->authorize ? a->authorize(c, a->data) : 0;
    if (status != 0)
        (void)weir_reply_error(c, status >= 400 && status <= 599 ? status : 403, "the ledger is not for everybody");
}

/* ---- The page ---- */

static void reply_page(weir_ctx *c, const char *type, const unsigned char *data, size_t size)
{
    (void)weir_set_header(c, "Content-Security-Policy",
                          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
                          "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    (void)weir_set_header(c, "X-Content-Type-Options", "nosniff");
    (void)weir_set_header(c, "Referrer-Policy", "no-referrer");
    (void)weir_set_header(c, "Cross-Origin-Resource-Policy", "same-origin");
    (void)weir_set_header(c, "Cache-Control", "no-cache");
    (void)weir_reply_static(c, type, data, size);
}

static void admin_html(weir_ctx *c)
{
    reply_page(c, "text/html; charset=utf-8", page_html, page_html_size);
}

static void admin_css(weir_ctx *c)
{
    reply_page(c, "text/css; charset=utf-8", page_css, page_css_size);
}

static void admin_js(weir_ctx *c)
{
    reply_page(c, "text/javascript; charset=utf-8", page_js, page_js_size);
}

static void admin_icon(weir_ctx *c)
{
    reply_page(c, "image/svg+xml", page_icon, page_icon_size);
}

/* The page's files are named relative to it, so that it works behind a proxy that changes the path. */
static void admin_slash(weir_ctx *c)
{
    char location[ADMIN_PATH_MAX + 2];
    const char *last = strrchr(weir_route_pattern(c), '/') + 1;
    snprintf(location, sizeof location, "%s/", last);
    (void)weir_redirect(c, 308, location);
}

/* ---- Events ---- */

static int put_event(weir_ctx *c, weir_ledger *ledger)
{
    struct ledger_writer w = {.c = c};
    live_refresh(c);
    ledger_read_fresh(c, ledger);
    ledger_put(&w, "data: ");
    ledger_put_json(&w, ledger);
    ledger_put(&w, "\n\n");
    return w.error ? w.error : weir_flush(c);
}

static void admin_events(weir_ctx *c)
{
    weir_ledger *ledger = ledger_room(c);
    if (!ledger)
        return;
    weir_stop_ends_waits(c, true);
    (void)weir_set_header(c, "X-Accel-Buffering", "no");
    if (weir_sse_open(c) != 0)
        return;
    while (put_event(c, ledger) == 0 && weir_sleep(c, EVENT_MS) == 0)
        ;
}

/* ---- Mounting ---- */

static bool path_is_good(const char *path)
{
    size_t len = path ? strlen(path) : 0;
    return len > 1 && len < ADMIN_PATH_MAX && path[0] == '/' && path[len - 1] != '/' && !strpbrk(path, "{}");
}

static int admin_route(weir_group *g, const char *path, const char *name, weir_handler handler)
{
    char pattern[ADMIN_PATH_MAX + 32];
    snprintf(pattern, sizeof pattern, "%s%s", path, name);
    return weir_group_route(g, "GET", pattern, handler, NULL);
}

int weir_server_admin(weir_server *s, const char *path, const weir_admin_config *config)
{
    static const struct {
        const char *name;
        weir_handler handler;
    } routes[] = {
        {"", admin_slash},
        {"/", admin_html},
        {"/page.css", admin_css},
        {"/page.js", admin_js},
        {"/page.svg", admin_icon},
        {"/ledger.json", weir_ledger_json},
        {"/metrics", weir_ledger_metrics},
        {"/events", admin_events},
    };
    if (!s)
        return WEIR_EINVAL;
    struct admin *a = &s->admin;
    if (a->mounted || s->site.sealed || !path_is_good(path)) {
        site_error(&s->site, "the ledger's page at \"%.60s\": %s", path ? path : "(null)",
                   a->mounted       ? "there is one already"
                   : s->site.sealed ? "the server has started"
                                    : "a path begins with a slash, does not end with one, and has no parameters");
        return a->mounted ? WEIR_EEXIST : WEIR_EINVAL;
    }
    if (config && config->listener) {
        int error = weir_server_listen(s, config->listener);
        if (error)
            return error;
        s->settings.listeners[s->settings.listener_count - 1].admin = true;
        a->own_listener = true;
    }
    a->authorize = config ? config->authorize : NULL;
    a->data = config ? config->data : NULL;
    weir_group *g = weir_group_new(s, NULL, "", NULL);
    int error = g ? weir_on_request(g, admin_guard) : WEIR_ENOMEM;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0] && !error; i++)
        error = admin_route(g, path, routes[i].name, routes[i].handler);
    a->mounted = !error;
    return error;
}

int weir_server_admin_port(const weir_server *s)
{
    if (!s || !s->admin.own_listener)
        return weir_server_port(s);
    for (size_t i = 0; i < s->settings.listener_count; i++)
        if (s->settings.listeners[i].admin)
            return address_port(&s->settings.listeners[i].address);
    return 0;
}

/* ---- Boards ---- */

int admin_start(weir_server *s)
{
    struct live_board *boards = s->admin.mounted ? live_boards_new(s) : NULL;
    atomic_store(&s->admin.boards, boards);
    return s->admin.mounted && !boards ? WEIR_ENOMEM : 0;
}

void admin_done(weir_server *s)
{
    live_boards_free(s, atomic_exchange(&s->admin.boards, NULL));
}
