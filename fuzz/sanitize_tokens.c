/* sanitize_tokens.c - transformers under the sanitizers: what must be refused, and blocks of tokens in random cuts. */
#include <string.h>

#include "sanitize.h"
#include "tiny_transformer.h"

#define N_STRINGS TINY_N_STRINGS

static tiny_token tokens[N_STRINGS];

/* Set the vocabulary; `change` spoils it: 1 to 6. */
static int set_vocabulary(lmz_expert *t, int change)
{
    static tiny_token changed[N_STRINGS]; /* 77 kB */
    memcpy(changed, tokens, sizeof changed);
    const int i = 1 + (int)(next_random() % (N_STRINGS - 2));
    if (change == 1)
        changed[i].size = 0;
    else if (change == 2)
        changed[i] = changed[i - 1];
    else if (change == 3)
        changed[i] = tokens[i - 1], changed[i - 1] = tokens[i];
    else if (change == 4) /* the first byte is none of them then */
        changed[0].size = 2;
    n_checked++;
    return tiny_set_vocabulary(t, changed, change == 5, change == 6);
}

static int set_matrix(lmz_expert *t, uint64_t *random, int product, int layer, size_t n_rows, size_t n_in)
{
    n_checked++;
    return tiny_set_matrix(t, random, TINY_PLAUSIBLE, product, layer, n_rows, n_in);
}

/* Shapes, matrices and vocabularies that must be refused, and coders that lack something. */
static void refuse(int simd)
{
    static const int wrong[] = {0, -1, -32, 1, 16, 33, 8224, 1 << 30};
    uint8_t byte = 'e';
    now = (test_case){lmz_n_profiles(), LMZ_TOKENS, 1, 1, "transformers", 1, 0, {0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lmz_llama_shape s[9];
        for (int k = 0; k < 9; k++)
            s[k] = tiny_transformer;
        s[6].embed_scale = wrong[i] > 0 && wrong[i] < 1 << 17 ? -wrong[i] : wrong[i];
        s[7].score_cap = wrong[i] ? wrong[i] & 4095 : -1;
        s[8].local_window = wrong[i] ? wrong[i] : 129;
        s[0].n_embd = s[1].n_hidden = s[3].window = wrong[i];
        s[2].n_vocab = wrong[i] > 255 ? 1 << 18 : wrong[i];
        s[4].n_kv_head = wrong[i] == 1 ? 3 : wrong[i];
        s[5].int15 = wrong[i] < 0 ? wrong[i] : 32 + (wrong[i] & 31);
        s[7].score_cap += !s[7].score_cap;
        for (int k = 0; k < 9; k++) { /* the buffers are those of the right shape: it is refused before they are read */
            int16_t norms;
            uint8_t unit;
            uint32_t frequency;
            CHECK(!lmz_llama_new(&s[k], &norms, &unit, &frequency, &unit, simd));
            n_checked++;
        }
    }
    uint64_t random = 5;
    lmz_expert *t = tiny_without_matrices(&tiny_transformer, TINY_PLAUSIBLE, simd);
    CHECK(t);
    for (int change = 1; change <= 6; change++)
        CHECK(set_vocabulary(t, change) == LMZ_E_ARGUMENT);
    CHECK(set_vocabulary(t, 0) == LMZ_DONE && set_vocabulary(t, 0) == LMZ_E_ARGUMENT);
    for (int product = -1; product <= LMZ_W_EMBED + 1; product++)
        for (int layer = -1; layer <= 2; layer++)
            CHECK(set_matrix(t, &random, product, layer, 37, 32) == LMZ_E_ARGUMENT);
    const lmz_block_spec spec = spec_of_case();
    CHECK(!lmz_memory_size(&spec, t)); /* incomplete */
    CHECK(!lmz_decoder_new(&spec, t, simd, &byte, 1, &byte));
    lmz_expert_free(t);
    lmz_expert_free(NULL);
    for (int n_lanes = 64; n_lanes <= 65; n_lanes++)
        CHECK((n_lanes == 64) ==
              !!lmz_memory_size(&(lmz_block_spec){1, spec.profile, n_lanes, 0, {0}}, experts[LMZ_TOKENS][simd]));
    for (int product = 0; product <= LMZ_W_EMBED; product++) /* a net is no transformer */
        CHECK(set_matrix(experts[LMZ_BYTES][simd], &random, product, 0, 32, 32) == LMZ_E_ARGUMENT);
    CHECK(set_vocabulary(experts[LMZ_BYTES][simd], 0) == LMZ_E_ARGUMENT &&
          !lmz_llama_is_complete(experts[LMZ_BYTES][simd]));
}

/* Sizes of tokens that are refused: every one of a sound cut, one larger and one smaller, and all but one of them. */
static void refuse_cuts(void)
{
    uint8_t raw[90], payload[4000], sizes[sizeof raw];
    fill_text(raw, sizeof raw);
    now = (test_case){lmz_n_profiles(), LMZ_TOKENS, 4, sizeof raw, "wrong cuts", 1, 0, {0}};
    const size_t n = cut_tokens(raw, sizes);
    const int simd = lmz_simd_best(1);
    const lmz_block_spec spec = spec_of_case();
    lmz_coder *coder = lmz_encoder_new(&spec, experts[LMZ_TOKENS][simd], simd, raw, payload, sizeof payload);
    CHECK(coder && lmz_coder_run(coder, 1) == LMZ_E_ARGUMENT);
    for (size_t i = 0; i < n; i++)
        for (int d = -1; d <= 1; d++) {
            uint8_t *exact = tiny_allocate(n - !d);
            memcpy(exact, sizes, n - !d);
            if (d)
                exact[i] = (uint8_t)(exact[i] + d);
            CHECK(lmz_coder_set_tokens(coder, exact, n - !d) == LMZ_E_ARGUMENT);
            free(exact);
            n_checked++;
        }
    CHECK(lmz_coder_set_tokens(coder, sizes, n) == LMZ_DONE && lmz_coder_run(coder, 2) == LMZ_MORE);
    lmz_coder_free(coder); /* abandoned */
}

/* Lanes may take more than a machine of 32 bits can address: their size is told all the same, and that is no memory. */
static void ask_for_too_much(int simd)
{
    lmz_llama_shape s = tiny_transformer;
    uint8_t byte = 0;
    s.n_layer = 128;
    s.window = 8192;
    now = (test_case){lmz_n_profiles(), LMZ_TOKENS, 64, 1, "more than can be addressed", 1, 0, {0}};
    lmz_expert *t = tiny_transformer_make(&s, tokens, TINY_PLAUSIBLE, simd);
    const lmz_block_spec many = spec_of_case(), one = {1, many.profile, 1, 0, {0}};
    CHECK(t && lmz_memory_size(&many, t) > UINT32_MAX);
    CHECK(lmz_memory_size(&one, t) < UINT32_MAX);
    CHECK(SIZE_MAX > UINT32_MAX || !lmz_decoder_new(&many, t, simd, &byte, 1, &byte));
    lmz_expert_free(t);
    n_checked++;
}

size_t cut_tokens(const uint8_t *raw, uint8_t *sizes)
{
    const size_t chunk_size = (now.raw_size + (size_t)now.n_lanes - 1) / (size_t)now.n_lanes;
    const uint32_t way = next_random() % 3; /* single bytes, random tokens, longest tokens */
    size_t n = 0;
    for (size_t at = 0; at < now.raw_size; at += sizes[n++]) {
        const size_t here = chunk_size - at % chunk_size, left = here < now.raw_size - at ? here : now.raw_size - at;
        sizes[n] = 1;
        for (int i = 0; way && i < N_STRINGS; i++)
            if (tokens[i].size <= left && !memcmp(tokens[i].bytes, raw + at, tokens[i].size) &&
                (way == 2 ? tokens[i].size > sizes[n] : next_random() % 2))
                sizes[n] = tokens[i].size;
    }
    return n;
}

void make_transformers(int kind)
{
    tiny_tokens_make(tokens);
    FOR_EACH_VARIANT(simd)
        CHECK((experts[LMZ_TOKENS][simd] = tiny_transformer_make(tiny_shape_of(kind), tokens, kind, simd)) != NULL);
}

void free_transformers(void)
{
    for (int simd = 0; simd < MAX_VARIANTS; simd++) {
        lmz_expert_free(experts[LMZ_TOKENS][simd]);
        experts[LMZ_TOKENS][simd] = NULL;
    }
}

void refuse_bad_transformers(void)
{
    FOR_EACH_VARIANT(simd)
        refuse(simd);
    ask_for_too_much(lmz_simd_best(1));
    refuse_cuts();
}
