/*
 * Settings: a structure with named members, of which those left out have their defaults. Wrong values are all reported
 * by name when the server starts.
 *
 *     settings [PORT]
 *     curl -i http://127.0.0.1:60000/
 *     curl -i -H "X-Long: $(printf %09000d 0)" http://127.0.0.1:60000/     a head that does not fit 8192 bytes
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include <weir.h>

static void settings(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%s serves %s\n", weir_local(c), weir_peer(c));
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){
        .host = "0.0.0.0",
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .http_buffer_size = 8192,
        .ws_buffer_size = 4096,
        .tcp_nodelay = WEIR_ON,
        .so_linger = WEIR_OFF,
    });
    weir_get(s, "/", settings);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
