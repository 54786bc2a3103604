/* sanitize_test.c - round trips and hostile payloads through the kernel by itself, to be run under AddressSanitizer and
   UndefinedBehaviorSanitizer (make asan).

   Without sanitizers it tells the kernels of other machines and compilers apart: its last line is a digest of all
   payloads, which they must share (make test-32bit).

   Every buffer is allocated with exactly the size that the kernel is told, so that one byte too far is seen.  The
   argument "full" adds larger inputs, more lanes and more damage; without it the program takes some seconds.  "seeds
   FOLDER" writes sound payloads for the fuzzer to start from instead. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sanitize.h"
#include "tiny_content.h"

test_case now;
lmz_expert *experts[LMZ_N_UNITS][MAX_VARIANTS];
unsigned long n_checked;
static uint64_t random_state = 0x9e3779b97f4a7c15u;
static uint64_t digest = 0xcbf29ce484222325u; /* FNV-1a of the payloads, and of what is drawn */

uint32_t next_random(void) { return tiny_random(&random_state); }

void begin_case(void)
{
    static uint64_t n_cases;
    random_state = 0x9e3779b97f4a7c15u + ++n_cases;
}

void add_to_digest(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3u;
}

/* ---- inputs ---- */

static void fill_zero(uint8_t *raw, size_t size) { memset(raw, 0, size); }

static void fill_painted(uint8_t *raw, size_t size)
{
    for (size_t i = 0; i < size; i++)
        raw[i] = (uint8_t)(i % 251);
}

void fill_random(uint8_t *raw, size_t size)
{
    for (size_t i = 0; i < size; i++)
        raw[i] = (uint8_t)next_random();
}

void fill_text(uint8_t *raw, size_t size) /* lines of comma-separated words, some of them long */
{
    for (size_t i = 0; i < size; i++)
        raw[i] = (uint8_t)("etaoin shrdlu,,, \n1990"[next_random() % 22]);
}

static void fill_records(uint8_t *raw, size_t size) /* 12-byte records: counter, constant, noise */
{
    for (size_t i = 0; i < size; i++) {
        size_t column = i % 12;
        raw[i] = (uint8_t)(column < 4 ? i / 12 >> 8 * column : column < 10 ? 0xff : next_random() & 3);
    }
}

/* More fields than any table of fields holds, then newlines only. */
static void fill_long_lines(uint8_t *raw, size_t size)
{
    for (size_t i = 0; i < size; i++)
        raw[i] = i < size / 2 ? ";\t, "[i % 4] : '\n';
}

static const struct {
    const char *name;
    void (*fill)(uint8_t *, size_t);
} kinds[] = {{"zeros", fill_zero}, {"painted", fill_painted}, {"random", fill_random},
             {"text", fill_text},  {"records", fill_records}, {"long lines", fill_long_lines}};

#define N_KINDS ((int)(sizeof kinds / sizeof *kinds))

/* ---- one block ---- */

/* Run to the end in calls of n_steps steps; n_steps 0: uneven calls. */
static int run_all(lmz_coder *coder, uint64_t n_steps)
{
    int status, calls = 0;
    size_t reached = 0;
    while ((status = lmz_coder_run(coder, n_steps ? n_steps : 1 + (uint64_t)(calls * 37 % 200))) == LMZ_MORE) {
        CHECK(lmz_coder_reached(coder) >= reached && lmz_coder_position(coder) <= now.raw_size);
        reached = lmz_coder_reached(coder);
        calls++;
    }
    CHECK(status != LMZ_DONE ||
          lmz_coder_reached(coder) == (now.raw_size + (size_t)now.n_lanes - 1) / (size_t)now.n_lanes);
    return status;
}

lmz_block_spec spec_of_case(void)
{
    const int machine = now.content.kind ? 0 : (int)((now.raw_size + (size_t)now.profile) % 4);
    return (lmz_block_spec){now.raw_size, now.profile, now.n_lanes, now.context, now.content, 0, machine};
}

static const lmz_expert *expert_for(int simd) { return experts[now.unit][simd]; }

static int has_tokens(void) { return now.unit == LMZ_TOKENS; }

static int best(void) { return lmz_simd_best(now.unit != LMZ_ALONE); }

/* The cut of the block at hand, where it has one. */
static uint8_t *token_sizes;
static size_t n_tokens;

static int encode(int simd, uint64_t n_steps, const uint8_t *raw, uint8_t *payload, size_t capacity,
                  size_t *payload_size)
{
    const lmz_block_spec spec = spec_of_case();
    lmz_coder *coder = lmz_encoder_new(&spec, expert_for(simd), simd, raw, payload, capacity);
    CHECK(coder);
    CHECK(!has_tokens() || lmz_coder_set_tokens(coder, token_sizes, n_tokens) == LMZ_DONE);
    lmz_coder_set_threads(coder, now.n_threads);
    int status = run_all(coder, n_steps);
    *payload_size = lmz_coder_payload_size(coder);
    CHECK(*payload_size <= capacity);
    lmz_coder_free(coder);
    n_checked++;
    return status;
}

static int decode(int simd, uint64_t n_steps, const uint8_t *payload, size_t payload_size, uint8_t *raw)
{
    const lmz_block_spec spec = spec_of_case();
    lmz_coder *coder = lmz_decoder_new(&spec, expert_for(simd), simd, payload, payload_size, raw);
    CHECK(coder);
    lmz_coder_set_threads(coder, now.n_threads);
    int status = run_all(coder, n_steps);
    CHECK(status == LMZ_DONE || status == LMZ_E_DAMAGED);
    lmz_coder_free(coder);
    n_checked++;
    return status;
}

/* Decode a damaged payload from a buffer of its own with every variant: no complaint, and the same outcome. */
static void decode_damaged(const uint8_t *payload, size_t payload_size)
{
    uint8_t *copy = tiny_allocate(payload_size), *first = tiny_allocate(now.raw_size),
            *other = tiny_allocate(now.raw_size);
    memcpy(copy, payload, payload_size);
    memset(first, 0, now.raw_size);
    int status = decode(PORTABLE, UINT64_MAX, copy, payload_size, first);
    if (best() != PORTABLE) {
        memset(other, 0, now.raw_size);
        CHECK(decode(best(), UINT64_MAX, copy, payload_size, other) == status);
        CHECK(status != LMZ_DONE || !memcmp(first, other, now.raw_size));
    }
    free(copy);
    free(first);
    free(other);
}

static void damage(const uint8_t *payload, size_t payload_size, int n_damages)
{
    uint8_t *damaged = tiny_allocate(payload_size + 16);
    for (int i = 0; i < n_damages; i++) {
        memcpy(damaged, payload, payload_size);
        memset(damaged + payload_size, 0xa5, 16);
        decode_damaged(damaged, payload_size ? next_random() % payload_size : 0); /* cut */
        decode_damaged(damaged, payload_size + 9 + next_random() % 8);            /* too long */
        for (size_t k = 0; k < payload_size && k < 3; k++)
            damaged[next_random() % payload_size] ^= (uint8_t)(1 << next_random() % 8);
        decode_damaged(damaged, payload_size);
        for (size_t k = payload_size / 2; k < payload_size; k++)
            damaged[k] = i & 1 ? 0xff : (uint8_t)next_random();
        decode_damaged(damaged, payload_size);
    }
    free(damaged);
}

/* Encode with every variant and step size (same payload), into too small a capacity, decode, then damage. */
static void round_trip(int n_damages)
{
    begin_case();
    /* What a wrong transformer is sure of is dear: 18 bits for a bit, 24 for a token's end. */
    size_t capacity = now.raw_size + now.raw_size * (has_tokens() ? 24 : 1) / (has_tokens() ? 1 : 4) + 64, size, again;
    uint8_t *raw = tiny_allocate(now.raw_size), *decoded = tiny_allocate(now.raw_size);
    uint8_t *payload = tiny_allocate(capacity), *other = tiny_allocate(capacity);
    for (int k = 0; k < N_KINDS; k++)
        if (!strcmp(kinds[k].name, now.kind))
            kinds[k].fill(raw, now.raw_size);
    if (has_tokens()) {
        uint8_t *cut = tiny_allocate(now.raw_size);
        n_tokens = cut_tokens(raw, cut);
        token_sizes = tiny_allocate(n_tokens);
        memcpy(token_sizes, cut, n_tokens);
        free(cut);
    }
    CHECK(encode(PORTABLE, UINT64_MAX, raw, payload, capacity, &size) == LMZ_DONE);
    add_to_digest(payload, size);
    FOR_EACH_VARIANT(simd) {
        int n_threads = now.n_threads;
        if (simd != PORTABLE) {
            CHECK(encode(simd, 0, raw, other, capacity, &again) == LMZ_DONE);
            CHECK(again == size && !memcmp(payload, other, size));
        }
        uint8_t *exact = tiny_allocate(size);
        memcpy(exact, payload, size);
        memset(decoded, 0x55, now.raw_size);
        now.n_threads = 3 - n_threads; /* decoded with one thread if encoded with two, and the other way round */
        CHECK(decode(simd, simd ? 1000 : 0, exact, size, decoded) == LMZ_DONE);
        CHECK(!memcmp(raw, decoded, now.raw_size));
        now.n_threads = n_threads;
        free(exact);
    }
    if (size) {
        uint8_t *tight = tiny_allocate(size - 1);
        CHECK(encode(best(), UINT64_MAX, raw, tight, size - 1, &again) == LMZ_E_FULL);
        free(tight);
    }
    damage(payload, size, n_damages);
    free(token_sizes);
    token_sizes = NULL;
    free(raw);
    free(decoded);
    free(payload);
    free(other);
}

/* ---- calls that are refused or broken off ---- */

static void refuse_spec(lmz_block_spec spec, const lmz_expert *expert)
{
    uint8_t byte = 0;
    CHECK(!lmz_memory_size(&spec, expert));
    CHECK(!lmz_encoder_new(&spec, expert, 0, &byte, &byte, 1) && !lmz_decoder_new(&spec, expert, 0, &byte, 1, &byte));
    n_checked++;
}

static void refuse_bad_arguments(void)
{
    static const int wrong[] = {-1, 0, INT_MAX, INT_MIN};
    uint8_t byte = 0;
    now = (test_case){1, LMZ_ALONE, 1, 1, "bad arguments", 1, 0, {0}};
    const lmz_block_spec sound = spec_of_case(), largest = {LMZ_MAX_RAW_SIZE, 1, 1, 0, {0}}, empty = {0, 1, 1, 0, {0}};
    CHECK(lmz_memory_size(&sound, NULL) && lmz_memory_size(&largest, NULL));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const int w = wrong[i], beyond = w > 0 ? w : w - !w; /* 0 is a number of contexts and contents */
        refuse_spec((lmz_block_spec){1, w, 1, 0, {0}}, NULL);
        refuse_spec((lmz_block_spec){1, 1, w, 0, {0}}, NULL);
        refuse_spec((lmz_block_spec){1, 1, 1, beyond, {0}}, NULL);
        refuse_spec((lmz_block_spec){1, 1, 1, 0, {0}, 0, beyond}, NULL);
        refuse_spec((lmz_block_spec){1, 1, 1, 0, {beyond, 0, 0, 0, 0, 0}}, NULL);
        CHECK(!lmz_encoder_new(&sound, NULL, beyond, &byte, &byte, 1) && !lmz_simd_name(beyond) &&
              !lmz_simd_available(beyond));
    }
    refuse_spec((lmz_block_spec){LMZ_MAX_RAW_SIZE + 1, 1, 1, 0, {0}}, NULL);
    refuse_spec((lmz_block_spec){1, lmz_n_profiles() + 1, 1, 0, {0}}, NULL);
    CHECK(!lmz_encoder_new(&empty, NULL, 0, &byte, &byte, 1) && !lmz_decoder_new(&empty, NULL, 0, &byte, 1, &byte));
    for (int profile = 0; profile <= lmz_n_profiles() + 1; profile++)
        for (int unit = -1; unit <= LMZ_N_UNITS; unit++) {
            const lmz_block_spec spec = {1, profile, 1, 0, {0}};
            if (unit < 0 || unit == LMZ_N_UNITS) {
                CHECK(!lmz_profile_takes(profile, unit));
            } else if (!lmz_profile_takes(profile, unit)) {
                refuse_spec(spec, experts[unit][0]);
            } else {
                CHECK(lmz_memory_size(&spec, experts[unit][0]));
                refuse_spec((lmz_block_spec){1, profile, lmz_max_lanes(unit) + 1, 0, {0}}, experts[unit][0]);
                refuse_spec((lmz_block_spec){1, profile, 1, unit == LMZ_TOKENS ? 4 : 1, {0}}, experts[unit][0]);
                const lmz_content content = {1, unit == LMZ_ALONE ? 9 : 1, 8, 0, 0, 1};
                refuse_spec((lmz_block_spec){1, profile, 1, 0, content}, experts[unit][0]);
            }
        }
    lmz_coder_free(NULL);
    lmz_expert_free(NULL);
}

/* A coder may be dropped at any time, whatever its threads do. */
static void abandon(void)
{
    uint8_t raw[500], payload[500];
    fill_text(raw, sizeof raw);
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int unit = LMZ_ALONE; unit <= LMZ_BYTES; unit++)
            for (int n_steps = 0; n_steps <= 10 && lmz_profile_takes(profile, unit); n_steps += 5) {
                now = (test_case){profile, unit, 16, sizeof raw, "abandoned block", 2, 0, {0}};
                const lmz_block_spec spec = spec_of_case();
                lmz_coder *coder = lmz_encoder_new(&spec, expert_for(best()), best(), raw, payload, sizeof payload);
                CHECK(coder);
                lmz_coder_set_threads(coder, 2);
                CHECK(!n_steps || lmz_coder_run(coder, (uint64_t)n_steps) == LMZ_MORE);
                lmz_coder_free(coder);
            }
}

/* Write the payload of the block at hand as a starting point for decode_fuzzer.c, in its input format; k: the kind of
   its bytes, second: the lanes or the content in that format. */
static void write_seed(const char *folder, int k, unsigned second)
{
    enum { MAX_RAW_SIZE = 400, VARIANT_ALL = 3 };
    uint8_t raw[MAX_RAW_SIZE], cut[MAX_RAW_SIZE], payload[2 * MAX_RAW_SIZE];
    size_t size;
    CHECK(now.raw_size <= MAX_RAW_SIZE);
    kinds[k].fill(raw, now.raw_size);
    n_tokens = has_tokens() ? cut_tokens(raw, cut) : 0;
    token_sizes = cut;
    CHECK(encode(best(), UINT64_MAX, raw, payload, sizeof payload, &size) == LMZ_DONE);
    token_sizes = NULL;
    const size_t last = now.raw_size - 1;
    const uint8_t head[4] = {(uint8_t)((now.profile - 1) * LMZ_N_UNITS + now.unit), (uint8_t)second, last & 0xff,
                             (uint8_t)(last >> 8 | VARIANT_ALL << 1 | (size_t)now.content.kind << 4)};
    char name[4096];
    snprintf(name, sizeof name, "%s/%d-%d-%d-%u-%d", folder, now.profile, now.unit, now.content.kind, second, k);
    FILE *file = fopen(name, "wb");
    CHECK(file && fwrite(head, 1, sizeof head, file) == sizeof head && fwrite(payload, 1, size, file) == size);
    CHECK(!fclose(file));
}

/* Small blocks of every unit and profile, and of every content that the fuzzer's input can tell. */
static void write_seeds(const char *folder)
{
    static const size_t raw_sizes[] = {400, 120, 32};
    static const int shapes[] = {1, 2, 4}; /* profiles, of which the others have the same bases of samples */
    tiny_net t = make_nets(TINY_PLAUSIBLE);
    make_transformers(TINY_PLAUSIBLE);
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int unit = LMZ_ALONE; unit < LMZ_N_UNITS; unit++)
            for (int k = 0; k < N_KINDS && lmz_profile_takes(profile, unit); k++) {
                const int n_lanes = k % 2 ? 1 : 16;
                now = (test_case){profile, unit, n_lanes, raw_sizes[unit], kinds[k].name, 1, 0, {0}};
                write_seed(folder, k, (unsigned)n_lanes - 1);
            }
    free_transformers();
    free_nets(&t);
    for (int kind = TINY_PIXELS; kind <= TINY_SOUND; kind++)
        for (unsigned bits = 0; bits < 256; bits++) {
            const int k = (int)bits % N_KINDS;
            const int profile = shapes[(bits >> 5) % 3];
            now = (test_case){profile, LMZ_ALONE, 1, 200, kinds[k].name, 1, 0, tiny_content(kind, bits)};
            const lmz_block_spec spec = spec_of_case();
            if (lmz_memory_size(&spec, NULL))
                write_seed(folder, k, bits);
        }
}

/* Blocks with a net of this kind, each with one thread and with two. */
static int net_blocks(int kind, int full)
{
    static const size_t sizes[] = {1, 9, 130, 700, 2500};
    static const int lanes[] = {1, 2, 5, 16, 128};
    int n_cases = 0, n_sizes = full ? 5 : 3;
    tiny_net t = make_nets(kind);
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int k = 0; k < N_KINDS; k++)
            for (int s = 0; s < n_sizes; s++)
                for (int l = 0; l < 5; l++) {
                    int thin_out = full ? 2 : 7; /* a sanitized net runs at some kB/s */
                    if (!lmz_profile_takes(profile, LMZ_BYTES) || (profile + k + s + l + kind) % thin_out)
                        continue;
                    for (int n_threads = 1; n_threads <= 2; n_threads++) {
                        now = (test_case){profile, LMZ_BYTES, lanes[l], sizes[s], kinds[k].name, n_threads, 0, {0}};
                        round_trip(sizes[s] > 700 ? 0 : 1);
                        n_cases++;
                    }
                }
    free_nets(&t);
    return n_cases;
}

/* Blocks of tokens with a transformer of this kind, each with one thread and with two. */
static int token_blocks(int kind, int full)
{
    static const size_t sizes[] = {1, 4, 90, 300, 700};
    static const int lanes[] = {1, 2, 5, 64};
    int n_cases = 0, n_sizes = full ? 5 : 3;
    make_transformers(kind);
    for (int k = 0; k < N_KINDS; k++)
        for (int s = 0; s < n_sizes; s++)
            for (int l = 0; l < 4; l++) {
                if ((k + s + l + kind) % (full ? 2 : 6))
                    continue;
                for (int n_threads = 1; n_threads <= 2; n_threads++) {
                    const int context = l % 2 ? 3 : 0; /* they differ in window and bits */
                    now = (test_case){lmz_n_profiles(), LMZ_TOKENS, lanes[l], sizes[s], kinds[k].name, n_threads,
                                      context, {0}};
                    round_trip(sizes[s] > 300 ? 0 : 1);
                    n_cases++;
                }
            }
    free_transformers();
    return n_cases;
}

/* Blocks of images and sound, most of them of bytes that are none. */
static int content_blocks(int full)
{
    static const lmz_content contents[] = {
        {1, 1, 8, 0, 0, 1},     {1, 1, 8, 0, 13, 61},  {1, 3, 8, 0, 0, 7},      {1, 2, 8, 32, 5, 33},
        {1, 4, 8, 0, 0, 16},    {1, 1, 8, 8, 0, 20},   {1, 1, 16, 1, 0, 40},    {1, 3, 16, 0, 300, 9},
        {1, 1, 8, 0, 0, 99999}, {1, 3, 16, 34, 2, 11}, {1, 1, 8, 0, 0, 1 << 27}, {2, 1, 8, 0, 0, 0},
        {2, 1, 16, 2, 44, 0},   {2, 2, 16, 2, 0, 0},   {2, 8, 8, 2, 1, 0},      {2, 6, 16, 3, 0, 0},
        {2, 2, 24, 2, 0, 0},    {2, 1, 32, 3, 7, 0},   {2, 2, 32, 4, 0, 0},    {2, 1, 32, 5, 3, 0},
    };
    static const size_t sizes[] = {1, 2, 130, 1001, 5000};
    int n_cases = 0, n_sizes = full ? 5 : 4;
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int i = 0; i < (int)(sizeof contents / sizeof *contents); i++)
            for (int k = 0; k < N_KINDS; k++)
                for (int s = 0; s < n_sizes; s++) {
                    now = (test_case){profile, LMZ_ALONE, 1, sizes[s], kinds[k].name, 1, 0, contents[i]};
                    const lmz_block_spec spec = spec_of_case();
                    if ((profile + i + k + s) % (full ? 2 : 9) || !lmz_memory_size(&spec, NULL))
                        continue;
                    round_trip(sizes[s] > 1001 ? 0 : full ? 2 : 1);
                    n_cases++;
                }
    return n_cases;
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "seeds")) {
        write_seeds(argv[2]);
        return 0;
    }
    static const size_t sizes[] = {1, 2, 7, 130, 1001, 4096, 20000};
    static const int lanes[] = {1, 3, 16, 128};
    int full = argc > 1 && !strcmp(argv[1], "full");
    int n_cases = 0, n_variants = 0, n_sizes = full ? 7 : 5;
    FOR_EACH_VARIANT(simd)
        n_variants++;
    tiny_net t = make_nets(TINY_PLAUSIBLE);
    make_transformers(TINY_PLAUSIBLE);
    refuse_bad_arguments();
    refuse_bad_shapes();
    refuse_bad_weights();
    refuse_bad_transformers();
    abandon();
    free_transformers();
    free_nets(&t);
    run_nets(full ? 20 : 3);
    range_coder_streams(full ? 1000000 : 100000);
    for (int profile = 1; profile <= lmz_n_profiles(); profile++)
        for (int k = 0; k < N_KINDS; k++)
            for (int s = 0; s < n_sizes; s++)
                for (int l = 0; l < 4; l++) {
                    int thin_out = !full ? 5 : sizes[s] > 4096 ? 4 : 1; /* sanitized code runs at some 40 kB/s */
                    if ((profile + k + s + l) % thin_out)
                        continue;
                    now = (test_case){profile, LMZ_ALONE, lanes[l], sizes[s], kinds[k].name, 1, 0, {0}};
                    round_trip(sizes[s] > 1001 ? 0 : full ? 3 : 1);
                    n_cases++;
                }
    for (int kind = TINY_PLAUSIBLE; kind <= TINY_EXTREME; kind++)
        n_cases += net_blocks(kind, full) + token_blocks(kind, full);
    n_cases += external_blocks(full) + content_blocks(full) + copies_of_blocks(full ? 2000 : 50);
    n_cases += sampled_blocks(full) + dictionary_blocks(full) + copies_of_originals(full ? 2000 : 50);
    printf("%d blocks, %lu coder runs, %d variants: clean\n", n_cases, n_checked, n_variants);
    printf("payloads: %08lx%08lx\n", (unsigned long)(digest >> 32), (unsigned long)(digest & UINT32_MAX));
    return 0;
}
