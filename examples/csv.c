/*
 * A streaming transformation: a file is read line by line, each line is upper-cased and sent. The memory is one line's,
 * whatever the size of the file; a line of more than 8 KiB ends the reply.
 *
 *     csv [PORT [FOLDER]]     the folder holds large_dataset.csv
 *     curl -o upper.csv http://127.0.0.1:60000/csv
 *
 * SPDX-License-Identifier: MIT
 */
#include <ctype.h>
#include <stdlib.h>

#include <weir.h>

static void csv(weir_ctx *c)
{
    weir_file *file;
    char line[8192];
    ssize_t len;

    if (weir_file_open(c, weir_server_data(c), "large_dataset.csv", &file) != 0) {
        weir_set_status(c, 404);
        weir_reply_text(c, "File not found");
        return;
    }
    weir_set_header(c, "Content-Type", "text/csv");
    while ((len = weir_file_line(c, file, line, sizeof(line))) > 0) {
        for (ssize_t i = 0; i < len; i++)
            line[i] = (char)toupper((unsigned char)line[i]);
        if (weir_write(c, line, (size_t)len) != 0)
            return; /* the client has gone */
    }
    if (len < 0)
        weir_fail(c, 500, "%s", weir_strerror((int)len));
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .server_data = argc > 2 ? argv[2] : "examples/samples",
    });
    weir_get(s, "/csv", csv);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
