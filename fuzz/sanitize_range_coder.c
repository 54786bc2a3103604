/* sanitize_range_coder.c - the range coder by itself under the sanitizers. */
#include "range_coder.h"

#include <string.h>

#include "sanitize.h"

#define MAX_DECISIONS 80

typedef struct {
    uint32_t p1;
    int bit;
} decision;

static void code_decisions(range_coder *rc, decision *decisions, int n)
{
    for (int i = 0; i < n; i++)
        decisions[i].bit = rc_code_bit(rc, decisions[i].bit, decisions[i].p1);
}

/* Whatever decisions a payload decodes to can be encoded and decoded again.  Short payloads go on as zero bytes, so
   that the codes of these decisions lie close to values that end in many zeros: where carry and end of a payload meet.
   */
void range_coder_streams(int n_streams)
{
    now = (test_case){.n_lanes = 1, .kind = "range coder decisions", .n_threads = 1};
    for (int stream = 0; stream < n_streams; stream++) {
        range_coder rc;
        decision first[MAX_DECISIONS], again[MAX_DECISIONS];
        uint8_t seed[3], payload[MAX_DECISIONS * 4 + 16];
        int n = 1 + (int)(next_random() % MAX_DECISIONS);
        fill_random(seed, sizeof seed);
        for (int i = 0; i < n; i++)
            first[i] = (decision){1 + (next_random() >> 1 >> next_random() % 20), 0};
        rc_start_decoder(&rc, seed, next_random() % 4);
        code_decisions(&rc, first, n);
        rc_start_encoder(&rc, payload, sizeof payload);
        code_decisions(&rc, first, n);
        rc_finish_encoder(&rc);
        CHECK(!rc.failed);
        size_t size = rc.position;
        uint8_t *exact = tiny_allocate(size);
        memcpy(exact, payload, size);
        for (int i = 0; i < n; i++)
            again[i] = (decision){first[i].p1, 0};
        rc_start_decoder(&rc, exact, size);
        code_decisions(&rc, again, n);
        CHECK(rc_finished_decoder(&rc));
        free(exact);
        for (int i = 0; i < n; i++)
            CHECK(first[i].bit == again[i].bit);
    }
}
