/*
 * Folders that are mounted at prefixes: what weir_files() was told, and what they share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_MOUNT_H
#define WEIR_WEB_FOLDER_MOUNT_H

#include "web/folder/mime.h"
#include "web/site.h"

/* Most memory of entries that are sorted, in all listings that are being made at once: 16 of LISTING_MEMORY. */
#define LISTINGS_MEMORY ((uint64_t)4 << 20)

struct folders {
    struct folder_mount *mounts;
    struct account types_account;
    struct mime_types *types;        /* the system's; NULL: it has none */
    struct account listings_account; /* of entries that are sorted; open once a mount has a listing */
};

/* One folder. All in one block of the site's memory; read-only once made. */
struct folder_mount {
    struct folder_mount *next;
    size_t size; /* of the block */
    struct folders *folders;
    const char *root;     /* absolute, with the links that it was given with */
    const char *indexes;  /* names, each NUL-terminated, and an empty one behind the last */
    const char *fallback; /* NULL: none */
    bool listing, hidden, links, precompressed;
    int content_tags; /* WEIR_ON, WEIR_OFF; 0: as the group says */
    const weir_files_header *headers;
    size_t header_count;
};

/* Frees what the folders of a site have. */
void folders_free(struct site *s);

/* Memory that the system's types have. */
uint64_t folders_types_memory(const struct site *s);

/* Most memory that listings may take. */
uint64_t folders_memory(const struct site *s);

/* Whether a folder asks for entity tags of contents. */
bool folders_content_tags(const struct site *s);

/* What the system says of types; NULL: no folder is mounted, or it says nothing. */
const struct mime_types *folders_types(const struct site *s);

#endif
