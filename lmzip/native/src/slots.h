/* slots.h - the hash table of bit histories (ARITHMETIC 6.2).

   A slot is 16 bytes: a check byte (never 0) and the bit-history states of the 15 nodes of one nibble under one
   context.  Four slots make a line of 64 bytes; a context looks in one line only.  A new slot replaces the one whose
   first node has the smallest state: states are numbered by the number of bits they have seen.  Most contexts keep the
   slots of second nibbles in the other line of the pair, so that it can be fetched a nibble ahead; the n_own_lines
   first contexts have too many followers for that and hash every high nibble to a line of its own. */
#ifndef LMZ_SLOTS_H
#define LMZ_SLOTS_H

#include <string.h>

#include "internal.h"

#define SLOT_SIZE 16
#define LINE_SIZE 64

/* The other line of the pair. */
static inline uint8_t *other_line(const struct lmz_coder *c, uint8_t *line)
{
    return c->ngram.slots + ((size_t)(line - c->ngram.slots) ^ LINE_SIZE);
}

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

/* Hash the lane's contexts and fetch the lines of the coming byte's first nibble: they come from main memory, so there
   should be other work between this and find_slots. */
static inline void prefetch_first(const struct lmz_coder *c, lmz_lane *lane, const int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t h = lane->context[i] * 0x9E3779B97F4A7C15u;
        lane->check[i] = (uint8_t)(h >> 24);
        lane->line[i] = c->ngram.slots + ((h >> 32) * c->ngram.n_lines >> 32) * LINE_SIZE;
        __builtin_prefetch(lane->line[i]);
    }
}

/* Note the lines of the nibble to come, which it changes. */
static APART void note_lines(struct lmz_coder *c, const lmz_lane *lane, int n)
{
    for (int i = 0; i < n; i++)
        note_write(c, lane->line[i]);
}

/* Go to the lines of the second nibble, lane->c0 being the first behind a leading one. */
static inline void prefetch_second(const struct lmz_coder *c, lmz_lane *lane, const int n, const int n_own_lines)
{
    for (int i = 0; i < n_own_lines; i++) {
        uint64_t h = (lane->context[i] + lane->c0 * 0x2F0B4C47u) * 0x9E3779B97F4A7C15u;
        lane->check[i] = (uint8_t)(h >> 24);
        lane->line[i] = c->ngram.slots + ((h >> 32) * c->ngram.n_lines >> 32) * LINE_SIZE;
        __builtin_prefetch(lane->line[i]);
    }
    for (int i = n_own_lines; i < n; i++) {
        lane->check[i] = (uint8_t)(lane->check[i] + lane->c0 * 0x9D);
        lane->line[i] = other_line(c, lane->line[i]);
    }
}

/* Fetch the lines of the second nibble, but for the wide contexts: theirs are not known yet. */
static inline void prefetch_other(const struct lmz_coder *c, lmz_lane *lane, const int n, const int n_own_lines)
{
    for (int i = n_own_lines; i < n; i++)
        __builtin_prefetch(other_line(c, lane->line[i]));
}

static inline void find_slots(lmz_lane *lane, int n)
{
    for (int i = 0; i < n; i++)
        lane->slot[i] = find_slot(lane->line[i], (uint8_t)(lane->check[i] + !lane->check[i]));
}

#endif
