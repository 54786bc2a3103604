/* header_byte.h - bytes before the samples of a block: those of the header of a WAV file are mostly known before
   (SAMPLES 8). */
#ifndef LMZ_HEADER_BYTE_H
#define LMZ_HEADER_BYTE_H

#include <string.h>

#include "plain_byte.h"
#include "samples_base.h"

#define HEADER_CELL_LIMIT 30

static inline void set_word(uint8_t *at, uint32_t v, int size)
{
    for (int i = 0; i < size; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

/* The byte at a position of the header of a WAV file that has what the block has; raw is known up to there. */
static inline uint8_t expected_header_byte(const struct lmz_coder *c, uint32_t position)
{
    const lmz_content *content = &c->spec.content;
    const uint32_t moment_size = (uint32_t)(content->channels * content->depth / 8);
    uint8_t header[WAV_HEADER];
    memcpy(header, "RIFF....WAVEfmt ", 16);
    set_word(header + 4, c->raw_size - 8, 4);
    set_word(header + 16, 16, 4);
    set_word(header + 20, 1, 2);
    set_word(header + 22, (uint32_t)content->channels, 2);
    set_word(header + 24, content->channels > 1 ? 44100 : 16000, 4);
    if (position >= 28) /* the rate is known */
        set_word(header + 28, moment_size * (c->raw[24] | (uint32_t)c->raw[25] << 8 | (uint32_t)c->raw[26] << 16), 4);
    set_word(header + 32, moment_size, 2);
    set_word(header + 34, (uint32_t)content->depth, 2);
    memcpy(header + 36, "data", 4);
    set_word(header + 40, c->raw_size - WAV_HEADER, 4);
    return header[position];
}

/* Code the lane's next byte, one that is of no sample. */
static inline void code_header_byte(struct lmz_coder *c, lmz_lane *lane, samples_state *s)
{
    if (c->spec.content.offset == WAV_HEADER && lane->position < WAV_HEADER) {
        const uint8_t expected = expected_header_byte(c, lane->position);
        const int bit = rc_code_bit(&c->rc, !c->rc.decoding && c->raw[lane->position] == expected,
                                    bounded((uint32_t)cell_p(s->header_cell) << 2) << 8);
        cell_update(&s->header_cell, bit, HEADER_CELL_LIMIT);
        if (bit) {
            if (c->rc.decoding)
                c->raw[lane->position] = expected;
            s->plain->history = s->plain->history << 8 | expected;
            lane->position++;
            c->n_coded++;
            return;
        }
    }
    code_plain_byte(c, lane, s->plain);
}

#endif
