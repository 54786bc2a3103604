/* body.h - the loop over steps, lanes and bits, both directions; compiled once per SIMD variant (variant_*.c). */
#include "predictor.h"

/* Code the lane's next byte.  What follows from a nibble is fetched before its last bit is learned, to hide the latency
   of main memory behind the learning. */
INLINE void code_byte(struct lmz_coder *c, lmz_lane *lane, int lane_index, const int n, const int n_sets, const int n_apm)
{
    int byte = c->rc.decoding ? 0 : c->raw[lane->position];
    prediction r;
    find_slots(lane, n);
    find_matches(c, lane, lane_index);
    for (int i = 0; i < 8; i++) {
        if (i == 4)
            find_slots(lane, n);
        uint32_t p = predict(c, lane, &r, i, n, n_sets, n_apm);
        int bit = rc_code_bit(&c->rc, byte >> (7 - i) & 1, p);
        lane->c0 = lane->c0 << 1 | (uint32_t)bit;
        if (i == 3)
            prefetch_slots(c, lane, lane->c0, n);
        if (i == 7) {
            if (c->rc.decoding)
                c->raw[lane->position] = (uint8_t)lane->c0;
            update_history(c, lane, lane->c0 & 255);
            set_contexts(c, lane);
            prefetch_slots(c, lane, 0, n);
            prefetch_matches(c, lane);
            lane->c0 = 1;
        }
        learn(c, lane, &r, bit, n, n_sets, n_apm);
    }
    advance_matches(lane);
}

#define CODE_LANES(n_contexts, n_sets, n_apm)                                  \
    static void code_lanes_##n_contexts##_##n_sets(struct lmz_coder *c)        \
    {                                                                          \
        for (int i = 0; i < c->n_lanes; i++)                                   \
            if (c->lanes[i].position < c->lanes[i].end)                        \
                code_byte(c, &c->lanes[i], i, n_contexts, n_sets, n_apm);      \
    }
CODE_LANES(6, 2, 0)
CODE_LANES(12, 3, 3)
CODE_LANES(20, 5, 3)
CODE_LANES(20, 7, 3)

int VARIANT(struct lmz_coder *c, uint64_t n_steps)
{
    void (*const code_lanes[])(struct lmz_coder *) = {0, code_lanes_6_2, code_lanes_12_3, code_lanes_20_5, code_lanes_20_7};
    if (!c->step)
        for (int i = 0; i < c->n_lanes; i++) {
            c->lanes[i].c0 = 1;
            set_contexts(c, &c->lanes[i]);
            prefetch_slots(c, &c->lanes[i], 0, c->method->n_contexts);
            prefetch_matches(c, &c->lanes[i]);
        }
    for (; n_steps; n_steps--) {
        if (c->step == c->chunk_size)
            return LMZ_DONE;
        code_lanes[c->method_number](c);
        c->step++;
        if (c->rc.failed || c->rc.position > c->rc.size + RC_SLACK)
            return c->rc.decoding ? LMZ_E_DAMAGED : LMZ_E_FULL;
    }
    return c->step == c->chunk_size ? LMZ_DONE : LMZ_MORE;
}
