/*
 * What the handshake has told of the client, kept in few bytes: OpenSSL's object, which knew it, is gone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_worker.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE    (sizeof((struct transport_security *)0)->name)
#define SUBJECT_SIZE (sizeof((struct transport_security *)0)->subject)

/* Most hosts have fewer than 45 letters, and few clients have certificates. */
const size_t lean_told_sizes[LEAN_TOLD_SIZES] = {LEAN_TOLD_SHORT,
                                                 sizeof(struct lean_told) + NAME_SIZE + SUBJECT_SIZE + 6};

/* What ALPN chose, as the flags say it. */
static unsigned chosen_flags(const struct alpn_offer *offers, const char *protocol)
{
    const struct alpn_offer *offer = alpn_find(offers, protocol, strlen(protocol));
    if (!offer)
        return 0;
    unsigned flags = (unsigned)(offer - offers + 1) * LEAN_CHOSE_UNIT;
    weir_assert((flags & ~(unsigned)LEAN_CHOSE) == 0);
    return flags;
}

bool lean_tell(struct lean_worker *w, struct lean_connection *l, const struct alpn_offer *offers,
               const struct transport_security *s)
{
    size_t name = strlen(s->name) + 1, subject = strlen(s->subject) + 1;
    l->session.flags =
        (uint8_t)(l->session.flags | (s->resumed ? LEAN_RESUMED : 0) | (s->verified ? LEAN_VERIFIED : 0) |
                  chosen_flags(offers, s->protocol) | (strstr(s->cipher, "_RSA_") ? LEAN_SIGNED_BY_RSA : 0));
    if (name + subject == 2)
        return true;
    uint16_t size = sizeof(struct lean_told) + name + subject <= lean_told_sizes[0] ? 0 : 1;
    struct lean_told *told = pool_take(&w->told[size]);
    if (!told)
        return false;
    told->size = size;
    memcpy(told->text, s->name, name);
    memcpy(told->text + name, s->subject, subject);
    l->told = told;
    return true;
}

void lean_told(const struct lean_connection *l, const struct alpn_offer *offers, struct transport_security *s)
{
    static const char *const ciphers[LEAN_CIPHERS] = {"AES_128_GCM_SHA256", "AES_256_GCM_SHA384",
                                                      "CHACHA20_POLY1305_SHA256"};
    const struct lean_session *session = &l->session;
    uint8_t flags = session->flags;
    const char *before = session->suite.tls13           ? "TLS_"
                         : (flags & LEAN_SIGNED_BY_RSA) ? "TLS_ECDHE_RSA_WITH_"
                                                        : "TLS_ECDHE_ECDSA_WITH_";
    *s = (struct transport_security){.resumed = flags & LEAN_RESUMED, .verified = flags & LEAN_VERIFIED};
    snprintf(s->version, sizeof s->version, "%s", session->suite.tls13 ? "TLSv1.3" : "TLSv1.2");
    snprintf(s->cipher, sizeof s->cipher, "%s%s", before, ciphers[session->suite.cipher]);
    unsigned chosen = (flags & LEAN_CHOSE) / LEAN_CHOSE_UNIT;
    if (chosen > 0)
        snprintf(s->protocol, sizeof s->protocol, "%s", offers[chosen - 1].name);
    if (l->told) {
        snprintf(s->name, sizeof s->name, "%s", l->told->text);
        snprintf(s->subject, sizeof s->subject, "%s", l->told->text + strlen(l->told->text) + 1);
    }
}

void lean_drop_told(struct lean_worker *w, struct lean_connection *l)
{
    if (l->told)
        pool_give(&w->told[l->told->size], l->told);
    l->told = NULL;
}
