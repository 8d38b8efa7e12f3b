/*
 * HTTP dates (RFC 9110 section 5.6.7), always in the preferred form.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_DATE_H
#define WEIR_HTTP_DATE_H

#include <stdint.h>

#define DATE_LEN 29

/* Writes "Sun, 06 Nov 1994 08:49:37 GMT", no NUL, to buf[DATE_LEN]. Years 1970 to 9999. */
void date_format(char *buf, int64_t seconds);

#endif
