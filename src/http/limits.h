/*
 * Defaults of limits on what a client may send, in any version that has it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_LIMITS_H
#define WEIR_HTTP_LIMITS_H

#define CHUNK_EXTENSION_MAX 1024 /* bytes of chunk extensions beyond what data has paid for, unless set otherwise */
#define CHUNK_TRAILER_MAX   4096 /* bytes of trailer fields, likewise */

#endif
