/*
 * A reverse proxy: what begins with /api goes to one server, WebSockets below /live as well, everything else to
 * another. Needs weir-curl.
 *
 *     proxy http://127.0.0.1:3000 http://127.0.0.1:4000
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include <weir-curl.h>
#include <weir.h>

struct site {
    weir_curl *client;
    const char *api, *pages;
};

static void api(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_proxy(c, site->client, site->api, &(weir_proxy_options){.strip_prefix = "/api", .timeout_ms = 10000});
}

static void live(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_proxy(c, site->client, site->api, NULL);
}

static void pages(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_proxy(c, site->client, site->pages, &(weir_proxy_options){.keep_host = WEIR_ON});
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: proxy API PAGES\n");
        return 2;
    }
    struct site site = {.api = argv[1], .pages = argv[2]};
    weir_server *s = weir_server_new(&(weir_config){.server_data = &site});
    site.client = weir_curl_new(s, NULL);
    weir_any(s, "/api/{rest:.*}", api);
    weir_route(s, WEIR_UPGRADE, "/live", live);
    weir_any(s, "/{rest:.*}", pages);
    weir_any(s, "/", pages);
    int error = site.client ? weir_run(s) : WEIR_ENOMEM;
    weir_curl_free(site.client);
    weir_server_free(s);
    return error ? 1 : 0;
}
