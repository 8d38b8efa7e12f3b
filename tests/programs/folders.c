/*
 * A server that mounts one folder, its argument, in each way that the wire tests look at. Further arguments are
 * request_memory=BYTES of the listing's group.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

static const weir_files_header headers[] = {
    {"*", "Cache-Control", "no-cache"},
    {"*.bin", "Content-Type", "application/x-program"},
    {"assets/**", "Cache-Control", "public, max-age=31536000, immutable"},
    {"/nested/*", "X-Where", "nested"},
};

/* Before the handler: fields of the names that the mount's headers have, and others. */
static void set_own(weir_ctx *c)
{
    weir_set_header(c, "Cache-Control", "private");
    weir_add_header(c, "X-Where", "middleware");
    weir_add_header(c, "X-Where", "twice");
}

static void type_of(weir_ctx *c)
{
    weir_reply_text(c, weir_mime_type(weir_param(c, "name")));
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const char *root = argv[1];
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 2, .log_level = WEIR_OFF});
    weir_group *list = weir_group_new(s, NULL, "/list", NULL), *named = weir_group_new(s, NULL, "", "site.test");
    if (argc > 2 && strncmp(argv[2], "request_memory=", 15) == 0)
        weir_group_set(list, &(weir_group_settings){.request_memory = strtoul(argv[2] + 15, NULL, 10)});
    weir_files(weir_root(s), "/files", &(weir_files_options){.root = root});
    weir_files(list, "", &(weir_files_options){.root = root, .listing = WEIR_ON});
    weir_files(weir_root(s), "/all/",
               &(weir_files_options){.root = root, .listing = WEIR_ON, .hidden = WEIR_ON, .links = WEIR_OFF});
    weir_files(weir_root(s), "/app",
               &(weir_files_options){.root = root,
                                     .index = "none.html index.html",
                                     .fallback = "withindex/index.html",
                                     .headers = headers,
                                     .header_count = sizeof headers / sizeof *headers});
    weir_group *own = weir_group_new(s, NULL, "/own", NULL);
    weir_on_request(own, set_own);
    weir_files(
        own, "",
        &(weir_files_options){.root = root, .headers = headers, .header_count = sizeof headers / sizeof *headers});
    weir_files(weir_root(s), "/variants", &(weir_files_options){.root = root, .precompressed = WEIR_ON});
    weir_files(weir_root(s), "/of/{user}", &(weir_files_options){.root = root});
    weir_files(named, "", &(weir_files_options){.root = root, .listing = WEIR_ON});
    weir_get(s, "/type/{name:.*}", type_of);
    return serve(s);
}
