/*
 * A server for the wire tests of conditions and ranges: `ranges ROOT [openssl|lean]`. Plain, and over TLS with records
 * of that kind. Its handlers send files, and say of them what the query asks them to say.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

static void file(weir_ctx *c)
{
    weir_send_file(c, weir_server_data(c), weir_param(c, "file"));
}

static void set(weir_ctx *c, const char *name, const char *value)
{
    if (value)
        weir_set_header(c, name, value);
}

/* What a handler may say itself. */
static void own(weir_ctx *c)
{
    const char *status = weir_query(c, "status");
    set(c, "ETag", weir_query(c, "tag"));
    set(c, "Last-Modified", weir_query(c, "date"));
    set(c, "Content-Type", weir_query(c, "type"));
    set(c, "Accept-Ranges", weir_query(c, "ranges"));
    set(c, "X-Own", "kept");
    if (status)
        weir_set_status(c, (int)strtol(status, NULL, 10));
    weir_send_file(c, weir_server_data(c), weir_param(c, "file"));
}

/* What the call has returned, and the status that it has left. */
static void told(weir_ctx *c)
{
    int error = weir_send_file(c, weir_server_data(c), weir_param(c, "file"));
    char text[32];
    snprintf(text, sizeof text, "%d %d", error, weir_status(c));
    weir_set_header(c, "X-Told", text);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: ranges ROOT [openssl|lean]\n");
        return 2;
    }
    weir_server *s = weir_server_new(&(weir_config){.workers = 1, .port = WEIR_ANY, .server_data = argv[1]});
    weir_tls_config tls = {.self_signed = "localhost 127.0.0.1"};
    if (argc == 3) {
        tls.lean_records = strcmp(argv[2], "lean") == 0 ? WEIR_ON : WEIR_OFF;
        (void)weir_server_listen(s, &(weir_listen_config){.host = "127.0.0.1", .port = WEIR_ANY, .tls = &tls});
    }
    weir_get(s, "/file/{file:^.*$}", file);
    weir_post(s, "/file/{file:^.*$}", file);
    weir_get(s, "/own/{file:^.*$}", own);
    weir_get(s, "/told/{file:^.*$}", told);
    return serve(s);
}
