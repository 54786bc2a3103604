/* sanitize_dictionary.c - blocks behind dictionaries, alone, with a net and with a transformer; part of sanitize_test.
   */
#include <string.h>

#include "sanitize.h"

static size_t dictionary_size, n_tokens;
static uint8_t *token_sizes; /* of the block at hand */

static const lmz_expert *expert_of(int simd) { return experts[now.unit][simd]; }

static lmz_block_spec spec_behind(void)
{
    lmz_block_spec spec = spec_of_case();
    spec.dictionary_size = dictionary_size;
    return spec;
}

/* Let a new coder begin behind the first bytes of a buffer, learned by its own variant, and run it.  knows: it is to be
   told how the block is cut, if it is of tokens. */
static int run_behind(lmz_coder *coder, int simd, const uint8_t *dictionary, uint64_t n_steps, int knows)
{
    const lmz_block_spec spec = spec_behind();
    uint8_t *exact = tiny_allocate(dictionary_size);
    memcpy(exact, dictionary, dictionary_size);
    lmz_coder *learner = lmz_learner_new(&spec, expert_of(simd), simd, exact);
    CHECK(coder && learner && lmz_coder_run(coder, 1) == LMZ_E_ARGUMENT);
    CHECK(lmz_coder_set_dictionary(coder, learner) == LMZ_E_ARGUMENT); /* it has not learned yet */
    lmz_coder_set_threads(learner, now.n_threads);
    int status;
    while ((status = lmz_coder_run(learner, n_steps)) == LMZ_MORE) {
    }
    CHECK(status == LMZ_DONE && lmz_coder_position(learner) == dictionary_size);
    CHECK(lmz_coder_set_dictionary(coder, learner) == LMZ_DONE);
    lmz_coder_free(learner); /* what it knows has been copied */
    free(exact);
    if (now.unit == LMZ_TOKENS && knows)
        CHECK(lmz_coder_set_tokens(coder, token_sizes, n_tokens) == LMZ_DONE);
    lmz_coder_set_threads(coder, now.n_threads);
    while ((status = lmz_coder_run(coder, n_steps)) == LMZ_MORE) {
    }
    n_checked++;
    return status;
}

static int decode(int simd, const uint8_t *payload, size_t size, const uint8_t *dictionary, uint8_t *raw,
                  const uint8_t *expected)
{
    const lmz_block_spec spec = spec_behind();
    uint8_t *exact = tiny_allocate(size), *all = tiny_allocate(dictionary_size + now.raw_size);
    memcpy(exact, payload, size);
    memcpy(all, dictionary, dictionary_size);
    lmz_coder *coder = lmz_verifier_new(&spec, expert_of(simd), simd, exact, size, all + dictionary_size, expected);
    const int status = run_behind(coder, simd, dictionary, 100, expected != NULL);
    CHECK(status == LMZ_DONE || status == LMZ_E_DAMAGED);
    CHECK(!memcmp(all, dictionary, dictionary_size));
    memcpy(raw, all + dictionary_size, now.raw_size);
    lmz_coder_free(coder);
    free(all);
    free(exact);
    return status;
}

static void round_trip(int n_damages)
{
    const lmz_block_spec spec = spec_behind();
    const size_t capacity = now.raw_size + now.raw_size / 4 + 64, all_size = dictionary_size + now.raw_size;
    size_t size = 0;
    uint8_t *all = tiny_allocate(all_size), *back = tiny_allocate(now.raw_size), *raw = all + dictionary_size;
    uint8_t *payload = tiny_allocate(capacity), *other = tiny_allocate(capacity);
    fill_text(all, all_size);
    if (now.raw_size > 40 && dictionary_size > 40)
        memcpy(raw + now.raw_size / 2, all + dictionary_size / 3, 20); /* a match in the dictionary */
    if (now.unit == LMZ_TOKENS) {
        token_sizes = tiny_allocate(now.raw_size);
        n_tokens = cut_tokens(raw, token_sizes);
    }
    FOR_EACH_VARIANT(simd) {
        uint8_t *to = simd == PORTABLE ? payload : other;
        lmz_coder *coder = lmz_encoder_new(&spec, expert_of(simd), simd, raw, to, capacity);
        CHECK(run_behind(coder, simd, all, simd ? 70 : UINT64_MAX, 1) == LMZ_DONE);
        if (simd == PORTABLE)
            size = lmz_coder_payload_size(coder);
        CHECK(lmz_coder_payload_size(coder) == size && !memcmp(payload, to, size));
        lmz_coder_free(coder);
    }
    FOR_EACH_VARIANT(simd)
        for (int proves = 0; proves < 2; proves++)
            CHECK(decode(simd, payload, size, all, back, proves ? raw : NULL) == LMZ_DONE &&
                  !memcmp(raw, back, now.raw_size));
    for (int i = 0; i < n_damages && size; i++) {
        memcpy(other, payload, size);
        other[next_random() % size] ^= (uint8_t)(1 << next_random() % 8);
        decode(lmz_simd_best(now.unit != LMZ_ALONE), other, i % 2 ? next_random() % size : size, all, back, NULL);
    }
    free(all);
    free(back);
    free(payload);
    free(other);
    free(token_sizes);
    token_sizes = NULL;
}

/* What was learned for other blocks, and what there are no dictionaries for. */
static void refuse(void)
{
    uint8_t bytes[300], payload[300];
    now = (test_case){1, LMZ_ALONE, 1, 100, "dictionary of others", 1, 0, {0}};
    dictionary_size = 100;
    fill_text(bytes, sizeof bytes);
    const lmz_block_spec spec = spec_behind(), plain = spec_of_case();
    lmz_block_spec others[] = {spec, spec, spec, spec};
    others[0].profile = 2;
    others[1].n_lanes = 2;
    others[2].dictionary_size = 99;
    others[3].raw_size = 70000; /* with other tables */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        lmz_coder *coder = lmz_encoder_new(&spec, NULL, PORTABLE, bytes + 100, payload, sizeof payload);
        lmz_coder *learner = lmz_learner_new(&others[i], NULL, PORTABLE, bytes);
        CHECK(coder && learner && lmz_coder_run(learner, UINT64_MAX) == LMZ_DONE);
        CHECK(lmz_coder_set_dictionary(coder, learner) == LMZ_E_ARGUMENT);
        CHECK(lmz_coder_set_dictionary(coder, coder) == LMZ_E_ARGUMENT);
        lmz_coder_free(coder);
        lmz_coder_free(learner);
        n_checked++;
    }
    CHECK(!lmz_learner_new(&plain, NULL, PORTABLE, bytes) && !lmz_learner_size(&plain, NULL));
    lmz_block_spec wrong = spec;
    wrong.dictionary_size = LMZ_MAX_DICTIONARY_SIZE + 1;
    CHECK(!lmz_memory_size(&wrong, NULL) && !lmz_learner_size(&wrong, NULL));
    wrong = spec;
    wrong.content = (lmz_content){1, 1, 8, 0, 0, 1};
    CHECK(!lmz_memory_size(&wrong, NULL) && lmz_learner_size(&spec, NULL));
    lmz_expert *external = lmz_external_bytes_new();
    wrong = spec;
    wrong.profile = 4;
    CHECK(external && !lmz_memory_size(&wrong, external));
    lmz_expert_free(external);
}

int dictionary_blocks(int full)
{
    static const size_t sizes[] = {1, 8, 130, 700};
    static const int lanes[] = {1, 2, 16, 128};
    int n_cases = 0;
    refuse();
    tiny_net t = make_nets(TINY_PLAUSIBLE);
    make_transformers(TINY_PLAUSIBLE);
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int unit = LMZ_ALONE; unit <= LMZ_TOKENS; unit++)
            for (int d = 0; d < 4; d++)
                for (int s = 0; s < 4; s++)
                    for (int l = 0; l < 4; l++) {
                        const int mixed = 7 * profile + 3 * unit + 5 * d + 11 * s + 13 * l;
                        const int share = unit == LMZ_TOKENS ? 5 : full ? 6 : 40;
                        if (!lmz_profile_takes(profile, unit) || lanes[l] > lmz_max_lanes(unit) || mixed % share)
                            continue;
                        now = (test_case){profile, unit, lanes[l], sizes[s], "text behind a dictionary", 1 + s % 2,
                                          unit == LMZ_TOKENS ? d : 0, {0}};
                        dictionary_size = sizes[d];
                        round_trip(full ? 4 : 1);
                        n_cases++;
                    }
    free_transformers();
    free_nets(&t);
    return n_cases;
}
