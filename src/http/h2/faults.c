/*
 * What a client may do that costs this side more than it costs the client: resets, pings, settings, priorities, frames
 * that say nothing. Each is right, and a client may do any of them now and then; a bucket that empties by a rate tells
 * when it is too much.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"

#define FAULTS_MOST     1000u /* at once */
#define FAULTS_A_SECOND 33u   /* forgotten */

bool h2_fault(struct h2 *h, unsigned n, enum refusal cause)
{
    struct h2_kept *k = &h->kept;
    uint32_t now = loop_now_ms(h2_net(h)->loop);
    uint64_t forgotten = (uint64_t)(uint32_t)ticks_between(k->faults_tick, now) * FAULTS_A_SECOND / 1000;
    if (forgotten > 0) {
        k->faults = forgotten < k->faults ? (uint16_t)(k->faults - forgotten) : 0;
        k->faults_tick = now;
    }
    if (n > FAULTS_MOST - k->faults) {
        h2_fail(h, H2_ENHANCE_YOUR_CALM, cause, NULL);
        return false;
    }
    k->faults = (uint16_t)(k->faults + n);
    return true;
}
