/*
 * Uploads that go on after a break, by the protocol of tus 1.0: what a program has mounted, and who answers there.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_TUS_H
#define WEIR_WEB_UPLOAD_TUS_H

#include "web/site.h"
#include "web/upload/tus_store.h"

/* A mounted one, which lives as long as the site. */
struct tus_mount {
    struct tus_mount *next;
    size_t size; /* of this block */
    int (*complete)(weir_ctx *c, weir_tus_upload *upload);
    int64_t max_size; /* of an upload; INT64_MAX: any */
    struct tus_store store;
    char root[];
};

/* Handlers, whose route data is the mount: of the URL at which uploads are made, and of an upload's own. */
void tus_handle_creation(weir_ctx *c);
void tus_handle_upload(weir_ctx *c);

/* Response middleware of the mount's group: what each reply has to say, whoever makes it. */
void tus_mark_reply(weir_ctx *c);

void tus_free(struct site *s);

#endif
