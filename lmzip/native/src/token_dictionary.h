/* token_dictionary.h - what a dictionary teaches beside an expert of tokens (TRANSFORMER 12.7). */
#ifndef LMZ_TOKEN_DICTIONARY_H
#define LMZ_TOKEN_DICTIONARY_H

#include "internal.h"

/* Of a coder that learns: cut the dictionary into tokens, of which the expert takes in the last. */
void token_dictionary_start(struct lmz_coder *c);

/* Begin with what is learned of tokens and their ends. */
void token_dictionary_resume(struct lmz_coder *c, const struct lmz_coder *learner);

#endif
