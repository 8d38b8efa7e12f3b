/*
 * A static reply: the literal is handed to the kernel where it lies, without a copy and without an allocation.
 *
 *     static_reply [PORT]
 *     curl -i http://127.0.0.1:60000/
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include <weir.h>

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000});
    weir_get(s, "/", hello);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
