/*
 * Files by route: the last segment's expression takes the rest of the path, slashes included. The file goes from the
 * page cache to the socket and never enters the program; nothing outside the served folder can be reached.
 *
 *     file_by_route [PORT [FOLDER]]
 *     curl -i http://127.0.0.1:60000/file/nested/deep.txt
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include <weir.h>

static void file(weir_ctx *c)
{
    const char *folder = weir_server_data(c);
    if (weir_send_file(c, folder, weir_param(c, "file")) == WEIR_ENOENT) {
        weir_set_status(c, 404);
        weir_reply_text(c, "File not found");
    }
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .server_data = argc > 2 ? argv[2] : "examples/samples",
    });
    weir_get(s, "/file/{file:^.*$}", file);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
