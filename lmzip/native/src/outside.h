/* outside.h - blocks of tokens whose exponentials come from outside the kernel (outside.c). */
#ifndef LMZ_OUTSIDE_H
#define LMZ_OUTSIDE_H

#include "transformer.h"

/* Lay out what lanes need that no transformer steps: those that are active, and their last tokens. */
uint64_t outside_lanes_lay_out(transformer_lanes *lanes, int n_lanes, uint8_t *base);

/* lmz_coder_run without its refusals (coder.c). */
int coder_run(struct lmz_coder *, uint64_t n_steps);

#endif
