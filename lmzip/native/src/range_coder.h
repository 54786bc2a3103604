/* range_coder.h - carry-propagating range coder over a 64-bit interval (ARITHMETIC 4).

   The interval is [low, low + range) in units of 2^-64 of the bytes not yet written.  range >= 2^56 before every
   decision, so a probability of 32 bits is applied with a relative error below 2^-24.  Encoder and decoder narrow the
   interval with the same function; the decoder keeps code - low in `low`. */
#ifndef LMZ_RANGE_CODER_H
#define LMZ_RANGE_CODER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t low;   /* encoder: low end; decoder: code - low end */
    uint64_t range;
    uint8_t *out;        /* encoder */
    const uint8_t *in;   /* decoder */
    size_t position, size; /* bytes written of the capacity / read of the payload */
    size_t end_size;       /* encoder: how many of them rc_finish_encoder wrote */
    int decoding;
    int failed;
} range_coder;

#define RC_BOTTOM ((uint64_t)1 << 56)
#define RC_SLACK 8 /* a decoder may read this many zero bytes past the end: the encoder drops trailing zeros */

static inline uint64_t rc_next_byte(range_coder *rc)
{
    uint64_t byte = rc->position < rc->size ? rc->in[rc->position] : 0;
    rc->position++;
    return byte;
}

static inline void rc_start_encoder(range_coder *rc, uint8_t *out, size_t capacity)
{
    *rc = (range_coder){.range = UINT64_MAX, .out = out, .size = capacity};
}

static inline void rc_start_decoder(range_coder *rc, const uint8_t *in, size_t size)
{
    *rc = (range_coder){.range = UINT64_MAX, .in = in, .size = size, .decoding = 1};
    for (int i = 0; i < 8; i++)
        rc->low = rc->low << 8 | rc_next_byte(rc);
    if (rc->low == UINT64_MAX) /* outside of [0, range): no encoder writes it */
        rc->failed = 1;
}

/* Add to low; a carry runs into the bytes already written, which never are all 0xFF: the code stays below 1. */
static inline void rc_add_low(range_coder *rc, uint64_t amount)
{
    rc->low += amount;
    if (rc->low < amount) {
        size_t i = rc->position;
        while (i && ++rc->out[--i] == 0) {
        }
    }
}

static inline void rc_normalize(range_coder *rc)
{
    while (rc->range < RC_BOTTOM) {
        rc->range <<= 8;
        if (rc->decoding) {
            rc->low = rc->low << 8 | rc_next_byte(rc);
        } else {
            if (rc->position < rc->size)
                rc->out[rc->position++] = (uint8_t)(rc->low >> 56);
            else
                rc->failed = 1; /* the caller sees it after the step and drops the whole payload */
            rc->low <<= 8;
        }
    }
}

/* Code one binary decision.  p1: probability of a one in units of 2^-32, 0 < p1 < 2^32.  Returns the bit. */
static inline int rc_code_bit(range_coder *rc, int bit, uint32_t p1)
{
    uint64_t bound = (rc->range >> 32) * p1;
    if (rc->decoding)
        bit = rc->low < bound;
    if (bit) {
        rc->range = bound;
    } else {
        rc->range -= bound;
        if (rc->decoding)
            rc->low -= bound;
        else
            rc_add_low(rc, bound);
    }
    rc_normalize(rc);
    return bit;
}

/* Encoder: write as few bytes as single out a number inside the interval; their trailing zeros are dropped, but no zero
   that was written before, since a decoder reads only RC_SLACK bytes past the end. */
static inline void rc_finish_encoder(range_coder *rc)
{
    if (rc->failed)
        return;
    uint64_t keep = UINT64_MAX << 56; /* as few leading bytes of low + range - 1 as stay inside */
    uint64_t last = rc->range - 1;
    while (((rc->low + last) & keep) - rc->low > last && keep != UINT64_MAX)
        keep |= keep >> 8;
    uint64_t end = (rc->low + last) & keep;
    const size_t before = rc->position;
    rc_add_low(rc, end - rc->low);
    for (int i = 0; i < 8 && rc->low; i++, rc->low <<= 8) {
        if (rc->position == rc->size) {
            rc->failed = 1;
            return;
        }
        rc->out[rc->position++] = (uint8_t)(rc->low >> 56);
    }
    rc->end_size = rc->position - before;
}

/* Decoder: whether the payload was used up, and not more than that. */
static inline int rc_finished_decoder(const range_coder *rc)
{
    return !rc->failed && rc->position >= rc->size && rc->position <= rc->size + RC_SLACK;
}

#endif
