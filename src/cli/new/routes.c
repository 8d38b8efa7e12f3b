#include "routes.h"

static void front(weir_ctx *c)
{
    weir_reply_text(c, "This is @NAME@. Try /hello/you\n");
}

static void hello(weir_ctx *c)
{
    const char *name = weir_json_string(c, weir_param(c, "name")); /* in quotes, and escaped */
    if (!name)
        weir_fail(c, 414, "the name is too long");
    weir_reply_printf(c, "application/json", "{\"hello\":%s}\n", name);
}

static void health(weir_ctx *c)
{
    weir_reply_text(c, "good\n");
}

void routes(weir_server *s)
{
    weir_get(s, "/", front);
    weir_get(s, "/hello/{name}", hello);
    weir_get(s, "/health", health);
}
