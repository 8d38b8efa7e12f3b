/*
 * Groups whose replies are compressed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/codec.h"
#include "web/site.h"

static COLD int group_refuse(weir_group *g, const char *why)
{
    site_error(g->site, "compression of group \"%.60s\": %s", g->prefix, why);
    return WEIR_EINVAL;
}

int weir_group_compress_sized(weir_group *g, const weir_compress_config *config, size_t size)
{
    weir_compress_config given = {0};
    struct compress_settings *made;
    char message[120];
    if (!g)
        return WEIR_EINVAL;
    if (g->site->sealed)
        return group_refuse(g, "the server has started");
    if (config)
        memcpy(&given, config, size < sizeof given ? size : sizeof given);
    int error = compress_settings_new(&g->site->account, &given, &made, message, sizeof message);
    if (error) {
        (void)group_refuse(g, message);
        return error;
    }
    compress_settings_free(&g->site->account, g->own_compress);
    g->own_compress = made;
    return 0;
}

static void group_compress_sizes(const weir_group *g, size_t sizes[CODINGS])
{
    const struct compress_settings *s = g->own_compress;
    for (unsigned i = 0; s && s->on && i < s->count; i++) {
        size_t size = codec_of(s->order[i])->size(s->levels[s->order[i]]);
        if (size > sizes[s->order[i]])
            sizes[s->order[i]] = size;
    }
}

void site_compress_sizes(const struct site *s, size_t sizes[CODINGS])
{
    memset(sizes, 0, CODINGS * sizeof *sizes);
    group_compress_sizes(&s->root, sizes);
    list_for_each (l, &s->groups)
        group_compress_sizes(container_of(l, const weir_group, link), sizes);
}
