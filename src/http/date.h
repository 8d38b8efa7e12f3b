/*
 * HTTP dates (RFC 9110 section 5.6.7): written in the preferred form, read in all three.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_DATE_H
#define WEIR_HTTP_DATE_H

#include "base/slice.h"

#include <stdint.h>

#define DATE_LEN 29

/* Writes "Sun, 06 Nov 1994 08:49:37 GMT", no NUL, to buf[DATE_LEN]. Years 1970 to 9999. */
void date_format(char *buf, int64_t seconds);

/* Reads an HTTP-date: IMF-fixdate, or the obsolete forms of RFC 850 and of asctime(). now: seconds, by which a year of
 * two digits is told. False: text is none, to the letter; but for the weekday's name, which need not be that of the
 * date. */
bool date_read(struct slice text, int64_t now, int64_t *seconds);

#endif
