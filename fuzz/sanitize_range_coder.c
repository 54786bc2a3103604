/* sanitize_range_coder.c - the range coder by itself under the sanitizers. */
#include <string.h>

#include "sanitize.h"

#define MAX_DECISIONS 80

typedef struct {
    uint32_t p1;     /* of a binary decision; 0: a symbol of 16 bits, one of 256 of equal frequency */
    uint32_t symbol; /* the bit, or the symbol's number */
} decision;

static void code_decisions(lmz_range_coder *coder, decision *decisions, int n, int decoding)
{
    for (int i = 0; i < n; i++) {
        decision *d = &decisions[i];
        if (d->p1) {
            d->symbol = (uint32_t)lmz_range_code_bit(coder, (int)d->symbol, d->p1);
        } else {
            if (decoding)
                d->symbol = lmz_range_target(coder, 16) >> 8;
            lmz_range_code_interval(coder, (uint64_t)d->symbol << 8, (uint64_t)(d->symbol + 1) << 8, 16);
        }
    }
}

/* Whatever decisions a payload decodes to can be encoded and decoded again.  Short payloads go on as zero bytes, so that
   the codes of these decisions lie close to values that end in many zeros: where carry and end of a payload meet. */
void range_coder_streams(int n_streams)
{
    now = (test_case){.n_lanes = 1, .kind = "range coder decisions", .n_threads = 1};
    for (int stream = 0; stream < n_streams; stream++) {
        decision first[MAX_DECISIONS], again[MAX_DECISIONS];
        uint8_t seed[3], payload[MAX_DECISIONS * 4 + 16];
        int n = 1 + (int)(next_random() % MAX_DECISIONS);
        fill_random(seed, sizeof seed);
        for (int i = 0; i < n; i++)
            first[i] = (decision){i % 9 == 8 ? 0 : 1 + (next_random() >> 1 >> next_random() % 20), 0};
        lmz_range_coder *coder = lmz_range_decoder_new(seed, next_random() % 4);
        CHECK(coder);
        code_decisions(coder, first, n, 1);
        lmz_range_coder_free(coder);
        CHECK((coder = lmz_range_encoder_new(payload, sizeof payload)));
        code_decisions(coder, first, n, 0);
        int64_t size = lmz_range_finish(coder);
        lmz_range_coder_free(coder);
        CHECK(size >= 0 && size <= (int64_t)sizeof payload);
        memcpy(again, first, sizeof again);
        for (int i = 0; i < n; i++)
            again[i].symbol = 0;
        uint8_t *exact = allocate((size_t)size);
        memcpy(exact, payload, (size_t)size);
        CHECK((coder = lmz_range_decoder_new(exact, (size_t)size)));
        code_decisions(coder, again, n, 1);
        CHECK(lmz_range_finish(coder) == 0);
        lmz_range_coder_free(coder);
        free(exact);
        for (int i = 0; i < n; i++)
            CHECK(first[i].symbol == again[i].symbol);
    }
}
