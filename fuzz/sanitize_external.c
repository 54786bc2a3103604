/* sanitize_external.c - blocks with experts whose distributions the caller computes, under the sanitizers: round trips,
   damaged payloads, and vocabularies and weights that must be refused. */
#include <string.h>

#include "sanitize.h"
#include "tiny_transformer.h"

#define N_STRINGS TINY_N_STRINGS

/* What the block at hand takes: how many weights a lane, the largest, and what counts as the symbol before the first.
   */
static uint32_t n_symbols(void) { return now.unit == LMZ_TOKENS ? N_STRINGS : 256; }
static uint32_t max_weight(void) { return (uint32_t)1 << (now.unit == LMZ_TOKENS ? 31 : 23); }

/* What is predicted behind a symbol, in a buffer of exactly the size that the kernel reads: the same in both
   directions, as small and as large as may be. */
static uint32_t *predict(const uint32_t *last, const uint32_t *lanes, int n)
{
    const uint32_t size = n_symbols(), max = max_weight();
    uint32_t *weights = (uint32_t *)tiny_allocate((size_t)n * size * sizeof *weights);
    for (int i = 0; i < n; i++)
        for (uint32_t t = 0; t < size; t++) {
            const uint32_t hash = (last[lanes[i]] * 769 + t) * 2654435761u;
            const uint32_t usual = 1 + ((hash & (max - 1)) >> (hash & 15));
            weights[(uint32_t)i * size + t] = hash >> 28 == 0 ? max : hash >> 28 == 1 ? 1 : usual;
        }
    return weights;
}

/* Run to the end, symbol after symbol. */
static int run_all(lmz_coder *coder)
{
    uint32_t last[LMZ_MAX_LANES], lanes[LMZ_MAX_LANES];
    for (int i = 0; i < now.n_lanes; i++)
        last[i] = n_symbols();
    for (;;) {
        const int n = lmz_coder_lanes(coder, lanes);
        CHECK(n > 0 && n <= now.n_lanes);
        uint32_t *weights = predict(last, lanes, n), *symbols = (uint32_t *)tiny_allocate((size_t)n * sizeof *symbols);
        const int status = lmz_coder_run_external(coder, weights, symbols);
        for (int i = 0; i < n && status == LMZ_MORE; i++) {
            CHECK(symbols[i] < n_symbols());
            last[lanes[i]] = symbols[i];
        }
        free(weights);
        free(symbols);
        if (status != LMZ_MORE)
            return status;
    }
}

/* The same with weights that stand by lane; those of lanes that have ended are none. */
static int run_by_lane(lmz_coder *coder)
{
    uint32_t last[LMZ_MAX_LANES], lanes[LMZ_MAX_LANES], all[LMZ_MAX_LANES];
    for (int i = 0; i < now.n_lanes; i++) {
        last[i] = n_symbols();
        all[i] = (uint32_t)i;
    }
    for (;;) {
        const int n = lmz_coder_lanes(coder, lanes);
        CHECK(n > 0 && n <= now.n_lanes);
        uint32_t *weights = predict(last, all, now.n_lanes);
        for (int i = 0, k = 0; i < now.n_lanes; i++)
            if (k < n && lanes[k] == (uint32_t)i)
                k++;
            else
                memset(weights + (size_t)i * n_symbols(), 0, n_symbols() * sizeof *weights);
        lmz_external_run run = {.coder = coder, .weights = weights, .n_steps = 1, .symbols = last};
        lmz_run_externals(&run, 1, now.n_threads);
        free(weights);
        if (run.status != LMZ_MORE)
            return run.status;
        for (int i = 0; i < n; i++)
            CHECK(last[lanes[i]] < n_symbols());
    }
}

static uint64_t sum_of(const uint32_t *weights, uint32_t first, uint32_t end)
{
    uint64_t sum = 0;
    for (uint32_t i = first; i < end; i++)
        sum += weights[i];
    return sum;
}

static int bits_beyond(uint64_t sum, int n_bits)
{
    int n = 0;
    while (sum >> n >= (uint64_t)1 << n_bits)
        n++;
    return n;
}

/* What is told of every third prefix, in buffers of exactly their sizes for each lane. */
typedef struct {
    uint64_t *columns, *leaves_at;
    uint32_t *prefixes, *ends, *leaves;
    lmz_token_masses masses;
} told;

static told tell(const lmz_expert *expert, const uint32_t *weights, int n_lanes)
{
    size_t n_all, n = 0, n_leaves = 0, entry = 0, leaf = 0;
    const lmz_prefix *all = lmz_expert_prefixes(expert, &n_all);
    for (size_t i = 0; i < n_all; i += 3) {
        n++;
        n_leaves += all[i].n_children;
    }
    told t = {.columns = (uint64_t *)tiny_allocate(((size_t)n_lanes + 1) * 8)};
    t.leaves_at = (uint64_t *)tiny_allocate(n * (size_t)n_lanes * 8);
    t.prefixes = (uint32_t *)tiny_allocate(n * (size_t)n_lanes * 4);
    t.ends = (uint32_t *)tiny_allocate(n * (size_t)n_lanes * 4);
    t.leaves = (uint32_t *)tiny_allocate(n_leaves * (size_t)n_lanes * 4);
    for (int lane = 0; lane < n_lanes; lane++) {
        const uint32_t *row = weights + (size_t)lane * N_STRINGS;
        t.columns[lane] = entry;
        for (size_t i = 0; i < n_all; i += 3) {
            const uint64_t own = all[i].is_token ? row[all[i].first] : 0, sum = sum_of(row, all[i].first, all[i].end);
            const int shift = bits_beyond(sum, 31), shift_of_leaves = bits_beyond(sum - own, 30);
            const uint64_t p = (own << (32 - shift)) / (sum >> shift);
            t.prefixes[entry] = (uint32_t)i;
            t.ends[entry] = (uint32_t)(p < 256 ? 256 : p > 0xffffff00 ? 0xffffff00 : p);
            t.leaves_at[entry++] = leaf;
            for (uint32_t k = 0; k < all[i].n_children; k++) {
                const lmz_prefix *child = &all[all[i].children + k];
                const uint64_t s = sum_of(row, child->first, child->end) >> shift_of_leaves;
                t.leaves[leaf++] = s ? (uint32_t)s : 1;
            }
        }
    }
    t.columns[n_lanes] = entry;
    t.masses = (lmz_token_masses){t.columns, t.prefixes, t.ends, t.leaves_at, t.leaves, leaf, 0};
    return t;
}

/* The same with sums of some of them; what else is wanted, is told when it is. */
static int run_by_masses(lmz_coder *coder, const lmz_expert *expert)
{
    uint32_t last[LMZ_MAX_LANES], all[LMZ_MAX_LANES];
    for (int i = 0; i < now.n_lanes; i++) {
        last[i] = N_STRINGS;
        all[i] = (uint32_t)i;
    }
    for (;;) {
        uint32_t *weights = predict(last, all, now.n_lanes), *wanted = NULL;
        told t = tell(expert, weights, now.n_lanes);
        lmz_external_run run = {.coder = coder, .masses = &t.masses, .n_steps = 1, .symbols = last};
        do {
            lmz_run_externals(&run, 1, now.n_threads);
            free(wanted);
            wanted = NULL;
            if (run.status == LMZ_WANTS) {
                const size_t size = (run.wanted_end - run.wanted_first) * sizeof *wanted;
                wanted = (uint32_t *)tiny_allocate(size);
                memcpy(wanted, weights + run.wanted_column * N_STRINGS + run.wanted_first, size);
                run.wanted = wanted;
            }
        } while (run.status == LMZ_WANTS);
        free(weights);
        free(t.columns);
        free(t.leaves_at);
        free(t.prefixes);
        free(t.ends);
        free(t.leaves);
        if (run.status != LMZ_MORE)
            return run.status;
    }
}

static int run_in_a_way(lmz_coder *coder, const lmz_expert *expert)
{
    if (now.unit == LMZ_TOKENS && now.raw_size % 3 == 0 && now.raw_size < 400)
        return run_by_masses(coder, expert);
    return now.n_threads > 1 ? run_by_lane(coder) : run_all(coder);
}

static int decode(const lmz_expert *expert, int simd, const uint8_t *payload, size_t size, uint8_t *raw)
{
    const lmz_block_spec spec = spec_of_case();
    uint8_t *exact = tiny_allocate(size);
    memcpy(exact, payload, size);
    lmz_coder *coder = lmz_decoder_new(&spec, expert, simd, exact, size, raw);
    CHECK(coder);
    lmz_coder_set_threads(coder, now.n_threads);
    const int status = run_in_a_way(coder, expert);
    CHECK(status == LMZ_DONE || status == LMZ_E_DAMAGED);
    lmz_coder_free(coder);
    free(exact);
    n_checked++;
    return status;
}

/* Encode with every variant (same payload), into too small a capacity, decode, then damage. */
static void round_trip(const lmz_expert *expert, int n_damages)
{
    const lmz_block_spec spec = spec_of_case();
    const size_t capacity = now.raw_size * 24 + 64;
    size_t size = 0;
    uint8_t *raw = tiny_allocate(now.raw_size), *back = tiny_allocate(now.raw_size),
            *sizes = tiny_allocate(now.raw_size);
    uint8_t *payload = tiny_allocate(capacity), *other = tiny_allocate(capacity);
    fill_text(raw, now.raw_size);
    const size_t n_tokens = now.unit == LMZ_TOKENS ? cut_tokens(raw, sizes) : 0;
    FOR_EACH_VARIANT(simd)
        for (int is_tight = 0; is_tight < 2; is_tight++) {
            const int is_first = simd == PORTABLE && !is_tight;
            uint8_t *to = is_first ? payload : other;
            if (is_tight && !size)
                continue;
            lmz_coder *coder = lmz_encoder_new(&spec, expert, simd, raw, to, is_tight ? size - 1 : capacity);
            CHECK(coder && (!n_tokens || lmz_coder_set_tokens(coder, sizes, n_tokens) == LMZ_DONE));
            CHECK(run_in_a_way(coder, expert) == (is_tight ? LMZ_E_FULL : LMZ_DONE));
            if (is_first)
                size = lmz_coder_payload_size(coder);
            CHECK(is_tight || (lmz_coder_payload_size(coder) == size && !memcmp(payload, to, size)));
            lmz_coder_free(coder);
            n_checked++;
        }
    FOR_EACH_VARIANT(simd)
        CHECK(decode(expert, simd, payload, size, back) == LMZ_DONE && !memcmp(raw, back, now.raw_size));
    for (int i = 0; i < n_damages && size; i++) {
        memcpy(other, payload, size);
        other[next_random() % size] ^= (uint8_t)(1 << next_random() % 8);
        const size_t cut = i % 2 ? next_random() % size : size;
        const int status = decode(expert, PORTABLE, other, cut, raw);
        CHECK(decode(expert, lmz_simd_best(0), other, cut, back) == status);
        CHECK(status != LMZ_DONE || !memcmp(raw, back, now.raw_size));
    }
    free(raw);
    free(back);
    free(sizes);
    free(payload);
    free(other);
}

/* An expert of tokens, its vocabulary in buffers of exactly its size; `change` spoils it, 1 to 5. */
static lmz_expert *external_tokens(int change)
{
    static tiny_token tokens[N_STRINGS]; /* 77 kB */
    size_t n_bytes = 0, at = 0;
    tiny_tokens_make(tokens);
    if (change == 1)
        tokens[7].size = 0;
    else if (change == 2)
        tokens[7] = tokens[8];
    else if (change == 3) /* the first byte is none of them then */
        tokens[0].size = 2;
    for (int k = 0; k < N_STRINGS; k++)
        n_bytes += tokens[k].size;
    uint8_t *bytes = tiny_allocate(n_bytes), sizes[N_STRINGS];
    for (int k = 0; k < N_STRINGS; k++) {
        memcpy(bytes + at, tokens[k].bytes, tokens[k].size);
        at += tokens[k].size;
        sizes[k] = tokens[k].size;
    }
    n_checked++;
    lmz_expert *expert = lmz_external_tokens_new(bytes, n_bytes - (change == 4), sizes, N_STRINGS - (change == 5));
    free(bytes);
    return expert;
}

/* Weights beyond what is admitted, in the first and the last place; and what an external expert is not asked for. */
static void refuse(lmz_expert *expert)
{
    uint8_t raw[8], payload[400], sizes[8] = {1, 1, 1, 1, 1, 1, 1, 1}, byte = 'a';
    uint32_t lanes[2], symbols[2], start[] = {n_symbols(), n_symbols()}, result[512];
    now.n_lanes = 2;
    now.raw_size = sizeof raw;
    now.kind = "weights beyond";
    const lmz_block_spec spec = spec_of_case();
    fill_text(raw, sizeof raw);
    lmz_coder *coder = lmz_encoder_new(&spec, expert, lmz_simd_best(0), raw, payload, sizeof payload);
    CHECK(coder && (now.unit != LMZ_TOKENS || lmz_coder_set_tokens(coder, sizes, sizeof sizes) == LMZ_DONE));
    CHECK(lmz_coder_run(coder, 1) == LMZ_E_ARGUMENT); /* it cannot predict by itself */
    CHECK(lmz_coder_lanes(coder, lanes) == 2);
    for (uint32_t place = 0; place < 2 * n_symbols(); place += 2 * n_symbols() - 1)
        for (int k = 0; k < 3; k++) {
            uint32_t *weights = predict(start, lanes, 2);
            weights[place] = (uint32_t[]){0, max_weight() + 1, UINT32_MAX}[k];
            CHECK(lmz_coder_run_external(coder, weights, symbols) == LMZ_E_ARGUMENT);
            free(weights);
            n_checked++;
        }
    CHECK(lmz_expert_run(expert, 1, 1, start, 1, result) == LMZ_E_ARGUMENT && !lmz_llama_is_complete(expert));
    CHECK(lmz_llama_set_vocabulary(expert, &byte, 1, &byte) == LMZ_E_ARGUMENT);
    CHECK(lmz_llama_set(expert, LMZ_W_QKV, 0, (const int8_t *)raw, (const int32_t *)result, NULL, 32, 32) ==
          LMZ_E_ARGUMENT);
    lmz_coder_free(coder); /* abandoned */
}

static void refuse_vocabularies(void)
{
    uint8_t bytes[8] = {0}, sizes[8] = {1};
    now.kind = "no vocabulary";
    for (int change = 1; change <= 5; change++)
        CHECK(!external_tokens(change));
    CHECK(!lmz_external_tokens_new(bytes, 0, sizes, 0) && !lmz_external_tokens_new(bytes, 0, sizes, SIZE_MAX));
}

int external_blocks(int full)
{
    static const size_t raw_sizes[] = {1, 3, 64, 300, 900};
    static const int lanes[] = {1, 2, 5, 64};
    const int n_sizes = full ? 5 : 4;
    int n_cases = 0;
    for (int unit = LMZ_BYTES; unit <= LMZ_TOKENS; unit++) {
        lmz_expert *expert = unit == LMZ_TOKENS ? external_tokens(0) : lmz_external_bytes_new();
        now = (test_case){lmz_n_profiles(), unit, 1, 1, "", 1, 0, {0}};
        CHECK(expert && lmz_expert_unit(expert) == unit);
        refuse(expert);
        for (int s = 0; s < n_sizes; s++)
            for (int l = 0; l < 4; l++)
                for (int again = 0; again < (full ? 12 : 2); again++) { /* in other cuts */
                    now = (test_case){lmz_n_profiles(), unit, lanes[l], raw_sizes[s], "text, predicted by the caller",
                                      1 + again % 2, 0, {0}};
                    round_trip(expert, full ? 8 : 2);
                    n_cases++;
                }
        lmz_expert_free(expert);
    }
    refuse_vocabularies();
    return n_cases;
}
