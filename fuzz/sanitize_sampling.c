/* sanitize_sampling.c - samplers and walks under the sanitizers: what is drawn from random bits, and experts that are
   run by themselves step by step; every variant gives the same. */
#include <string.h>

#include "sanitize.h"
#include "tiny_transformer.h"

/* ---- samplers ---- */

/* Run up to a position; returns the last status. */
static int advance(lmz_coder *coder, size_t end)
{
    int status = LMZ_MORE;
    while (status == LMZ_MORE && lmz_coder_position(coder) < end)
        status = lmz_coder_run(coder, 1);
    return status;
}

/* Draw what follows n_given bytes of `raw`, which are cut into these tokens where there is an expert of them; returns
   the status. */
static int draw(int simd, uint8_t *raw, size_t n_given, const uint8_t *sizes, size_t n_tokens, const uint8_t *bits,
                size_t n_bytes)
{
    const lmz_block_spec spec = spec_of_case();
    const size_t capacity = LMZ_SCRATCH_RATE * n_given + 64;
    uint8_t *scratch = tiny_allocate(capacity);
    lmz_coder *coder = lmz_sampler_new(&spec, experts[now.unit][simd], simd, raw, n_given, scratch, capacity);
    CHECK(coder);
    CHECK(now.unit != LMZ_TOKENS || lmz_coder_set_tokens(coder, sizes, n_tokens) == LMZ_DONE);
    lmz_coder_set_threads(coder, now.n_threads);
    CHECK(advance(coder, n_given) == LMZ_MORE && lmz_coder_position(coder) >= n_given);
    free(scratch); /* from here on it only draws */
    int status = LMZ_E_ARGUMENT;
    if (lmz_coder_position(coder) == n_given) { /* not where what is given ends within a sample */
        lmz_coder_draw(coder, bits, n_bytes);
        status = advance(coder, now.raw_size);
        CHECK(status == LMZ_DONE || status == LMZ_E_DAMAGED);
    }
    lmz_coder_free(coder);
    n_checked++;
    return status;
}

/* Draw by the same bits with every variant; returns whether they were enough. */
static int sample(size_t n_given, size_t n_bytes)
{
    uint8_t *given = tiny_allocate(n_given), *sizes = tiny_allocate(n_given), *bits = tiny_allocate(n_bytes);
    uint8_t *first = tiny_allocate(now.raw_size), *raw = tiny_allocate(now.raw_size);
    const size_t raw_size = now.raw_size;
    fill_text(given, n_given);
    fill_random(bits, n_bytes);
    now.raw_size = n_given;
    const size_t n_tokens = now.unit == LMZ_TOKENS ? cut_tokens(given, sizes) : 0;
    now.raw_size = raw_size;
    int status = 0;
    FOR_EACH_VARIANT(simd) {
        uint8_t *to = simd == PORTABLE ? first : raw;
        memset(to, 0, raw_size);
        memcpy(to, given, n_given);
        const int here = draw(simd, to, n_given, sizes, n_tokens, bits, n_bytes);
        status = simd == PORTABLE ? here : status;
        CHECK(here == status && !memcmp(to, given, n_given) && !memcmp(to, first, raw_size));
    }
    add_to_digest(first, raw_size);
    free(given);
    free(sizes);
    free(bits);
    free(first);
    free(raw);
    return status == LMZ_DONE;
}

/* With nothing given, a sampler that draws by a payload finds what was coded. */
static void sample_payload(void)
{
    const lmz_block_spec spec = spec_of_case();
    const int simd = lmz_simd_best(1);
    const size_t capacity = now.raw_size * 24 + 64;
    uint8_t *raw = tiny_allocate(now.raw_size), *drawn = tiny_allocate(now.raw_size),
            *sizes = tiny_allocate(now.raw_size), *payload = tiny_allocate(capacity);
    fill_text(raw, now.raw_size);
    lmz_coder *coder = lmz_encoder_new(&spec, experts[now.unit][simd], simd, raw, payload, capacity);
    CHECK(coder && (now.unit != LMZ_TOKENS ||
                    lmz_coder_set_tokens(coder, sizes, cut_tokens(raw, sizes)) == LMZ_DONE));
    CHECK(lmz_coder_run(coder, UINT64_MAX) == LMZ_DONE);
    const size_t size = lmz_coder_payload_size(coder);
    lmz_coder_free(coder);
    CHECK(draw(simd, drawn, 0, sizes, 0, payload, size) == LMZ_DONE && !memcmp(raw, drawn, now.raw_size));
    free(raw);
    free(drawn);
    free(sizes);
    free(payload);
}

static void refuse_samplers(void)
{
    uint8_t raw[8] = {0}, scratch[8 * LMZ_SCRATCH_RATE + 64];
    now = (test_case){1, LMZ_ALONE, 1, sizeof raw, "samplers", 1, 0, {0}};
    const lmz_block_spec one = spec_of_case(), two = {sizeof raw, 1, 2, 0, {0}}, empty = {0, 1, 1, 0, {0}};
    CHECK(!lmz_sampler_new(&one, NULL, 0, raw, sizeof raw, scratch, sizeof scratch));
    CHECK(!lmz_sampler_new(&one, NULL, -1, raw, 0, scratch, sizeof scratch));
    CHECK(!lmz_sampler_new(&two, NULL, 0, raw, 1, scratch, sizeof scratch));
    CHECK(!lmz_sampler_new(&empty, NULL, 0, raw, 0, scratch, sizeof scratch));
    lmz_coder *coder = lmz_sampler_new(&one, NULL, 0, raw, 4, scratch, sizeof scratch);
    CHECK(coder && lmz_coder_run(coder, 2) == LMZ_MORE);
    lmz_coder_free(coder); /* abandoned */
    n_checked++;
}

/* Samplers of a profile, a unit and a content: with a little given and more, with enough bits and with too few; returns
   how many blocks that was. */
static int samplers_of(int profile, int unit, lmz_content content, int *n_drawn)
{
    static const size_t given[] = {0, 1, 12, 90};
    for (int i = 0; i < 4; i++)
        for (int n_threads = 1; n_threads <= 2; n_threads++) {
            now = (test_case){profile, unit, 1, given[i] + (i % 2 ? 110 : 1), "drawn bytes", n_threads, 0, content};
            begin_case();
            *n_drawn += sample(given[i], 4 * now.raw_size + 64);
            sample(given[i], next_random() % 4);
            sample_payload();
        }
    return 24;
}

static int samplers(void)
{
    static const lmz_content contents[] = {{0}, {1, 1, 8, 0, 13, 61}, {1, 3, 16, 0, 2, 9}, {2, 2, 16, 2, 44, 0}};
    int n_blocks = 0, n_drawn;
    refuse_samplers();
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int unit = LMZ_ALONE; unit < LMZ_N_UNITS; unit++)
            for (int k = 0; k < (unit == LMZ_ALONE ? 4 : 1); k++) {
                const lmz_block_spec spec = {1, profile, 1, 0, contents[k]};
                if (!lmz_profile_takes(profile, unit) || !lmz_memory_size(&spec, experts[unit][0]))
                    continue;
                n_drawn = 0;
                n_blocks += samplers_of(profile, unit, contents[k], &n_drawn);
                CHECK(n_drawn);
            }
    return n_blocks;
}

/* ---- walks ---- */

/* What an expert predicts step by step is what it predicts in one run, also behind symbols that are refused. */
static void walk(int simd, int n_lanes, int n_steps)
{
    const lmz_expert *expert = experts[now.unit][simd];
    const uint32_t n_symbols = now.unit == LMZ_TOKENS ? TINY_N_STRINGS : 256;
    const size_t lanes = (size_t)n_lanes, steps = (size_t)n_steps;
    const size_t n = lanes * (now.unit == LMZ_TOKENS ? n_symbols : 512);
    uint32_t *symbols = tiny_allocate(steps * lanes * sizeof *symbols), *wrong = tiny_allocate(lanes * sizeof *wrong);
    uint32_t *expected = tiny_allocate(steps * n * sizeof *expected), *predicted = tiny_allocate(n * sizeof *predicted);
    for (size_t i = 0; i < steps * lanes; i++)
        symbols[i] = next_random() % n_symbols;
    CHECK(lmz_expert_run(expert, n_lanes, 1, symbols, steps, expected) == LMZ_DONE);
    lmz_coder *coder = lmz_walk_new(expert, n_lanes, now.n_threads);
    CHECK(coder);
    for (size_t step = 0; step < steps; step++) {
        memset(predicted, 0, n * sizeof *predicted);
        lmz_walk_predict(coder, predicted);
        CHECK(!memcmp(predicted, expected + step * n, n * sizeof *predicted));
        memcpy(wrong, symbols + step * lanes, lanes * sizeof *wrong);
        wrong[next_random() % lanes] = step % 2 ? n_symbols : UINT32_MAX;
        CHECK(lmz_walk_learn(coder, wrong) == LMZ_E_ARGUMENT);
        CHECK(lmz_walk_learn(coder, symbols + step * lanes) == LMZ_DONE);
    }
    lmz_coder_free(coder);
    free(symbols);
    free(wrong);
    free(expected);
    free(predicted);
    n_checked++;
}

static void refuse_walks(int simd)
{
    lmz_expert *external = lmz_external_bytes_new(),
               *incomplete = tiny_without_matrices(&tiny_transformer, TINY_PLAUSIBLE, simd);
    const int wrong[] = {0, -1, lmz_max_lanes(now.unit) + 1};
    CHECK(external && incomplete && !lmz_walk_new(external, 1, 1) && !lmz_walk_new(incomplete, 1, 1));
    for (int i = 0; i < 3; i++)
        CHECK(!lmz_walk_new(experts[now.unit][simd], wrong[i], 1));
    lmz_expert_free(external);
    lmz_expert_free(incomplete);
    n_checked++;
}

static void walks(int n_steps)
{
    static const int lanes[] = {1, 3, 8, 17, 64};
    for (int unit = LMZ_BYTES; unit <= LMZ_TOKENS; unit++)
        FOR_EACH_VARIANT(simd) {
            now = (test_case){.unit = unit, .kind = "walks"};
            refuse_walks(simd);
            for (int l = 0; l < 5; l++)
                for (now.n_threads = 1; now.n_threads <= 2; now.n_threads++) {
                    now.n_lanes = lanes[l];
                    walk(simd, lanes[l], n_steps);
                }
        }
}

int sampled_blocks(int full)
{
    tiny_net t = make_nets(TINY_PLAUSIBLE);
    make_transformers(TINY_PLAUSIBLE);
    const int n_blocks = samplers();
    walks(full ? 20 : 3);
    free_transformers();
    free_nets(&t);
    return n_blocks;
}
