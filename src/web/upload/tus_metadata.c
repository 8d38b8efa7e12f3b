/*
 * The pairs of Upload-Metadata. Nothing of them is believed: they are handed on to the program.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/tus_metadata.h"
#include "base/base64.h"

struct pair {
    struct slice key, value;
};

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && s.data[s.len - 1] == ' ')
        s.len--;
    return s;
}

/* Cuts the next pair off. False: there is none. */
static bool next_pair(const char **text, struct pair *pair)
{
    if (**text == '\0')
        return false;
    size_t len = strcspn(*text, ",");
    struct slice both = trim(slice_of(*text, len));
    *text += len;
    if (**text == ',')
        *text += 1;
    const char *space = both.len ? memchr(both.data, ' ', both.len) : NULL;
    size_t key = space ? (size_t)(space - both.data) : both.len;
    pair->key = slice_of(both.data, key);
    pair->value = trim(slice_of(both.data + key, both.len - key));
    return true;
}

bool tus_metadata_find(const char *text, struct slice key, struct slice *value)
{
    for (struct pair pair; next_pair(&text, &pair);) {
        *value = pair.value;
        if (slice_equal(pair.key, key))
            return true;
    }
    return false;
}

static bool key_is_good(struct slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] <= ' ' || key.data[i] > '~')
            return false;
    return key.len > 0;
}

const char *tus_metadata_fault(const char *text)
{
    int count = 0;
    const char *rest = text;
    for (struct pair pair; next_pair(&rest, &pair); count++) {
        struct slice first;
        size_t len;
        if (count == TUS_KEYS_MAX)
            return "Upload-Metadata has more than 64 keys";
        if (!key_is_good(pair.key))
            return "a key of Upload-Metadata is empty, or not ASCII";
        if (tus_metadata_find(text, pair.key, &first) && first.data != pair.value.data)
            return "a key of Upload-Metadata comes twice";
        if (!tus_base64_decode(pair.value, NULL, &len))
            return "a value of Upload-Metadata is not Base64";
    }
    return rest > text && rest[-1] == ',' ? "Upload-Metadata ends with a comma" : NULL;
}

bool tus_base64_decode(struct slice coded, char *to, size_t *len)
{
    size_t padding = 0;
    if (coded.len % 4 != 0)
        return false;
    while (padding < 2 && padding < coded.len && coded.data[coded.len - 1 - padding] == '=')
        padding++;
    ssize_t made = base64_decode(slice_of(coded.data, coded.len - padding), to, coded.len);
    if (made < 0)
        return false;
    if (to)
        to[made] = '\0';
    *len = (size_t)made;
    return true;
}
