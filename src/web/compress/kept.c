/*
 * Collecting compressed forms of files, and finding them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/kept.h"

_Static_assert(sizeof(struct kept_form) == 8 * sizeof(uint64_t), "a key without padding");

static struct slice key_of(const struct kept_form *form)
{
    return slice_of((const char *)form, sizeof *form);
}

struct weir_value *kept_form_find(struct weir_cache *cache, const struct kept_form *form, uint64_t now_ns)
{
    return cache_find(cache, key_of(form), now_ns);
}

bool kept_form_begin(struct kept_form_maker *m, struct weir_cache *cache, const struct kept_form *form,
                     struct account *account, size_t size, struct loop *l)
{
    *m = (struct kept_form_maker){.form = *form, .asker.loop = l, .account = account, .size = size};
    if (cache_claim(cache, &m->slot, &m->asker, key_of(&m->form)) != CACHE_COMPUTE)
        return false;
    m->bytes = memory_alloc(account, size);
    if (m->bytes)
        return true;
    struct weir_value *none;
    (void)cache_finish(&m->slot, WEIR_ENOMEM, &none);
    return false;
}

void kept_form_add(struct kept_form_maker *m, const char *data, size_t len)
{
    if (!m->bytes)
        return;
    if (len > m->size - m->len) {
        kept_form_end(m, false);
        return;
    }
    memcpy(m->bytes + m->len, data, len);
    m->len += len;
}

void kept_form_end(struct kept_form_maker *m, bool complete)
{
    struct weir_value *value;
    if (!m->bytes)
        return;
    int error = complete ? cache_put(&m->slot, m->bytes, m->len) : WEIR_ECANCELED;
    (void)cache_finish(&m->slot, error, &value); /* without memory for it the next reply tries again */
    value_unref(value);
    memory_free(m->account, m->bytes, m->size);
    m->bytes = NULL;
}
