/* profiles.c - the rows of the tables of profiles and of shapes of the ngram base (ARITHMETIC 7.5, 8). */
#include <stddef.h>

#include "profiles.h"

/* In blocks of several lanes, what followed elsewhere last is no guide, and statistics of the lane's own text are. */
#define FULL_CONTEXTS                                                                                                  \
    ORDER_1, ORDER_2, SPARSE_2, ORDER_3, ORDER_4, ORDER_6, WORD, WORD_1, ABOVE_PEER, COLUMN, PEER
#define LIGHT_CONTEXTS ORDER_1, ORDER_2, ORDER_3, ORDER_4, ORDER_6, WORD, WORD_1, ABOVE_PEER, COLUMN, PEER
#define MAX_CONTEXTS_WITH(third)                                                                                     \
    ORDER_1, ORDER_2, third, ORDER_3, ORDER_4, ORDER_6, ORDER_8, WORD, WORD_1, MATCHED, KEY, ABOVE_PEER, COLUMN, PEER, \
        PEER_PREFIX, SHAPE, SHAPES

static const uint8_t fast_contexts[] = {ORDER_2, ORDER_3, ORDER_4, WORD};
static const uint8_t quick_contexts[] = {ORDER_1, ORDER_2, ORDER_3, ORDER_4, ORDER_6, WORD, COLUMN, PEER};
static const uint8_t full_contexts[] = {FULL_CONTEXTS, INDIRECT_2};
static const uint8_t full_lane_contexts[] = {FULL_CONTEXTS, LANE_ORDER_3};
static const uint8_t light_contexts[] = {LIGHT_CONTEXTS, INDIRECT_2};
static const uint8_t light_lane_contexts[] = {LIGHT_CONTEXTS, LANE_ORDER_3};
static const uint8_t max_contexts[] = {MAX_CONTEXTS_WITH(SPARSE_2), INDIRECT_1, INDIRECT_2};
static const uint8_t max_lane_contexts[] = {MAX_CONTEXTS_WITH(SPARSE_2), LANE_ORDER_3, LINE_ORDER_2};
static const uint8_t max_expert_contexts[] = {MAX_CONTEXTS_WITH(FIELD), INDIRECT_1, INDIRECT_2};
static const uint8_t max_expert_lane_contexts[] = {MAX_CONTEXTS_WITH(FIELD), LANE_ORDER_3, LINE_ORDER_2};

/* In code of x86 words and lines say nothing, and instructions say much. */
static const uint8_t code_contexts[] = {
    ORDER_1, ORDER_2, SPARSE_2, ORDER_3, ORDER_4, ORDER_6, MATCHED, OPERAND_OF, SPARSE_23, RECORD, RECORD_LEFT,
    INDIRECT_1, PLACE_ORDER_2, OPERAND, INSTRUCTION_1, OPCODES_2, INSTRUCTION_3, OPERAND_2, OPERAND_4};

#define SHAPE_ROW(name, contexts, lane_contexts, n_contexts, n_own_lines, flags, n_sets, n_apms, slots_per_byte) \
    [NGRAM_##name] = {{contexts##_contexts, lane_contexts##_contexts, HAS_CODE(flags) ? code_contexts : NULL},         \
                      n_contexts, n_sets, n_apms, slots_per_byte},
const ngram_shape ngram_shapes[N_NGRAM_SHAPES] = {NGRAM_SHAPES(SHAPE_ROW)};

static const profile_row profiles[] = {
    {"fast", {{NGRAM_fast, 18}}},
    {"quick", {{NGRAM_quick, 19}}},
    {"full", {{NGRAM_full, 20}}},
    {"max", {{NGRAM_max, 21}, {NGRAM_max_bytes, 21}}},
    {"light", {{NGRAM_max, 21}, {NGRAM_light_bytes, 20}}},
    {"large", {{NGRAM_max, 22}, {NGRAM_max_bytes, 22}, {NGRAM_max_tokens, 22}}},
};
#define N_PROFILES ((int)(sizeof profiles / sizeof *profiles))

const mixer_prior prior_alone = {.rate_extra = 400000, .final_rate = 32};

int lmz_n_profiles(void) { return N_PROFILES; }

const profile_row *profile_of(int profile)
{
    return profile >= 1 && profile <= N_PROFILES ? &profiles[profile - 1] : NULL;
}

int lmz_profile_takes(int profile, int unit)
{
    const profile_row *row = profile_of(profile);
    return row && unit >= 0 && unit < LMZ_N_UNITS && row->of[unit].shape != NO_SHAPE;
}
