/*
 * Uploads that go on after a break, as they lie on the disk. Each is up to two files in one folder: ID, the bytes that
 * have come, whose size is the offset; and a record, whose one line tells the length and the next one the metadata.
 * The record is ID.info until the program has been told that the upload is complete, and ID.done from then on. It is
 * made before ID and goes before it: so a record without ID is an upload that the program has taken away, and ID
 * without a record is none.
 *
 * Who writes, completes or removes an upload holds a lock on ID (flock), which ends with its descriptor, also that of a
 * process that died. Once the program takes ID away the lock is that of the record. All calls may wait for a disk. They
 * know no request: a worker has them made on another thread.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_TUS_STORE_H
#define WEIR_WEB_UPLOAD_TUS_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TUS_ID_LEN        32 /* 128 random bits in hexadecimal */
#define TUS_NAME_SIZE     (TUS_ID_LEN + sizeof ".info")
#define TUS_METADATA_MAX  4096
#define TUS_METADATA_ROOM (TUS_METADATA_MAX + 64) /* of a record */
#define TUS_INFO          ".info"
#define TUS_DONE          ".done"

/* Where uploads lie, and what holds for all of them. */
struct tus_store {
    const char *root;
    int64_t expire_s; /* seconds from the last byte on; 0: never */
    int max_uploads;
    mode_t mode; /* of the files with the bytes, less the umask */
    bool sync;   /* what a client has been told is on the disk */
};

enum tus_access {
    TUS_LOOK,  /* the lock is taken where the program has still to be told, and can be had */
    TUS_WRITE, /* the lock is taken: WEIR_EBUSY */
};

/* An upload as it is opened. */
struct weir_tus_upload {
    const struct tus_store *store;
    char id[TUS_ID_LEN + 1];
    bool done;        /* the program has been told */
    bool locked;      /* by this descriptor */
    bool taken;       /* the program has saved it elsewhere */
    uint8_t access;   /* enum tus_access */
    int64_t length;   /* in all */
    int64_t offset;   /* what has come */
    int64_t modified; /* seconds since 1970, of the last byte */
    /* As the client has sent it. Before tus_open() and tus_read_metadata(): TUS_METADATA_ROOM bytes for it, or NULL:
     * not wanted. */
    char *metadata;
    int folder, fd; /* descriptors, or -1; fd also where the program has taken the file away */
    int record;     /* of the record, with a lock, where the file is about to be taken away or has been; or -1 */
};

bool tus_id_is_good(const char *id);

/* ---- What is done with an upload: each call takes a struct weir_tus_upload, as offloaded functions do ---- */

/* Makes an upload from its length and metadata, under an id that it gets; it is open and locked. 0 or an error, after
 * which there is none; WEIR_EBUSY: there are max_uploads already. Removes a few that have expired. */
int tus_create(void *upload);

/* Opens the upload of that id. 0; WEIR_ENOENT, also for one that has expired, which is removed; WEIR_EBUSY: somebody
 * else has the lock; or another error. After an error nothing is open. */
int tus_open(void *upload);

/* Reads the metadata alone, of one that is open. */
int tus_read_metadata(void *upload);

/* Has the bytes on the disk. */
int tus_sync(void *upload);

/* The program is about to take the file away: from here on the record is locked as well, and young. 0, WEIR_EBUSY,
 * WEIR_ENOENT or another error. Locked. */
int tus_hand_over(struct weir_tus_upload *u);

/* Takes note that the program has been told. Locked. */
int tus_finish(void *upload);

/* Removes the upload. Locked, or done. */
int tus_remove(void *upload);

/* Closes it, if it is open. 0. */
int tus_close(void *upload);

/* ---- Between the parts of the store ---- */

/* Writes the name of one of an upload's files. */
void tus_name(char name[static TUS_NAME_SIZE], const char *id, const char *suffix);

bool tus_is_expired(const struct tus_store *s, int64_t modified, int64_t now);

/* Takes the lock of the record of one that the program has to be told of. 0; WEIR_EBUSY; WEIR_ENOENT: there is no such
 * record any more; or another error. */
int tus_lock_record(struct weir_tus_upload *u);

/* Removes what has expired, a few at most, and counts the uploads that are left: where none expires, without those that
 * are over. Returns the number, or an error. */
int tus_sweep(const struct tus_store *s, int folder);

#endif
