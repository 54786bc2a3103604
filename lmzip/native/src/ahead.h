/* ahead.h - an expert of bytes where they are known before they are coded: it predicts many of each lane at once, in
   stages that threads share, ahead of the coder. */
#ifndef LMZ_AHEAD_H
#define LMZ_AHEAD_H

#include "internal.h"

/* The columns of a stretch, or how many more there are where a block has more lanes. */
#define STRETCH_COLUMNS 64

static inline int has_ahead(const struct lmz_coder *c) { return c->known && has_unit(c, LMZ_BYTES); }

/* How many columns there are in one stretch of a block. */
static inline int stretch_columns(int n_lanes) { return n_lanes < STRETCH_COLUMNS ? STRETCH_COLUMNS : n_lanes; }

/* Start threads beside the coder's own, as far as it has leave. */
void ahead_start(struct lmz_coder *);

/* Before a step: wait for what is predicted of it, and give the lanes their trees. */
void ahead_begin_step(struct lmz_coder *);

/* After it.  What a decoder gave must be what was known. */
void ahead_end_step(struct lmz_coder *);

/* End the threads, wherever they are. */
void ahead_stop(struct lmz_coder *);

#endif
