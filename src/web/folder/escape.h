/*
 * Names of files as text of a page and as parts of URLs. A name is any bytes but NUL and "/", and somebody else chose
 * it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_ESCAPE_H
#define WEIR_WEB_FOLDER_ESCAPE_H

#include "base/slice.h"

#define ESCAPE_HTML_MOST 6 /* bytes that a byte can become: "&quot;" */
#define ESCAPE_URL_MOST  3

/* Writes text for HTML, in attributes with quotes as well: what has a meaning there becomes a reference; control
 * characters, those that turn the order of others, and what is not UTF-8 become U+FFFD. out has room for
 * ESCAPE_HTML_MOST times text's length. Returns the length. */
size_t escape_html(char *out, struct slice text);

/* Writes text as a segment of a URL's path (RFC 3986 section 3.3): all but unreserved characters becomes an escape, so
 * that no segment is a scheme or another host. out has room for ESCAPE_URL_MOST times text's length. */
size_t escape_url(char *out, struct slice text);

#endif
