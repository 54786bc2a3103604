/* token_columns.h - which tokens an expert predicts in one step: of every lane the next one, or, where an encoder knows
   what comes, the next few at once. */
#ifndef LMZ_TOKEN_COLUMNS_H
#define LMZ_TOKEN_COLUMNS_H

#include "internal.h"

/* Columns of a matrix product at which weights that come from memory cost little beside the products, and what the
   columns take (a distribution each over all tokens) little memory. */
#define KNOWN_COLUMNS 32

/* For how many columns a block of so many lanes needs room. */
static inline int token_columns_most(int n_lanes, int is_known)
{
    return is_known && n_lanes < KNOWN_COLUMNS ? KNOWN_COLUMNS : n_lanes;
}

/* Choose the columns of the next step, which begins when no lane has any left; returns how many they are. */
int token_columns_choose(struct lmz_coder *c);

#endif
