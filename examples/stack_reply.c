/*
 * A reply from the stack: it is made in a buffer of 1,024 bytes, and just the bytes used are sent. Nothing is taken
 * from the heap.
 *
 *     stack_reply [PORT]
 *     curl -i http://127.0.0.1:60000/efficient
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

static void efficient(weir_ctx *c)
{
    char buf[1024];
    int len = snprintf(buf, sizeof(buf), "A reply to %s, made in %zu bytes of stack.\n", weir_path(c), sizeof(buf));
    weir_reply(c, "text/plain", buf, (size_t)len);
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000});
    weir_get(s, "/efficient", efficient);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
