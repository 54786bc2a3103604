/* first_weights.c - the table of first weights, by shape of the ngram base. */
#include "first_weights.h"

#include "first_weights.inc"

#define FIRST_WEIGHTS_ROW(name, ...) [NGRAM_##name] = {name##_sets, name##_finals},
const first_weights first_weights_of[N_NGRAM_SHAPES] = {NGRAM_SHAPES(FIRST_WEIGHTS_ROW)};
const first_weights first_weights_of_code = {code_sets, code_finals};
