/*
 * Small JSON for many clients: the request's id comes back escaped, so that it cannot break out of its string. A
 * thousand clients that keep their connections take a thousand small records and no buffers.
 *
 *     json_clients [PORT]
 *     curl -i -H 'X-Request-ID: 42' http://127.0.0.1:60000/json
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <time.h>

#include <weir.h>

static void json(weir_ctx *c)
{
    const char *id = weir_header(c, "X-Request-ID");
    const char *quoted = weir_json_string(c, id ? id : "unknown");
    if (!quoted)
        weir_fail(c, 431, "X-Request-ID is too long");
    weir_reply_printf(c, "application/json", "{\"request_id\":%s,\"timestamp\":%lld,\"status\":\"ok\"}", quoted,
                      (long long)time(NULL));
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000});
    weir_get(s, "/json", json);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
