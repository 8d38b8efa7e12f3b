/*
 * weir with replies that are compressed, for bench/tables/compression.py: the same records as JSON in static memory,
 * printed by a handler, and out of a file, at the level of zlib that the path begins with. Brotli and Zstandard have
 * weir's own levels.
 *
 *     compress_records PORT ROOT
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

enum { RECORDS = 150, RECORD_MAX = 128, RECORDS_MAX = 10000000 };

static const int levels[] = {1, 5};
static const char type[] = "application/json";

struct data {
    const char *root;
    char document[RECORDS * RECORD_MAX];
    size_t len;
};

/* One of the records that bench/lib/documents.py writes, too. */
static int print_record(char *to, size_t size, unsigned i)
{
    static const char *const cities[] = {"Berlin", "Kyoto", "Lima", "Nairobi", "Oslo", "Quebec", "Turin"};
    unsigned mixed = (unsigned)((uint64_t)i * 48271 % 2147483647); /* looks like chance, the same each time */
    return snprintf(to, size, "%s{\"id\":%u,\"name\":\"name-%u\",\"city\":\"%s\",\"value\":%u,\"active\":%s}",
                    i ? ",\n" : "[\n", i, mixed % 10007, cities[mixed % 7], mixed % 1000,
                    mixed & 64 ? "true" : "false");
}

static void make_document(struct data *d)
{
    for (unsigned i = 0; i < RECORDS; i++)
        d->len += (size_t)print_record(d->document + d->len, sizeof d->document - d->len, i);
    d->len += (size_t)snprintf(d->document + d->len, sizeof d->document - d->len, "\n]\n");
}

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

static void fixed(weir_ctx *c)
{
    const struct data *d = weir_server_data(c);
    weir_reply_static(c, type, d->document, d->len);
}

static void made(weir_ctx *c)
{
    char record[RECORD_MAX];
    int64_t records = 0;
    if (weir_param_int(c, "n", 1, RECORDS_MAX, &records) != 0)
        weir_fail(c, 400, "the number of records is one from 1 to %d", RECORDS_MAX);
    weir_set_header(c, "Content-Type", type);
    for (unsigned i = 0; i < records; i++) {
        int len = print_record(record, sizeof record, i);
        if (weir_write(c, record, (size_t)len) != 0)
            return;
    }
    weir_write(c, "\n]\n", 3);
}

static void file(weir_ctx *c)
{
    const struct data *d = weir_server_data(c);
    weir_set_header(c, "Content-Type", type);
    if (weir_send_file(c, d->root, weir_param(c, "file")) == WEIR_ENOENT)
        weir_fail(c, 404, "File not found");
}

static void add_level(weir_server *s, int level)
{
    char prefix[16];
    snprintf(prefix, sizeof prefix, "/%d", level);
    weir_group *g = weir_group_new(s, NULL, prefix, NULL);
    weir_group_compress(g, &(weir_compress_config){.gzip_level = level});
    weir_group_route(g, "GET", "/static", fixed, NULL);
    weir_group_route(g, "GET", "/made/{n}", made, NULL);
    weir_group_route(g, "GET", "/file/{file}", file, NULL);
}

int main(int argc, char **argv)
{
    static struct data data;
    if (argc != 3)
        return fprintf(stderr, "usage: compress_records PORT ROOT\n"), 2;
    data.root = argv[2];
    make_document(&data);
    weir_server *s = weir_server_new(&(weir_config){
        .host = "127.0.0.1",
        .port = (int)strtol(argv[1], NULL, 10),
        .max_compression_memory = (int64_t)1 << 30, /* hundreds of replies at once are measured, whatever they take */
        .server_data = &data,
    });
    weir_get(s, "/", hello);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        add_level(s, levels[i]);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
