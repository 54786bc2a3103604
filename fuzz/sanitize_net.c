/* sanitize_net.c - nets under the sanitizers: shapes and weights that must be refused, and nets run by themselves. */
#include <limits.h>
#include <string.h>

#include "sanitize.h"

static void refuse_net(const lmz_bytelm_shape *shape, const lmz_bytelm_weights *weights, int simd)
{
    n_checked++;
    CHECK(!lmz_bytelm_new(shape, weights, simd));
}

/* Shapes that must be refused before a weight is looked at: there is none of theirs. */
void refuse_bad_shapes(void)
{
    static const int wrong[] = {0, -1, -32, 1, 16, 31, 33, 48, 8224, 1 << 16, 1 << 30, INT_MAX, INT_MIN};
    tiny_net t = tiny_net_make(tiny_shape, TINY_PLAUSIBLE, 1);
    now = (test_case){.n_lanes = 1, .kind = "shapes of nets"};
    FOR_EACH_VARIANT(simd)
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            lmz_bytelm_shape s[8];
            for (int k = 0; k < 8; k++)
                s[k] = tiny_shape;
            s[0].n_embd = s[1].n_hidden = s[2].n_state = s[3].byte_dim = s[4].table_bits = s[5].orders[1] = wrong[i];
            s[6].table_dim = wrong[i] == 1 ? 2 : wrong[i];
            s[7].n_orders = wrong[i] == 16 ? 9 : wrong[i];
            s[4].table_bits = wrong[i] == 16 ? 25 : wrong[i];
            s[5].orders[1] = wrong[i] == 0 || wrong[i] == 1 ? 9 : wrong[i];
            for (int k = 0; k < 8; k++)
                refuse_net(&s[k], &t.weights, simd);
            s[0] = tiny_shape;
            s[0].n_layer = wrong[i] == 1 ? 13 : wrong[i];
            refuse_net(&s[0], &t.weights, simd);
        }
    for (int simd = -2; simd <= MAX_VARIANTS; simd++)
        if (!lmz_simd_available(simd))
            refuse_net(&tiny_shape, &t.weights, simd);
    for (int i = 0; i < 20000; i++) { /* all fields at once: refused, or of sizes that these weights do not have */
        lmz_bytelm_shape s;
        for (size_t k = 0; k < sizeof s / sizeof(int); k++)
            ((int *)&s)[k] = i & 1 ? (int)next_random() : (int)(next_random() % 300) * (k < 4 ? 32 : 1);
        refuse_net(&s, &t.weights, i % MAX_VARIANTS);
    }
    tiny_net_free(&t);
    lmz_expert_free(NULL);
}

void refuse_bad_weights(void)
{
    now = (test_case){.n_lanes = 1, .kind = "weights of nets"};
    FOR_EACH_VARIANT(simd) {
        tiny_net t = tiny_net_make(tiny_shape, TINY_EXTREME, 2);
        for (int d = -1; d <= 1; d += 2) {
            lmz_bytelm_weights w = t.weights;
            w.n_weights += (size_t)d;
            refuse_net(&tiny_shape, &w, simd);
            w = t.weights;
            w.n_rows += (size_t)d;
            refuse_net(&tiny_shape, &w, simd);
        }
        for (int i = 0; i < 60; i++) {
            const size_t n_rows = t.weights.n_rows, r = i == 0 ? 0 : i == 1 ? n_rows - 1 : next_random() % n_rows;
            int32_t *row = &t.multipliers[r];
            int32_t *bias = &t.forget_biases[next_random() % t.n_biases], kept = *row, kept_bias = *bias;
            *row = i % 2 ? -1 - (int32_t)(next_random() >> 1) : -1;
            refuse_net(&tiny_shape, &t.weights, simd);
            *row = kept;
            *bias = (i % 2 ? 1 : -1) * ((1 << 20) + 1 + (i % 3 ? 0 : (int32_t)(next_random() >> 2)));
            refuse_net(&tiny_shape, &t.weights, simd);
            *bias = kept_bias;
        }
        /* One more than the largest multiplier of a full row. */
        int n_in = tiny_shape.byte_dim + tiny_shape.n_orders * tiny_shape.table_dim;
        memset(t.matrices, 127, (size_t)n_in);
        int64_t largest = (((int64_t)1 << 50) - 1) / (127 * 127 * n_in);
        if (largest < INT32_MAX) {
            t.multipliers[0] = (int32_t)largest;
            lmz_expert *net = lmz_bytelm_new(&tiny_shape, &t.weights, simd);
            CHECK(net);
            lmz_expert_free(net);
            t.multipliers[0] = (int32_t)largest + 1;
            refuse_net(&tiny_shape, &t.weights, simd);
        }
        tiny_net_free(&t);
    }
}

/* Run nets of several shapes by themselves: every variant and every cut of the lanes gives the same trees. */
void run_nets(int n_steps)
{
    static const lmz_bytelm_shape shapes[] = {
        {.n_embd = 32, .n_layer = 1, .n_hidden = 32, .n_state = 32, .byte_dim = 32, .table_dim = 1, .table_bits = 16},
        {.n_embd = 96, .n_layer = 3, .n_hidden = 160, .n_state = 224, .byte_dim = 27, .table_dim = 5, .table_bits = 17,
         .n_orders = 1, .orders = {7}},
        {.n_embd = 64, .n_layer = 12, .n_hidden = 32, .n_state = 96, .byte_dim = 24, .table_dim = 1, .table_bits = 16,
         .n_orders = 8, .orders = {0, 1, 2, 3, 4, 5, 6, 8}}};
    static const int lanes[] = {1, 2, 3, 7, 8, 15, 16, 17, 33, 128};
    for (int i = 0; i < 6; i++) {
        const lmz_bytelm_shape *shape = &shapes[i / 2];
        tiny_net t = tiny_net_make(*shape, i % 2 ? TINY_EXTREME : TINY_PLAUSIBLE, (uint64_t)i);
        size_t n_all = (size_t)n_steps * LMZ_MAX_LANES;
        uint8_t *text = tiny_allocate(n_all);
        uint32_t *bytes = tiny_allocate(n_all * sizeof *bytes),
                 *expected = tiny_allocate(n_all * 512 * sizeof *expected);
        fill_text(text, n_all);
        for (size_t k = 0; k < n_all; k++)
            bytes[k] = k % 3 ? text[k] : next_random() & 255;
        free(text);
        FOR_EACH_VARIANT(simd) {
            lmz_expert *net = lmz_bytelm_new(shape, &t.weights, simd);
            CHECK(net);
            CHECK(lmz_expert_run(net, 0, 1, bytes, 1, expected) != LMZ_DONE &&
                  lmz_expert_run(net, -1, 1, bytes, 1, expected) != LMZ_DONE);
            CHECK(lmz_expert_run(net, LMZ_MAX_LANES + 1, 1, bytes, 1, expected) != LMZ_DONE);
            CHECK(lmz_expert_run(net, 1, 1, bytes, 0, expected) == LMZ_DONE);
            if (!simd)
                CHECK(lmz_expert_run(net, LMZ_MAX_LANES, 1, bytes, (size_t)n_steps, expected) == LMZ_DONE);
            for (size_t l = 0; l < sizeof lanes / sizeof *lanes; l++) {
                size_t n = (size_t)lanes[l], first = LMZ_MAX_LANES - n;
                now = (test_case){.n_lanes = lanes[l], .kind = "a net by itself"};
                uint32_t *some = tiny_allocate((size_t)n_steps * n * sizeof *some);
                uint32_t *trees = tiny_allocate((size_t)n_steps * n * 512 * sizeof *trees);
                for (size_t step = 0; step < (size_t)n_steps; step++)
                    memcpy(some + step * n, bytes + step * LMZ_MAX_LANES + first, n * sizeof *some);
                CHECK(lmz_expert_run(net, lanes[l], 1, some, (size_t)n_steps, trees) == LMZ_DONE);
                for (size_t step = 0; step < (size_t)n_steps; step++)
                    CHECK(!memcmp(trees + step * n * 512, expected + (step * LMZ_MAX_LANES + first) * 512,
                                  n * 512 * 4));
                free(some);
                free(trees);
                n_checked++;
            }
            lmz_expert_free(net);
        }
        free(bytes);
        free(expected);
        tiny_net_free(&t);
    }
}

/* Make the tiny net of a kind for every variant, for blocks with a net. */
tiny_net make_nets(int kind)
{
    tiny_net t = tiny_net_make(tiny_shape, kind, 3);
    FOR_EACH_VARIANT(simd)
        CHECK((experts[LMZ_BYTES][simd] = lmz_bytelm_new(&tiny_shape, &t.weights, simd)));
    return t;
}

void free_nets(tiny_net *t)
{
    for (int simd = 0; simd < MAX_VARIANTS; simd++) {
        lmz_expert_free(experts[LMZ_BYTES][simd]);
        experts[LMZ_BYTES][simd] = NULL;
    }
    tiny_net_free(t);
}
