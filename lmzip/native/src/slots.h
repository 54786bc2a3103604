/* slots.h - the hash table of bit histories (ARITHMETIC 4.2).

   A slot is 16 bytes: a check byte (never 0) and the bit-history states of the 15 nodes of one nibble under one context.
   Four slots make a line of 64 bytes; a context looks in one line only.  A new slot replaces the one whose first node
   has the smallest state, which are numbered by their length. */
#ifndef LMZ_SLOTS_H
#define LMZ_SLOTS_H

#include <string.h>

#include "internal.h"

#define SLOT_SIZE 16
#define LINE_SIZE 64

static inline uint8_t *find_slot(uint8_t *line, uint8_t check)
{
    unsigned found = (unsigned)(line[0] == check) | (unsigned)(line[16] == check) << 1 |
                     (unsigned)(line[32] == check) << 2 | (unsigned)(line[48] == check) << 3;
    if (found)
        return line + SLOT_SIZE * __builtin_ctz(found);
    uint8_t *oldest = line;
    for (int i = 1; i < LINE_SIZE / SLOT_SIZE; i++)
        if (line[i * SLOT_SIZE + 1] < oldest[1])
            oldest = line + i * SLOT_SIZE;
    memset(oldest, 0, SLOT_SIZE);
    oldest[0] = check;
    return oldest;
}

/* Hash the lane's n contexts for one nibble (salt: 0, or the high nibble behind a leading one) and fetch their lines:
   they come from main memory, so there should be other work between this and find_slots. */
static inline void prefetch_slots(const struct lmz_coder *c, lmz_lane *lane, uint32_t salt, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t h = (uint64_t)(lane->context[i] + salt * 0x2F0B4C47u) * 0x9E3779B97F4A7C15u;
        uint8_t check = (uint8_t)(h >> 24);
        lane->check[i] = (uint8_t)(check + !check);
        lane->line[i] = c->slots + ((h >> 32) * c->n_lines >> 32) * LINE_SIZE;
        __builtin_prefetch(lane->line[i]);
    }
}

static inline void find_slots(lmz_lane *lane, int n)
{
    for (int i = 0; i < n; i++)
        lane->slot[i] = find_slot(lane->line[i], lane->check[i]);
}

#endif
