/*
 * Mounting tus: what the program asks for is checked before the start.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/mount.h"
#include "web/upload/tus.h"

#include <string.h>

#define MAX_SIZE_DEFAULT    ((int64_t)1 << 30)
#define EXPIRE_S_DEFAULT    86400
#define EXPIRE_S_MAX        (10 * 366 * 86400)
#define MAX_UPLOADS_DEFAULT 1000
#define MAX_UPLOADS_MAX     10000 /* each creation looks at all of them */

void tus_free(struct site *s)
{
    for (struct tus_mount *m = s->tus, *next; m; m = next) {
        next = m->next;
        memory_free(&s->account, m, m->size);
    }
    s->tus = NULL;
}

/* ---- Checks ---- */

static bool number_is_good(int64_t value, int64_t most, bool off)
{
    return (value >= 0 && value <= most) || (off && value == WEIR_OFF);
}

/* What is wrong with the options; NULL: nothing. */
static const char *options_fault(const weir_tus_options *o)
{
    if (!o->complete)
        return "there is no function complete";
    if (!number_is_good(o->max_size, INT64_MAX, true))
        return "max_size is a number of bytes, or WEIR_OFF";
    if (!number_is_good(o->expire_s, EXPIRE_S_MAX, true))
        return "expire_s is a number of seconds, up to ten years, or WEIR_OFF";
    if (!number_is_good(o->max_uploads, MAX_UPLOADS_MAX, false))
        return "max_uploads is up to 10000";
    if (!number_is_good(o->mode, 0777, false))
        return "mode is up to 0777";
    if (o->mode != 0 && !(o->mode & 0200)) /* each request opens what has come so far */
        return "mode is to let the owner write (0200)";
    if (o->sync != 0 && o->sync != WEIR_ON && o->sync != WEIR_OFF)
        return "sync is WEIR_ON or WEIR_OFF";
    return NULL;
}

/* ---- Mounting ---- */

static struct tus_mount *mount_new(struct site *s, const weir_tus_options *o, const char *root)
{
    size_t size = sizeof(struct tus_mount) + strlen(root) + 1;
    struct tus_mount *m = memory_alloc(&s->account, size);
    if (!m)
        return NULL;
    *m = (struct tus_mount){
        .next = s->tus,
        .size = size,
        .complete = o->complete,
        .max_size = o->max_size == WEIR_OFF ? INT64_MAX
                    : o->max_size           ? o->max_size
                                            : MAX_SIZE_DEFAULT,
        .store = {.root = m->root,
                  .expire_s = o->expire_s == WEIR_OFF ? 0
                              : o->expire_s           ? o->expire_s
                                                      : EXPIRE_S_DEFAULT,
                  .max_uploads = o->max_uploads ? o->max_uploads : MAX_UPLOADS_DEFAULT,
                  .mode = (mode_t)(o->mode ? o->mode : 0666),
                  .sync = o->sync == WEIR_ON},
    };
    memcpy(m->root, root, strlen(root) + 1);
    s->tus = m;
    return m;
}

/* Registers the routes, in a group of their own for the sake of the longest body. */
static int add_routes(weir_group *g, const char *prefix, struct tus_mount *m)
{
    static const char *const creation[] = {"POST", "OPTIONS"};
    static const char *const upload[] = {"HEAD", "PATCH", "DELETE", "POST", "OPTIONS"};
    weir_group *own = site_add_group(g->site, g, prefix, NULL);
    int error = !own ? WEIR_ENOMEM : weir_group_max_body(own, m->max_size == INT64_MAX ? WEIR_OFF : m->max_size);
    if (!error)
        error = weir_on_response(own, tus_mark_reply);
    for (size_t i = 0; i < sizeof creation / sizeof *creation && !error; i++) {
        if (own->prefix[0] != '\0')
            error = site_add_route(own, creation[i], "", tus_handle_creation, m);
        if (!error)
            error = site_add_route(own, creation[i], "/", tus_handle_creation, m);
    }
    for (size_t i = 0; i < sizeof upload / sizeof *upload && !error; i++)
        error = site_add_route(own, upload[i], "/{id}", tus_handle_upload, m);
    return error;
}

int weir_tus_sized(weir_group *g, const char *prefix, const weir_tus_options *options, size_t size)
{
    static const char what[] = "tus";
    weir_tus_options o = {0};
    char path[MOUNT_PREFIX_MAX], root[PATH_MAX];
    if (!g)
        return WEIR_EINVAL;
    if (!options)
        return mount_refuse(g, what, prefix, WEIR_EINVAL, "there are no options");
    memcpy(&o, options, size < sizeof o ? size : sizeof o);
    int error = mount_read_prefix(g, what, prefix, path);
    const char *fault = error ? NULL : options_fault(&o);
    if (fault)
        return mount_refuse(g, what, prefix, WEIR_EINVAL, fault);
    if (!error)
        error = mount_read_root(g, what, prefix, o.root, root);
    if (error)
        return error;
    struct tus_mount *m = mount_new(g->site, &o, root);
    return m ? add_routes(g, path, m) : mount_refuse(g, what, prefix, WEIR_ENOMEM, weir_strerror(WEIR_ENOMEM));
}
