/* range_coder.c - the range coder by itself, for models that give frequencies rather than run in the kernel. */
#include "range_coder.h"

#include <stdlib.h>

#include "lmz.h"

struct lmz_range_coder {
    range_coder rc;
};

lmz_range_coder *lmz_range_encoder_new(uint8_t *payload, size_t capacity)
{
    lmz_range_coder *coder = malloc(sizeof *coder);
    if (coder)
        rc_start_encoder(&coder->rc, payload, capacity);
    return coder;
}

lmz_range_coder *lmz_range_decoder_new(const uint8_t *payload, size_t payload_size)
{
    lmz_range_coder *coder = malloc(sizeof *coder);
    if (coder)
        rc_start_decoder(&coder->rc, payload, payload_size);
    return coder;
}

int lmz_range_code_bit(lmz_range_coder *coder, int bit, uint32_t p1) { return rc_code_bit(&coder->rc, bit, p1); }

uint32_t lmz_range_target(const lmz_range_coder *coder, int total_bits)
{
    return (uint32_t)rc_decode_target(&coder->rc, total_bits);
}

void lmz_range_code_interval(lmz_range_coder *coder, uint64_t low, uint64_t high, int total_bits)
{
    rc_code_interval(&coder->rc, low, high, total_bits);
}

int64_t lmz_range_finish(lmz_range_coder *coder)
{
    if (coder->rc.decoding)
        return rc_finished_decoder(&coder->rc) ? 0 : LMZ_E_DAMAGED;
    rc_finish_encoder(&coder->rc);
    return coder->rc.failed ? LMZ_E_FULL : (int64_t)coder->rc.position;
}

void lmz_range_coder_free(lmz_range_coder *coder) { free(coder); }
