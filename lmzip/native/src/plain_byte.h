/* plain_byte.h - bytes of a block of samples that are none, such as the header of a file: predicted by the one, two and
   three of them before, from what headers of usual files have taught (ARITHMETIC 13). */
#ifndef LMZ_PLAIN_BYTE_H
#define LMZ_PLAIN_BYTE_H

#include "internal.h"
#include "probability.h"

#define PLAIN_ORDERS 3
#define PLAIN_BITS 12

typedef struct {
    uint32_t cells[PLAIN_ORDERS][1 << PLAIN_BITS];
    uint32_t history; /* the last such bytes, the newest lowest */
} plain_state;

/* Set the cells to what headers teach. */
void plain_start(plain_state *);

/* The cells of the next bit, c0 being the known bits of the byte behind a leading one. */
static inline void plain_cells(plain_state *s, uint32_t c0, uint32_t *cells[PLAIN_ORDERS])
{
    for (int i = 0; i < PLAIN_ORDERS; i++) {
        const uint32_t before = s->history & ((1u << 8 * (i + 1)) - 1);
        cells[i] = &s->cells[i][(before << 8 | c0) * 0x9E3779B1u >> (32 - PLAIN_BITS)];
    }
}

static inline void plain_learn(uint32_t *cells[PLAIN_ORDERS], int bit)
{
    for (int i = 0; i < PLAIN_ORDERS; i++)
        cell_update(cells[i], bit, CELL_LIMIT);
}

static inline void code_plain_byte(struct lmz_coder *c, lmz_lane *lane, plain_state *s)
{
    const uint32_t byte = c->rc.decoding ? 0 : c->raw[lane->position];
    uint32_t c0 = 1, *cells[PLAIN_ORDERS];
    for (int i = 7; i >= 0; i--) {
        plain_cells(s, c0, cells);
        int32_t stretch = 0;
        for (int k = 0; k < PLAIN_ORDERS; k++)
            stretch += cell_stretch(*cells[k]);
        const int bit = rc_code_bit(&c->rc, byte >> i & 1, bounded(squash(clamp(stretch, STRETCH_LIMIT))) << 8);
        plain_learn(cells, bit);
        c0 = c0 << 1 | (uint32_t)bit;
    }
    if (c->rc.decoding)
        c->raw[lane->position] = (uint8_t)c0;
    s->history = s->history << 8 | (c0 & 255);
    lane->position++;
    c->n_coded++;
}

#endif
