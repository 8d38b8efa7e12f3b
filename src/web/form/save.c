/*
 * Saving a part as a file, by the calls for files that are written by hand.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/form/form.h"

/* An error of the file's: the page that fits, unless the handler replies. */
static int file_failed(weir_ctx *c, int error)
{
    if (c->x->refusal == REFUSAL_NONE && exchange_may(c->x, REPLY_MAKE) == 0)
        c->reply_error = error;
    return error;
}

int weir_part_save(weir_ctx *c, const char *root, const char *path, const weir_save_options *options)
{
    CONTEXT_CHECK(c);
    int error;
    const void *data;
    ssize_t len;
    weir_new_file *file;
    struct form *f = form_of(c, &error);
    if (!f || f->state != FORM_IN_PART)
        return f ? WEIR_EINVAL : error;
    error = weir_file_create(c, root, path, options, &file);
    if (error)
        return file_failed(c, error);
    while (!error && (len = weir_part_read_slice(c, &data)) != 0)
        error = len > 0 ? weir_file_write(c, file, data, (size_t)len) : (int)len;
    if (!error) {
        error = weir_file_commit(c, file, NULL);
        return error ? file_failed(c, error) : 0;
    }
    weir_file_drop(c, file);
    if (f->state == FORM_FAILED || len < 0)
        return error;
    return error == WEIR_ETOOBIG ? form_refuse(c, f, error, REFUSAL_FORM_PART, NULL) : file_failed(c, error);
}
