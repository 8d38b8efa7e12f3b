/*
 * TLS as a listener's owner sees it: settings, certificates and their reloading, tickets. What workers' handshakes use
 * of it, the contexts, is made whole and checked before it is put in the place of the last one; handshakes under way
 * and connections keep theirs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LISTENER_H
#define WEIR_NET_TLS_LISTENER_H

#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/tls/tickets.h"

#include <sys/stat.h>

#define TLS_CERTIFICATES_MAX 256

struct tls_contexts;
struct tls_mode;

/* Where one certificate comes from: by the file or by PEM text, each. */
struct tls_source {
    char *certificate, *key;         /* paths; NULL: by text */
    char *certificate_pem, *key_pem; /* text */
    char *ocsp;                      /* path of a response in DER; NULL: none is stapled */
};

enum tls_client_certificates { TLS_CLIENT_NONE, TLS_CLIENT_ASKED, TLS_CLIENT_REQUIRED };

/* A listener's settings, every default filled in. Strings are the listener's, of its account. */
struct tls_settings {
    struct tls_source *sources;
    size_t source_count;
    bool strict; /* who asks for no certificate's name is refused */
    bool minimum_13;
    char *ciphers, *suites, *groups; /* as OpenSSL writes them; NULL: defaults */
    bool tickets;
    char *ticket_file; /* NULL: random keys */
    enum tls_client_certificates clients;
    char *client_ca; /* path */
    bool redirect_plain;
    bool watch; /* files are looked at once a second */
    bool lean;  /* records are not OpenSSL's after the handshake, if that can be done */
};

/* What a file was when it was last read. */
struct tls_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed, modified;
};

/* Told what is wrong with settings or files, one line each: error true: they cannot be used. */
typedef void (*tls_report)(void *arg, bool error, const char *text);

LOCK_ROLE(tls_load_lock)
LOCK_ROLE_AFTER(tls_listener_lock, ACQUIRED_AFTER(tls_load_lock))

struct tls_listener {
    struct account *account; /* a shared one, of all that belongs to this */
    const struct log *log;
    struct tls_settings settings;
    const struct tls_mode *mode; /* how records are sealed after the handshake; NULL: by OpenSSL */
    bool mode_failed;            /* for that the mode's self-test has failed */
    struct tickets tickets;
    struct lock lock;                                            /* of what is in use */
    struct lock load_lock;                                       /* one loads at a time */
    struct tls_contexts *contexts GUARDED_BY(tls_listener_lock); /* with a reference; NULL: none could be made */
    struct tls_stamp *stamps GUARDED_BY(tls_load_lock);          /* of the files as they were last looked at */
    size_t stamp_count GUARDED_BY(tls_load_lock);
    _Atomic uint64_t reloads, failed_reloads;
};

/* Makes a listener's TLS from settings, which become its own, strings and all, even on failure. Certificates are loaded
 * by tls_listener_load(). */
void tls_listener_init(struct tls_listener *l, struct account *account, const struct log *log,
                       const struct tls_settings *settings);
void tls_listener_done(struct tls_listener *l);

/* Loads all that the settings name, and uses it from here on if nothing is wrong. 0 or WEIR_EINVAL, or WEIR_ENOMEM:
 * nothing has changed. Every fault is reported. Any thread; blocks. */
int tls_listener_load(struct tls_listener *l, tls_report report, void *arg);
/* As tls_listener_load(), counted and logged. */
int tls_listener_reload(struct tls_listener *l);
/* Looks whether files have changed since they were loaded, and reloads if they have. Brings tickets up to date. Any
 * thread; blocks. */
void tls_listener_look(struct tls_listener *l);

/* Whether there is anything to look at. */
bool tls_listener_is_watched(const struct tls_listener *l);
/* Bytes that OpenSSL takes for a handshake. */
size_t tls_handshake_bytes(void);
/* Bytes of an idle connection beside its record. */
size_t tls_listener_session_bytes(const struct tls_listener *l);

/* Lets l's records be lean after the handshake, if their self-test passes; else that is reported, and they stay
 * OpenSSL's. Before tls_listener_load(). */
void tls_listener_try_mode(struct tls_listener *l, tls_report report, void *arg);
/* The way other than OpenSSL's in which l's records are sealed; NULL: there is none. */
const struct tls_mode *tls_listener_mode(const struct tls_listener *l);

/* What handshakes use now, with a reference; NULL: nothing. Any thread. */
struct tls_contexts *tls_listener_contexts(struct tls_listener *l);
struct tls_contexts *tls_contexts_ref(struct tls_contexts *c);
void tls_contexts_unref(struct tls_contexts *c);

/* Copies a string to an account; NULL: none was given, or there is no memory. */
char *tls_text_copy(struct account *a, const char *text);
void tls_text_free(struct account *a, char *text);

#endif
