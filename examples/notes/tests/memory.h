/*
 * What stands for a database in tests: notes in an array, with errors and delays as a test wants them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_TESTS_MEMORY_H
#define NOTES_TESTS_MEMORY_H

#include "../store.h"

enum { MEMORY_NOTES = 50 };

struct memory {
    struct {
        struct note note; /* id 0: none */
        char text[NOTE_TEXT_MAX + 1], link[NOTE_LINK_MAX + 1], title[NOTE_TITLE_MAX + 1];
    } notes[MEMORY_NOTES]; /* a note's id is its place, from 1 on */
    int count;
    int expired;  /* how often expire() was called */
    int error;    /* what each call returns; 0: as it should */
    int delay_ms; /* how long each takes */
};

struct store store_memory(struct memory *memory);

#endif
