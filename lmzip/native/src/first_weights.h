/* first_weights.h - what the mixer of the ngram base starts from: weights that were learned of many files (ARITHMETIC
   8.4).  Made by scripts/train_mixer.py. */
#ifndef LMZ_FIRST_WEIGHTS_H
#define LMZ_FIRST_WEIGHTS_H

#include <stdint.h>

#include "profiles.h"

#define FIRST_WEIGHT_SHIFT 22 /* from their units of 1/64 to those of weights */

typedef struct {
    const int8_t *sets;   /* the sets' rows end to end, (rows, n_inputs) */
    const int8_t *finals; /* (2, 256, n_sets) */
} first_weights;

extern const first_weights first_weights_of[N_NGRAM_SHAPES], first_weights_of_code;

#endif
