/*
 * What the versions of HTTP have in common for those who know none: sizes of records, and how a client of TLS chooses
 * one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

#if WEIR_WITH_HTTP2
size_t http_record_size(const struct http_host *host)
{
    return larger(http_h1_record_size(host), http_h2_record_size(host));
}

size_t http_waiting_size(void)
{
    return larger(http_h1_waiting_size(), http_h2_waiting_size());
}

const struct alpn_offer *http_offers(bool http2)
{
    static const struct alpn_offer offers[] = {{"h2", &http_protocol_h2}, {"http/1.1", &http_protocol_h1}, {0}};
    return http2 ? offers : offers + 1;
}
#else
size_t http_record_size(const struct http_host *host)
{
    return larger(http_h1_record_size(host), 1);
}

size_t http_waiting_size(void)
{
    return larger(http_h1_waiting_size(), 1);
}

const struct alpn_offer *http_offers(bool http2)
{
    static const struct alpn_offer offers[] = {{"http/1.1", &http_protocol_h1}, {0}};
    (void)http2;
    return offers;
}
#endif
