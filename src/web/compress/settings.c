/*
 * Reading what a group wants compressed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/settings.h"

#include "web/compress/codec.h"

#include <stdio.h>

#define LEAST_USUAL 1024
#define TYPES_MAX   4096

/* Events are left out: each of their streams would hold a context for as long as it lasts. */
static const char types_usual[] =
    "text/* !text/event-stream application/json application/*+json application/x-ndjson application/ndjson "
    "application/javascript application/x-javascript application/xml application/*+xml application/wasm "
    "application/yaml application/toml application/graphql application/sql application/rtf "
    "application/vnd.ms-fontobject image/svg+xml image/bmp image/x-icon image/vnd.microsoft.icon font/ttf font/otf "
    "font/collection model/gltf+json";

static const enum coding order_usual[] = {CODING_ZSTD, CODING_BR, CODING_GZIP};

/* ---- Types ---- */

/* Whether text is what a pattern says: a star may stand for any part of it. Linear but for stars, of which the last is
 * the only one that is gone back to. */
static bool pattern_matches(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.len && ascii_lower(pattern.data[p]) == ascii_lower(text.data[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

/* Takes the next word of a text; false: there is none. */
static bool word_next(const char **text, struct slice *word)
{
    const char *from = *text + strspn(*text, " ");
    *word = slice_of(from, strcspn(from, " "));
    *text = from + word->len;
    return word->len > 0;
}

bool compress_type_matches(const char *patterns, struct slice type)
{
    const char *end = memchr(type.data, ';', type.len);
    struct slice pattern, media = slice_of(type.data, end ? (size_t)(end - type.data) : type.len);
    bool found = false;
    while (media.len > 0 && (media.data[media.len - 1] == ' ' || media.data[media.len - 1] == '\t'))
        media.len--;
    while (word_next(&patterns, &pattern)) {
        if (pattern.data[0] != '!')
            found = found || pattern_matches(pattern, media);
        else if (pattern_matches(slice_of(pattern.data + 1, pattern.len - 1), media))
            return false;
    }
    return found && media.len > 0;
}

/* ---- Reading ---- */

static int complain(char *message, size_t size, const char *what, struct slice word)
{
    snprintf(message, size, "codings: \"%.*s\" %s", (int)(word.len < 40 ? word.len : 40), word.data, what);
    return WEIR_EINVAL;
}

/* Why a coding cannot be offered; NULL: it can. */
static const char *coding_missing(enum coding coding)
{
    const struct codec *codec = codec_of(coding);
    return codec ? codec->ready() : "is not built in";
}

static int read_codings(struct compress_settings *s, const char *text, char *message, size_t size)
{
    struct slice word;
    while (word_next(&text, &word)) {
        unsigned coding = CODING_GZIP;
        while (coding < CODINGS && !slice_equal(word, coding_name(coding)))
            coding++;
        if (coding == CODINGS)
            return complain(message, size, "is none of gzip, br and zstd", word);
        const char *missing = coding_missing(coding);
        if (missing)
            return complain(message, size, missing, word);
        if (memchr(s->order, (int)coding, s->count))
            return complain(message, size, "is named twice", word);
        s->order[s->count++] = (uint8_t)coding;
    }
    if (s->count > 0)
        return 0;
    snprintf(message, size, "codings: there are none");
    return WEIR_EINVAL;
}

static void take_usual_codings(struct compress_settings *s)
{
    for (size_t i = 0; i < sizeof order_usual / sizeof order_usual[0]; i++)
        if (!coding_missing(order_usual[i]))
            s->order[s->count++] = (uint8_t)order_usual[i];
    s->on = s->on && s->count > 0;
}

static int read_levels(struct compress_settings *s, const weir_compress_config *config, char *message, size_t size)
{
    const int given[CODINGS] = {
        [CODING_GZIP] = config->gzip_level, [CODING_BR] = config->br_level, [CODING_ZSTD] = config->zstd_level};
    for (unsigned i = CODING_GZIP; i < CODINGS; i++) {
        const struct codec *codec = codec_of(i);
        if (codec && (given[i] < 0 || given[i] > codec->level_most)) {
            snprintf(message, size, "%s_level: %d is not within 1 and %d", coding_name(i).data, given[i],
                     codec->level_most);
            return WEIR_EINVAL;
        }
        s->levels[i] = codec && given[i] == 0 ? codec->level_usual : given[i];
    }
    return 0;
}

static int read_rest(struct compress_settings *s, const weir_compress_config *config, char *message, size_t size)
{
    s->on = config->on != WEIR_OFF;
    s->least = config->min_size ? config->min_size : LEAST_USUAL;
    if (config->on == 0 || config->on == WEIR_OFF || config->on == WEIR_ON)
        return 0;
    snprintf(message, size, "on: %d is neither WEIR_ON nor WEIR_OFF", config->on);
    return WEIR_EINVAL;
}

int compress_settings_new(struct account *a, const weir_compress_config *config, struct compress_settings **made,
                          char *message, size_t size)
{
    const char *types = config->types ? config->types : types_usual;
    size_t len = strnlen(types, TYPES_MAX + 1);
    if (len > TYPES_MAX) {
        snprintf(message, size, "types: they are longer than %d bytes", TYPES_MAX);
        return WEIR_EINVAL;
    }
    struct compress_settings *s = memory_alloc(a, sizeof *s + len + 1);
    if (!s) {
        snprintf(message, size, "no memory");
        return WEIR_ENOMEM;
    }
    *s = (struct compress_settings){.size = sizeof *s + len + 1};
    memcpy(s->types, types, len + 1);
    int error = read_rest(s, config, message, size);
    if (!error)
        error = read_levels(s, config, message, size);
    if (!error && config->codings)
        error = read_codings(s, config->codings, message, size);
    else if (!error)
        take_usual_codings(s);
    if (!error) {
        *made = s;
        return 0;
    }
    compress_settings_free(a, s);
    return error;
}

void compress_settings_free(struct account *a, struct compress_settings *s)
{
    if (s)
        memory_free(a, s, s->size);
}
