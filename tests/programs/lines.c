/*
 * A server for the wire tests of the reader of lines. `lines ROOT [tls]`, with one worker: a body sent to /body, or the
 * file ROOT/NAME for /file/NAME, is told line by line: "LENGTH:" and the line for each, then "=RESULT" of the end,
 * twice, and how many lines lay where they were received. The query's size is the buffer's; slice=1: without a copy.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <string.h>

static char *buffer(weir_ctx *c, size_t *size, bool *slice)
{
    int64_t bytes = 4096, by_slice = 0;
    if (weir_query_int(c, "size", 1, 8192, &bytes) != 0 || weir_query_int(c, "slice", 0, 1, &by_slice) != 0)
        weir_fail(c, 400, "size or slice is wrong");
    char *buf = weir_alloc(c, (size_t)bytes);
    if (!buf)
        weir_fail(c, 503, "no memory");
    *size = (size_t)bytes;
    *slice = by_slice;
    return buf;
}

static void tell(weir_ctx *c, const char *line, ssize_t len)
{
    weir_printf(c, "%zd:", len);
    weir_write(c, line, (size_t)len);
}

static void body(weir_ctx *c)
{
    size_t size;
    bool slice;
    ssize_t len;
    long long whole = 0;
    char *buf = buffer(c, &size, &slice);
    const char *line = buf;
    while ((len = slice ? weir_body_line_slice(c, &line, buf, size) : weir_body_line(c, buf, size)) > 0) {
        whole += line != buf;
        tell(c, line, len);
    }
    weir_printf(c, "=%zd=%zd %lld", len, weir_body_line(c, buf, size), whole);
}

static void file(weir_ctx *c)
{
    size_t size;
    bool slice;
    ssize_t len;
    weir_file *opened;
    char *buf = buffer(c, &size, &slice);
    if (weir_file_open(c, weir_server_data(c), weir_param(c, "name"), &opened) != 0)
        weir_fail(c, 404, "no such file");
    while ((len = weir_file_line(c, opened, buf, size)) > 0)
        tell(c, buf, len);
    weir_printf(c, "=%zd=%zd 0", len, weir_file_line(c, opened, buf, size));
}

/* The first line, then what follows by the other ways of reading. */
static void mixed(weir_ctx *c)
{
    char line[256], rest[4096];
    const void *piece;
    ssize_t first = weir_body_line(c, line, sizeof(line)), len;
    if (first <= 0)
        weir_fail(c, 400, "%zd", first);
    tell(c, line, first);
    if ((len = weir_read(c, rest, 3)) > 0)
        tell(c, rest, len);
    if ((len = weir_body_line(c, rest, sizeof(rest))) > 0)
        tell(c, rest, len);
    while ((len = weir_read_slice(c, &piece)) > 0)
        weir_write(c, piece, (size_t)len);
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(
        &(weir_config){.port = WEIR_ANY, .workers = 1, .server_data = argc > 1 ? argv[1] : ".", .max_body = 1 << 20});
    weir_post(s, "/body", body);
    weir_post(s, "/mixed", mixed);
    weir_get(s, "/file/{name}", file);
    if (argc > 2 && strcmp(argv[2], "tls") == 0)
        weir_server_listen(s, &(weir_listen_config){.port = WEIR_ANY,
                                                    .tls = &(weir_tls_config){.self_signed = "localhost 127.0.0.1"}});
    return serve(s);
}
