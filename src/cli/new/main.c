/*
 * @NAME@: a service on weir. HOST and PORT in the environment say where it listens: 127.0.0.1 and 8080 unless they are
 * set; port 0 is one that is free.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

#include "routes.h"

static int port(void)
{
    const char *text = getenv("PORT");
    char *end;
    if (!text)
        return 8080;
    long number = strtol(text, &end, 10);
    if (end == text || *end || number < 0 || number > 65535)
        return 65536; /* which the server refuses by name */
    return number ? (int)number : WEIR_ANY;
}

int main(void)
{
    weir_catch_crash();
    weir_server *s = weir_server_new(&(weir_config){
        .host = getenv("HOST"), /* NULL: 127.0.0.1 */
        .port = port(),
        .memory_limit = 64 << 20, /* of all that weir takes */
        .handler_timeout_ms = 10000,
        .log_level = WEIR_LOG_INFO,
    });
    routes(s);
    int error = weir_run(s); /* until SIGINT or SIGTERM; tells of every mistake above */
    weir_server_free(s);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
