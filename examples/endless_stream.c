/*
 * An endless stream, or nearly: a million chunks from a plain loop. The loop waits where the client is slow, ends when
 * the client goes, and takes the same memory however many chunks there are.
 *
 *     endless_stream [PORT]
 *     curl -N http://127.0.0.1:60000/stream
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include <weir.h>

static void stream(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "text/plain");
    for (int i = 0; i < 1000000; i++) {
        if (weir_printf(c, "Chunk %d\n", i) != 0)
            return; /* the client has gone */
        if (i % 1000 == 0)
            weir_sleep(c, 1);
    }
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000});
    weir_get(s, "/stream", stream);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
