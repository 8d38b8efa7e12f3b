/*
 * weir with a handler that saves bodies by hand, piece by piece, where a program would call weir_save_body():
 * bench/tables/uploads.py measures what the one call saves.
 *
 *     save_by_hand PORT FOLDER
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

static void upload(weir_ctx *c)
{
    weir_new_file *file;
    const void *data;
    ssize_t len;
    bool replaced = false;
    int error = weir_file_create(c, weir_server_data(c), weir_param(c, "name"), NULL, &file);
    if (error)
        weir_fail(c, 500, "%s", weir_strerror(error));
    while ((len = weir_read_slice(c, &data)) > 0)
        if (weir_file_write(c, file, data, (size_t)len) != 0)
            break; /* weir_file_commit() says why */
    if (len < 0)
        weir_fail(c, 400, "%s", weir_strerror((int)len));
    error = weir_file_commit(c, file, &replaced);
    if (error)
        weir_fail(c, 500, "%s", weir_strerror(error));
    weir_set_status(c, replaced ? 204 : 201);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: save_by_hand PORT FOLDER\n"), 2;
    weir_server *s = weir_server_new(&(weir_config){
        .host = "127.0.0.1",
        .port = (int)strtol(argv[1], NULL, 10),
        .http_buffer_size = 8192, /* as the tour's */
        .server_data = argv[2],
    });
    weir_get(s, "/", hello);
    weir_group *uploads = weir_group_new(s, NULL, "/upload", NULL);
    weir_group_max_body(uploads, WEIR_OFF);
    weir_group_route(uploads, "PUT", "/{name}", upload, NULL);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
