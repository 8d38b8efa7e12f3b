/*
 * An upgrade from HTTP to a protocol of one's own, whose name is "echo": what the client sends is sent back. HTTP/1.1
 * asks by Upgrade, HTTP/2 by an extended CONNECT; the handler is the same.
 *
 *     upgrade_echo [PORT]
 *     head='GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
 *     (printf "$head"; cat) | nc 127.0.0.1 60000
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include <weir.h>

static void echo(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    if (weir_upgrade(c, "echo") != 0)
        return; /* 426 to who has not asked for it */
    while ((len = weir_read_slice(c, &data)) > 0)
        if (weir_write(c, data, (size_t)len) != 0)
            return; /* the client has gone */
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000});
    weir_route(s, WEIR_UPGRADE, "/echo", echo);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
