/*
 * The table of refusals.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/refusal.h"

const struct refusal_info refusal_infos[REFUSAL_COUNT] = {
#define X(cause, name, status, text) {name, text, status},
    {"", "", 0}, REFUSAL_TABLE(X)
#undef X
};
