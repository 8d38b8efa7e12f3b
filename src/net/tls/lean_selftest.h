/*
 * The self-test of lean records: before a server that wants them starts, it shakes hands with itself in memory over all
 * suites and versions, in full and resumed, takes each connection over, and speaks with OpenSSL's client in both
 * directions, over a change of keys, to the orderly end. Because OpenSSL is linked dynamically, what is found here is
 * the version that is there.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_LEAN_SELFTEST_H
#define WEIR_NET_TLS_LEAN_SELFTEST_H

#include "net/tls/lean_pair.h"

/* For tests: changes what a handshake has given, before the connection is tried. NULL: nothing does. */
typedef void (*lean_tamper)(struct lean_session *s);

/* Some 14 ms. NULL where all is good; else what has failed, a static text. */
const char *lean_self_test(lean_tamper tamper) MUST_CHECK;

#endif
