/*
 * weir with as many routes and as much middleware as are asked for, and with buffers of a size: PEER_ROUTES patterns
 * /route0/{id}, /route1/{id}, ...; PEER_MIDDLEWARE functions before each that do nothing; PEER_HTTP_BUFFER and
 * PEER_WS_BUFFER bytes (0: the defaults). bench/tables/growth.py and programs.py measure what a request costs with
 * them.
 *
 *     growth PORT
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

static void pass(weir_ctx *c)
{
    (void)c;
}

static long number(const char *name)
{
    const char *value = getenv(name);
    return value ? strtol(value, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){
        .host = "127.0.0.1",
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .http_buffer_size = (size_t)number("PEER_HTTP_BUFFER"),
        .ws_buffer_size = (size_t)number("PEER_WS_BUFFER"),
    });
    weir_get(s, "/", hello);
    for (long i = number("PEER_MIDDLEWARE"); i > 0; i--)
        weir_on_request(weir_root(s), pass);
    for (long i = 0, routes = number("PEER_ROUTES"); i < routes; i++) {
        char pattern[64];
        snprintf(pattern, sizeof(pattern), "/route%ld/{id}", i);
        weir_get(s, pattern, hello);
    }
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
