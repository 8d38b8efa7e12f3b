/*
 * The handlers of notes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_NOTES_H
#define NOTES_NOTES_H

#include <weir.h>

void notes_list(weir_ctx *c);   /* GET /notes?after=ID&limit=N */
void notes_create(weir_ctx *c); /* POST /notes */
void notes_read(weir_ctx *c);   /* GET /notes/{id}, with If-None-Match */
void notes_change(weir_ctx *c); /* PUT /notes/{id}, with If-Match */
void notes_remove(weir_ctx *c); /* DELETE /notes/{id} */

#endif
