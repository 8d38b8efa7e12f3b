/*
 * A large file, by hand and by one call. By hand, 8192 bytes of stack are all the memory it takes; the loop waits for
 * the disk and for the client without holding up others. The one call does not even read the file.
 *
 *     large_file [PORT [FOLDER]]     the folder holds large.bin
 *     curl -o copy.bin http://127.0.0.1:60000/large
 *     curl -o copy.bin http://127.0.0.1:60000/large-in-one-call
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include <weir.h>

static void large(weir_ctx *c)
{
    weir_file *file;
    char buf[8192];
    ssize_t len;

    if (weir_file_open(c, weir_server_data(c), "large.bin", &file) != 0) {
        weir_set_status(c, 404);
        weir_reply_text(c, "File not found");
        return;
    }
    weir_set_header(c, "Content-Type", "application/octet-stream");
    weir_set_length(c, weir_file_size(file));
    weir_close_after(c);
    while ((len = weir_file_read(c, file, buf, sizeof(buf))) > 0) {
        if (weir_write(c, buf, (size_t)len) != 0)
            return; /* the client has gone */
    }
    if (len < 0)
        weir_fail(c, 500, "%s", weir_strerror((int)len));
}

static void large_in_one_call(weir_ctx *c)
{
    weir_send_file(c, weir_server_data(c), "large.bin");
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .server_data = argc > 2 ? argv[2] : "examples/samples",
    });
    weir_get(s, "/large", large);
    weir_get(s, "/large-in-one-call", large_in_one_call);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
