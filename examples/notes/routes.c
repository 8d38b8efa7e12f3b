/*
 * Routes, and what is the same for many of them: how long a request may take, how long its body may be, how an error
 * looks.
 *
 * SPDX-License-Identifier: MIT
 */
#include "routes.h"

#include "health.h"
#include "notes.h"

/* Every error page, also of requests that no handler has seen. The message may hold what a client has sent. */
static void error_page(weir_ctx *c, int status, const char *message)
{
    const char *text = weir_json_string(c, message);
    weir_reply_printf(c, "application/json", "{\"status\":%d,\"error\":%s}\n", status, text ? text : "null");
}

void routes(weir_server *s)
{
    weir_group *notes = weir_group_new(s, NULL, "/notes", NULL);
    weir_group_set(notes,
                   &(weir_group_settings){
                       .deadline_ms = 3000,                  /* for all that a handler waits for ... */
                       .deadline_header = "Request-Timeout", /* ... or less, where a client says so */
                       .max_body = 16 << 10,
                       .request_memory = 256 << 10, /* a page of 20 notes, in which each byte may be escaped as six */
                   });
    weir_group_route(notes, "GET", "", notes_list, NULL);
    weir_group_route(notes, "POST", "", notes_create, NULL);
    weir_group_route(notes, "GET", "/{id:[0-9]+}", notes_read, NULL);
    weir_group_route(notes, "PUT", "/{id:[0-9]+}", notes_change, NULL);
    weir_group_route(notes, "DELETE", "/{id:[0-9]+}", notes_remove, NULL);

    weir_get(s, "/healthz", health_live);
    weir_get(s, "/readyz", health_ready);
    weir_get(s, "/cachez", health_cache);
    weir_on_error(s, error_page);
}
