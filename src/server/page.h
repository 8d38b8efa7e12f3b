/*
 * The files of the ledger's page, put into the program when it is built.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_PAGE_H
#define WEIR_SERVER_PAGE_H

#include <stddef.h>

extern const unsigned char page_html[], page_css[], page_js[], page_icon[];
extern const size_t page_html_size, page_css_size, page_js_size, page_icon_size;

#endif
